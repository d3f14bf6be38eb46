//! `/payload`: an event as it arrived. It needs a token with a right of its own.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::access::Requester;
use super::query::Params;
use super::{Admin, failed, ledger_failed};
use crate::ledger::EventContent;

const PARAMS: [&str; 2] = ["event", "source"];

pub(super) async fn show(
    State(admin): State<Arc<Admin>>,
    Extension(caller): Extension<Requester>,
    RawQuery(query): RawQuery,
) -> Response {
    let params = match Params::new(query.as_deref(), &PARAMS) {
        Ok(params) => params,
        Err(error) => return error.answer(),
    };
    let Some(id) = params.text("event") else {
        return failed(StatusCode::BAD_REQUEST, "`event` is missing: the id of an event");
    };
    let mut found = match admin.ledger.find(&id).await {
        Ok(found) => found,
        Err(error) => return ledger_failed(&error),
    };
    if let Some(source) = params.text("source") {
        found.retain(|record| {
            record.event.source == source || record.event.key().full_name() == source
        });
    }
    if found.len() > 1 {
        let events: Vec<_> = found.iter().map(|one| one.event.key().full_name()).collect();
        let why = format!(
            "several sources have an event `{id}`: {}; add &source=NAME or &source=NAME.EVENT",
            events.join(", ")
        );
        return failed(StatusCode::CONFLICT, &why);
    }
    match found.pop() {
        None => failed(StatusCode::NOT_FOUND, &format!("there is no event `{id}`")),
        Some(record) => {
            let (event, by) = (&record.event, caller.name());
            tracing::info!(
                source = event.source,
                name = event.name,
                event = event.id,
                by,
                "the body of an event was read"
            );
            Json(EventContent::new(event)).into_response()
        }
    }
}
