//! Why the backend cannot be opened.

use crate::bus::BusError;
use crate::store::StoreError;

/// Why a [`JetStream`](super::JetStream) backend cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JetStreamError {
    /// No server answers, or it refuses the login.
    #[error("cannot connect to the NATS servers {servers}: {problem}")]
    Connect {
        /// The servers, without passwords.
        servers: String,
        /// The reason.
        problem: String,
    },
    /// The server cannot do what fuse needs.
    #[error("{0}")]
    Unsupported(String),
    /// The broker refuses something, or does not answer.
    #[error("cannot {what}: {problem}")]
    Broker {
        /// What was tried, such as "create the stream `FUSE_LOG`".
        what: String,
        /// The reason.
        problem: String,
    },
    /// The stream is not one of fuse, or somebody changed it.
    #[error("the stream `{stream}` {problem}")]
    Stream {
        /// The stream.
        stream: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The folder has the state of a fuse without a broker.
    #[error(
        "`{0}` has a state that is not shared: copy it to the broker with `fuse backend migrate --from {0}` if you have not done so, then set another folder with `--state`"
    )]
    NotShared(String),
    /// The local copy of the state cannot be used.
    #[error("the local copy of the state: {0}")]
    Store(#[from] StoreError),
    /// The queue cannot be read.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// The error of something that was tried at the broker.
pub(super) fn broker(what: &str, problem: impl std::fmt::Display) -> JetStreamError {
    JetStreamError::Broker { what: what.to_owned(), problem: problem.to_string() }
}
