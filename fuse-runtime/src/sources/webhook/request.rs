//! Handles one request to a webhook: checks it, turns it into an event, and answers it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::Response;

use super::answers::{RETRY_AFTER_QUEUE, answer, answer_batch, refuse, unavailable};
use super::auth::{Claims, Denied, Head, without_parameters};
use super::body;
use super::lookup::{matching, nothing_here, wrong_method};
use super::ports::CurrentRoutes;
use super::rate::Limited;
use super::{Config, Route, handshake, reply, respond};
use crate::http::{ClientCertificate, InWork, Peer, ServerCertificate};
use crate::log_limit::LogLimit;
use crate::shutdown::Shutdown;
use crate::sources::admission::by_name;
use crate::sources::cloud_events::{self, Batch};
use crate::sources::format::{parameters, parameters_to_json, path_parameters};
use crate::sources::{AcceptError, AcceptOutcome, Accepted, FormatError, Incoming, Intake};

/// The routes of one port.
pub(super) struct WebhookPort {
    pub(super) routes: Vec<Route>,
    pub(super) intake: Intake,
    /// Limits log lines about requests to unknown paths.
    pub(super) unknown: LogLimit,
    /// Limits log lines about requests that are not authenticated.
    pub(super) denied: LogLimit,
    /// Limits log lines about requests that exceed a rate.
    pub(super) limited: LogLimit,
    /// The certificate of the port; `None` if it serves plain HTTP.
    pub(super) certificate: Option<Arc<ServerCertificate>>,
    /// Limits log lines about requests that match no event.
    pub(super) unmatched: LogLimit,
    pub(super) shutdown: Shutdown,
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
pub(super) type RefusedWith = Box<Response>;

pub(super) async fn receive(
    State(routes): State<CurrentRoutes>,
    Extension(peer): Extension<Peer>,
    Extension(in_work): Extension<Arc<InWork>>,
    request: Request<Body>,
) -> Response {
    let port = routes.get();
    let patterns = port.routes.iter().map(|route| &route.path);
    let Some(path) = matching(request.uri().path(), patterns) else {
        return nothing_here(&port, &request);
    };
    let path = path.into_owned();
    let here: Vec<&Route> =
        port.routes.iter().filter(|route| route.path.matches(&path).is_some()).collect();
    if let Some(answer) = handshake::without_body(&here, &port, peer, &request) {
        return answer;
    }
    let method = request.method().clone();
    let Some(route) = here.iter().find(|route| route.config.method == method.as_str()) else {
        return wrong_method(&here, &path, &method);
    };
    let method = method.as_str();
    if let Some(answer) = too_many_of_peer(&port, route, peer) {
        return answer;
    }
    let claims = match authenticate(route, &head(&port, peer, &request)) {
        Ok(claims) => claims,
        Err(NotAuthenticated::NotReady) => return not_ready(&port, route),
        Err(NotAuthenticated::Denied(why)) => return denied(&port, route, peer, why),
    };
    if let Some(answer) = handshake::in_url(route, &claims, &request) {
        return answer;
    }
    let admission = Admission { port: &port, route, peer, claims };
    let incoming = match incoming(&admission, &in_work, request, &path).await {
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

/// What is left to check of a request whose head is authenticated.
struct Admission<'r> {
    port: &'r WebhookPort,
    route: &'r Route,
    peer: Peer,
    claims: Claims,
}

impl Admission<'_> {
    /// Checks the bytes of the body as they were sent, and the rate of the source.
    async fn check(&self, body: Option<&[u8]>) -> Result<(), RefusedWith> {
        let Self { port, route, peer, claims } = self;
        let checked = claims.body(body).await;
        checked.map_err(|why| Box::new(denied(port, route, *peer, why)))?;
        let Some(rate) = &route.rate else { return Ok(()) };
        let counted = rate.source(Instant::now());
        counted.map_err(|limited| Box::new(too_many(port, route, *peer, limited)))
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
    let certificate = request.extensions().get::<Arc<ClientCertificate>>().map(Arc::as_ref);
    let (headers, query) = (request.headers(), request.uri().query().unwrap_or(""));
    Head { headers, query, peer: peer.remote.ip(), certificate, now: port.intake.now() }
}

pub(super) fn not_ready(port: &WebhookPort, route: &Route) -> Response {
    port.intake.refused(&route.source, &route.event, "unavailable");
    unavailable("this source is not ready; send the event again later", RETRY_AFTER_QUEUE)
}

/// Refuses a request that is not authenticated. The answer does not show which part was wrong; the log does.
pub(super) fn denied(port: &WebhookPort, route: &Route, peer: Peer, why: Denied) -> Response {
    let Route { source, event, auth, .. } = route;
    if let Denied::NotReady(reason) = why {
        tracing::debug!(source, reason, "a request cannot be authenticated now");
        return not_ready(port, route);
    }
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

/// Counts a request of a peer before it is authenticated. Returns the answer if it exceeds the `rate` of its source.
pub(super) fn too_many_of_peer(port: &WebhookPort, route: &Route, peer: Peer) -> Option<Response> {
    let rate = route.rate.as_ref()?;
    let limited = rate.peer(peer.remote.ip(), Instant::now()).err()?;
    Some(too_many(port, route, peer, limited))
}

/// Refuses a request that exceeds the `rate` of its source.
fn too_many(port: &WebhookPort, route: &Route, peer: Peer, limited: Limited) -> Response {
    let Route { source, event, .. } = route;
    port.intake.refused(source, event, "limited");
    if let Some(left_out) = port.limited.pass() {
        let peer = peer.remote.ip().to_canonical();
        tracing::warn!(left_out, source, %peer, "a request exceeds the `rate` of its source");
    }
    let why = "too many requests per second; send this one again later";
    let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, why);
    response.headers_mut().insert(header::RETRY_AFTER, limited.seconds().into());
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
    in_work.take(more).map_err(body::not_arrived)?;
    Ok((batch, size.saturating_add(more)))
}

/// Reads the request into an event.
async fn incoming(
    admission: &Admission<'_>,
    in_work: &Arc<InWork>,
    request: Request<Body>,
    path: &str,
) -> Result<Incoming, RefusedWith> {
    let route = admission.route;
    let (parts, body) = request.into_parts();
    let Config { format, body_limit: limit, .. } = route.config;
    body::check_length(&body, limit)?;
    let mut headers = by_name(&parts.headers).map_err(|why| bad_request(&why.to_string()))?;
    for name in route.auth.iter().flat_map(|auth| auth.config().secret_headers()) {
        headers.remove(&name);
    }
    let has_body = route.config.method != "GET";
    let coding = match has_body {
        true => body::check_type(format, &parts.headers)?,
        false => None,
    };
    let secret = route.auth.iter().flat_map(|auth| auth.config().secret_parameters());
    let secret: Vec<String> = secret.collect();
    let query = parts.uri.query().unwrap_or("");
    let query = match secret.is_empty() {
        true => Cow::Borrowed(query),
        false => Cow::Owned(without_parameters(query, &secret)),
    };
    let encoded = query.as_bytes();
    let query = parameters(encoded, "query").map_err(bad_format)?;
    let path = path_parameters(&route.path, path).map_err(bad_format)?.unwrap_or_default();
    let body = if has_body {
        let bytes = body::read(body, limit).await?;
        // A signature is over the bytes as they were sent.
        admission.check(Some(&bytes)).await?;
        let bytes = body::decompressed(coding, bytes, limit, in_work).await?;
        if let Some(answer) = handshake::in_body(route, &parts.headers, &bytes).await {
            return Err(Box::new(answer));
        }
        let read = bytes.len();
        let body = format.to_json(bytes).map_err(bad_format)?;
        in_work.take(body.len().saturating_sub(read)).map_err(body::not_arrived)?;
        body
    } else {
        admission.check(None).await?;
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

pub(super) fn bad_request(why: &str) -> RefusedWith {
    Box::new(refuse(StatusCode::BAD_REQUEST, why))
}

fn bad_format(error: FormatError) -> RefusedWith {
    bad_request(&error.to_string())
}
