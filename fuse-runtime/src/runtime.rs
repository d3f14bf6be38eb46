//! Assembles a runtime: sources, backend, engine, triggers, admin port.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fuse_rules::{Fuses, Registry, Ruleset};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::admin::{self, Admin, AdminAccess, Guard};
use crate::backend::{Backend, BackendError};
use crate::clock::Clock;
use crate::engine::{
    Engine, Follower, Gate, MAX_DECIDING_KIB, Parked, Policy, Slots, Watch, Watcher,
};
use crate::http::{Limits, Server};
use crate::kubernetes::{Cluster, Need, Scope, needs};
use crate::metrics::Metrics;
use crate::running::{Running, prune};
use crate::secrets::{SecretStore, Secrets};
use crate::shutdown::Shutdown;
use crate::sources::{BoundSource, Intake, SourceContext, SourceError, SourceHealth, Sources};
use crate::supervise::{Backoff, Supervisor};
use crate::triggers::Triggers;

/// A runtime that is not yet started.
///
/// ```no_run
/// use fuse_rules::Ruleset;
/// use fuse_runtime::backend::Embedded;
/// use fuse_runtime::sources::{Sources, Webhook};
/// use fuse_runtime::triggers::{ActionFiles, Triggers};
/// use fuse_runtime::{Disk, Runtime, registry, rule_files};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let address = std::net::Ipv4Addr::LOCALHOST.into();
/// let sources = Sources::new().with("webhook", Webhook::new(address));
/// let triggers = Triggers::local(ActionFiles::new("manifests"));
/// let ruleset = Ruleset::load(&rule_files(&["rules"])?, &Disk, &registry(&sources, &triggers))?;
///
/// let backend = Embedded::open(".fuse".as_ref()).await?;
/// let running = Runtime::new(ruleset, sources, triggers).start(backend).await?;
/// tokio::signal::ctrl_c().await?;
/// running.stop().await;
/// # Ok(())
/// # }
/// ```
pub struct Runtime {
    ruleset: Arc<Ruleset>,
    sources: Sources,
    triggers: Triggers,
    fuses: Fuses,
    admin: Option<SocketAddr>,
    admin_access: AdminAccess,
    policy: Policy,
    keep: Duration,
    grace: Duration,
    clock: Clock,
    watcher: Watcher,
    dropped_log_lines: DroppedLines,
    limits: Limits,
    allow_origins: Vec<String>,
    secrets: Secrets,
    follows: Option<Cluster>,
}

/// How many log lines were dropped.
type DroppedLines = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Why a runtime could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A source could not be bound.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The admin port could not be opened.
    #[error("cannot listen on {address}, the admin address: {error}")]
    Admin {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The admin port would listen on an address that other machines reach, and there is no token.
    #[error(
        "the admin port cannot listen on {0} without a token: set `token` in `[admin]` of fuse.toml (or \
         `--admin-token-file`), or listen on 127.0.0.1"
    )]
    AdminToken(SocketAddr),
    /// The rules use a source or trigger that is not part of the runtime.
    #[error("the rules use the {what} `{kind}`, which is not part of this runtime")]
    UnknownKind {
        /// `source` or `trigger`.
        what: &'static str,
        /// The kind.
        kind: String,
    },
}

/// The kinds of sources and triggers, against which rules are checked.
pub fn registry(sources: &Sources, triggers: &Triggers) -> Registry {
    let mut registry = Registry::new();
    for (_, source) in sources.iter() {
        registry = registry.source(source.schema());
    }
    for (_, trigger) in triggers.iter() {
        registry = registry.trigger(trigger.schema());
    }
    registry
}

/// A hash of the text of the rules. The ledger records it with each decision.
pub fn plan_hash(ruleset: &Ruleset) -> String {
    let mut hash = Sha256::new();
    for file in ruleset.files().iter() {
        for part in [file.name(), file.text()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

impl Runtime {
    /// A runtime with every fuse at its default, no admin port, and default policy.
    pub fn new(ruleset: Ruleset, sources: Sources, triggers: Triggers) -> Self {
        Self {
            ruleset: Arc::new(ruleset),
            sources,
            triggers,
            fuses: Fuses::default(),
            admin: None,
            admin_access: AdminAccess::new(),
            policy: Policy::default(),
            keep: Duration::from_secs(7 * 24 * 3600),
            grace: Duration::from_secs(20),
            clock: Clock::system(),
            watcher: Arc::new(|_| {}),
            dropped_log_lines: Arc::new(|| 0),
            limits: Limits::default(),
            allow_origins: Vec::new(),
            secrets: Secrets::local(),
            follows: None,
        }
    }

    /// Sets the values of fuses.
    #[must_use]
    pub fn fuses(self, fuses: Fuses) -> Self {
        Self { fuses, ..self }
    }

    /// Serves the admin port at this address. If it is not a loopback address, [`Runtime::admin_access`] must have a
    /// token.
    #[must_use]
    pub fn admin(self, address: SocketAddr) -> Self {
        Self { admin: Some(address), ..self }
    }

    /// Sets who may use the admin port: programs on this machine, which can only read.
    #[must_use]
    pub fn admin_access(self, access: AdminAccess) -> Self {
        Self { admin_access: access, ..self }
    }

    /// Sets how the engine retries, and how much it does concurrently.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Sets how long settled events are kept in the ledger: seven days.
    #[must_use]
    pub fn keep(self, time: Duration) -> Self {
        Self { keep: time, ..self }
    }

    /// Sets how long a stop may take before work in progress is aborted: 20 s.
    #[must_use]
    pub fn grace(self, time: Duration) -> Self {
        Self { grace: time, ..self }
    }

    /// Sets the clock.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Sets the function that is called at every step of the engine.
    #[must_use]
    pub fn watcher(self, watcher: Watcher) -> Self {
        Self { watcher, ..self }
    }

    /// Sets the function that counts dropped log lines, for the metric
    /// `fuse_log_lines_dropped`.
    #[must_use]
    pub fn dropped_log_lines(self, dropped: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { dropped_log_lines: Arc::new(dropped), ..self }
    }

    /// Sets the limits of the HTTP ports.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the origins whose pages may send events, as in `https://portal.example`. By default, there are none.
    #[must_use]
    pub fn allow_origins(self, origins: Vec<String>) -> Self {
        Self { allow_origins: origins, ..self }
    }

    /// Sets where sources read their secrets: environment variables and files.
    #[must_use]
    pub fn secrets(self, store: impl SecretStore) -> Self {
        Self { secrets: Secrets::new(store), ..self }
    }

    /// Follows the objects that the rules make on this cluster, and records what they come to.
    #[must_use]
    pub fn follow(self, cluster: Cluster) -> Self {
        Self { follows: Some(cluster), ..self }
    }

    /// Starts the runtime on a backend. Everything that can fail at the start fails here.
    ///
    /// # Errors
    ///
    /// The backend cannot be read, a source or the admin port cannot be bound, or the rules use a
    /// source or trigger that is not part of the runtime.
    pub async fn start(self, backend: impl Backend) -> Result<Running, StartError> {
        let used = self.used_triggers()?;
        if let Some(address) = self.admin.filter(|address| !self.admin_access.permits(*address)) {
            return Err(StartError::AdminToken(address));
        }
        let plan = self.ruleset.plan();
        let plan_hash = plan_hash(&self.ruleset);
        let metrics = Arc::new(Metrics::new());
        for fuse in self.ruleset.fuses() {
            metrics.fuse(fuse.name, self.fuses.get(fuse.name).unwrap_or(fuse.default_on));
        }
        let backend: Arc<dyn Backend> = Arc::new(backend);
        let (bus, ledger) = (backend.bus(), backend.ledger());
        let clock = backend.resume_clock(&self.clock).await?;
        let server =
            Server::new(self.limits.clone(), self.allow_origins.clone(), Arc::clone(&metrics));
        let intake =
            Intake::new(Arc::clone(&bus), plan.clone(), clock.clone(), Arc::clone(&metrics));
        let (stopper, stop) = Shutdown::new();
        let bound = self.bind(&intake, &stop, &server).await?;
        let listening = bound.iter().flat_map(|(bound, _)| bound.listening());
        let mut listening: Vec<String> = listening.collect();
        let supervisor = Supervisor::new(Arc::clone(&metrics), stop.clone());
        let watches = self.watches();
        let engine = Arc::new(Engine {
            bus: Arc::clone(&bus),
            ledger: Arc::clone(&ledger),
            plan: plan.clone(),
            plan_hash: plan_hash.clone(),
            gate: Gate::new(&self.ruleset, &self.fuses),
            fuses: self.fuses.clone(),
            triggers: self.triggers.clone(),
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
            deciding: Semaphore::new(MAX_DECIDING_KIB as usize),
            slots: Slots::new(self.policy.actions),
            policy: self.policy,
            watcher: self.watcher,
            parked: Arc::<Parked>::default(),
            in_doubt: AtomicBool::new(false),
            working: Mutex::default(),
        });
        let unfollowed = Arc::default();
        let mut tasks = JoinSet::new();
        let mut admin_address = None;
        if let Some(address) = self.admin {
            let failed = |error| StartError::Admin { address, error };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            admin_address = Some(address);
            listening.push(format!("admin at http://{address}"));
            let guard = Arc::new(Guard::new(self.admin_access, address));
            guard.refresh(&self.secrets).await;
            let (fresh, secrets, until) = (Arc::clone(&guard), self.secrets.clone(), stop.clone());
            let keep_fresh = move || Arc::clone(&fresh).keep_fresh(secrets.clone(), until.clone());
            tasks.spawn(Arc::clone(&supervisor).keep("reading the admin tokens", keep_fresh));
            let admin = Arc::new(Admin {
                bus: Arc::clone(&bus),
                ledger: Arc::clone(&ledger),
                metrics: Arc::clone(&metrics),
                ruleset: Arc::clone(&self.ruleset),
                plan,
                plan_hash,
                fuses: self.fuses,
                triggers: self.triggers.clone(),
                used,
                engine: Arc::clone(&engine),
                supervisor: Arc::clone(&supervisor),
                unfollowed: Arc::clone(&unfollowed),
                dropped_log_lines: self.dropped_log_lines,
                looking: Arc::new(Semaphore::new(1)),
                explaining: Arc::new(Semaphore::new(admin::decisions::MAX_ANSWERS)),
                stop: stop.clone(),
                clock: clock.clone(),
                guard,
            });
            let serving = admin::serve(admin, server, listener, address);
            tasks.spawn(Arc::clone(&supervisor).watch("the admin port", serving));
        }
        if let Some(cluster) = &self.follows {
            let follower = Arc::new(Follower {
                cluster: cluster.clone(),
                ledger: Arc::clone(&ledger),
                metrics: Arc::clone(&metrics),
                clock: clock.clone(),
                problems: unfollowed,
            });
            for watch in watches {
                let (follower, stop) = (Arc::clone(&follower), stop.clone());
                let follow = move || Arc::clone(&follower).run(watch.clone(), stop.clone());
                tasks.spawn(Arc::clone(&supervisor).keep("observing objects", follow));
            }
        }
        let task = |run: fn(Arc<Engine>, Shutdown) -> Task| {
            let (engine, stop) = (Arc::clone(&engine), stop.clone());
            move || run(Arc::clone(&engine), stop.clone())
        };
        let held = task(|engine, stop| Box::pin(engine.recheck_held(stop)));
        tasks.spawn(Arc::clone(&supervisor).keep("held actions", held));
        let due = task(|engine, stop| Box::pin(engine.run_due(stop)));
        tasks.spawn(Arc::clone(&supervisor).keep("waiting actions", due));
        let decide = task(|engine, stop| Box::pin(engine.run(stop)));
        tasks.spawn(Arc::clone(&supervisor).keep("deciding events", decide));
        for (bound, context) in bound {
            tasks.spawn(Arc::clone(&supervisor).serve(bound, context, Backoff::default()));
        }
        let (pruned, keep) = (Arc::clone(&ledger), self.keep);
        let prune = move || prune(Arc::clone(&pruned), clock.clone(), keep, stop.clone());
        tasks.spawn(supervisor.keep("pruning", prune));
        let grace = self.grace;
        Ok(Running {
            listening,
            admin_address,
            intake,
            ledger,
            engine,
            stopper,
            tasks,
            backend,
            grace,
        })
    }

    /// The kinds of triggers that the rules use. All of them must exist.
    fn used_triggers(&self) -> Result<Vec<String>, StartError> {
        let mut used: Vec<String> = self
            .ruleset
            .rules()
            .flat_map(|rule| rule.triggers.into_iter().map(|trigger| trigger.kind))
            .collect();
        used.sort();
        used.dedup();
        match used.iter().find(|kind| self.triggers.get(kind).is_none()) {
            Some(kind) => Err(StartError::UnknownKind { what: "trigger", kind: kind.clone() }),
            None => Ok(used),
        }
    }

    /// The kinds of objects that the rules create, and where.
    fn watches(&self) -> BTreeSet<Watch> {
        let needs = needs(&self.ruleset, &self.triggers);
        let watched = needs.into_iter().filter_map(|need| match need.need {
            Need::Follow { api_version, kind, scope } => Some(Watch { api_version, kind, scope }),
            _ => None,
        });
        let mut watched: BTreeSet<Watch> = watched.collect();
        // A watch of all namespaces includes each of them.
        let everywhere: Vec<Watch> =
            watched.iter().filter(|watch| watch.scope == Scope::AllNamespaces).cloned().collect();
        watched.retain(|watch| {
            watch.scope.namespace().is_none()
                || !everywhere
                    .iter()
                    .any(|all| all.kind == watch.kind && all.api_version == watch.api_version)
        });
        watched
    }

    async fn bind(
        &self,
        intake: &Intake,
        stop: &Shutdown,
        server: &Server,
    ) -> Result<Vec<(Box<dyn BoundSource>, SourceContext)>, StartError> {
        let mut bound = Vec::new();
        let known: Vec<&str> = self.sources.iter().map(|(kind, _)| kind).collect();
        if let Some(event) = self.ruleset.events().find(|event| !known.contains(&event.kind)) {
            return Err(StartError::UnknownKind { what: "source", kind: event.kind.to_owned() });
        }
        for (kind, source) in self.sources.iter() {
            let events = Sources::bindings(&self.ruleset, kind);
            if events.is_empty() {
                continue;
            }
            let context = SourceContext {
                intake: intake.clone(),
                shutdown: stop.clone(),
                health: SourceHealth::new(kind),
                secrets: self.secrets.clone(),
                server: server.clone(),
            };
            bound.push((source.bind(events, &context).await?, context));
        }
        Ok(bound)
    }
}

/// A part of the engine that runs until the shutdown is requested.
type Task = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
