//! `/waiting`: lists the decisions that wait, and takes the answers of people.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use fuse_rules::flow::FlowTime;
use serde_json::json;

use super::access::Requester;
use super::query::limit_and_after;
use super::reason::Reason;
use super::{Admin, failed, ledger_failed};
use crate::engine::AnswerError;
use crate::ledger::{LedgerError, WaitAnswer};

/// The most decisions of one page.
const MAX_PAGE: usize = 1000;
/// The default number of decisions of a page.
const PAGE: usize = 100;

/// A page of the decisions that wait, sorted by id.
pub(super) async fn list(State(admin): State<Arc<Admin>>, RawQuery(query): RawQuery) -> Response {
    let (limit, after) = match limit_and_after(query.as_deref(), PAGE, MAX_PAGE) {
        Ok(asked) => asked,
        Err(error) => return error.answer(),
    };
    let time = FlowTime { steady: admin.clock.steady(), wall: admin.clock.now() };
    match admin.ledger.waiting(after.as_deref(), limit).await {
        Ok(page) => {
            let last = page.last().filter(|_| page.len() >= limit);
            let next = last.and_then(|one| one.record.id());
            let waiting: Vec<_> = page.iter().map(|one| one.summary(time)).collect();
            Json(json!({ "waiting": waiting, "next": next })).into_response()
        }
        Err(error) => ledger_failed(&error),
    }
}

/// Takes this answer about a decision that waits.
pub(super) fn answering(answer: WaitAnswer) -> MethodRouter<Arc<Admin>> {
    post(move |admin, caller, id, reason| take(admin, caller, id, reason, answer))
}

async fn take(
    State(admin): State<Arc<Admin>>,
    Extension(caller): Extension<Requester>,
    Path(id): Path<String>,
    Reason(reason): Reason,
    answer: WaitAnswer,
) -> Response {
    let is_in = |groups: &[String]| caller.is_in(groups);
    match admin.engine.answer(&id, answer, (caller.name(), &is_in), &reason).await {
        Ok(waiting) => {
            let rule = &waiting.record.wait.occurrence.rule;
            let (event, by) = (&waiting.event, caller.name());
            let answer = json!({
                "id": id,
                "answer": answer.as_str(),
                "by": by,
                "rule": rule,
                "source": event.source,
                "name": event.name,
                "event": event.id,
            });
            Json(answer).into_response()
        }
        Err(error @ AnswerError::NotAnApprover { .. }) => {
            failed(StatusCode::FORBIDDEN, &error.to_string())
        }
        Err(AnswerError::Ledger(error @ LedgerError::NotWaiting(_))) => {
            failed(StatusCode::NOT_FOUND, &error.to_string())
        }
        Err(AnswerError::Ledger(
            error @ (LedgerError::NotAsked(_) | LedgerError::Approved { .. }),
        )) => failed(StatusCode::CONFLICT, &error.to_string()),
        Err(AnswerError::Ledger(error)) => ledger_failed(&error),
    }
}
