//! Handles one request to a webhook: checks it, turns it into an event, and answers it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
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
use super::auth::{Claims, Denied, Head};
use super::ports::CurrentRoutes;
use crate::http::{
    BodyBuffer, BodyError, ClientCertificate, InWork, Peer, ServerCertificate, shorten,
};
use crate::log_limit::LogLimit;
use crate::sources::admission::by_name;
use crate::sources::cloud_events::{self, Batch};
use crate::sources::format::{parameters, parameters_to_json, path_parameters};
use crate::sources::{
    AcceptError, AcceptOutcome, Accepted, BodyFormat, FormatError, Incoming, Intake,
};

/// `Retry-After`, in seconds, where the queue is full, and where there is no room in memory.
const RETRY_AFTER_QUEUE: &str = "5";
const RETRY_AFTER_MEMORY: &str = "1";

/// The most refused events of a batch that the answer lists.
const MAX_LISTED_ERRORS: usize = 10;

/// The routes of one port.
pub(super) struct WebhookPort {
    pub(super) routes: Vec<Route>,
    pub(super) intake: Intake,
    /// Limits log lines about requests to unknown paths.
    pub(super) unknown: LogLimit,
    /// Limits log lines about requests that are not authenticated.
    pub(super) denied: LogLimit,
    /// The certificate of the port; `None` if it serves plain HTTP.
    pub(super) certificate: Option<Arc<ServerCertificate>>,
}

impl WebhookPort {
    /// What is at the port, for people.
    pub(super) fn listening(&self, address: SocketAddr) -> Vec<String> {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        let line = |Route { source, event, config, .. }: &Route| {
            format!("{source}.{event} at {} {scheme}://{address}{}", config.method, config.path)
        };
        self.routes.iter().map(line).collect()
    }
}

/// The answer to a request that is refused.
type RefusedWith = Box<Response>;

pub(super) async fn receive(
    State(routes): State<CurrentRoutes>,
    Extension(peer): Extension<Peer>,
    Extension(in_work): Extension<Arc<InWork>>,
    request: Request<Body>,
) -> Response {
    let port = routes.get();
    let path = request.uri().path();
    let here: Vec<&Route> =
        port.routes.iter().filter(|route| route.path.matches(path).is_some()).collect();
    if here.is_empty() {
        return nothing_here(&port, path);
    }
    let method = request.method().as_str();
    let Some(route) = here.iter().find(|route| route.config.method == method) else {
        return wrong_method(&here, path, method);
    };
    let deny = |why| Box::new(denied(&port, route, peer, why));
    let claims = match authenticate(&port, route, peer, request.headers()) {
        Ok(claims) => claims,
        Err(NotAuthenticated::NotReady) => return not_ready(&port, route),
        Err(NotAuthenticated::Denied(why)) => return *deny(why),
    };
    let is_proven = |body: Option<&[u8]>| claims.body(body).map_err(deny);
    let incoming = match incoming(route, &in_work, request, is_proven).await {
        Ok(incoming) => incoming,
        Err(response) => return *response,
    };
    let content_type = incoming.headers.get("content-type");
    let hint = content_type.and_then(|ty| route.config.format.hint(ty));
    let (batch, size) = match batch(route, &in_work, &incoming) {
        Ok(batch) => batch,
        Err(response) => return *response,
    };
    // This continues if the sender disconnects: the body counts in the budget until the store has dropped
    // it.
    let storing = tokio::spawn(async move {
        let _turn = in_work.turn_to_store(size).await;
        let answer = match batch {
            Some(batch) => answer_batch(port.intake.accept_many(batch.into_events(incoming)).await),
            None => answer(port.intake.accept(incoming).await, hint.as_deref()),
        };
        drop(in_work);
        answer
    });
    match storing.await {
        Ok(answer) => answer,
        Err(_panic) => {
            let why = "accepting this event failed inside fuse; please report it";
            refuse(StatusCode::INTERNAL_SERVER_ERROR, why)
        }
    }
}

/// Why a request is not authenticated.
enum NotAuthenticated {
    /// The source cannot read the secrets that it needs.
    NotReady,
    Denied(Denied),
}

/// Checks the head of a request. The claims are left to check against the body.
fn authenticate(
    port: &WebhookPort,
    route: &Route,
    peer: Peer,
    headers: &HeaderMap,
) -> Result<Claims, NotAuthenticated> {
    let Some(auth) = &route.auth else { return Ok(Claims::default()) };
    let head = Head { headers, peer: peer.remote.ip(), now: port.intake.now() };
    match auth.state().checks() {
        None => Err(NotAuthenticated::NotReady),
        Some(checks) => checks.head(&head).map_err(NotAuthenticated::Denied),
    }
}

fn not_ready(port: &WebhookPort, route: &Route) -> Response {
    port.intake.refused(&route.source, &route.event, "unavailable");
    unavailable("this source is not ready; send the event again later", RETRY_AFTER_QUEUE)
}

/// Refuses a request that is not authenticated. The answer does not show which part was wrong; the log does.
fn denied(port: &WebhookPort, route: &Route, peer: Peer, why: Denied) -> Response {
    let Route { source, event, auth, .. } = route;
    port.intake.refused(source, event, "unauthenticated");
    if let Some(left_out) = port.denied.pass() {
        let (peer, reason) = (peer.remote.ip().to_canonical(), why.reason());
        tracing::warn!(left_out, source, %peer, reason, "a request is not authenticated");
    }
    if why == Denied::Address {
        return refuse(StatusCode::FORBIDDEN, "the request is not allowed");
    }
    let mut response = refuse(StatusCode::UNAUTHORIZED, "the request is not authenticated");
    for challenge in auth.iter().flat_map(|auth| auth.config().challenges()) {
        let challenge = HeaderValue::from_static(challenge);
        response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The events of a batch, or `None` for any other request; and the bytes to store, for which there is room in memory.
fn batch(
    route: &Route,
    in_work: &InWork,
    incoming: &Incoming,
) -> Result<(Option<Batch>, usize), RefusedWith> {
    let size = incoming.body.len();
    // The body of a GET request is its query, whatever its content type.
    if route.config.method == "GET" {
        return Ok((None, size));
    }
    let batch = cloud_events::batch(route.config.format, incoming);
    let batch = batch.map_err(|why| bad_request(&why.to_string()))?;
    let more = batch.as_ref().map_or(0, |batch| batch.size(incoming));
    in_work.take(more).map_err(not_arrived)?;
    Ok((batch, size.saturating_add(more)))
}

fn nothing_here(port: &WebhookPort, path: &str) -> Response {
    if let Some(left_out) = port.unknown.pass() {
        // Several events may have the same path.
        let known: BTreeSet<&str> =
            port.routes.iter().map(|route| route.config.path.as_str()).collect();
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        // The log omits the requested path, which may be somebody's secret.
        tracing::info!(left_out, known, "a request to a path that no event has");
    }
    refuse(StatusCode::NOT_FOUND, &format!("no event is sent to `{}` here", shorten(path)))
}

fn wrong_method(here: &[&Route], path: &str, method: &str) -> Response {
    let methods =
        here.iter().map(|route| route.config.method.as_str()).collect::<Vec<_>>().join(", ");
    let (path, method) = (shorten(path), shorten(method));
    let why =
        format!("`{path}` accepts {methods}, not {method}; set the sender's method to {methods}");
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, &why);
    if let Ok(allow) = HeaderValue::from_str(&methods) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Reads the request into an event.
async fn incoming(
    route: &Route,
    in_work: &InWork,
    request: Request<Body>,
    is_proven: impl FnOnce(Option<&[u8]>) -> Result<(), RefusedWith>,
) -> Result<Incoming, RefusedWith> {
    let (parts, body) = request.into_parts();
    // By the announced length, before anything is read: a sender that waits for `100 Continue` sends no byte of
    // its body.
    if body.size_hint().lower() > u64::try_from(route.config.body_limit).unwrap_or(u64::MAX) {
        return Err(too_large(route.config.body_limit));
    }
    let mut headers = by_name(&parts.headers).map_err(|why| bad_request(&why.to_string()))?;
    for name in route.auth.iter().flat_map(|auth| auth.config().secret_headers()) {
        headers.remove(&name);
    }
    let has_body = route.config.method != "GET";
    if has_body {
        check_type(route.config.format, &headers)?;
    }
    let encoded = parts.uri.query().unwrap_or("").as_bytes();
    let query = parameters(encoded, "query").map_err(bad_format)?;
    let path =
        path_parameters(&route.path, parts.uri.path()).map_err(bad_format)?.unwrap_or_default();
    let body = if has_body {
        let bytes = read(body, route.config.body_limit).await?;
        is_proven(Some(&bytes))?;
        let read = bytes.len();
        let body = route.config.format.to_json(bytes).map_err(bad_format)?;
        in_work.take(body.len().saturating_sub(read)).map_err(not_arrived)?;
        body
    } else {
        is_proven(None)?;
        parameters_to_json(encoded, "query").map_err(bad_format)?
    };
    Ok(Incoming {
        source: route.source.clone(),
        name: route.event.clone(),
        id: None,
        headers,
        query,
        path,
        body,
    })
}

/// Refuses a body by its headers, before it is read.
fn check_type(format: BodyFormat, headers: &BTreeMap<String, String>) -> Result<(), RefusedWith> {
    let unsupported = |why: &str| Box::new(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    let coding = headers.get("content-encoding").map(|coding| coding.trim());
    if let Some(coding) = coding.filter(|coding| !coding.eq_ignore_ascii_case("identity")) {
        let coding = shorten(coding);
        return Err(unsupported(&format!(
            "the body is compressed (`Content-Encoding: {coding}`), which fuse does not read; \
             let the sender send it uncompressed"
        )));
    }
    let Some(content_type) = headers.get("content-type") else { return Ok(()) };
    format.accepts(content_type).map_err(|why| unsupported(&why.to_string()))
}

async fn read(mut body: Body, limit: usize) -> Result<Bytes, RefusedWith> {
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
fn unread(error: axum::Error) -> RefusedWith {
    match BodyError::find(&error) {
        Some(why) => not_arrived(why),
        None => bad_request(&format!("the body could not be read: {error}")),
    }
}

fn not_arrived(why: BodyError) -> RefusedWith {
    Box::new(match why {
        BodyError::GivenUp | BodyError::TimedOut(_) => {
            refuse(StatusCode::REQUEST_TIMEOUT, &why.to_string())
        }
        BodyError::NoRoom | BodyError::Stopping => {
            unavailable(&why.to_string(), RETRY_AFTER_MEMORY)
        }
    })
}

fn too_large(limit: usize) -> RefusedWith {
    let why = FormatError::TooLarge { limit };
    Box::new(refuse(StatusCode::PAYLOAD_TOO_LARGE, &why.to_string()))
}

fn bad_request(why: &str) -> RefusedWith {
    Box::new(refuse(StatusCode::BAD_REQUEST, why))
}

fn bad_format(error: FormatError) -> RefusedWith {
    bad_request(&error.to_string())
}

/// The answer to an event. The hint says what to set if its body is not JSON.
fn answer(accepted: Result<Accepted, AcceptError>, hint: Option<&str>) -> Response {
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
fn answer_batch(results: Vec<Result<Accepted, AcceptError>>) -> Response {
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

fn unavailable(why: &str, seconds: &'static str) -> Response {
    retry_after(refuse(UNAVAILABLE, why), seconds)
}

fn retry_after(mut response: Response, seconds: &'static str) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
    response
}

fn refuse(status: StatusCode, why: &str) -> Response {
    refuse_with(status, json!({ "error": why }))
}

fn refuse_with(status: StatusCode, why: serde_json::Value) -> Response {
    (status, axum::Json(why)).into_response()
}
