//! Why fuse closes a connection.

/// Why a connection was closed, as the metric names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// There were too many connections, and this one was closed to make room for another.
    Evicted,
    /// There were too many connections, and none could be closed to make room for this one.
    Limit,
    /// A TLS handshake did not succeed.
    HandshakeFailed,
    /// A TLS handshake was not complete in time.
    HandshakeTimeout,
    /// A request head did not arrive in time.
    HeadTimeout,
    /// It had no request for too long.
    Idle,
    /// The certificate of its port cannot be used.
    NoCertificate,
    /// Its peer opened and reset too many HTTP/2 requests.
    ResetFlood,
    /// Its peer did not read its answer in time.
    WriteTimeout,
    /// The process stops, and it had no complete request.
    Stopping,
}

impl CloseReason {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Evicted => "evicted",
            Self::Limit => "limit",
            Self::HandshakeFailed => "handshake-failed",
            Self::HandshakeTimeout => "handshake-timeout",
            Self::HeadTimeout => "head-timeout",
            Self::Idle => "idle",
            Self::NoCertificate => "no-certificate",
            Self::ResetFlood => "reset-flood",
            Self::WriteTimeout => "write-timeout",
            Self::Stopping => "stopping",
        }
    }
}
