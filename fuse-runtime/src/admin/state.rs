//! `/state`: lists the states of flow control, and previews what it would decide with them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fuse_rules::flow::{FlowTime, StateSubject};
use serde_json::json;

use super::query::{Params, QueryError};
use super::{Admin, failed, ledger_failed};
use crate::ledger::{FlowQuestion, LedgerError, StateEntry, StateQuery};

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
    match admin.ledger.states(&query, now(&admin)).await {
        Ok(page) => {
            let states: Vec<_> = page.states.iter().map(StateEntry::summary).collect();
            let answer = json!({ "states": states, "next": page.next, "damaged": page.damaged });
            Json(answer).into_response()
        }
        Err(error) => ledger_failed(&error),
    }
}

/// What flow control would decide about an event now. Nothing is recorded.
pub(super) async fn preview(State(admin): State<Arc<Admin>>, body: Bytes) -> Response {
    let question: FlowQuestion = match serde_json::from_slice(&body) {
        Ok(question) => question,
        Err(error) => {
            let why = format!("the body is not a question of this version of fuse: {error}");
            return failed(StatusCode::BAD_REQUEST, &why);
        }
    };
    if question.has_secrets() {
        return failed(StatusCode::BAD_REQUEST, "keys with secrets are not looked up");
    }
    match question.ask(admin.ledger.as_ref(), now(&admin)).await {
        Ok(answer) => Json(answer).into_response(),
        Err(LedgerError::Invalid(why)) => failed(StatusCode::BAD_REQUEST, &why),
        Err(error) => ledger_failed(&error),
    }
}

fn now(admin: &Admin) -> FlowTime {
    FlowTime { steady: admin.clock.steady(), wall: admin.clock.now() }
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
