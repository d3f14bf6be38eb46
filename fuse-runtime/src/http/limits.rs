//! The limits of all HTTP ports.

use std::time::Duration;

/// The limits of the HTTP ports of one process. With the defaults, a process with the shipped memory limit of
/// 256 MiB survives the attacks in `benches/attack`.
///
/// ```
/// use fuse_runtime::http::Limits;
///
/// let limits = Limits { max_buffered: 32 << 20, ..Limits::default() };
/// assert_eq!(limits.max_connections, 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest request head, in bytes: 64 KiB. Past it, the answer is 431.
    pub max_head: usize,
    /// The most headers of a request: 100. Past it, the answer is 431.
    pub max_headers: usize,
    /// The longest target of a request, that is, its path and query, in bytes: 16 KiB. Past it, the answer is 414.
    pub max_target: usize,
    /// How long a TLS handshake may take: 10 s.
    pub handshake_timeout: Duration,
    /// How long a request head may take from its first byte: 10 s.
    pub head_timeout: Duration,
    /// How long a request body may take in all: 30 s. Past it, the answer is 408.
    pub body_timeout: Duration,
    /// How long a connection may be open without a request: 60 s.
    pub idle_timeout: Duration,
    /// How long a peer may go without reading any of its answer: 30 s.
    pub write_timeout: Duration,
    /// How long a connection stays open after its last answer, so that a peer that is still sending
    /// reads the answer before it sees a reset: 1 s.
    pub linger: Duration,
    /// The most connections of one port: 512.
    pub max_connections_per_port: usize,
    /// The most connections of all ports: 1,024. The process's limit on open files lowers it.
    pub max_connections: usize,
    /// How many connections past `max_connections` the admin port may have: 32.
    pub admin_connections: usize,
    /// At a limit, a connection that has no request and is older than this is closed for a new one: 50 ms. A head
    /// usually follows its connection at once, even from a distant sender.
    pub idle_patience: Duration,
    /// The same while a TLS handshake is in progress, which takes several round trips: 250 ms.
    pub handshake_patience: Duration,
    /// At a limit, a request whose body is still arriving and that is older than this is aborted for a new one:
    /// 2 s.
    pub body_patience: Duration,
    /// The most requests in progress, from the end of the head to the answer: 1,024. Past it, the answer is 503.
    pub max_requests: usize,
    /// The most bytes of all requests in memory: 64 MiB. Past it, the answer is 503. A quarter is reserved for the
    /// first 32 KiB of each request.
    pub max_buffered: usize,
    /// The most bytes of all answers that peers have not read: 16 MiB. Past it, the answer is 503.
    pub max_unsent: usize,
    /// The most bytes of bodies larger than 32 KiB that are written to the store at the same time: 4 MiB. Others
    /// wait.
    pub max_storing: usize,
    /// The most concurrent requests of one HTTP/2 connection: 32.
    pub max_streams: u32,
    /// The most requests of one HTTP/2 connection that its peer has reset and that fuse has not handled yet: 20.
    /// Past it, the connection is closed.
    pub max_resets: usize,
    /// How many bodies are decompressed at the same time: 2. Others wait.
    pub max_decompressing: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_head: 64 << 10,
            max_headers: 100,
            max_target: 16 << 10,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            linger: Duration::from_secs(1),
            max_connections_per_port: 512,
            max_connections: 1024,
            admin_connections: 32,
            idle_patience: Duration::from_millis(50),
            handshake_patience: Duration::from_millis(250),
            body_patience: Duration::from_secs(2),
            max_requests: 1024,
            max_buffered: 64 << 20,
            max_unsent: 16 << 20,
            max_storing: 4 << 20,
            max_streams: 32,
            max_resets: 20,
            max_decompressing: 2,
        }
    }
}

/// How many files the store, the log, the cluster's client and the listeners may open.
const RESERVED_FILES: u64 = 64;
/// The least number of connections, however few files the process may open.
const MIN_CONNECTIONS: usize = 16;

impl Limits {
    /// The limits with no more connections than the process may open files.
    pub(super) fn within_open_files(self) -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        match limit.current {
            Some(files) => self.within(files),
            None => self,
        }
    }

    fn within(self, files: u64) -> Self {
        let room = files.saturating_sub(RESERVED_FILES);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let room = room.saturating_sub(self.admin_connections).max(MIN_CONNECTIONS);
        Self { max_connections: self.max_connections.min(room), ..self }
    }

    /// How often connections are checked for the timeouts.
    pub(super) fn check_every(&self) -> Duration {
        let shortest = [self.head_timeout, self.idle_timeout, self.write_timeout]
            .into_iter()
            .fold(self.handshake_timeout, Duration::min);
        (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_open_files_mean_few_connections() {
        let connections = |files| Limits::default().within(files).max_connections;
        assert_eq!([connections(65_536), connections(256), connections(64)], [1024, 160, 16]);
    }
}
