//! Assembles a runtime: sources, backend, engine, triggers, admin port.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fuse_rules::{Registry, Ruleset};
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::admin::{self, Admin, AdminAccess, Guard, NoApprover};
use crate::backend::{Backend, BackendError};
use crate::clock::Clock;
use crate::decision_waiters::DecisionWaiters;
use crate::engine::{
    self, Engine, Follower, Followers, MAX_DECIDING_KIB, Parked, Policy, Slots, Watcher, watches,
};
use crate::files::FileStamps;
use crate::fuses::ConfiguredFuses;
use crate::generation::{ActiveGeneration, Generation};
use crate::http::{Limits, Server};
use crate::kubernetes::Cluster;
use crate::metrics::Metrics;
use crate::reload::{
    BoundSources, PrepareError, Reload, ReloadState, Reloader, RulesLoader, SourceHost,
    unknown_trigger,
};
use crate::running::{Running, prune};
use crate::secrets::{SecretStore, Secrets};
use crate::shutdown::Shutdown;
use crate::sources::{Intake, IntakeRules, SourceError, Sources};
use crate::supervise::Supervisor;
use crate::switchboard::Switchboard;
use crate::tasks::TaskSet;
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
    ruleset: Ruleset,
    sources: Sources,
    triggers: Triggers,
    fuses: ConfiguredFuses,
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
    trusted_proxies: Vec<IpNet>,
    secrets: Secrets,
    follows: Option<Cluster>,
    loader: Option<(Arc<dyn RulesLoader>, FileStamps)>,
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
    /// Nobody could approve what a rule does.
    #[error(transparent)]
    NoApprover(#[from] NoApprover),
    /// The rules use a source or trigger that is not part of the runtime.
    #[error("the rules use the {what} `{kind}`, which is not part of this runtime")]
    UnknownKind {
        /// `source` or `trigger`.
        what: &'static str,
        /// The kind.
        kind: String,
    },
}

impl From<PrepareError> for StartError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Source(error) => Self::Source(error),
            PrepareError::UnknownKind(kind) => Self::UnknownKind { what: "source", kind },
        }
    }
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

impl Runtime {
    /// A runtime with every fuse at its default, no admin port, and default policy.
    pub fn new(ruleset: Ruleset, sources: Sources, triggers: Triggers) -> Self {
        Self {
            ruleset,
            sources,
            triggers,
            fuses: ConfiguredFuses::default(),
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
            trusted_proxies: Vec::new(),
            secrets: Secrets::local(),
            follows: None,
            loader: None,
        }
    }

    /// Sets the values of fuses that are not switched at run time.
    #[must_use]
    pub fn fuses(self, fuses: impl Into<ConfiguredFuses>) -> Self {
        Self { fuses: fuses.into(), ..self }
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

    /// Sets the networks of the proxies whose `X-Forwarded-For` sources believe. By default, there are none.
    #[must_use]
    pub fn trusted_proxies(self, networks: Vec<IpNet>) -> Self {
        Self { trusted_proxies: networks, ..self }
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

    /// Loads the rules again with this loader: when [`Reloader::reload`](crate::Reloader::reload) is called, by
    /// `POST /-/reload` of the admin port, and as soon as a file differs from what it was when the loader read the
    /// rules of this runtime.
    #[must_use]
    pub fn loader(self, loader: impl RulesLoader, files: FileStamps) -> Self {
        Self { loader: Some((Arc::new(loader), files)), ..self }
    }

    /// Starts the runtime on a backend. Everything that can fail at the start fails here.
    ///
    /// # Errors
    ///
    /// The backend cannot be read, a source or the admin port cannot be bound, or the rules use a
    /// source or trigger that is not part of the runtime.
    pub async fn start(self, backend: impl Backend) -> Result<Running, StartError> {
        if let Some(address) = self.admin.filter(|address| !self.admin_access.permits(*address)) {
            return Err(StartError::AdminToken(address));
        }
        let generation = Generation::new(self.ruleset, self.fuses);
        if let Some(kind) = unknown_trigger(&generation, &self.triggers) {
            return Err(StartError::UnknownKind { what: "trigger", kind });
        }
        let approvers = self.admin.map(|_| self.admin_access.approvers()).unwrap_or_default();
        if let Some(missing) = approvers.missing(&generation) {
            return Err(missing.into());
        }
        let active = ActiveGeneration::new(generation);
        let metrics = Arc::new(Metrics::new());
        let backend: Arc<dyn Backend> = Arc::new(backend);
        let (bus, ledger) = (backend.bus(), backend.ledger());
        let clock = backend.resume_clock(&self.clock).await?;
        let switchboard = Arc::new(Switchboard::new(
            Arc::clone(&ledger),
            active.clone(),
            Arc::clone(&metrics),
            clock.clone(),
        ));
        // Before anything is decided: a fuse that was switched off is off from the start.
        switchboard.read().await.map_err(BackendError::from)?;
        let generation = active.get();
        generation.warn_of_fixed_fuses();
        metrics.rules_loaded(&generation, clock.now());
        let (limits, origins) = (self.limits.clone(), self.allow_origins.clone());
        let server =
            Server::behind(self.trusted_proxies.clone(), limits, origins, Arc::clone(&metrics));
        let waiters = Arc::new(DecisionWaiters::new(Arc::clone(&ledger)));
        let rules = IntakeRules::Active(active.clone());
        let intake = Intake::new(Arc::clone(&bus), rules, clock.clone(), Arc::clone(&metrics))
            .with_decisions(Arc::clone(&waiters));
        let (stopper, stop) = Shutdown::new();
        let supervisor = Supervisor::new(Arc::clone(&metrics), stop.clone());
        let tasks = TaskSet::default();
        let host = SourceHost {
            kinds: self.sources,
            intake: intake.clone(),
            stop: stop.clone(),
            secrets: self.secrets.clone(),
            server: server.clone(),
            supervisor: Arc::clone(&supervisor),
            metrics: Arc::clone(&metrics),
            tasks: tasks.clone(),
        };
        let mut bound = BoundSources::default();
        let sources = host.prepare(&bound, &generation).await?;
        let engine = Arc::new(Engine {
            bus: Arc::clone(&bus),
            ledger: Arc::clone(&ledger),
            waiters,
            active: active.clone(),
            switchboard: Arc::clone(&switchboard),
            triggers: self.triggers.clone(),
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
            pace: Default::default(),
            deciding: Semaphore::new(MAX_DECIDING_KIB as usize),
            slots: Slots::new(self.policy.actions),
            threads: Arc::default(),
            policy: self.policy,
            watcher: self.watcher,
            parked: Arc::<Parked>::default(),
            in_doubt: AtomicBool::new(false),
            waits_changed: Arc::default(),
            stops_changed: Arc::default(),
            keeper: engine::keeper(&*ledger),
            working: TaskSet::default(),
        });
        engine.parked.accept(engine.is_keeper());
        let (unfollowed, mut admin_listener) = (Arc::default(), None);
        if let Some(address) = self.admin {
            let failed = |error| StartError::Admin { address, error };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            admin_listener = Some((listener, address));
        }
        let stops_soon = Arc::new(AtomicBool::new(false));
        let admin_address = admin_listener.as_ref().map(|(_, address)| *address);
        // Everything is open: from here on, nothing fails.
        host.commit(&mut bound, sources);
        let mut listening = bound.listening();
        let scheme = if self.admin_access.has_tls() { "https" } else { "http" };
        listening.extend(admin_address.map(|address| format!("admin at {scheme}://{address}")));
        let follower = self.follows.map(|cluster| {
            Arc::new(Follower {
                cluster,
                ledger: Arc::clone(&ledger),
                metrics: Arc::clone(&metrics),
                clock: clock.clone(),
                reactions: engine.reactions(),
                problems: Arc::clone(&unfollowed),
                keeper: Arc::clone(&engine.keeper),
            })
        });
        let followers = Followers {
            follower,
            supervisor: Arc::clone(&supervisor),
            tasks: tasks.clone(),
            stop: stop.clone(),
            running: Mutex::default(),
        };
        followers.follow(watches(&generation.ruleset, &self.triggers)).await;
        let (loader, files) = self.loader.unzip();
        let reload = Arc::new(Reload {
            active: active.clone(),
            loader,
            host,
            triggers: self.triggers.clone(),
            approvers,
            followers,
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
            state: ReloadState::new(bound, files.unwrap_or_default()),
            begun: AtomicU64::new(0),
            warning: Mutex::default(),
        });
        if reload.loader.is_some() {
            let (reload, stop) = (Arc::clone(&reload), stop.clone());
            let watch = move || Arc::clone(&reload).watch(stop.clone());
            tasks.spawn(Arc::clone(&supervisor).keep("reloading", watch));
        }
        let reloader = Reloader { reload };
        if let Some((listener, address)) = admin_listener {
            let guard = Arc::new(Guard::new(self.admin_access, address));
            guard.refresh(&self.secrets).await;
            let (fresh, secrets, until) = (Arc::clone(&guard), self.secrets.clone(), stop.clone());
            let keep_fresh = move || Arc::clone(&fresh).keep_fresh(secrets.clone(), until.clone());
            tasks.spawn(Arc::clone(&supervisor).keep("reading the admin tokens", keep_fresh));
            let admin = Arc::new(Admin {
                backend: Arc::clone(&backend),
                bus: Arc::clone(&bus),
                ledger: Arc::clone(&ledger),
                metrics: Arc::clone(&metrics),
                active,
                reloader: reloader.clone(),
                triggers: self.triggers,
                engine: Arc::clone(&engine),
                supervisor: Arc::clone(&supervisor),
                unfollowed,
                dropped_log_lines: self.dropped_log_lines,
                looking: Arc::new(Semaphore::new(1)),
                copying: Arc::new(Semaphore::new(1)),
                explaining: Arc::new(Semaphore::new(admin::decisions::MAX_ANSWERS)),
                stop: stop.clone(),
                stops_soon: Arc::clone(&stops_soon),
                clock: clock.clone(),
                switchboard: Arc::clone(&switchboard),
                guard,
            });
            let serving = admin::serve(admin, server, listener, address);
            tasks.spawn(Arc::clone(&supervisor).watch("the admin port", serving));
        }
        let until = stop.clone();
        let switching = move || Arc::clone(&switchboard).keep(until.clone());
        tasks.spawn(Arc::clone(&supervisor).keep("switched fuses", switching));
        for (name, run) in engine::LOOPS {
            let (engine, stop) = (Arc::clone(&engine), stop.clone());
            let run = move || run(Arc::clone(&engine), stop.clone());
            tasks.spawn(Arc::clone(&supervisor).keep(name, run));
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
            reloader,
            backend,
            grace,
            stops_soon,
        })
    }
}
