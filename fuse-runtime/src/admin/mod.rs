//! The admin port: health, readiness, metrics, and why each rule did what it did.

pub(crate) mod decisions;
mod held;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use fuse_rules::{Fuses, Plan, Ruleset};
use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::bus::Bus;
use crate::engine::{Engine, Group, Watch};
use crate::http::{Kind, Server};
use crate::ledger::Ledger;
use crate::metrics::{Counted, Metrics};
use crate::shutdown::Shutdown;
use crate::supervise::{Down, Supervisor};
use crate::triggers::{Guarded, Readiness, Triggers};

/// How long a backend may take to say whether it is ready, and how long an answer waits for its turn.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many reasons to hold actions are listed.
const SHOWN: usize = 50;
/// How long the state may fail before a restart of the process is asked for.
const UNHEALTHY_AFTER: Duration = Duration::from_secs(60);

/// What the admin port tells about.
pub(crate) struct Admin {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) ruleset: Arc<Ruleset>,
    pub(crate) plan: Plan,
    pub(crate) plan_hash: String,
    pub(crate) fuses: Fuses,
    pub(crate) triggers: Triggers,
    /// The kinds of triggers that the rules use.
    pub(crate) used: Vec<String>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) supervisor: Arc<Supervisor>,
    /// What stands in the way of following objects.
    pub(crate) unfollowed: Arc<Mutex<BTreeMap<Watch, String>>>,
    /// Says how many lines the log could not take.
    pub(crate) dropped_log_lines: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Whoever looks for what would make rules match: one answer at a time, so that the others, and
    /// deciding, keep their threads.
    pub(crate) looking: Arc<Semaphore>,
    /// Whoever explains an event: few answers at once, since each takes memory.
    pub(crate) explaining: Arc<Semaphore>,
    pub(crate) stop: Shutdown,
}

/// Serves until told to stop.
pub(crate) async fn serve(
    admin: Arc<Admin>,
    server: Server,
    listener: TcpListener,
    address: SocketAddr,
) {
    let stop = admin.stop.clone();
    let app = Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/decisions", get(decisions::decisions))
        .route("/held", get(held::list))
        .route("/held/{id}/discard", post(held::discard))
        .with_state(admin);
    server.serve(listener, address, Kind::Admin, app, stop).await;
}

/// 200 unless a restart of the process may help: its state has failed for long, or a part of it has
/// ended.
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

/// 200 as long as events can be taken in: what cannot be acted on yet is kept, and turning senders
/// away would lose it. What stands in the way of either is said.
async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let mut problems = closed(&admin).await;
    let accepting = problems.is_empty();
    problems.extend(not_acting(&admin).await);
    let status = if accepting { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let answer =
        json!({ "accepting": accepting, "ready": problems.is_empty(), "not_ready": problems });
    (status, Json(answer)).into_response()
}

/// What stands in the way of taking events in.
async fn closed(admin: &Admin) -> Vec<String> {
    let mut problems = Vec::new();
    if admin.stop.is_requested() {
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

/// What stands in the way of acting.
async fn not_acting(admin: &Admin) -> Vec<String> {
    let mut problems = Vec::new();
    for (task, down) in admin.supervisor.problems() {
        if down == Down::Restarting {
            problems.push(format!("a fault inside fuse interrupted {task}; it is started again"));
        }
    }
    problems.extend(admin.supervisor.source_problems());
    let damaged = admin.bus.damaged().saturating_add(admin.ledger.damaged());
    if damaged > 0 {
        problems.push(format!(
            "{damaged} records of the state are damaged: the log says which; nothing is done about their events and actions"
        ));
    }
    // All at once and not for long: whoever asks has little patience.
    let asked = admin.used.iter().map(|kind| async move {
        let Some(trigger) = admin.triggers.get(kind) else {
            return Some(format!("the trigger `{kind}` is not part of this runtime"));
        };
        let trigger = Guarded { trigger: trigger.as_ref(), kind, metrics: &admin.metrics };
        match tokio::time::timeout(PATIENCE, trigger.readiness()).await {
            Ok(Readiness::Ready) => None,
            Ok(Readiness::NotReady(why)) => Some(format!("trigger `{kind}`: {why}")),
            Err(_) => Some(format!(
                "trigger `{kind}`: its backend does not answer within {} s",
                PATIENCE.as_secs()
            )),
        }
    });
    problems.extend(join_all(asked).await.into_iter().flatten());
    let waiting = admin.engine.parked.groups();
    let more = waiting.len().saturating_sub(SHOWN);
    for group in waiting.into_iter().take(SHOWN) {
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
        problems.push(format!("cannot follow `{}` {}: {why}", watch.kind, watch.place));
    }
    problems
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    match admin.ledger.counts().await {
        Ok(counts) => {
            let backlog = admin.bus.backlog();
            // Also of triggers that the rules used earlier.
            let used = admin.used.iter().cloned();
            let parked = &admin.engine.parked;
            for kind in used.chain(parked.triggers()) {
                admin.metrics.held(&kind, parked.held(&kind));
            }
            let text = admin.metrics.render(&Counted {
                backlog,
                unsettled: counts.unsettled,
                dead_letters: counts.dead_letters,
                waiting: parked.waiting() as u64,
                damaged: admin.bus.damaged().saturating_add(admin.ledger.damaged()),
                log_lines_dropped: (admin.dropped_log_lines)(),
            });
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

fn failed(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
