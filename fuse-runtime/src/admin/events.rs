//! `/events`: the events that arrived, and their results.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::query::{Params, QueryError};
use super::{Admin, ledger_failed};
use crate::ledger::{EventQuery, EventResult};

/// How many events a page has by default, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 500;
const PARAMS: [&str; 8] = ["source", "event", "rule", "result", "since", "until", "limit", "after"];

/// A page of events, the newest first.
pub(super) async fn list(State(admin): State<Arc<Admin>>, RawQuery(query): RawQuery) -> Response {
    let query = match asked(&admin, query.as_deref()) {
        Ok(query) => query,
        Err(error) => return error.answer(),
    };
    match admin.ledger.events(&query).await {
        Ok(page) => Json(page).into_response(),
        Err(error) => ledger_failed(&error),
    }
}

fn asked(admin: &Admin, query: Option<&str>) -> Result<EventQuery, QueryError> {
    let params = Params::new(query, &PARAMS)?;
    let names = EventResult::ALL.map(EventResult::as_str).join(", ");
    let steady = |at: Timestamp| admin.clock.steady_at(at);
    Ok(EventQuery {
        source: params.text("source"),
        name: params.text("event"),
        rule: params.text("rule"),
        result: params.value("result", &format!("one of {names}"))?,
        since: params.time("since")?.map(steady),
        until: params.time("until")?.map(steady),
        after: params.text("after"),
        limit: params.limit(PAGE, MAX_PAGE)?,
    })
}
