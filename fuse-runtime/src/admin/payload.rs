//! `/payload`: an event as it arrived. It needs a token with a right of its own.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::access::Requester;
use super::find_event::find_event;
use super::query::Params;
use super::{Admin, decisions, failed};
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
        return failed(StatusCode::BAD_REQUEST, "say which event, as in /payload?event=ID");
    };
    // The body takes memory, as an explanation does.
    let Some(_turn) = decisions::turn(&admin.explaining).await else { return decisions::busy() };
    let record = match find_event(&admin, &id, params.text("source").as_deref()).await {
        Ok(record) => record,
        Err(error) => return error.answer(),
    };
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
