//! The ports of webhooks. A reload changes the routes of a port without closing it or its connections.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::auth::SourceAuth;
use super::credentials::{Credentials, contains, keep_fresh};
use super::rate::RateLimit;
use super::request::{WebhookPort, receive};
use super::{Route, Webhook};
use crate::http::{PortKind, PortTls, ServerCertificate};
use crate::secrets::Secrets;
use crate::sources::{
    BoundSource, EventBinding, PreparedEvents, Rebind, SourceContext, SourceError,
};

/// How often fuse tries to open a port that is in use, and the pause in between: an earlier reload may still be closing
/// the port.
const LISTEN_TRIES: u32 = 20;
const LISTEN_PAUSE: Duration = Duration::from_millis(10);
/// How often the secrets of a changed `auth` or `tls` are read again before a reload fails. Each read takes at most a
/// second.
const READY_TRIES: u32 = 3;

/// An open port. It stays the same while a reload changes its routes.
struct OpenPort {
    address: SocketAddr,
    /// Open since the port was bound, until it is served. It is opened again after a failure.
    listener: Mutex<Option<TcpListener>>,
    routes: RwLock<Arc<WebhookPort>>,
    tls: PortTls,
}

impl OpenPort {
    /// The routes that are in use now.
    fn current_routes(&self) -> Arc<WebhookPort> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The routes of an open port, as requests see them.
#[derive(Clone)]
pub(super) struct CurrentRoutes {
    port: Arc<OpenPort>,
}

impl CurrentRoutes {
    /// The routes that are in use now. Read them once per request.
    pub(super) fn get(&self) -> Arc<WebhookPort> {
        self.port.current_routes()
    }
}

/// All open ports, with the secrets of their sources and their certificates.
#[derive(Clone, Default)]
pub(super) struct PortTable {
    ports: BTreeMap<SocketAddr, Arc<OpenPort>>,
    pub(super) credentials: Credentials,
}

impl PortTable {
    fn listening(&self) -> Vec<String> {
        let ports = self.ports.values();
        ports.flat_map(|port| port.current_routes().listening(port.address)).collect()
    }

    /// The sources with `auth` that are ready: fuse can read enough of their secrets.
    fn ready_sources(&self) -> BTreeSet<String> {
        let auths = self.ports.values().flat_map(|port| auths_of(&port.current_routes()));
        let ready = auths.filter(|(_, auth)| auth.state().checks().is_some());
        ready.map(|(source, _)| source).collect()
    }
}

/// How the sources of a port authenticate their senders, by the names of the sources.
fn auths_of(port: &WebhookPort) -> BTreeMap<String, Arc<SourceAuth>> {
    let auth = |route: &Route| Some((route.source.clone(), Arc::clone(route.auth.as_ref()?)));
    port.routes.iter().filter_map(auth).collect()
}

/// What unchanged sources and ports keep when the routes change.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) credentials: Credentials,
    /// The limits of sources, by the names of the sources.
    pub(super) rates: BTreeMap<String, Arc<RateLimit>>,
}

/// The routes of each port, before they are served.
#[derive(Default)]
pub(super) struct PortRoutes {
    pub(super) ports: BTreeMap<SocketAddr, WebhookPort>,
    pub(super) credentials: Credentials,
}

/// The webhooks of a runtime: which ports are open, and what is at them. Clones share it.
#[derive(Clone)]
pub(super) struct Ports {
    webhook: Webhook,
    table: watch::Sender<PortTable>,
}

impl Ports {
    pub(super) fn new(webhook: Webhook) -> Self {
        Self { webhook, table: watch::Sender::new(PortTable::default()) }
    }

    /// What sources and ports that are served now keep if they do not change.
    fn kept(&self) -> Kept {
        let table = self.table.borrow();
        let routes: Vec<Arc<WebhookPort>> =
            table.ports.values().map(|port| port.current_routes()).collect();
        let routes = routes.iter().flat_map(|port| &port.routes);
        let rate = |route: &Route| Some((route.source.clone(), Arc::clone(route.rate.as_ref()?)));
        Kept { credentials: table.credentials.clone(), rates: routes.filter_map(rate).collect() }
    }

    /// The changed `auth` of the sources that are ready now.
    fn changed_auths(&self, next: &PortRoutes, former: &Credentials) -> Vec<Arc<SourceAuth>> {
        let ready = self.table.borrow().ready_sources();
        let auths = next.ports.values().flat_map(auths_of);
        let changed =
            auths.filter(|(source, auth)| ready.contains(source) && !contains(&former.auths, auth));
        changed.map(|(_, auth)| auth).collect()
    }

    /// The changed certificates of the ports that accept connections now.
    fn changed_certificates(
        &self,
        next: &PortRoutes,
        former: &Credentials,
    ) -> Vec<Arc<ServerCertificate>> {
        let table = self.table.borrow();
        let accepts = |address: &SocketAddr| {
            table
                .ports
                .get(address)
                .is_some_and(|port| port.tls.get().is_none_or(|one| one.is_ready()))
        };
        let accepting = next.ports.iter().filter(|(address, _)| accepts(address));
        let certificates = accepting.filter_map(|(_, routes)| routes.certificate.clone());
        certificates.filter(|one| !contains(&former.certificates, one)).collect()
    }

    /// Waits until every source and port that works now would also work with its changed `auth` or `tls`.
    ///
    /// # Errors
    /// The secrets of one of them cannot be read or used.
    async fn wait_until_ready(
        &self,
        next: &PortRoutes,
        former: &Credentials,
        secrets: &Secrets,
    ) -> Result<(), SourceError> {
        let auths = self.changed_auths(next, former);
        let certificates = self.changed_certificates(next, former);
        let mut unready = Credentials { auths, certificates };
        let mut tries = 0;
        loop {
            unready.auths.retain(|auth| auth.state().checks().is_none());
            unready.certificates.retain(|one| !one.is_ready());
            let (block, problem) = match (unready.auths.first(), unready.certificates.first()) {
                (Some(auth), _) => ("auth", auth.problem()),
                (None, Some(certificate)) => ("tls", certificate.problem()),
                (None, None) => return Ok(()),
            };
            if tries == READY_TRIES {
                let problem = problem.unwrap_or_default();
                return Err(SourceError::new(format!(
                    "the changed `{block}` is not used, because with it {problem}"
                )));
            }
            tries += 1;
            unready.refresh(secrets).await;
        }
    }

    /// Opens the ports that are not open yet.
    pub(super) async fn open(
        &self,
        PortRoutes { ports, credentials }: PortRoutes,
    ) -> Result<PreparedPorts, SourceError> {
        let mut prepared = PreparedPorts { all: self.clone(), ports: Vec::new(), credentials };
        for (address, routes) in ports {
            let is_open = self.table.borrow().ports.contains_key(&address);
            let listener = if is_open { None } else { Some(listen(address).await?) };
            prepared.ports.push((address, listener, routes));
        }
        Ok(prepared)
    }
}

/// Ports that are open, with the routes that they get.
pub(super) struct PreparedPorts {
    all: Ports,
    /// The listener of a new port, or `None` if the port is served already.
    ports: Vec<(SocketAddr, Option<TcpListener>, WebhookPort)>,
    credentials: Credentials,
}

impl PreparedPorts {
    /// What [`BoundSource::listening`] shows.
    fn lines(&self) -> Vec<String> {
        self.ports.iter().flat_map(|(address, _, routes)| routes.listening(*address)).collect()
    }

    pub(super) fn commit_now(self) {
        let Self { all, ports, credentials } = self;
        let mut next = PortTable { ports: BTreeMap::new(), credentials };
        let former = all.table.borrow().ports.clone();
        for (address, listener, routes) in ports {
            let certificate = routes.certificate.clone();
            let routes = Arc::new(routes);
            let port = match former.get(&address) {
                Some(port) => {
                    port.tls.set(certificate);
                    *port.routes.write().unwrap_or_else(PoisonError::into_inner) = routes;
                    Arc::clone(port)
                }
                None => Arc::new(OpenPort {
                    address,
                    listener: Mutex::new(listener),
                    routes: RwLock::new(routes),
                    tls: PortTls::new(certificate),
                }),
            };
            next.ports.insert(address, port);
        }
        next.credentials.serve();
        all.table.send_replace(next);
    }
}

impl PreparedEvents for PreparedPorts {
    fn listening(&self) -> Vec<String> {
        self.lines()
    }

    fn commit(self: Box<Self>) {
        self.commit_now();
    }
}

#[async_trait]
impl Rebind for Ports {
    async fn prepare(
        &self,
        events: Vec<EventBinding>,
        context: &SourceContext,
    ) -> Result<Box<dyn PreparedEvents>, SourceError> {
        let kept = self.kept();
        let routes = self.webhook.routes(events, context, &kept).await?;
        self.wait_until_ready(&routes, &kept.credentials, context.secrets()).await?;
        Ok(Box::new(self.open(routes).await?))
    }
}

/// All webhooks of a runtime, as its source.
pub(super) struct Listening {
    pub(super) ports: Ports,
}

#[async_trait]
impl BoundSource for Listening {
    fn listening(&self) -> Vec<String> {
        self.ports.table.borrow().listening()
    }

    fn rebind(&self) -> Option<Arc<dyn Rebind>> {
        Some(Arc::new(self.ports.clone()))
    }

    async fn serve(&mut self, context: &SourceContext) -> Result<(), SourceError> {
        let mut changes = self.ports.table.subscribe();
        let mut serving = Serving::default();
        // One task for all reloads: they may follow each other faster than it reads.
        serving.tasks.spawn(keep_fresh(self.ports.table.subscribe(), context.clone()));
        while !context.shutdown().is_requested() {
            let table = changes.borrow_and_update().clone();
            serving.change_to(table, context).await?;
            tokio::select! {
                // It never ends, because `self` has a sender.
                _ = changes.changed() => {}
                () = serving.until_failure() => {}
                () = context.shutdown().requested() => {}
            }
        }
        // A panic in one task is passed on here, and ends the others.
        while let Some(ended) = serving.tasks.join_next().await {
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        Ok(())
    }
}

/// The tasks of the ports that are served.
#[derive(Default)]
struct Serving {
    tasks: JoinSet<()>,
    ports: BTreeMap<SocketAddr, (Arc<OpenPort>, watch::Sender<bool>)>,
}

impl Serving {
    /// Serves new ports, and then closes those that are no longer in the table.
    async fn change_to(
        &mut self,
        table: PortTable,
        context: &SourceContext,
    ) -> Result<(), SourceError> {
        for (address, port) in &table.ports {
            let served = self.ports.get(address);
            if served.is_some_and(|(served, _)| Arc::ptr_eq(served, port)) {
                continue;
            }
            let open = port.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
            // The server owns the listener, and closes it as soon as the shutdown begins.
            let listener = match open {
                Some(listener) => listener,
                None => listen(*address).await?,
            };
            let app = Router::new()
                .fallback(receive)
                .with_state(CurrentRoutes { port: Arc::clone(port) });
            let (http, (stopper, shutdown)) = (context.server().clone(), context.shutdown().part());
            let (address, tls) = (*address, port.tls.clone());
            self.tasks.spawn(async move {
                http.serve(listener, address, PortKind::Source, app, tls, shutdown).await;
            });
            // If an earlier port of this address is still closing, its sender is dropped, which stops it.
            self.ports.insert(address, (Arc::clone(port), stopper));
        }
        // Dropping the sender stops the port; its requests in progress are answered.
        self.ports.retain(|address, _| table.ports.contains_key(address));
        table.credentials.report(context);
        Ok(())
    }

    /// Removes tasks that have ended, until one of them has panicked: then, the panic goes on here.
    async fn until_failure(&mut self) {
        loop {
            match self.tasks.join_next().await {
                Some(Err(error)) if error.is_panic() => {
                    std::panic::resume_unwind(error.into_panic());
                }
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, SourceError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse && tries < LISTEN_TRIES => {
                tokio::time::sleep(LISTEN_PAUSE).await;
            }
            Err(source) => return Err(SourceError::Listen { address, source }),
        }
    }
}

#[cfg(test)]
mod tests;
