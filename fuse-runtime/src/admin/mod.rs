//! The admin port: health, readiness, metrics, what happened and why, and what people can do about it.

mod access;
mod backup;
mod dead_letters;
pub(crate) mod decisions;
mod events;
mod find_event;
mod fuses;
mod held;
mod payload;
mod query;
mod reason;
mod reload;
mod replay;
mod routes;
mod rule_files;
mod rules;
mod state;
mod waiting;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::backend::Backend;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::engine::{Engine, Group, Watch};
use crate::generation::ActiveGeneration;
use crate::http::{PortKind, PortTls, Server};
use crate::ledger::{Ledger, LedgerError};
use crate::metrics::{Counted, Metrics};
use crate::reload::Reloader;
use crate::shutdown::Shutdown;
use crate::supervise::{Down, Supervisor};
use crate::switchboard::Switchboard;
use crate::triggers::{Guarded, Readiness, Triggers};

pub(crate) use access::Approvers;
pub use access::{AdminAccess, AdminRight, AdminRights, AdminTls, NoApprover, ReviewedRights};
pub(crate) use access::{Guard, LOCAL_TOKEN, USER_PREFIX};

/// How long a backend may take to report whether it is ready, and how long an answer waits for its turn.
const READINESS_TIMEOUT: Duration = Duration::from_secs(1);
/// How many reasons of held actions are listed.
const MAX_LISTED_REASONS: usize = 50;
/// How long the state may fail before `/healthz` asks for a restart of the process.
const UNHEALTHY_AFTER: Duration = Duration::from_secs(60);

/// The parts of the runtime that the admin port reports on.
pub(crate) struct Admin {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) metrics: Arc<Metrics>,
    /// The rules and fuses in use.
    pub(crate) active: ActiveGeneration,
    pub(crate) reloader: Reloader,
    pub(crate) triggers: Triggers,
    pub(crate) engine: Arc<Engine>,
    pub(crate) supervisor: Arc<Supervisor>,
    /// Why objects cannot be followed.
    pub(crate) unfollowed: Arc<Mutex<BTreeMap<Watch, String>>>,
    /// Returns how many lines the log dropped.
    pub(crate) dropped_log_lines: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Limits the search for changes that would make rules match to one answer at a time, so that deciding and other
    /// answers keep their threads.
    pub(crate) looking: Arc<Semaphore>,
    /// Limits how many answers explain an event at once, since each takes memory.
    pub(crate) explaining: Arc<Semaphore>,
    /// Held while a copy of the state exists.
    pub(crate) copying: Arc<Semaphore>,
    pub(crate) stop: Shutdown,
    /// Whether it is going to stop.
    pub(crate) stops_soon: Arc<AtomicBool>,
    pub(crate) clock: Clock,
    pub(crate) switchboard: Arc<Switchboard>,
    pub(crate) guard: Arc<Guard>,
}

/// Serves until the shutdown.
pub(crate) async fn serve(
    admin: Arc<Admin>,
    server: Server,
    listener: TcpListener,
    address: SocketAddr,
) {
    let (stop, tls) = (admin.stop.clone(), PortTls::new(admin.guard.certificate()));
    let app = routes::router(admin);
    server.serve(listener, address, PortKind::Admin, app, tls, stop).await;
}

/// 200, unless a restart of the process may help: its state has failed for long, or a task has ended.
async fn alive(State(admin): State<Arc<Admin>>) -> Response {
    let failing = admin.bus.health().failing_for.filter(|lasting| *lasting >= UNHEALTHY_AFTER);
    let ended = admin.supervisor.problems().into_iter().find(|(_, down)| *down == Down::Ended);
    let problem = match (failing, ended) {
        (Some(lasting), _) => format!("the state has failed for {} s", lasting.as_secs()),
        (None, Some((task, _))) => format!("a fault inside fuse ended {task}"),
        (None, None) => return Json(json!({ "status": "ok" })).into_response(),
    };
    let answer = json!({ "status": "failing", "problem": problem });
    (StatusCode::SERVICE_UNAVAILABLE, Json(answer)).into_response()
}

/// 200 as long as events can be accepted. Actions that cannot be performed yet are kept, and refusing events would
/// lose them. The answer lists everything that prevents accepting or acting.
async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let mut problems = closed(&admin).await;
    let accepting = problems.is_empty();
    problems.extend(not_acting(&admin).await);
    let status = if accepting { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut answer =
        json!({ "accepting": accepting, "ready": problems.is_empty(), "not_ready": problems });
    if let (Some(sharing), Some(fields)) = (admin.ledger.sharing(), answer.as_object_mut()) {
        let (replicas, is_keeper) = (sharing.stats.replicas, *sharing.is_keeper.borrow());
        fields.insert("sharing".into(), json!({ "replicas": replicas, "keeper": is_keeper }));
    }
    // Fuse works, but perhaps not with the rules that somebody wants, or not for long.
    let mut warnings: Vec<String> = admin.reloader.warning().into_iter().collect();
    warnings.extend(admin.supervisor.source_warnings());
    warnings.extend(admin.guard.warnings(admin.clock.now()));
    warnings.extend(fuses::warnings(&admin));
    if let (false, Some(fields)) = (warnings.is_empty(), answer.as_object_mut()) {
        fields.insert("warnings".into(), json!(warnings));
    }
    (status, Json(answer)).into_response()
}

/// Why events cannot be accepted.
async fn closed(admin: &Admin) -> Vec<String> {
    let mut problems = Vec::new();
    if admin.stop.is_requested() || admin.stops_soon.load(Ordering::Relaxed) {
        problems.push("the runtime is stopping".to_owned());
    }
    for (task, down) in admin.supervisor.problems() {
        if down == Down::Ended {
            problems.push(format!("a fault inside fuse ended {task}"));
        }
    }
    match admin.bus.health().problem {
        Some(problem) => problems.push(problem),
        None => {
            if let Err(error) = admin.ledger.counts().await {
                problems.push(error.to_string());
            }
        }
    }
    problems
}

/// Why actions cannot be performed, or sources get no events.
async fn not_acting(admin: &Admin) -> Vec<String> {
    let mut problems = Vec::new();
    for (task, down) in admin.supervisor.problems() {
        if down == Down::Restarting {
            problems.push(format!("a fault inside fuse interrupted {task}; fuse restarts it"));
        }
    }
    problems.extend(admin.supervisor.source_problems());
    problems.extend(admin.guard.problems());
    let damaged = admin.bus.damaged().saturating_add(admin.ledger.damaged());
    if damaged > 0 {
        problems.push(format!(
            "{damaged} records of the state are damaged: the log names them; their events and actions are not processed"
        ));
    }
    // All at once, and not for long: probes have short timeouts.
    let generation = admin.active.get();
    let asked = generation.used_triggers.iter().map(|kind| async move {
        let Some(trigger) = admin.triggers.get(kind) else {
            return Some(format!("the trigger `{kind}` is not part of this runtime"));
        };
        let trigger = Guarded { trigger: trigger.as_ref(), kind, metrics: &admin.metrics };
        match tokio::time::timeout(READINESS_TIMEOUT, trigger.readiness()).await {
            Ok(Readiness::Ready) => None,
            Ok(Readiness::NotReady(why)) => Some(format!("trigger `{kind}`: {why}")),
            Err(_) => Some(format!(
                "trigger `{kind}`: its backend does not answer within {} s",
                READINESS_TIMEOUT.as_secs()
            )),
        }
    });
    problems.extend(join_all(asked).await.into_iter().flatten());
    let waiting = admin.engine.parked.groups();
    let more = waiting.len().saturating_sub(MAX_LISTED_REASONS);
    for group in waiting.into_iter().take(MAX_LISTED_REASONS) {
        let Group { trigger, reason, count, since } = group;
        let (s, verb) = if count == 1 { ("", "is") } else { ("s", "are") };
        problems.push(format!(
            "trigger `{trigger}`: {reason}; {count} action{s} {verb} held since {since}"
        ));
    }
    if more > 0 {
        problems.push(format!("actions are held for {more} further reasons"));
    }
    let unfollowed = admin.unfollowed.lock().unwrap_or_else(PoisonError::into_inner);
    for (watch, why) in unfollowed.iter() {
        problems.push(format!("cannot follow `{}` {}: {why}", watch.kind, watch.scope));
    }
    problems
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    match admin.ledger.counts().await {
        Ok(counts) => {
            let backlog = admin.bus.backlog();
            // Also of triggers that the rules used earlier.
            let used = admin.active.get().used_triggers.clone();
            let parked = &admin.engine.parked;
            for kind in used.into_iter().chain(parked.triggers()) {
                admin.metrics.held(&kind, parked.held(&kind));
            }
            let text = admin.metrics.render(&Counted {
                backlog,
                unsettled: counts.unsettled,
                dead_letters: counts.dead_letters,
                waiting_decisions: counts.waiting_at,
                waiting: parked.waiting() as u64,
                damaged: admin.bus.damaged().saturating_add(admin.ledger.damaged()),
                log_lines_dropped: (admin.dropped_log_lines)(),
                sharing: admin.ledger.sharing().map(|one| (*one.is_keeper.borrow(), one.stats)),
            });
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// The answer to a request that the ledger cannot serve.
fn ledger_failed(error: &LedgerError) -> Response {
    let status = match error {
        LedgerError::UnknownEvent(_)
        | LedgerError::UnknownAction(_)
        | LedgerError::UnknownDeadLetter(_) => StatusCode::NOT_FOUND,
        LedgerError::Settled(_) | LedgerError::Outdated(_) => StatusCode::CONFLICT,
        LedgerError::Invalid(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    failed(status, &error.to_string())
}

fn failed(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
