//! `/held`: lists the actions that are held or wait, and discards one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::access::Requester;
use super::query::limit_and_after;
use super::reason::Reason;
use super::{Admin, failed, ledger_failed};
use crate::engine::DiscardError;
use crate::ledger::EventAction;

/// The most actions of one page.
const MAX_PAGE: usize = 1000;
/// The default number of actions of a page.
const PAGE: usize = 100;

/// A page of the actions that are held or wait, sorted by id.
pub(super) async fn list(State(admin): State<Arc<Admin>>, RawQuery(query): RawQuery) -> Response {
    let (limit, after) = match limit_and_after(query.as_deref(), PAGE, MAX_PAGE) {
        Ok(asked) => asked,
        Err(error) => return error.answer(),
    };
    match admin.ledger.held(after.as_deref(), limit).await {
        Ok(page) => {
            let next = if page.len() < limit {
                None
            } else {
                page.last().map(|one| one.action.id.clone())
            };
            let actions: Vec<_> = page.iter().map(EventAction::summary).collect();
            Json(json!({ "actions": actions, "next": next })).into_response()
        }
        Err(error) => ledger_failed(&error),
    }
}

/// Discards an action, which becomes a dead letter.
pub(super) async fn discard(
    State(admin): State<Arc<Admin>>,
    Extension(caller): Extension<Requester>,
    Path(id): Path<String>,
    Reason(reason): Reason,
) -> Response {
    match admin.engine.discard(&id, caller.name(), &reason).await {
        Ok(()) => Json(json!({ "discarded": id })).into_response(),
        Err(error @ DiscardError::Unknown(_)) => failed(StatusCode::NOT_FOUND, &error.to_string()),
        Err(error @ (DiscardError::Settled(_) | DiscardError::Busy(_))) => {
            failed(StatusCode::CONFLICT, &error.to_string())
        }
        Err(DiscardError::Ledger(error)) => ledger_failed(&error),
    }
}
