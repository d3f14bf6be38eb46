//! One request to a webhook: what it must be, how it becomes an event, and what it is answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::json;

use super::Route;
use crate::http::{BodyBuffer, BodyError, InWork, shorten};
use crate::log_limit::LogLimit;
use crate::sources::format::{parameters, parameters_to_json};
use crate::sources::{AcceptError, Accepted, FormatError, Incoming, Intake, decode_header};

/// What a sender is told to wait before it tries again, in seconds: where the queue is full, and
/// where there is no room in memory.
const RETRY_AFTER_QUEUE: &str = "5";
const RETRY_AFTER_MEMORY: &str = "1";

/// All that arrives at one port.
pub(super) struct Port {
    pub(super) routes: Vec<Route>,
    pub(super) intake: Intake,
    /// Requests to paths that no event has.
    pub(super) unknown: LogLimit,
}

/// The answer where a request is refused.
type Answered = Box<Response>;

pub(super) async fn receive(
    State(port): State<Arc<Port>>,
    Extension(in_work): Extension<Arc<InWork>>,
    request: Request<Body>,
) -> Response {
    let path = request.uri().path();
    let here: Vec<&Route> = port.routes.iter().filter(|route| route.config.path == path).collect();
    if here.is_empty() {
        return nothing_here(&port, path);
    }
    let method = request.method().as_str();
    let Some(route) = here.iter().find(|route| route.config.method == method) else {
        return wrong_method(&here, path, method);
    };
    let incoming = match incoming(route, &in_work, request).await {
        Ok(incoming) => incoming,
        Err(response) => return *response,
    };
    // A sender that goes away does not end this: the body's bytes stay in the budget until the
    // store has let go of them.
    let storing = tokio::spawn(async move {
        let _turn = in_work.turn_to_store(incoming.body.len()).await;
        let taken = port.intake.accept(incoming).await;
        drop(in_work);
        taken
    });
    match storing.await {
        Ok(taken) => answer(taken),
        Err(_panic) => {
            let why = "taking this event in failed inside fuse; please report it";
            refuse(StatusCode::INTERNAL_SERVER_ERROR, why)
        }
    }
}

fn nothing_here(port: &Port, path: &str) -> Response {
    if let Some(left_out) = port.unknown.pass() {
        let known: Vec<_> = port.routes.iter().map(|route| route.config.path.as_str()).collect();
        // Neither the path that was asked for: it may be somebody's secret.
        tracing::info!(left_out, known = known.join(", "), "a request to a path that no event has");
    }
    refuse(StatusCode::NOT_FOUND, &format!("no event is sent to `{}` here", shorten(path)))
}

fn wrong_method(here: &[&Route], path: &str, method: &str) -> Response {
    let methods =
        here.iter().map(|route| route.config.method.as_str()).collect::<Vec<_>>().join(", ");
    let (path, method) = (shorten(path), shorten(method));
    let why =
        format!("`{path}` takes {methods}, not {method}; set the sender's method to {methods}");
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, &why);
    if let Ok(allow) = HeaderValue::from_str(&methods) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// The request as an event that is still to be taken in.
async fn incoming(
    route: &Route,
    in_work: &InWork,
    request: Request<Body>,
) -> Result<Incoming, Answered> {
    let (parts, body) = request.into_parts();
    // From the announced length, before anything is read: a sender that waits for `100 Continue`
    // sends no byte of its body.
    if body.size_hint().lower() > u64::try_from(route.config.body_limit).unwrap_or(u64::MAX) {
        return Err(too_large(route.config.body_limit));
    }
    let headers = headers(&parts.headers)?;
    let encoded = parts.uri.query().unwrap_or("").as_bytes();
    let query = parameters(encoded, "query").map_err(bad_format)?;
    let body = if route.config.method == "GET" {
        parameters_to_json(encoded, "query").map_err(bad_format)?
    } else {
        let bytes = read(body, route.config.body_limit).await?;
        let read = bytes.len();
        let body = route.config.format.to_json(bytes).map_err(bad_format)?;
        in_work.take(body.len().saturating_sub(read)).map_err(not_arrived)?;
        body
    };
    Ok(Incoming {
        source: route.source.clone(),
        name: route.event.clone(),
        id: None,
        headers,
        query,
        body,
    })
}

/// The headers by their names; several of one name are joined by a comma.
fn headers(map: &HeaderMap) -> Result<BTreeMap<String, String>, Answered> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in map {
        let name = name.as_str();
        // Two ids that differ are never made one by replacing what is not UTF-8.
        let Ok(value) = std::str::from_utf8(value.as_bytes()) else {
            return Err(bad_request(&format!("the header `{name}` is not UTF-8")));
        };
        let value = decode_header(name, value).map_err(|why| bad_request(&why.to_string()))?;
        headers
            .entry(name.to_owned())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    Ok(headers)
}

async fn read(mut body: Body, limit: usize) -> Result<Bytes, Answered> {
    let announced = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let mut buffer = BodyBuffer::new(announced.map_or(limit, |length| length.min(limit)));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(unread)?;
        let Some(data) = frame.data_ref() else { continue };
        if !buffer.extend(data) {
            return Err(too_large(limit));
        }
    }
    Ok(buffer.into_bytes())
}

/// Why a body could not be read.
fn unread(error: axum::Error) -> Answered {
    match BodyError::find(&error) {
        Some(why) => not_arrived(why),
        None => bad_request(&format!("the body could not be read: {error}")),
    }
}

fn not_arrived(why: BodyError) -> Answered {
    Box::new(match why {
        BodyError::GivenUp | BodyError::TimedOut(_) => {
            refuse(StatusCode::REQUEST_TIMEOUT, &why.to_string())
        }
        BodyError::NoRoom | BodyError::Stopping => {
            unavailable(&why.to_string(), RETRY_AFTER_MEMORY)
        }
    })
}

fn too_large(limit: usize) -> Answered {
    let why = format!("the body is larger than {limit} bytes, which is this source's `body-limit`");
    Box::new(refuse(StatusCode::PAYLOAD_TOO_LARGE, &why))
}

fn bad_request(why: &str) -> Answered {
    Box::new(refuse(StatusCode::BAD_REQUEST, why))
}

fn bad_format(error: FormatError) -> Answered {
    bad_request(&error.to_string())
}

fn answer(accepted: Result<Accepted, AcceptError>) -> Response {
    match accepted {
        Ok(accepted) => {
            let status =
                if accepted.is_duplicate() { StatusCode::OK } else { StatusCode::ACCEPTED };
            (status, axum::Json(json!({ "event": accepted.id }))).into_response()
        }
        Err(AcceptError::Invalid(invalid)) => {
            let why = json!({
                "error": invalid.to_string(),
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

fn unavailable(why: &str, retry_after: &'static str) -> Response {
    let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, why);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(retry_after));
    response
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, axum::Json(json!({ "error": why }))).into_response()
}
