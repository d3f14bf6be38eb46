//! `/state`: lists the states of flow control, and previews what it would decide with them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fuse_rules::flow::{FlowTime, StateSubject};
use serde_json::{Value, json};

use super::query::{Params, QueryError};
use super::{Admin, decisions, failed, ledger_failed};
use crate::ledger::{FlowQuestion, LedgerError, StateEntry, StateQuery};

/// The most states of one page.
const MAX_PAGE: usize = 1000;
/// The default number of states of a page.
const PAGE: usize = 100;
/// The longest text in a question, in bytes. The values of keys may be long.
const MAX_TEXT: usize = 4096;
/// The longest list in a question.
const MAX_ITEMS: usize = 1000;
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
    let parsed = serde_json::from_slice::<Value>(&body).and_then(|value| match is_small(&value) {
        true => serde_json::from_value::<FlowQuestion>(value),
        false => Err(serde::de::Error::custom("it has a list or text that is too long")),
    });
    let question = match parsed {
        Ok(question) => question,
        Err(error) => {
            let why = format!("the body is not a question of this version of fuse: {error}");
            return failed(StatusCode::BAD_REQUEST, &why);
        }
    };
    if question.has_secrets() {
        return failed(StatusCode::BAD_REQUEST, "keys with secrets are not looked up");
    }
    let Some(turn) = decisions::turn(&admin.explaining).await else { return decisions::busy() };
    // The question keeps its turn, even if the client has gone.
    let answer = tokio::spawn(async move {
        let _turn = turn;
        question.ask(admin.ledger.as_ref(), now(&admin)).await
    });
    let interrupted = |error: tokio::task::JoinError| Err(LedgerError::Invalid(error.to_string()));
    match answer.await.unwrap_or_else(interrupted) {
        Ok(answer) => Json(answer).into_response(),
        Err(LedgerError::Invalid(why)) => failed(StatusCode::BAD_REQUEST, &why),
        Err(error) => ledger_failed(&error),
    }
}

/// Whether a question is of the size of one about rules that people wrote.
fn is_small(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= MAX_TEXT,
        Value::Array(items) => items.len() <= MAX_ITEMS && items.iter().all(is_small),
        Value::Object(fields) => {
            fields.len() <= MAX_ITEMS
                && fields.iter().all(|(name, one)| name.len() <= MAX_TEXT && is_small(one))
        }
        _ => true,
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
