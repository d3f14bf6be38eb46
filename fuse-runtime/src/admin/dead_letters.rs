//! `/dead-letters`: what failed for good, and why; and discards one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::access::Requester;
use super::query::{Params, QueryError};
use super::reason::Reason;
use super::{Admin, ledger_failed, replay};
use crate::ledger::{DeadLetter, DeadLetterQuery};

/// How many dead letters a page has by default, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 500;
const PARAMS: [&str; 8] = ["id", "source", "event", "rule", "since", "until", "limit", "after"];

/// A page of dead letters, the newest first.
pub(super) async fn list(State(admin): State<Arc<Admin>>, RawQuery(query): RawQuery) -> Response {
    let query = match asked(query.as_deref()) {
        Ok(query) => query,
        Err(error) => return error.answer(),
    };
    match admin.ledger.dead_letters(&query).await {
        Ok(page) => {
            let letters: Vec<_> = page.letters.iter().map(DeadLetter::summary).collect();
            Json(json!({ "letters": letters, "next": page.next, "damaged": page.damaged }))
                .into_response()
        }
        Err(error) => ledger_failed(&error),
    }
}

fn asked(query: Option<&str>) -> Result<DeadLetterQuery, QueryError> {
    let params = Params::new(query, &PARAMS)?;
    Ok(DeadLetterQuery {
        id: params.text("id"),
        source: params.text("source"),
        name: params.text("event"),
        rule: params.text("rule"),
        since: params.time("since")?,
        until: params.time("until")?,
        after: params.text("after"),
        limit: params.limit(PAGE, MAX_PAGE)?,
    })
}

/// Discards a dead letter and removes it from the list.
pub(super) async fn discard(
    State(admin): State<Arc<Admin>>,
    Extension(caller): Extension<Requester>,
    Path(id): Path<String>,
    Reason(reason): Reason,
) -> Response {
    match admin.engine.discard_letter(&id, caller.name(), &reason).await {
        Ok(letter) => Json(json!({ "discarded": letter.id })).into_response(),
        Err(error) => replay::answer_to(&error),
    }
}
