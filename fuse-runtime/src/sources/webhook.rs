//! The source `webhook`: one HTTP server a port, whatever number of paths on it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use fuse_rules::{Field, FieldType, Schema, SourceSchema};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Bound, EventBinding, Incoming, Intake, Refused, Source, SourceError, Stop};

/// How long a sender may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// What a sender is told to wait before it tries again.
const RETRY_AFTER: &str = "5";

/// Takes events in over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Webhook {
    address: IpAddr,
}

impl Webhook {
    /// Listens on this address, at the ports that the rules declare.
    pub fn new(address: IpAddr) -> Self {
        Self { address }
    }
}

#[async_trait]
impl Source for Webhook {
    fn schema(&self) -> SourceSchema {
        let path =
            || Field::optional("path", FieldType::UrlPath, "The path that events are sent to.");
        let id = || {
            Field::optional(
                "id",
                FieldType::Expression,
                "The sender's id of an event, as in `body.id`: what a repetition is known by.",
            )
        };
        let method = || FieldType::OneOf(vec!["POST".into(), "PUT".into(), "GET".into()]);
        let format = || FieldType::OneOf(vec!["json".into(), "text".into(), "form".into()]);
        let method_doc = "The method; with `GET` the query becomes the body.";
        let format_doc = "How the body is read, whatever the sender's Content-Type says.";
        let limit_doc = "The largest body that is taken.";
        let source = Schema::new("webhook", "Takes events in over HTTP.")
            .field(Field::required("port", FieldType::Int(1, 65_535), "The port to listen on."))
            .field(path())
            .field(Field::optional("method", method(), method_doc).default("POST"))
            .field(Field::optional("format", format(), format_doc).default("json"))
            .field(id())
            .field(Field::optional("body-limit", FieldType::Size, limit_doc).default(1 << 20));
        let event = Schema::new("event", "One kind of event of a webhook.")
            .field(Field::required(
                "path",
                FieldType::UrlPath,
                "The path that this event is sent to.",
            ))
            .field(Field::optional("method", method(), method_doc))
            .field(Field::optional("format", format(), format_doc))
            .field(id())
            .field(Field::optional("body-limit", FieldType::Size, limit_doc));
        SourceSchema::new(source, event).address(&["port", "path", "method"])
    }

    async fn bind(
        &self,
        events: Vec<EventBinding>,
        intake: Intake,
    ) -> Result<Box<dyn Bound>, SourceError> {
        let mut ports: BTreeMap<u16, Vec<Route>> = BTreeMap::new();
        for event in events {
            let (port, route) = Route::of(event)?;
            ports.entry(port).or_default().push(route);
        }
        let mut servers = Vec::new();
        for (port, routes) in ports {
            let address = SocketAddr::new(self.address, port);
            let listener = TcpListener::bind(address)
                .await
                .map_err(|error| SourceError(format!("cannot listen on {address}: {error}")))?;
            servers.push(Server { listener, address, routes });
        }
        Ok(Box::new(Listening { servers, intake }))
    }
}

/// Where one event arrives.
#[derive(Clone, Debug)]
struct Route {
    source: String,
    event: String,
    path: String,
    method: String,
    format: String,
    limit: usize,
}

impl Route {
    fn of(event: EventBinding) -> Result<(u16, Self), SourceError> {
        let text = |name: &str| event.fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| event.fields.get(name).and_then(Value::as_u64);
        let port = number("port").and_then(|port| u16::try_from(port).ok());
        let limit = number("body-limit").and_then(|limit| usize::try_from(limit).ok());
        let (Some(port), Some(path), Some(method), Some(format), Some(limit)) =
            (port, text("path"), text("method"), text("format"), limit)
        else {
            // The schema makes all of them present; a registry of one's own may not.
            let EventBinding { source, name, .. } = event;
            return Err(SourceError(format!(
                "`{source}.{name}` has no port, path, method, format or body limit"
            )));
        };
        Ok((port, Self { source: event.source, event: event.name, path, method, format, limit }))
    }
}

struct Server {
    listener: TcpListener,
    address: SocketAddr,
    routes: Vec<Route>,
}

struct Listening {
    servers: Vec<Server>,
    intake: Intake,
}

#[async_trait]
impl Bound for Listening {
    fn listening(&self) -> Vec<String> {
        let line = |server: &Server, route: &Route| {
            let (address, Route { source, event, path, method, .. }) = (server.address, route);
            format!("{source}.{event} at {method} http://{address}{path}")
        };
        self.servers.iter().flat_map(|s| s.routes.iter().map(move |r| line(s, r))).collect()
    }

    async fn serve(self: Box<Self>, stop: Stop) {
        let mut serving = tokio::task::JoinSet::new();
        for Server { listener, address, routes } in self.servers {
            let state = Arc::new(Port { routes, intake: self.intake.clone() });
            let app = Router::new().fallback(receive).with_state(state);
            let stop = stop.clone();
            serving.spawn(async move {
                let server = axum::serve(listener, app)
                    .with_graceful_shutdown(async move { stop.requested().await });
                if let Err(error) = server.await {
                    tracing::error!(%address, %error, "the webhook server failed");
                }
            });
        }
        serving.join_all().await;
    }
}

/// All that arrives at one port.
struct Port {
    routes: Vec<Route>,
    intake: Intake,
}

async fn receive(State(port): State<Arc<Port>>, request: Request<Body>) -> Response {
    let path = request.uri().path();
    let here: Vec<&Route> = port.routes.iter().filter(|route| route.path == path).collect();
    if here.is_empty() {
        let known: Vec<_> = port.routes.iter().map(|route| route.path.as_str()).collect();
        let why = format!("nothing is sent to `{path}` here, only to {}", known.join(", "));
        return refuse(StatusCode::NOT_FOUND, json!({ "error": why }));
    }
    let method = request.method().as_str();
    let Some(route) = here.iter().find(|route| route.method == method) else {
        let methods = here.iter().map(|route| route.method.as_str()).collect::<Vec<_>>().join(", ");
        let why =
            format!("`{path}` takes {methods}, not {method}; set the sender's method to {methods}");
        let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, json!({ "error": why }));
        if let Ok(allow) = HeaderValue::from_str(&methods) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        return response;
    };
    match incoming(route, request).await {
        Ok(incoming) => answer(port.intake.accept(incoming).await),
        Err(response) => *response,
    }
}

/// The request as an event that is still to be taken in.
async fn incoming(route: &Route, request: Request<Body>) -> Result<Incoming, Box<Response>> {
    let (parts, body) = request.into_parts();
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    let encoded = parts.uri.query().unwrap_or("").as_bytes();
    let query = pairs(encoded);
    let body = if route.method == "GET" {
        unambiguous(encoded)?
    } else {
        let bytes = read(body, route.limit).await?;
        match route.format.as_str() {
            "form" => unambiguous(&bytes)?,
            "text" => match std::str::from_utf8(&bytes) {
                Ok(text) => Value::String(text.to_owned()).to_string().into(),
                Err(_) => {
                    let why = json!({ "error": "the body is not UTF-8" });
                    return Err(Box::new(refuse(StatusCode::BAD_REQUEST, why)));
                }
            },
            _ => bytes,
        }
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

async fn read(body: Body, limit: usize) -> Result<Bytes, Box<Response>> {
    let refused = |status, why: String| Box::new(refuse(status, json!({ "error": why })));
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {limit} bytes, which is this source's `body-limit`"),
        )),
        Ok(Err(error)) => {
            Err(refused(StatusCode::BAD_REQUEST, format!("the body could not be read: {error}")))
        }
        Err(_) => Err(refused(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs()),
        )),
    }
}

/// The pairs of a query or a form; the first of a name stands.
fn pairs(encoded: &[u8]) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(encoded) {
        pairs.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    pairs
}

/// A query or form as a body. A name that stands twice would be two readings of one event.
fn unambiguous(encoded: &[u8]) -> Result<Bytes, Box<Response>> {
    let pairs = pairs(encoded);
    let mut seen = std::collections::BTreeSet::new();
    for (name, _) in form_urlencoded::parse(encoded) {
        if !seen.insert(name.clone()) {
            let why = json!({ "error": format!("the parameter `{name}` is given twice") });
            return Err(Box::new(refuse(StatusCode::BAD_REQUEST, why)));
        }
    }
    Ok(json!(pairs).to_string().into())
}

fn answer(taken: Result<super::Taken, Refused>) -> Response {
    match taken {
        Ok(taken) => {
            let status = if taken.known { StatusCode::OK } else { StatusCode::ACCEPTED };
            (status, axum::Json(json!({ "event": taken.id }))).into_response()
        }
        Err(Refused::Invalid(invalid)) => {
            let why = json!({
                "error": invalid.to_string(),
                "line": invalid.place.line,
                "column": invalid.place.column,
            });
            refuse(StatusCode::BAD_REQUEST, why)
        }
        Err(refused @ Refused::Conflict { .. }) => {
            refuse(StatusCode::CONFLICT, json!({ "error": refused.to_string() }))
        }
        Err(refused @ Refused::Unavailable(_)) => {
            let why = json!({ "error": refused.to_string() });
            let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, why);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
            response
        }
        Err(refused) => refuse(StatusCode::BAD_REQUEST, json!({ "error": refused.to_string() })),
    }
}

fn refuse(status: StatusCode, body: Value) -> Response {
    (status, axum::Json(body)).into_response()
}
