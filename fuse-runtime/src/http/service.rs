//! Checks each request before the handlers of its port see it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, Response, StatusCode, Version, header};
use axum::response::IntoResponse;
use futures_util::FutureExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::service::Service as _;
use serde_json::json;

use super::activity::Activity;
use super::forwarded::client_address;
use super::origin::{self, HttpRefusal};
use super::request::{Answer, BodyError, InWork};
use super::tls::ClientCertificate;
use super::{Peer, PortKind, ServedPort};

/// `Retry-After`, in seconds, where there is no room for a request.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
/// Answers up to this size do not count as unsent in HTTP/1, where a connection has only one.
const SMALL_ANSWER: usize = 4 << 10;
/// How many bytes an unsent answer takes in HTTP/2, with its stream and task.
const STREAM: usize = 8 << 10;

/// A handler panicked; its connection ends.
#[derive(Debug, thiserror::Error)]
#[error("a handler panicked")]
pub(super) struct Panicked;

/// The connection of a request.
#[derive(Clone)]
pub(super) struct RequestOrigin {
    pub(super) peer: Peer,
    /// The certificate that the client has shown.
    pub(super) client: Option<Arc<ClientCertificate>>,
    pub(super) activity: Arc<Activity>,
}

pub(super) async fn handle(
    port: Arc<ServedPort>,
    RequestOrigin { peer, client, activity }: RequestOrigin,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Panicked> {
    let (mut parts, body) = request.into_parts();
    let peer = match port.kind {
        PortKind::Source => {
            client_address(peer.remote, &parts.headers, port.server.trusted_proxies())
                .map_or(peer, |remote| Peer { remote, ..peer })
        }
        // It has its own rules for requests of other machines.
        PortKind::Admin => peer,
    };
    let is_http2 = parts.version >= Version::HTTP_2;
    let begun =
        InWork::begin(&port.server, &activity, is_http2, size(&parts), body, port.stop.clone());
    let (in_work, body) = match begun {
        Ok(begun) => begun,
        Err(why) => return Ok(no_room(why).map(|body| Answer::new(body, None))),
    };
    let answer = match check(&port, &parts) {
        Err((status, why)) => (status, Json(json!({ "error": why }))).into_response(),
        Ok(()) => {
            parts.extensions.insert(peer);
            if let Some(client) = client {
                parts.extensions.insert(client);
            }
            parts.extensions.insert(Arc::clone(&in_work));
            let called = async { port.service.call(Request::from_parts(parts, body)).await };
            match AssertUnwindSafe(called).catch_unwind().await {
                Ok(Ok(answer)) => answer,
                Ok(Err(impossible)) => match impossible {},
                Err(_panic) => {
                    port.server.panicked();
                    return Err(Panicked);
                }
            }
        }
    };
    let bytes = usize::try_from(answer.body().size_hint().lower()).unwrap_or(usize::MAX);
    let bytes = match is_http2 {
        true => bytes.saturating_add(STREAM),
        false if bytes <= SMALL_ANSWER => 0,
        false => bytes,
    };
    let answer = match port.server.may_answer(bytes) {
        true => {
            in_work.answer(bytes);
            answer
        }
        false => {
            in_work.answer(0);
            drop(answer);
            unavailable("too many answers are unread; ask again later")
        }
    };
    Ok(answer.map(|body| Answer::new(body, Some(in_work))))
}

/// The bytes that a request's head takes in memory.
fn size(parts: &Parts) -> usize {
    // Of the name and the value of a header.
    const ENTRY: usize = 64;
    let headers = parts.headers.iter().fold(0_usize, |sum, (name, value)| {
        sum.saturating_add(name.as_str().len() + value.len() + ENTRY)
    });
    headers.saturating_add(target_length(parts))
}

fn target_length(parts: &Parts) -> usize {
    parts.uri.path_and_query().map_or(0, |target| target.as_str().len())
}

fn check(port: &ServedPort, parts: &Parts) -> Result<(), HttpRefusal> {
    let limits = port.server.limits();
    if parts.headers.len() > limits.max_headers || size(parts) > 2 * limits.max_head {
        let why = format!("the request has more than {} headers", limits.max_headers);
        return Err((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why));
    }
    if target_length(parts) > limits.max_target {
        let why = format!("the path and query are longer than {} bytes", limits.max_target);
        return Err((StatusCode::URI_TOO_LONG, why));
    }
    let authority = origin::authority(parts)?;
    match port.kind {
        PortKind::Source => origin::check_source(&parts.headers, port.server.allow_origins()),
        PortKind::Admin => origin::check_admin(&parts.method, &parts.headers, authority.as_ref()),
    }
}

fn no_room(why: BodyError) -> Response<Body> {
    unavailable(&match why {
        BodyError::NoRoom => "too many requests are in progress; send it again later".to_owned(),
        other => other.to_string(),
    })
}

fn unavailable(why: &str) -> Response<Body> {
    let body = Json(json!({ "error": why }));
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER)], body).into_response()
}
