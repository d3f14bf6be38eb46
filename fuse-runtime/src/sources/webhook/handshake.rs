//! Answers requests by which senders verify a URL before they send events to it. They are not events.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use fuse_rules::schema::{Field, FieldType};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Route;
use super::answers::{RETRY_AFTER_QUEUE, refuse, unavailable};
use super::auth::{Claims, Denied, SnsConfig, SnsRequest};
use super::lookup::methods;
use super::request::{WebhookPort, denied, head, not_ready, too_many_of_peer};
use crate::http::Peer;
use crate::sources::BodyFormat;

/// How a sender verifies a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Handshake {
    /// `OPTIONS` with `WebHook-Request-Origin`, as in CloudEvents.
    #[serde(rename = "cloudevents")]
    CloudEvents,
    /// An event with a `validationCode`; with the CloudEvents schema as in [`Handshake::CloudEvents`].
    EventGrid,
    /// The query parameter `validationToken` of Microsoft Graph.
    Graph,
    /// `GET` with `hub.challenge` and `hub.verify_token`, of Meta.
    Meta,
    /// A signed body of the type `url_verification`.
    Slack,
    /// A signed body with a `SubscribeURL` to visit.
    Sns,
}

/// The field `handshake` of a source.
pub(super) fn handshake_field() -> Field {
    let names = ["cloudevents", "event-grid", "graph", "meta", "slack", "sns"];
    let names = names.into_iter().map(str::to_owned).collect();
    let doc = "How the sender verifies the URL before it sends events; fuse answers, and rules do not see it.";
    Field::optional("handshake", FieldType::OneOf(names), doc)
}

/// The answer to a request without a body that is a handshake: `OPTIONS` or `GET`.
pub(super) fn without_body(
    here: &[&Route],
    port: &WebhookPort,
    peer: Peer,
    request: &Request<Body>,
) -> Option<Response> {
    let of = |kinds: &[Handshake]| {
        let is_of = |route: &&&Route| {
            route.config.handshake.is_some_and(|handshake| kinds.contains(&handshake))
        };
        here.iter().find(is_of).copied()
    };
    let head = head(port, peer, request);
    // Senders have no other credentials yet, so these are not required.
    let unauthenticated = |route: &Route| match route.auth.as_ref()?.state().checks() {
        None => Some(not_ready(port, route)),
        Some(checks) => {
            checks.address_and_url(&head).err().map(|why| denied(port, route, peer, why))
        }
    };
    let deny =
        |route: &Route| too_many_of_peer(port, route, peer).or_else(|| unauthenticated(route));
    if request.method() == Method::OPTIONS
        && let Some(origin) = request.headers().get("webhook-request-origin")
    {
        let route = of(&[Handshake::CloudEvents, Handshake::EventGrid])?;
        return Some(deny(route).unwrap_or_else(|| allowed_origin(here, origin.clone())));
    }
    if request.method() == Method::GET && parameter(head.query, "hub.mode").is_some() {
        let route = of(&[Handshake::Meta])?;
        return Some(deny(route).unwrap_or_else(|| {
            let token = parameter(head.query, "hub.verify_token").unwrap_or_default();
            let challenge = parameter(head.query, "hub.challenge");
            let state = route.auth.as_ref().map(|auth| auth.state());
            let is_known = state.is_some_and(|state| {
                state.checks().is_some_and(|checks| checks.is_verify_token(&token))
            });
            match challenge.filter(|_| is_known) {
                Some(challenge) => text(route, challenge),
                None => {
                    let why =
                        Denied::Credentials("the verify token is wrong, or a parameter is missing");
                    denied(port, route, peer, why)
                }
            }
        }));
    }
    None
}

/// The answer to a request whose URL contains the token to answer with. Its head is authenticated.
pub(super) fn in_url(route: &Route, claims: &Claims, request: &Request<Body>) -> Option<Response> {
    if route.config.handshake != Some(Handshake::Graph) || !claims.is_empty() {
        return None;
    }
    Some(text(route, parameter(request.uri().query()?, "validationToken")?))
}

/// The answer to a request whose body contains what to answer with. The request is authenticated.
pub(super) async fn in_body(route: &Route, headers: &HeaderMap, body: &[u8]) -> Option<Response> {
    if route.config.format != BodyFormat::Json {
        return None;
    }
    match route.config.handshake? {
        Handshake::Slack => {
            let body: SlackVerification = serde_json::from_slice(body).ok()?;
            (body.ty == "url_verification").then(|| text(route, body.challenge))
        }
        Handshake::EventGrid => {
            let kind = headers.get("aeg-event-type")?;
            if !kind.as_bytes().eq_ignore_ascii_case(b"SubscriptionValidation") {
                return None;
            }
            let events: Vec<Value> = serde_json::from_slice(body).ok()?;
            let code = events.first()?.get("data")?.get("validationCode")?.as_str()?;
            log(route);
            Some(axum::Json(json!({ "validationResponse": code })).into_response())
        }
        Handshake::Sns => {
            let sns = route.auth.as_ref()?.config().sns()?;
            Some(of_sns(route, sns, sns.request(body)?).await)
        }
        Handshake::CloudEvents | Handshake::Graph | Handshake::Meta => None,
    }
}

/// Confirms a subscription. If this fails, SNS sends the message again.
async fn of_sns(route: &Route, sns: &SnsConfig, request: SnsRequest) -> Response {
    let source = &route.source;
    match request {
        SnsRequest::Ended { topic } => {
            tracing::warn!(
                source,
                topic,
                "the subscription to the topic ended: SNS sends no more events"
            );
            StatusCode::OK.into_response()
        }
        SnsRequest::ConfirmElsewhere { topic } => {
            tracing::warn!(source, topic, "a message asks to visit a URL that is not one of SNS");
            refuse(
                StatusCode::BAD_REQUEST,
                "`SubscribeURL` is not a URL of SNS in the region of the topic",
            )
        }
        SnsRequest::Confirm { topic, url } => match sns.confirm(url).await {
            Ok(()) => {
                tracing::info!(source, topic, "the subscription to the topic is confirmed");
                StatusCode::OK.into_response()
            }
            Err(error) => {
                tracing::warn!(source, topic, %error, "the subscription to the topic cannot be confirmed");
                unavailable("the subscription cannot be confirmed now", RETRY_AFTER_QUEUE)
            }
        },
    }
}

/// The body with which Slack verifies a URL.
#[derive(Deserialize)]
struct SlackVerification {
    #[serde(rename = "type")]
    ty: String,
    challenge: String,
}

/// Allows a sender of CloudEvents to send events here, without a limit on their rate.
fn allowed_origin(here: &[&Route], origin: HeaderValue) -> Response {
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.insert("webhook-allowed-origin", origin);
    headers.insert("webhook-allowed-rate", HeaderValue::from_static("*"));
    if let Ok(allow) = HeaderValue::from_str(&methods(here)) {
        headers.insert(header::ALLOW, allow);
    }
    if let Some(route) = here.first() {
        log(route);
    }
    response
}

/// An answer that repeats what the sender sent, which no browser may read as a page.
fn text(route: &Route, text: String) -> Response {
    log(route);
    let mut response = text.into_response();
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

fn log(route: &Route) {
    tracing::info!(source = route.source, "the sender verified the URL");
}

/// The decoded value of a query parameter.
fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
}
