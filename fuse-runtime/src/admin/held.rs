//! `/held`: lists the actions that are held or wait, and discards one by hand.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::{Admin, failed};
use crate::engine::DiscardError;
use crate::http::Peer;
use crate::ledger::EventAction;

/// The most actions of one page.
const MAX_PAGE: usize = 1000;
/// The default number of actions of a page.
const PAGE: usize = 100;
/// The longest reason that is recorded, in characters.
const MAX_REASON: usize = 500;

#[derive(Deserialize)]
pub(super) struct HeldQuery {
    limit: Option<usize>,
    after: Option<String>,
}

/// A page of the actions that are held or wait, sorted by id.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Query(asked): Query<HeldQuery>,
) -> Response {
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    match admin.ledger.held(asked.after.as_deref(), limit).await {
        Ok(page) => {
            let next = if page.len() < limit {
                None
            } else {
                page.last().map(|one| one.action.id.clone())
            };
            let actions: Vec<_> = page.iter().map(EventAction::summary).collect();
            Json(json!({ "actions": actions, "next": next })).into_response()
        }
        Err(error) => failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

#[derive(Deserialize)]
pub(super) struct Discard {
    #[serde(default)]
    reason: String,
}

/// Discards an action. Requests are not authenticated, so only a peer on the same machine or in the same pod may
/// do it.
pub(super) async fn discard(
    State(admin): State<Arc<Admin>>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    body: Option<Json<Discard>>,
) -> Response {
    if !peer.remote.ip().to_canonical().is_loopback() {
        let why = "actions are discarded from the same machine or pod only, as in `kubectl port-forward` or `kubectl exec`";
        return failed(StatusCode::FORBIDDEN, why);
    }
    let reason: String =
        body.map(|Json(body)| body.reason).unwrap_or_default().chars().take(MAX_REASON).collect();
    match admin.engine.discard(&id, &reason).await {
        Ok(()) => Json(json!({ "discarded": id })).into_response(),
        Err(error @ DiscardError::Unknown(_)) => failed(StatusCode::NOT_FOUND, &error.to_string()),
        Err(error @ (DiscardError::Settled(_) | DiscardError::Busy(_))) => {
            failed(StatusCode::CONFLICT, &error.to_string())
        }
        Err(DiscardError::Ledger(error)) => {
            failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
        }
    }
}
