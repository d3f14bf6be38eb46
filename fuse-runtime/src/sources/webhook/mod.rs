//! The source `webhook`: one HTTP server per port, with any number of paths.

mod auth;
mod handshake;
mod preview;
mod reply;
mod request;
mod respond;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use fuse_rules::schema::{BodyShape, Field, FieldType, PathPattern, Schema, SourceSchema};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use tokio::net::TcpListener;

use super::{
    BodyFormat, BoundSource, EventBinding, Source, SourceContext, SourceError, milliseconds,
};
use crate::http::PortKind;
use crate::log_limit::LogLimit;
use handshake::{Handshake, handshake_field};
use auth::{AuthConfig, SourceAuth, auth_field, keep_fresh, present, refresh_all, verify_event};
pub use preview::{hidden_headers, hidden_parameters, within_body_limit};
use reply::{is_present, reply_field};
use respond::{DEFAULT_WAIT_MS, Respond, respond_field, respond_within_field, verify_response};
use request::{WebhookPort, receive};

/// Accepts events over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Webhook {
    address: IpAddr,
}

impl Webhook {
    /// Listens on this address, on the ports that the rules declare.
    pub fn new(address: IpAddr) -> Self {
        Self { address }
    }
}

#[async_trait]
impl Source for Webhook {
    fn schema(&self) -> SourceSchema {
        let path = || {
            Field::optional(
                "path",
                FieldType::UrlPath,
                "The path that events are sent to; `{name}` is a parameter.",
            )
        };
        let id = || {
            Field::optional(
                "id",
                FieldType::Expression,
                "The sender's id of an event, as in `body.id`, by which fuse recognizes a repetition.",
            )
        };
        let method = || FieldType::OneOf(vec!["POST".into(), "PUT".into(), "GET".into()]);
        let method_doc = "The method; with `GET` the query becomes the body.";
        let format_doc = "The format of the body; only a form needs the sender's Content-Type.";
        let limit_doc = "The largest body that is accepted.";
        let source = Schema::new("webhook", "Accepts events over HTTP.")
            .field(Field::required("port", FieldType::Int(1, 65_535), "The port to listen on."))
            .field(path())
            .field(Field::optional("method", method(), method_doc).default("POST"))
            .field(Field::optional("format", BodyFormat::field_type(), format_doc).default("json"))
            .field(id())
            .field(Field::optional("body-limit", FieldType::Size, limit_doc).default(1 << 20))
            .field(auth_field())
            .field(handshake_field())
            .field(reply_field())
            .field(respond_field().default("accepted"))
            .field(respond_within_field().default(DEFAULT_WAIT_MS));
        let event = Schema::new("event", "One kind of event of a webhook.")
            .field(Field::required(
                "path",
                FieldType::UrlPath,
                "The path that this event is sent to.",
            ))
            .field(Field::optional("method", method(), method_doc))
            .field(Field::optional("format", BodyFormat::field_type(), format_doc))
            .field(id())
            .field(Field::optional("body-limit", FieldType::Size, limit_doc))
            .field(reply_field())
            .field(respond_field())
            .field(respond_within_field());
        SourceSchema::new(source, event)
            .address(&["port", "path", "method"])
            .same_at_address(&["format", "body-limit"])
            .verify(verify)
            .presets(include_str!("presets.rules"))
            .body("method", "GET", BodyShape::Strings)
            .body("format", "form", BodyShape::Strings)
            .body("format", "text", BodyShape::Text)
    }

    async fn bind(
        &self,
        events: Vec<EventBinding>,
        context: &SourceContext,
    ) -> Result<Box<dyn BoundSource>, SourceError> {
        let mut auths: BTreeMap<String, Arc<SourceAuth>> = BTreeMap::new();
        let mut open = BTreeSet::new();
        let mut ports: BTreeMap<u16, Vec<Route>> = BTreeMap::new();
        for event in events {
            let mut config: Config = event.config()?;
            let EventBinding { source, name, .. } = event;
            // All events of a source have the same `auth`.
            let auth = match (config.auth.take(), auths.get(&source)) {
                (None, _) => {
                    open.insert(source.clone());
                    None
                }
                (Some(_), Some(known)) => Some(Arc::clone(known)),
                (Some(auth), None) => {
                    let auth = Arc::new(SourceAuth::new(&source, auth));
                    auths.insert(source.clone(), Arc::clone(&auth));
                    Some(auth)
                }
            };
            let path = PathPattern::parse(&config.path).map_err(|why| {
                SourceError::with_source(format!("cannot listen on `{}`", config.path), why)
            })?;
            ports.entry(config.port).or_default().push(Route {
                source,
                event: name,
                path,
                auth,
                config,
            });
        }
        warn_of_open_sources(self.address, &open);
        refresh_all(auths.values(), context.secrets()).await;
        let mut servers = Vec::new();
        for (port, routes) in ports {
            let address = SocketAddr::new(self.address, port);
            let listener = Some(listen(address).await?);
            servers.push(PortServer { listener, address, routes });
        }
        let auths = auths.into_values().collect();
        Ok(Box::new(Listening { servers, auths }))
    }
}

/// Warns about sources to which anyone on the network can send events, in one line for all of them.
fn warn_of_open_sources(address: IpAddr, sources: &BTreeSet<String>) {
    /// How many sources the line names.
    const MAX_NAMED: usize = 10;
    if address.is_loopback() || sources.is_empty() {
        return;
    }
    let named: Vec<&str> = sources.iter().take(MAX_NAMED).map(String::as_str).collect();
    let more = sources.len().saturating_sub(MAX_NAMED);
    tracing::warn!(
        sources = named.join(", "),
        more,
        %address,
        "sources accept events from anyone who reaches their port: add `auth` to them"
    );
}

/// Checks an event with the fields of its source.
fn verify(fields: &Map<String, Json>) -> Result<(), String> {
    verify_event(fields)?;
    verify_response(fields)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, SourceError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| SourceError::Listen { address, source })
}

/// The fields of an event.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    port: u16,
    path: String,
    method: String,
    format: BodyFormat,
    body_limit: usize,
    handshake: Option<Handshake>,
    /// Whether fuse answers with the `reply` of the event.
    #[serde(default, rename = "reply", deserialize_with = "is_present")]
    has_reply: bool,
    respond: Respond,
    #[serde(with = "milliseconds")]
    respond_within: Duration,
    #[serde(default, deserialize_with = "present")]
    auth: Option<AuthConfig>,
}

/// Where one event arrives. Several events may have the same address: conditions distinguish them.
#[derive(Clone, Debug)]
struct Route {
    source: String,
    event: String,
    path: PathPattern,
    /// How fuse authenticates its senders; `None` if it does not.
    auth: Option<Arc<SourceAuth>>,
    config: Config,
}

struct PortServer {
    /// Open since the source was bound; opened again after a failure.
    listener: Option<TcpListener>,
    address: SocketAddr,
    routes: Vec<Route>,
}

struct Listening {
    servers: Vec<PortServer>,
    auths: Vec<Arc<SourceAuth>>,
}

#[async_trait]
impl BoundSource for Listening {
    fn listening(&self) -> Vec<String> {
        let line = |server: &PortServer, route: &Route| {
            let Route { source, event, config, .. } = route;
            let (method, address, path) = (&config.method, server.address, &config.path);
            format!("{source}.{event} at {method} http://{address}{path}")
        };
        self.servers.iter().flat_map(|s| s.routes.iter().map(move |r| line(s, r))).collect()
    }

    async fn serve(&mut self, context: &SourceContext) -> Result<(), SourceError> {
        let mut serving = tokio::task::JoinSet::new();
        for server in &mut self.servers {
            let address = server.address;
            // The server owns the listener, and closes it as soon as the shutdown begins.
            let listener = match server.listener.take() {
                Some(listener) => listener,
                None => listen(address).await?,
            };
            let (routes, intake) = (server.routes.clone(), context.intake().clone());
            let state = Arc::new(WebhookPort {
                routes,
                intake,
                unknown: LogLimit::new(),
                denied: LogLimit::new(),
                shutdown: context.shutdown().clone(),
            });
            let app = Router::new().fallback(receive).with_state(state);
            let (http, shutdown) = (context.server().clone(), context.shutdown().clone());
            serving.spawn(async move {
                http.serve(listener, address, PortKind::Source, app, shutdown).await;
            });
        }
        if !self.auths.is_empty() {
            serving.spawn(keep_fresh(self.auths.clone(), context.clone()));
        }
        // A panic in one task is passed on here, and ends the others.
        serving.join_all().await;
        Ok(())
    }
}
