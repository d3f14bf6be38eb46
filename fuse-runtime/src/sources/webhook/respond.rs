//! When fuse answers: once an event is accepted, or once it is decided.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use fuse_rules::schema::{Field, FieldType};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Route;
use super::request::WebhookPort;
use crate::decision_waiters::EventVerdict;
use crate::sources::{AcceptOutcome, Accepted};

/// How long fuse waits if the rules do not set it.
pub(super) fn default_wait() -> Duration {
    Duration::from_secs(10)
}

/// The longest time for which a request may wait.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// How many decisions an answer lists.
const MAX_LISTED: usize = 100;

/// What fuse waits for before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Respond {
    #[default]
    Accepted,
    Decided,
}

/// The field `respond` of a source or an event.
pub(super) fn respond_field() -> Field {
    let values = FieldType::OneOf(vec!["accepted".into(), "decided".into()]);
    let doc =
        "When fuse answers: once the event is stored, or with the decisions once it is decided.";
    Field::optional("respond", values, doc)
}

/// The field `respond-within` of a source or an event.
pub(super) fn respond_within_field() -> Field {
    let doc = "How long `respond = \"decided\"` waits: 10 s if not set, at most 1 minute.";
    Field::optional("respond-within", FieldType::Duration, doc)
}

/// Checks how an event is answered.
pub(super) fn verify_response(fields: &Map<String, Value>) -> Result<(), String> {
    let waits = fields.get("respond").and_then(Value::as_str) == Some("decided");
    if waits && fields.contains_key("reply") {
        return Err(
            "has both `reply` and `respond = \"decided\"`, which are two answers".to_owned()
        );
    }
    let wait = fields.get("respond-within").and_then(Value::as_u64).map(Duration::from_millis);
    match wait.is_some_and(|wait| wait > MAX_WAIT) {
        true => Err(format!("has a `respond-within` of more than {} s", MAX_WAIT.as_secs())),
        false => Ok(()),
    }
}

/// The answer with the decisions about an event; `None` if its source does not wait for them.
pub(super) async fn decided(
    port: &WebhookPort,
    route: &Route,
    accepted: &Accepted,
) -> Option<Response> {
    let is_event = matches!(accepted.outcome, AcceptOutcome::New | AcceptOutcome::Duplicate);
    if route.config.respond != Respond::Decided || !is_event {
        return None;
    }
    let within = route.config.respond_within;
    let verdict = tokio::select! {
        verdict = port.intake.decisions(&route.source, accepted, within) => verdict,
        () = port.shutdown.requested() => None,
    };
    let id = &accepted.id;
    Some(match verdict {
        Some(verdict) => (StatusCode::OK, axum::Json(summary(id, &verdict))).into_response(),
        None => {
            let body = json!({ "event": id, "note": "the event is stored, and not decided yet" });
            (StatusCode::ACCEPTED, axum::Json(body)).into_response()
        }
    })
}

fn summary(id: &str, verdict: &EventVerdict) -> Value {
    let listed = verdict.decisions.iter().take(MAX_LISTED);
    let listed: Vec<Value> = listed
        .map(|decision| {
            let mut shown = json!({
                "rule": decision.rule,
                "outcome": decision.outcome.as_str(),
                "reason": decision.reason,
            });
            if let (Some(element), Some(shown)) = (&decision.element, shown.as_object_mut()) {
                shown.insert("element".into(), json!(element));
            }
            shown
        })
        .collect();
    let mut summary = json!({ "event": id, "decisions": listed });
    if let Some(summary) = summary.as_object_mut() {
        let more = verdict.decisions.len().saturating_sub(MAX_LISTED);
        if more > 0 {
            summary.insert("more".into(), more.into());
        }
        if let Some(why) = &verdict.rejected {
            summary.insert("rejected".into(), why.as_str().into());
        }
    }
    summary
}
