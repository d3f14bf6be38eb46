//! `/held`: lists the actions that are held or wait, and discards one.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::access::Requester;
use super::query::Params;
use super::{Admin, failed, ledger_failed};
use crate::engine::DiscardError;
use crate::ledger::EventAction;

/// The most actions of one page.
const MAX_PAGE: usize = 1000;
/// The default number of actions of a page.
const PAGE: usize = 100;
/// The longest reason that is recorded, in characters.
const MAX_REASON: usize = 500;

/// A page of the actions that are held or wait, sorted by id.
pub(super) async fn list(State(admin): State<Arc<Admin>>, RawQuery(query): RawQuery) -> Response {
    let params = Params::new(query.as_deref(), &["limit", "after"]);
    let (limit, after) = match params.and_then(|p| Ok((p.limit(PAGE, MAX_PAGE)?, p.text("after"))))
    {
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

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Discard {
    #[serde(default)]
    reason: String,
}

/// The reason in the body of a request. The body may be empty.
pub(super) fn reason(body: &[u8]) -> Result<String, Box<Response>> {
    let discard: Discard = match body.is_empty() {
        true => Discard::default(),
        false => serde_json::from_slice(body).map_err(|error| {
            let why = format!("the body is not a reason as in {{\"reason\": \"…\"}}: {error}");
            Box::new(failed(StatusCode::BAD_REQUEST, &why))
        })?,
    };
    Ok(discard.reason.chars().take(MAX_REASON).collect())
}

/// Discards an action, which becomes a dead letter.
pub(super) async fn discard(
    State(admin): State<Arc<Admin>>,
    Extension(caller): Extension<Requester>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let reason = match reason(&body) {
        Ok(reason) => reason,
        Err(answer) => return *answer,
    };
    match admin.engine.discard(&id, caller.name(), &reason).await {
        Ok(()) => Json(json!({ "discarded": id })).into_response(),
        Err(error @ DiscardError::Unknown(_)) => failed(StatusCode::NOT_FOUND, &error.to_string()),
        Err(error @ (DiscardError::Settled(_) | DiscardError::Busy(_))) => {
            failed(StatusCode::CONFLICT, &error.to_string())
        }
        Err(DiscardError::Ledger(error)) => ledger_failed(&error),
    }
}
