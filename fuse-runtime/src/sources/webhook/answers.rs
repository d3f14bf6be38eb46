//! The answers to requests: of accepted events, and of requests that are refused.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::sources::{AcceptError, AcceptOutcome, Accepted};

/// `Retry-After`, in seconds, where the queue is full, and where there is no room in memory.
pub(super) const RETRY_AFTER_QUEUE: &str = "5";
pub(super) const RETRY_AFTER_MEMORY: &str = "1";

/// The most refused events of a batch that the answer lists.
const MAX_LISTED_ERRORS: usize = 10;

/// The answer to an event. The hint says what to set if its body is not JSON.
pub(super) fn answer(accepted: Result<Accepted, AcceptError>, hint: Option<&str>) -> Response {
    match accepted {
        Ok(Accepted { outcome: AcceptOutcome::Unrouted, .. }) => {
            let why = "this request matches no event: fuse does nothing";
            (StatusCode::ACCEPTED, axum::Json(json!({ "event": null, "note": why })))
                .into_response()
        }
        Ok(accepted) => {
            let status =
                if accepted.is_duplicate() { StatusCode::OK } else { StatusCode::ACCEPTED };
            (status, axum::Json(json!({ "event": accepted.id }))).into_response()
        }
        Err(AcceptError::Invalid(invalid)) => {
            let error = match hint {
                Some(hint) => format!("{invalid}; {hint}"),
                None => invalid.to_string(),
            };
            let why = json!({
                "error": error,
                "line": invalid.place.line,
                "column": invalid.place.column,
            });
            (StatusCode::BAD_REQUEST, axum::Json(why)).into_response()
        }
        Err(error @ AcceptError::Conflict { .. }) => {
            refuse(StatusCode::CONFLICT, &error.to_string())
        }
        Err(error @ AcceptError::Unavailable(_)) => {
            unavailable(&error.to_string(), RETRY_AFTER_QUEUE)
        }
        Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// The answer to a batch. A sender repeats the whole batch if it cannot be stored now. Otherwise, the events that
/// are not refused are accepted.
pub(super) fn answer_batch(results: Vec<Result<Accepted, AcceptError>>) -> Response {
    let count = results.len();
    let errors = || {
        results.iter().zip(1_usize..).filter_map(|(result, at)| Some((result.as_ref().err()?, at)))
    };
    if let Some((error, at)) = errors().min_by_key(|(error, _)| !error.is_retryable()) {
        let listed = errors().take(MAX_LISTED_ERRORS);
        let listed = listed.map(|(error, at)| json!({ "event": at, "error": error.to_string() }));
        let why = json!({
            "error": format!("event {at} of {count}: {error}"),
            "errors": listed.collect::<Vec<_>>(),
            "refused": errors().count(),
        });
        return match error {
            AcceptError::Unavailable(_) => {
                retry_after(refuse_with(UNAVAILABLE, why), RETRY_AFTER_QUEUE)
            }
            AcceptError::Conflict { .. } => refuse_with(StatusCode::CONFLICT, why),
            _ => refuse_with(StatusCode::BAD_REQUEST, why),
        };
    }
    let accepted = || results.iter().flatten();
    let status = match accepted().all(Accepted::is_duplicate) {
        true => StatusCode::OK,
        false => StatusCode::ACCEPTED,
    };
    let ids = accepted().map(|one| match one.outcome {
        AcceptOutcome::Unrouted => None,
        _ => Some(one.id.as_str()),
    });
    (status, axum::Json(json!({ "events": ids.collect::<Vec<_>>() }))).into_response()
}

const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

pub(super) fn unavailable(why: &str, seconds: &'static str) -> Response {
    retry_after(refuse(UNAVAILABLE, why), seconds)
}

fn retry_after(mut response: Response, seconds: &'static str) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
    response
}

pub(super) fn refuse(status: StatusCode, why: &str) -> Response {
    refuse_with(status, json!({ "error": why }))
}

fn refuse_with(status: StatusCode, why: serde_json::Value) -> Response {
    (status, axum::Json(why)).into_response()
}
