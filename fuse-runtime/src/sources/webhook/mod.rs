//! The source `webhook`: one HTTP server per port, with any number of paths.

mod limit;
mod request;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use fuse_rules::schema::{BodyShape, Field, FieldType, PathPattern, Schema, SourceSchema};
use serde::Deserialize;
use tokio::net::TcpListener;

use super::{BodyFormat, BoundSource, EventBinding, Source, SourceContext, SourceError};
use crate::http::PortKind;
use crate::log_limit::LogLimit;
pub use limit::within_body_limit;
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
            .field(Field::optional("body-limit", FieldType::Size, limit_doc).default(1 << 20));
        let event = Schema::new("event", "One kind of event of a webhook.")
            .field(Field::required(
                "path",
                FieldType::UrlPath,
                "The path that this event is sent to.",
            ))
            .field(Field::optional("method", method(), method_doc))
            .field(Field::optional("format", BodyFormat::field_type(), format_doc))
            .field(id())
            .field(Field::optional("body-limit", FieldType::Size, limit_doc));
        SourceSchema::new(source, event)
            .address(&["port", "path", "method"])
            .same_at_address(&["format", "body-limit"])
            .body("method", "GET", BodyShape::Strings)
            .body("format", "form", BodyShape::Strings)
            .body("format", "text", BodyShape::Text)
    }

    async fn bind(
        &self,
        events: Vec<EventBinding>,
        _context: &SourceContext,
    ) -> Result<Box<dyn BoundSource>, SourceError> {
        let mut ports: BTreeMap<u16, Vec<Route>> = BTreeMap::new();
        for event in events {
            let config: Config = event.config()?;
            let EventBinding { source, name, .. } = event;
            let path = PathPattern::parse(&config.path).map_err(|why| {
                SourceError::with_source(format!("cannot listen on `{}`", config.path), why)
            })?;
            ports.entry(config.port).or_default().push(Route { source, event: name, path, config });
        }
        let mut servers = Vec::new();
        for (port, routes) in ports {
            let address = SocketAddr::new(self.address, port);
            let listener = Some(listen(address).await?);
            servers.push(PortServer { listener, address, routes });
        }
        Ok(Box::new(Listening { servers }))
    }
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
}

/// Where one event arrives. Several events may have the same address: conditions distinguish them.
#[derive(Clone, Debug)]
struct Route {
    source: String,
    event: String,
    path: PathPattern,
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
            let state = Arc::new(WebhookPort { routes, intake, unknown: LogLimit::new() });
            let app = Router::new().fallback(receive).with_state(state);
            let (http, shutdown) = (context.server().clone(), context.shutdown().clone());
            serving.spawn(async move {
                http.serve(listener, address, PortKind::Source, app, shutdown).await;
            });
        }
        // A panic in one task is passed on here, and ends the others.
        serving.join_all().await;
        Ok(())
    }
}
