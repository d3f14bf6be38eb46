//! The admin port: health, readiness, metrics, and why each rule did what it did.

mod decisions;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use fuse_rules::{Fuses, Plan, Ruleset};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::bus::Bus;
use crate::engine::{Group, Waiting, Watch, join_all};
use crate::http::{Kind, Server};
use crate::ledger::{EventRecord, Ledger};
use crate::metrics::Metrics;
use crate::sources::Stop;
use crate::triggers::{Readiness, Triggers};

/// How long a backend may take to say whether it is ready, and how long an answer waits for its turn.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many reasons to hold actions are listed.
const SHOWN: usize = 50;

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
    pub(crate) waiting: Arc<Waiting>,
    /// What stands in the way of following objects.
    pub(crate) unfollowed: Arc<Mutex<BTreeMap<Watch, String>>>,
    pub(crate) max_backlog: u64,
    /// Whoever looks for what would make rules match: one answer at a time, so that the others, and
    /// deciding, keep their threads.
    pub(crate) looking: Arc<Semaphore>,
    pub(crate) stop: Stop,
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
        .route("/healthz", get(|| async { Json(json!({ "status": "ok" })) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/decisions", get(decisions))
        .with_state(admin);
    server.serve(listener, address, Kind::Admin, app, stop).await;
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
    if admin.bus.backlog() >= admin.max_backlog {
        problems.push(format!("the queue is full: {} events wait", admin.max_backlog));
    }
    if let Err(error) = admin.ledger.counts().await {
        problems.push(error.to_string());
    }
    problems
}

/// What stands in the way of acting.
async fn not_acting(admin: &Admin) -> Vec<String> {
    let mut problems = Vec::new();
    // All at once and not for long: whoever asks has little patience.
    let asked = admin.used.iter().map(|kind| async move {
        let Some(trigger) = admin.triggers.get(kind) else {
            return Some(format!("no trigger `{kind}` is part of this runtime"));
        };
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
    let waiting = admin.waiting.summary();
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
            for kind in used.chain(admin.waiting.triggers()) {
                admin.metrics.held(&kind, admin.waiting.count(&kind));
            }
            let text = admin.metrics.render(backlog, counts.unsettled, counts.dead_letters);
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

#[derive(Deserialize)]
struct Asked {
    event: Option<String>,
    source: Option<String>,
    rule: Option<String>,
}

async fn decisions(State(admin): State<Arc<Admin>>, Query(asked): Query<Asked>) -> Response {
    let Some(id) = asked.event else {
        return failed(StatusCode::BAD_REQUEST, "say which event, as in /decisions?event=ID");
    };
    let mut found = match admin.ledger.find(&id).await {
        Ok(found) => found,
        Err(error) => return failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    };
    if let Some(source) = &asked.source {
        found.retain(|record| {
            record.event.source == *source || record.event.key().full_name() == *source
        });
    }
    match found.as_slice() {
        [] => failed(StatusCode::NOT_FOUND, &format!("no event `{id}` is known")),
        [record] => explained(&admin, record, asked.rule).await,
        several => {
            let events: Vec<_> = several.iter().map(|r| r.event.key().full_name()).collect();
            let why = format!(
                "each of {} has an event `{id}`; add &source=NAME or &source=NAME.EVENT",
                events.join(", ")
            );
            failed(StatusCode::CONFLICT, &why)
        }
    }
}

/// The report on one event.
async fn explained(admin: &Arc<Admin>, record: &EventRecord, rule: Option<String>) -> Response {
    const FAILED: &str = "explaining this event failed inside fuse; please report it";
    let fault = || failed(StatusCode::INTERNAL_SERVER_ERROR, FAILED);
    // Off the async threads, as deciding is.
    let (on, of, asked) = (Arc::clone(admin), record.clone(), rule.clone());
    let explanation =
        tokio::task::spawn_blocking(move || decisions::explained(&on, &of, asked.as_deref()));
    let explanation = match explanation.await {
        Ok(Ok(explanation)) => explanation,
        Ok(Err(why)) => return failed(StatusCode::NOT_FOUND, &why),
        Err(_) => return fault(),
    };
    let turn = match decisions::has_missed(&explanation) {
        true => {
            let turn = Arc::clone(&admin.looking).acquire_owned();
            tokio::time::timeout(PATIENCE, turn).await.ok().and_then(Result::ok)
        }
        false => None,
    };
    let (on, of) = (Arc::clone(admin), record.clone());
    // It keeps its turn until it is done, though nobody may wait for the answer any more.
    let report = tokio::task::spawn_blocking(move || {
        let report = decisions::report(&on, &of, rule.as_deref(), explanation, turn.is_some());
        drop(turn);
        // Read by people as often as by programs.
        serde_json::to_string_pretty(&report)
    });
    match report.await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Ok(Err(_)) | Err(_) => fault(),
    }
}

fn failed(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
