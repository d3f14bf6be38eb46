//! `fuse run`

mod rules;

use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fuse_rules::diagnostic::Style;
use fuse_rules::inventory::RuleInfo;
use fuse_rules::literals::parse_switch;
use fuse_rules::{Fuses, Ruleset};
use fuse_runtime::backend::{Backend, Embedded, JetStream};
use fuse_runtime::engine::Policy;
use fuse_runtime::http::Limits;
use fuse_runtime::kubernetes::{
    Cluster, ClusterSecrets, ClusterTokens, ConnectError, Finding, Report, examine,
};
use fuse_runtime::secrets::{SecretRef, Secrets};
use fuse_runtime::store::Store;
use fuse_runtime::triggers::{ActionFiles, Triggers};
use fuse_runtime::{AdminRights, AdminToken, Config, ReloadError, Reloader, Runtime, variable};

use super::doctor::{admin_needs, needs_of};
use super::{Ended, async_runtime, backend, sources};
use crate::cli::Run;
use crate::endpoint::{self, OwnEndpoint};
use crate::log::Log;
use crate::{Exit, output};
use rules::{Reading, RunRules, Started};

/// The address of the admin server. It shows what happened, so other addresses must be set explicitly.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 12_080);

pub(crate) fn run(arguments: Run) -> Ended {
    let rules = RunRules::new(arguments.rules);
    let Reading { started, files, .. } = rules.read();
    let Started { config: start, ruleset, fuses } = match started {
        Ok(started) => started,
        Err(ReloadError::Rules(problems)) => {
            let problems = problems.to_text(Style::Colour);
            output::fail(&format!("the rules have problems\n\n{problems}"));
            return Ok(Exit::Problems);
        }
        Err(error) => return Err(error.to_string()),
    };
    let config = start.config.clone();
    let address =
        arguments.listen.or(config.listen.address).unwrap_or(IpAddr::V4(if arguments.local {
            Ipv4Addr::LOCALHOST
        } else {
            Ipv4Addr::UNSPECIFIED
        }));
    let admin = arguments.admin.or(config.listen.admin).unwrap_or(ADMIN);
    let mut admin_config = config.admin.clone();
    if let Some(path) = arguments.admin_token_file {
        let rights = AdminRights::default();
        admin_config.token =
            Some(AdminToken { place: SecretRef::File { path }, rights, groups: Vec::new() });
    }
    let local_token = endpoint::new_token()?;
    let mut access = admin_config.access().local_token(local_token.clone());
    let out = arguments.out.unwrap_or_else(|| config.local.out.clone());
    // An action that was written to files was not performed on a cluster, so each mode has its own
    // state.
    let default = if arguments.local { ".fuse-local" } else { ".fuse" };
    let state =
        arguments.state.or(config.state.dir.clone()).unwrap_or_else(|| PathBuf::from(default));

    let log = Log::start();
    for name in unknown_switches(&ruleset) {
        tracing::warn!("{name} is set like a fuse, but the rules declare no such fuse");
    }
    let mut banner = vec![format!("fuse {}", env!("CARGO_PKG_VERSION"))];
    let required = required(&ruleset);
    let mut shared = config.backend.clone();
    shared.url = arguments.backend.or(shared.url);
    let store = match &shared.url {
        None => Some(open_store(&state, &config, &mut banner)?),
        Some(_) => None,
    };
    let mut needs = needs_of(&ruleset);
    needs.extend(admin_needs(&config));
    let runtime = async_runtime()?;
    let ended = runtime.block_on(async {
        let mut doctor = None;
        let triggers = if arguments.local {
            banner.push(format!("objects are written to {}", out.display()));
            if admin_config.token_review.is_some() {
                tracing::warn!(
                    "`token_review` of `[admin]` has no effect: `--local` has no cluster"
                );
            }
            let files = ActionFiles::new(out);
            // Not worth failing for: they are in nobody's way.
            if let Err(error) = files.remove_unfinished() {
                tracing::warn!(%error, "unfinished files of an earlier run cannot be removed");
            }
            Triggers::local(files)
        } else {
            let cluster = super::access(arguments.cluster, &config);
            match Cluster::connect(&cluster).await {
                Ok(cluster) => {
                    banner.push(format!("objects are submitted to {}", cluster.url()));
                    if let Some(review) = &admin_config.token_review {
                        let tokens = ClusterTokens::new(cluster.clone(), &review.audience);
                        access = access.reviewer(tokens, review.rights());
                    }
                    doctor = Some(cluster.clone());
                    Triggers::cluster(cluster)
                }
                Err(ConnectError::Config(_)) if needs.is_empty() => {
                    banner.push("no cluster is configured, and the rules need none".to_owned());
                    Triggers::without_cluster()
                }
                Err(error) => {
                    return Err(format!("{error}, or write objects to files with `--local`"));
                }
            }
        };
        let secrets = match &doctor {
            Some(cluster) if config.secrets.dir.is_none() => {
                Secrets::new(ClusterSecrets::new(cluster.clone(), cluster.namespace()))
            }
            _ => Secrets::new(config.secrets.store()),
        };
        let triggers = match arguments.local {
            true => triggers,
            false => triggers.with_http(secrets.clone(), config.http.clone()),
        };
        let policy =
            Policy { held_for: config.held.keep, max_held: config.held.max, ..Policy::default() };
        let runtime = Runtime::new(ruleset, sources(address), triggers)
            .fuses(fuses)
            .policy(policy)
            .admin(admin)
            .admin_access(access)
            .keep(config.state.keep)
            .limits(Limits { max_buffered: config.listen.max_buffered, ..Limits::default() })
            .allow_origins(config.listen.allow_origins.clone())
            .trusted_proxies(config.listen.trusted_proxies.clone())
            .loader(rules.loader(start), files)
            .dropped_log_lines(log.dropped_lines())
            .secrets(secrets.clone());
        let runtime = match &doctor {
            Some(cluster) => runtime.follow(cluster.clone()),
            None => runtime,
        };
        // Signals are caught before anything listens, so that none is missed.
        let mut signals = Signals::new()?;
        let backend: Arc<dyn Backend> = match store {
            Some(store) => {
                let embedded = Embedded::new(store, config.state.max_backlog).await;
                Arc::new(embedded.map_err(|error| error.to_string())?)
            }
            None => {
                let options = backend::options(&shared, &config, &secrets, &state).await?;
                let opened = JetStream::open(options).await.map_err(|error| error.to_string())?;
                banner.push(format!("the state is shared over {}", opened.servers()));
                banner.push(format!("a copy of it is kept in {}", state.display()));
                Arc::new(opened)
            }
        };
        // Before anything listens, so that anyone who reaches the port finds the token.
        let endpoint = OwnEndpoint::new(&state, local_token, config.admin.tls.is_some());
        write_endpoint(&endpoint, admin);
        let running = runtime.start(backend).await.map_err(|error| error.to_string())?;
        banner.extend(running.listening().iter().map(|what| format!("listening: {what}")));
        banner.extend(armed(&required, &running.fuses()));
        announce(&banner);
        if let Some(address) = running.admin_address().filter(|address| *address != admin) {
            write_endpoint(&endpoint, address);
        }
        if let Some(cluster) = doctor {
            // Run in the background: actions with missing needs are held, and senders do not have
            // to wait.
            tokio::spawn(async move { report(&examine(&cluster, &needs).await) });
        }
        let reloader = running.reloader().clone();
        signals.received(&reloader).await;
        tracing::info!("stopping; a second signal stops at once");
        let stopped = async {
            running.announce_stop();
            tokio::time::sleep(arguments.drain).await;
            running.stop().await
        };
        let clean = tokio::select! {
            clean = stopped => clean,
            // Unfinished work is recorded, as after a crash.
            () = signals.received(&reloader) => false,
        };
        drop(endpoint);
        if clean {
            tracing::info!("stopped");
            return Ok(Exit::Clean);
        }
        tracing::warn!(
            "stopped before everything was finished; the next start continues from there"
        );
        Ok(Exit::Unclean)
    });
    // A blocked task, such as a credential plugin that does not respond, must not keep the process
    // alive.
    runtime.shutdown_background();
    drop(log);
    ended
}

/// Opens the state of a fuse that is alone.
fn open_store(state: &Path, config: &Config, banner: &mut Vec<String>) -> Result<Store, String> {
    banner.push(format!("state is kept in {}", state.display()));
    let limits = config.state.limits();
    let store = Store::open_with(state, limits).map_err(|error| error.to_string())?;
    if store.is_new() {
        banner.push("the state is new: nothing is remembered from before".to_owned());
    }
    Ok(store)
}

/// Writes the address of the admin port and a token for commands on this machine.
fn write_endpoint(endpoint: &OwnEndpoint, address: SocketAddr) {
    if let Err(error) = endpoint.write(address) {
        tracing::warn!(%error, "the state folder cannot keep a token for commands on this machine");
    }
}

/// Reports what the cluster lacks, like `fuse doctor`.
fn report(report: &Report) {
    for Finding { what, fix, rules } in &report.problems {
        tracing::warn!(what, fix, needed_by = rules.join(", "), "the cluster is not ready");
    }
    for Finding { what, fix, .. } in &report.unchecked {
        tracing::info!(what, why = fix, "not checked");
    }
    if report.ready {
        tracing::info!(checked = report.checked, "the cluster has what the rules need");
    }
}

/// Variables that look like the value of a fuse but do not name one. Other variables that start
/// with `FUSE_` are ignored: Kubernetes sets some for a service called `fuse`.
fn unknown_switches(ruleset: &Ruleset) -> Vec<String> {
    let declared: Vec<String> = ruleset.fuses().map(|fuse| variable(fuse.name)).collect();
    let unknown = |name: &str, value: &str| {
        name.starts_with("FUSE_")
            && parse_switch(value).is_some()
            && !declared.iter().any(|known| known == name)
    };
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, value)| unknown(name, value))
        .map(|(name, _)| name)
        .collect()
}

/// What decides whether a rule acts.
struct RequiredFuses {
    rule: String,
    requires: Vec<String>,
    is_shadow: bool,
}

fn required(ruleset: &Ruleset) -> Vec<RequiredFuses> {
    let of_rule = |rule: RuleInfo<'_>| RequiredFuses {
        rule: rule.name.to_owned(),
        requires: rule.requires.into_iter().map(str::to_owned).collect(),
        is_shadow: rule.is_shadow,
    };
    ruleset.rules().map(of_rule).collect()
}

/// One line per rule: whether it is armed, or which fuse gates it, or that it is in shadow.
fn armed(required: &[RequiredFuses], fuses: &Fuses) -> Vec<String> {
    let is_off = |name: &&str| fuses.get(name) == Some(false);
    required
        .iter()
        .map(|RequiredFuses { rule, requires, is_shadow }| {
            let off: Vec<&str> = requires.iter().map(String::as_str).filter(is_off).collect();
            if off.is_empty() && *is_shadow {
                return format!("in shadow: {rule} (its actions are recorded, and not performed)");
            }
            if off.is_empty() {
                return format!("armed: {rule}");
            }
            let how: Vec<_> = off.iter().map(|fuse| format!("{}=on", variable(fuse))).collect();
            format!("gated: {rule} (fuse {} is off; {} turns it on)", off.join(", "), how.join(" "))
        })
        .collect()
}

/// Reports what was started: on a terminal as text, else in the log.
fn announce(lines: &[String]) {
    if std::io::stderr().is_terminal() {
        output::print(&format!("{}\n\n", lines.join("\n")));
    } else {
        for line in lines {
            tracing::info!("{line}");
        }
    }
}

/// SIGTERM and SIGINT, which stop, and SIGHUP, which reloads, or stops if fuse runs in a terminal.
struct Signals {
    /// Whether the process was started in a terminal, which sends SIGHUP when it is closed.
    in_terminal: bool,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, String> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error: std::io::Error| format!("cannot listen for signals: {error}");
        Ok(Self {
            in_terminal: std::io::stdin().is_terminal() || std::io::stderr().is_terminal(),
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            hang_up: signal(SignalKind::hangup()).map_err(failed)?,
        })
    }

    /// Waits for the request to stop, and reloads meanwhile when asked to.
    async fn received(&mut self, reloader: &Reloader) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {
                    if self.in_terminal {
                        return;
                    }
                    let reloader = reloader.clone();
                    // The result is in the log.
                    tokio::spawn(async move { reloader.reload().await.is_ok() });
                }
            }
        }
    }
}
