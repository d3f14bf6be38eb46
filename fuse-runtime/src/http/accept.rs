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

use super::close_reason::CloseReason;
use super::registry::ConnectionSlot;
use super::service::{RequestOrigin, handle};
use super::tls::{ConnectionStream, Secured, secure};
use super::transport::Transport;
use super::{Limits, Peer, PortKind, ServedPort};
use crate::log_limit::LogLimit;

/// How long the loop pauses after accepting failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts and serves connections until the shutdown, then waits for those with a complete request.
pub(super) async fn run(port: Arc<ServedPort>, listener: TcpListener) {
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
    /// The smallest buffer that hyper accepts.
    const MIN_BUFFER_SIZE: usize = 8 << 10;
    /// How many bytes one HTTP/2 request may send before they are read, and one connection in total.
    const STREAM_WINDOW: u32 = 64 << 10;
    const CONNECTION_WINDOW: u32 = 256 << 10;
    const SEND_BUFFER: usize = 64 << 10;
    const PING_EVERY: Duration = Duration::from_secs(20);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The registry has its own timeouts, which distinguish an idle connection from a slow head.
        .header_read_timeout(None)
        .max_headers(limits.max_headers)
        .max_buf_size(limits.max_head.max(MIN_BUFFER_SIZE));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_pending_accept_reset_streams(limits.max_resets)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(limits.max_head).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_EVERY);
    builder
}

fn admit(port: &ServedPort) -> Option<ConnectionSlot> {
    let server = &port.server;
    let is_admin = port.kind == PortKind::Admin;
    let Some((place, evicted)) =
        server.registry().admit(port.address.port(), is_admin, Instant::now())
    else {
        server.closed(CloseReason::Limit);
        return None;
    };
    if evicted {
        server.closed(CloseReason::Evicted);
    }
    Some(place)
}

fn close_overdue(port: &ServedPort) {
    let reasons = port.server.registry().close_overdue(port.address.port(), Instant::now());
    reasons.into_iter().for_each(|reason| port.server.closed(reason));
}

fn note(port: &ServedPort, ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        port.server.panicked();
    }
}

/// Handles a failure to accept. The loop goes on: the shortage may end.
async fn failed(port: &ServedPort, failures: &LogLimit, error: &Error) {
    // The peer closed the connection before it was accepted.
    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) {
        return;
    }
    if let Some(left_out) = failures.pass() {
        tracing::error!(address = %port.address, %error, left_out, "cannot accept connections");
    }
    let files = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
    if files.contains(&error.raw_os_error()) && port.server.registry().evict(Instant::now()) {
        port.server.closed(CloseReason::Evicted);
        // Its task closes it.
        tokio::task::yield_now().await;
        return;
    }
    tokio::select! {
        () = port.stop.requested() => {}
        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
    }
}

/// Serves one connection until it ends or somebody closes it.
async fn serve(
    port: Arc<ServedPort>,
    builder: Arc<Builder<TokioExecutor>>,
    (stream, remote, place): (TcpStream, SocketAddr, ConnectionSlot),
) {
    let Ok(local) = stream.local_addr() else { return };
    // Answers are small and must not wait for more data.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let _counted = Counted::new(&port);
    let activity = Arc::clone(&place.activity);
    let secured = match port.tls.get() {
        None => Some(Secured { stream: ConnectionStream::Plain(stream), client: None }),
        Some(certificate) => secure(&port, &activity, &certificate, (stream, remote)).await,
    };
    let Some(Secured { stream, client }) = secured else { return };
    let transport = Transport::new(stream, Arc::clone(&activity), port.server.limits().linger);
    let origin =
        RequestOrigin { peer: Peer { remote, local }, client, activity: Arc::clone(&activity) };
    let service = {
        let port = Arc::clone(&port);
        service_fn(move |request| handle(Arc::clone(&port), origin.clone(), request))
    };
    let connection = builder.serve_connection(TokioIo::new(transport), service);
    let mut connection = std::pin::pin!(connection);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            // In this order: the connection of an incomplete request is closed before its body ends.
            biased;
            () = activity.closed() => return,
            () = port.stop.requested(), if !is_stopping => {
                if !activity.has_complete() {
                    port.server.closed(CloseReason::Stopping);
                    return;
                }
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            // Errors are caused by the peer: a broken connection, or bytes that are not HTTP.
            _ended = connection.as_mut() => return,
        }
    }
}

/// Counts an open connection.
struct Counted<'a>(&'a ServedPort);

impl<'a> Counted<'a> {
    fn new(port: &'a ServedPort) -> Self {
        port.server.metrics().connections(port.address.port(), 1);
        Self(port)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.server.metrics().connections(self.0.address.port(), -1);
    }
}
