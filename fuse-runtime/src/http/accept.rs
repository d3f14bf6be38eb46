//! The accept loop of a port, and the task of each of its connections.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::activity::Reason;
use super::registry::Place;
use super::service::handle;
use super::transport::Transport;
use super::{Kind, Limits, Peer, Port};
use crate::log_limit::LogLimit;

/// How long accepting pauses after it failed.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts and serves connections until it is time to stop, then waits for those that still have a
/// complete request.
pub(super) async fn run(port: Arc<Port>, listener: TcpListener) {
    let server = &port.server;
    let builder = Arc::new(builder(server.limits()));
    let mut connections = JoinSet::new();
    let mut check = tokio::time::interval(server.limits().check_every());
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let failures = LogLimit::new();
    loop {
        let accepted = tokio::select! {
            () = port.stop.requested() => break,
            Some(ended) = connections.join_next() => {
                note(&port, ended);
                continue;
            }
            _ = check.tick() => {
                close_overdue(&port);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, remote)) => {
                if let Some(place) = admit(&port) {
                    let connection = (stream, remote, place);
                    connections.spawn(serve(Arc::clone(&port), Arc::clone(&builder), connection));
                }
            }
            Err(error) => failed(&port, &failures, &error).await,
        }
    }
    drop(listener);
    loop {
        tokio::select! {
            ended = connections.join_next() => match ended {
                Some(ended) => note(&port, ended),
                None => return,
            },
            _ = check.tick() => close_overdue(&port),
        }
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    /// The smallest that hyper takes.
    const SMALLEST_HEAD: usize = 8 << 10;
    /// What one request of HTTP/2 may send before its bytes are read, and a connection in all.
    const STREAM_WINDOW: u32 = 64 << 10;
    const CONNECTION_WINDOW: u32 = 256 << 10;
    const SEND_BUFFER: usize = 64 << 10;
    const PING_EVERY: Duration = Duration::from_secs(20);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The registry has timeouts of its own, which tell an idle connection from a slow head.
        .header_read_timeout(None)
        .max_headers(limits.max_headers)
        .max_buf_size(limits.max_head.max(SMALLEST_HEAD));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(limits.max_head).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_EVERY);
    builder
}

fn admit(port: &Port) -> Option<Place> {
    let server = &port.server;
    let is_admin = port.kind == Kind::Admin;
    let Some((place, evicted)) =
        server.registry().admit(port.address.port(), is_admin, Instant::now())
    else {
        server.closed(Reason::Limit);
        return None;
    };
    if evicted {
        server.closed(Reason::Evicted);
    }
    Some(place)
}

fn close_overdue(port: &Port) {
    let reasons = port.server.registry().close_overdue(port.address.port(), Instant::now());
    reasons.into_iter().for_each(|reason| port.server.closed(reason));
}

fn note(port: &Port, ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        port.server.panicked();
    }
}

/// Accepting failed. The loop goes on: what is short now is not short for ever.
async fn failed(port: &Port, failures: &LogLimit, error: &Error) {
    // The peer was gone before it was accepted.
    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) {
        return;
    }
    if let Some(left_out) = failures.pass() {
        tracing::error!(address = %port.address, %error, left_out, "cannot accept connections");
    }
    let files = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
    if files.contains(&error.raw_os_error()) && port.server.registry().evict(Instant::now()) {
        port.server.closed(Reason::Evicted);
        // Its task closes it.
        tokio::task::yield_now().await;
        return;
    }
    tokio::select! {
        () = port.stop.requested() => {}
        () = tokio::time::sleep(PAUSE) => {}
    }
}

/// Serves one connection until it ends or somebody closes it.
async fn serve(
    port: Arc<Port>,
    builder: Arc<Builder<TokioExecutor>>,
    (stream, remote, place): (TcpStream, SocketAddr, Place),
) {
    let Ok(local) = stream.local_addr() else { return };
    // Answers are small; none may wait for more of it.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let _counted = Counted::new(&port);
    let activity = Arc::clone(&place.activity);
    let transport = Transport::new(stream, Arc::clone(&activity), port.server.limits().linger);
    let peer = Peer { remote, local };
    let service = {
        let (port, activity) = (Arc::clone(&port), Arc::clone(&activity));
        service_fn(move |request| handle(Arc::clone(&port), Arc::clone(&activity), peer, request))
    };
    let connection = builder.serve_connection(TokioIo::new(transport), service);
    let mut connection = std::pin::pin!(connection);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            // In this order: a half request is closed before its body is told to end.
            biased;
            () = activity.closed() => return,
            () = port.stop.requested(), if !is_stopping => {
                if !activity.has_complete() {
                    port.server.closed(Reason::Stopping);
                    return;
                }
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            // Errors are the peer's: broken connections, and what is not HTTP.
            _ended = connection.as_mut() => return,
        }
    }
}

/// Counts an open connection.
struct Counted<'a>(&'a Port);

impl<'a> Counted<'a> {
    fn new(port: &'a Port) -> Self {
        port.server.metrics().connections(port.address.port(), 1);
        Self(port)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.server.metrics().connections(self.0.address.port(), -1);
    }
}
