//! `/state`: lists the states of flow control.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use fuse_rules::flow::{FlowTime, StateSubject};
use serde_json::json;

use super::query::{Params, QueryError};
use super::{Admin, ledger_failed};
use crate::ledger::{StateEntry, StateQuery};

/// The most states of one page.
const MAX_PAGE: usize = 1000;
/// The default number of states of a page.
const PAGE: usize = 100;
const PARAMS: [&str; 7] = ["rule", "limiter", "fuse", "clause", "key", "limit", "after"];

/// A page of the states that have not ended.
pub(super) async fn list(State(admin): State<Arc<Admin>>, RawQuery(query): RawQuery) -> Response {
    let query = match asked(query.as_deref()) {
        Ok(query) => query,
        Err(error) => return error.answer(),
    };
    let time = FlowTime { steady: admin.clock.steady(), wall: admin.clock.now() };
    match admin.ledger.states(&query, time).await {
        Ok(page) => {
            let states: Vec<_> = page.states.iter().map(StateEntry::summary).collect();
            let answer = json!({ "states": states, "next": page.next, "damaged": page.damaged });
            Json(answer).into_response()
        }
        Err(error) => ledger_failed(&error),
    }
}

fn asked(query: Option<&str>) -> Result<StateQuery, QueryError> {
    let params = Params::new(query, &PARAMS)?;
    Ok(StateQuery {
        rule: params.text("rule"),
        limiter: params.text("limiter"),
        fuse: params.text("fuse"),
        clause: params.one_of("clause", &StateSubject::WORDS)?,
        key: params.text("key"),
        after: params.text("after"),
        limit: params.limit(PAGE, MAX_PAGE)?,
    })
}
