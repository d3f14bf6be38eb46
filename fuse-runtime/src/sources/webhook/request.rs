//! Handles one request to a webhook: checks it, turns it into an event, and answers it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::answers::{
    RETRY_AFTER_MEMORY, RETRY_AFTER_QUEUE, answer, answer_batch, refuse, unavailable,
};
use super::auth::{Claims, Denied, Head, without_parameters};
use super::ports::CurrentRoutes;
use super::{Route, handshake, reply, respond};
use crate::http::{BodyBuffer, BodyError, InWork, Peer, shorten};
use crate::log_limit::LogLimit;
use crate::shutdown::Shutdown;
use crate::sources::admission::by_name;
use crate::sources::cloud_events::{self, Batch};
use crate::sources::format::{parameters, parameters_to_json, path_parameters};
use crate::sources::{
    AcceptError, AcceptOutcome, Accepted, BodyFormat, FormatError, Incoming, Intake,
};

/// The routes of one port.
pub(super) struct WebhookPort {
    pub(super) routes: Vec<Route>,
    pub(super) intake: Intake,
    /// Limits log lines about requests to unknown paths.
    pub(super) unknown: LogLimit,
    /// Limits log lines about requests that are not authenticated.
    pub(super) denied: LogLimit,
    /// Limits log lines about requests that match no event.
    pub(super) unmatched: LogLimit,
    pub(super) shutdown: Shutdown,
}

impl WebhookPort {
    /// What is at the port, for people.
    pub(super) fn listening(&self, address: SocketAddr) -> Vec<String> {
        let line = |Route { source, event, config, .. }: &Route| {
            format!("{source}.{event} at {} http://{address}{}", config.method, config.path)
        };
        self.routes.iter().map(line).collect()
    }

    /// Logs a request that its source accepts, but that is none of its events: the sender sends more than the rules
    /// declare.
    fn log_unmatched(&self, route: &Route) {
        if let Some(left_out) = self.unmatched.pass() {
            let (source, path) = (&route.source, &route.config.path);
            tracing::info!(
                left_out,
                source,
                path,
                "a request matches no event of its source: fuse ignores it"
            );
        }
    }
}

/// The answer to a request that is not an event: it is refused, or a handshake.
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
    if let Some(answer) = handshake::without_body(&here, &port, peer, &request) {
        return answer;
    }
    let method = request.method().clone();
    let method = method.as_str();
    let Some(route) = here.iter().find(|route| route.config.method == method) else {
        return wrong_method(&here, path, method);
    };
    let deny = |why| Box::new(denied(&port, route, peer, why));
    let claims = match authenticate(route, &head(&port, peer, &request)) {
        Ok(claims) => claims,
        Err(NotAuthenticated::NotReady) => return not_ready(&port, route),
        Err(NotAuthenticated::Denied(why)) => return *deny(why),
    };
    if let Some(answer) = handshake::in_url(route, &claims, &request) {
        return answer;
    }
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
    // Which event of the address it is, and so how it is answered, is known once it is accepted.
    let at_address = || here.iter().filter(|other| other.config.method == method);
    let has_reply = batch.is_none() && at_address().any(|other| other.config.has_reply);
    let replied = has_reply.then(|| incoming.clone());
    // This continues if the sender disconnects: the body counts in the budget until the store has dropped
    // it.
    let intake = port.intake.clone();
    let storing = tokio::spawn(async move {
        let _turn = in_work.turn_to_store(size).await;
        let stored = match batch {
            Some(batch) => Stored::Batch(intake.accept_many(batch.into_events(incoming)).await),
            None => {
                let accepted = intake.accept(incoming).await;
                let reply = replied.as_ref().and_then(|incoming| {
                    reply::response(&intake, incoming, accepted.as_ref().ok()?)
                });
                drop(replied);
                Stored::One(accepted, reply)
            }
        };
        // The sender may still wait for the decisions.
        in_work.release();
        stored
    });
    match storing.await {
        Ok(Stored::Batch(results)) => answer_batch(results),
        Ok(Stored::One(_, Some(reply))) => reply,
        Ok(Stored::One(accepted, None)) => {
            if let Ok(Accepted { outcome: AcceptOutcome::Unrouted, .. }) = &accepted {
                port.log_unmatched(route);
            }
            if let Ok(accepted) = &accepted
                && let Some(route) = at_address().find(|other| other.event == accepted.name)
                && let Some(answer) = respond::decided(&port, route, accepted).await
            {
                return answer;
            }
            answer(accepted, hint.as_deref())
        }
        Err(_panic) => {
            let why = "accepting this event failed inside fuse; please report it";
            refuse(StatusCode::INTERNAL_SERVER_ERROR, why)
        }
    }
}

/// What became of a request.
enum Stored {
    /// One event, and its `reply`.
    One(Result<Accepted, AcceptError>, Option<Response>),
    Batch(Vec<Result<Accepted, AcceptError>>),
}

/// Why a request is not authenticated.
enum NotAuthenticated {
    /// The source cannot read the secrets that it needs.
    NotReady,
    Denied(Denied),
}

/// Checks the head of a request. The claims are left to check against the body.
fn authenticate(route: &Route, head: &Head<'_>) -> Result<Claims, NotAuthenticated> {
    let Some(auth) = &route.auth else { return Ok(Claims::default()) };
    match auth.state().checks() {
        None => Err(NotAuthenticated::NotReady),
        Some(checks) => checks.head(head).map_err(NotAuthenticated::Denied),
    }
}

/// What authentication reads before the body arrives.
pub(super) fn head<'r>(port: &WebhookPort, peer: Peer, request: &'r Request<Body>) -> Head<'r> {
    let query = request.uri().query().unwrap_or("");
    Head { headers: request.headers(), query, peer: peer.remote.ip(), now: port.intake.now() }
}

pub(super) fn not_ready(port: &WebhookPort, route: &Route) -> Response {
    port.intake.refused(&route.source, &route.event, "unavailable");
    unavailable("this source is not ready; send the event again later", RETRY_AFTER_QUEUE)
}

/// Refuses a request that is not authenticated. The answer does not show which part was wrong; the log does.
pub(super) fn denied(port: &WebhookPort, route: &Route, peer: Peer, why: Denied) -> Response {
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

/// The methods of these routes, each once.
pub(super) fn methods(here: &[&Route]) -> String {
    let methods: BTreeSet<&str> = here.iter().map(|route| route.config.method.as_str()).collect();
    methods.into_iter().collect::<Vec<_>>().join(", ")
}

fn wrong_method(here: &[&Route], path: &str, method: &str) -> Response {
    let methods = methods(here);
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
    let secret = route.auth.iter().flat_map(|auth| auth.config().secret_parameters());
    let secret: Vec<String> = secret.collect();
    let query = parts.uri.query().unwrap_or("");
    let query = match secret.is_empty() {
        true => Cow::Borrowed(query),
        false => Cow::Owned(without_parameters(query, &secret)),
    };
    let encoded = query.as_bytes();
    let query = parameters(encoded, "query").map_err(bad_format)?;
    let path =
        path_parameters(&route.path, parts.uri.path()).map_err(bad_format)?.unwrap_or_default();
    let body = if has_body {
        let bytes = read(body, route.config.body_limit).await?;
        is_proven(Some(&bytes))?;
        if let Some(answer) = handshake::in_body(route, &parts.headers, &bytes) {
            return Err(Box::new(answer));
        }
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
