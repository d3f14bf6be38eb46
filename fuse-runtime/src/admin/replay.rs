//! `/replay`: decides an event or a dead letter again.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::access::Requester;
use super::{Admin, decisions, failed, ledger_failed};
use crate::engine::{ReplayError, ReplayRequest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The id of an event, or the beginning of the id of a dead letter.
    id: String,
    /// `SOURCE` or `SOURCE.EVENT`, if several events have the id.
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    ignore_once: bool,
    /// Only shows what would be done.
    #[serde(default = "yes")]
    dry_run: bool,
}

fn yes() -> bool {
    true
}

pub(super) async fn replay(
    State(admin): State<Arc<Admin>>,
    Extension(caller): Extension<Requester>,
    body: Bytes,
) -> Response {
    let asked: Asked = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => {
            let why = format!("the body is not a replay as in {{\"id\": \"…\"}}: {error}");
            return failed(StatusCode::BAD_REQUEST, &why);
        }
    };
    let Asked { id, source, ignore_once, dry_run } = asked;
    if id.is_empty() {
        return failed(StatusCode::BAD_REQUEST, "`id` is empty");
    }
    // A report takes as much memory as an explanation.
    let Some(turn) = decisions::turn(&admin.explaining).await else { return decisions::busy() };
    let request = ReplayRequest { id, source, ignore_once, by: caller.name().to_owned() };
    let engine = Arc::clone(&admin.engine);
    // The task runs to its end even if the client has gone, because a queued replay must be recorded.
    let replayed = tokio::spawn(async move {
        let _turn = turn;
        match dry_run {
            true => engine.preview_replay(&request).await,
            false => engine.replay(&request).await,
        }
    });
    let replayed =
        replayed.await.unwrap_or_else(|error| Err(ReplayError::Interrupted(error.to_string())));
    match replayed {
        Ok(report) => Json(report).into_response(),
        Err(error) => answer_to(&error),
    }
}

pub(super) fn answer_to(error: &ReplayError) -> Response {
    let status = match error {
        ReplayError::Ledger(error) => return ledger_failed(error),
        ReplayError::Bus(_) => StatusCode::SERVICE_UNAVAILABLE,
        ReplayError::Interrupted(_) => StatusCode::INTERNAL_SERVER_ERROR,
        ReplayError::TooShort(_) => StatusCode::BAD_REQUEST,
        ReplayError::Unknown(_) => StatusCode::NOT_FOUND,
        _ => StatusCode::CONFLICT,
    };
    failed(status, &error.to_string())
}
