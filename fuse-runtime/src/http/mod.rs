//! The HTTP server of all ports: one accept loop per port, and limits that all ports share.
//!
//! Each request is counted in the budget from the end of its head to its answer, and each connection in the
//! registry. At a limit, both decide which one is closed to make room for another. Neither does I/O. The handlers
//! of a port are an axum router.

mod accept;
mod activity;
mod body_buffer;
mod budget;
mod close_reason;
mod forwarded;
mod limits;
mod origin;
mod registry;
mod request;
mod service;
#[cfg(test)]
mod tests;
mod tls;
mod transport;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Router;
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use body_buffer::BodyBuffer;
pub use limits::Limits;
pub(crate) use origin::shorten;
pub(crate) use request::{BodyError, InWork};
#[cfg(test)]
pub(crate) use tls::testing as certificates;
pub(crate) use tls::{
    ClientCertificate, PemError, PortTls, ServerCertificate, TlsConfig, certificates,
};

use budget::Budget;
use close_reason::CloseReason;
use registry::Registry;

use crate::log_limit::LogLimit;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// The two ends of a connection; an extension of each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Who connected. Behind a trusted proxy, the client that the proxy reports, with port 0.
    pub(crate) remote: SocketAddr,
    /// The address that it connected to.
    pub(crate) local: SocketAddr,
}

/// Who uses a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortKind {
    /// Events, from senders.
    Source,
    /// People, probes and Prometheus.
    Admin,
}

/// What all ports of a process share. Clones share it too.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    allow_origins: Vec<String>,
    trusted_proxies: Vec<IpNet>,
    budget: Mutex<Budget>,
    registry: Arc<Registry>,
    storing: Arc<Semaphore>,
    decompressing: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// How many bytes one permit to store represents.
const PERMIT_BYTES: usize = 1 << 10;

impl Server {
    /// A server whose sources accept requests from pages of these origins.
    pub(crate) fn new(limits: Limits, allow_origins: Vec<String>, metrics: Arc<Metrics>) -> Self {
        Self::behind(Vec::new(), limits, allow_origins, metrics)
    }

    /// The same behind proxies of these networks, whose `X-Forwarded-For` is believed.
    pub(crate) fn behind(
        trusted_proxies: Vec<IpNet>,
        limits: Limits,
        allow_origins: Vec<String>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let limits = limits.within_open_files();
        let shared = Shared {
            budget: Mutex::new(Budget::new(&limits)),
            registry: Arc::new(Registry::new(limits.clone())),
            storing: Arc::new(Semaphore::new(permits(limits.max_storing))),
            decompressing: Arc::new(Semaphore::new(limits.max_decompressing.max(1))),
            limits,
            allow_origins,
            trusted_proxies,
            metrics,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Serves a port until the shutdown. Then it closes connections without a complete request at once, and
    /// answers the others.
    pub(crate) async fn serve(
        &self,
        listener: tokio::net::TcpListener,
        address: SocketAddr,
        kind: PortKind,
        router: Router,
        tls: PortTls,
        stop: Shutdown,
    ) {
        let service = TowerToHyperService::new(router);
        let handshakes = LogLimit::new();
        let port =
            ServedPort { server: self.clone(), address, kind, service, tls, handshakes, stop };
        accept::run(Arc::new(port), listener).await;
    }

    fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    fn allow_origins(&self) -> &[String] {
        &self.shared.allow_origins
    }

    fn trusted_proxies(&self) -> &[IpNet] {
        &self.shared.trusted_proxies
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.shared.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn registry(&self) -> &Arc<Registry> {
        &self.shared.registry
    }

    fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    fn closed(&self, reason: CloseReason) {
        self.metrics().connection_closed(reason.name());
    }

    /// Whether there is room for an unsent answer of this size.
    fn may_answer(&self, bytes: usize) -> bool {
        if bytes == 0 {
            return true;
        }
        let answer = self.registry().may_answer(bytes, Instant::now());
        let (Ok(evicted) | Err(evicted)) = answer;
        (0..evicted).for_each(|_| self.closed(CloseReason::WriteTimeout));
        answer.is_ok()
    }

    /// Waits for a turn to write a body of this size to the store. Small bodies do not wait.
    async fn turn_to_store(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes <= budget::RESERVED_BYTES {
            return None;
        }
        let wanted = permits(bytes).min(permits(self.limits().max_storing));
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        Arc::clone(&self.shared.storing).acquire_many_owned(wanted).await.ok()
    }

    /// Waits for a turn to decompress a body, which takes memory that no budget counts.
    async fn turn_to_decompress(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.decompressing).acquire_owned().await.ok()
    }

    /// A handler or a connection's task panicked. The panic is in the log already.
    fn panicked(&self) {
        self.metrics().panicked("http");
        tracing::error!("serving a request failed inside fuse; please report it");
    }
}

fn permits(bytes: usize) -> usize {
    bytes.div_ceil(PERMIT_BYTES).min(Semaphore::MAX_PERMITS)
}

/// One port, while it is served.
struct ServedPort {
    server: Server,
    address: SocketAddr,
    kind: PortKind,
    service: TowerToHyperService<Router>,
    tls: PortTls,
    /// Limits log lines about handshakes.
    handshakes: LogLimit,
    stop: Shutdown,
}
