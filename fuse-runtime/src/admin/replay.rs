//! `/replay`: decides an event or a dead letter again.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::access::Requester;
use super::{Admin, failed, ledger_failed};
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
    let request = ReplayRequest { id, source, ignore_once, by: caller.name().to_owned() };
    let replayed = match dry_run {
        true => admin.engine.preview_replay(&request).await,
        false => admin.engine.replay(&request).await,
    };
    match replayed {
        Ok(report) => Json(report).into_response(),
        Err(error) => answer_to(&error),
    }
}

pub(super) fn answer_to(error: &ReplayError) -> Response {
    let status = match error {
        ReplayError::Ledger(error) => return ledger_failed(error),
        ReplayError::Bus(_) => StatusCode::SERVICE_UNAVAILABLE,
        ReplayError::Unknown(_) => StatusCode::NOT_FOUND,
        _ => StatusCode::CONFLICT,
    };
    failed(status, &error.to_string())
}
