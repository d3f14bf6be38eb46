//! The source `webhook`: one HTTP server a port, whatever number of paths on it.

mod request;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use fuse_rules::{Field, FieldType, Schema, SourceSchema};
use serde_json::Value;
use tokio::net::TcpListener;

use super::{BoundSource, EventBinding, Intake, Source, SourceError};
use crate::http::Kind;
use crate::log_limit::LogLimit;
use crate::shutdown::Shutdown;
use request::{Port, receive};

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
    ) -> Result<Box<dyn BoundSource>, SourceError> {
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
impl BoundSource for Listening {
    fn listening(&self) -> Vec<String> {
        let line = |server: &Server, route: &Route| {
            let (address, Route { source, event, path, method, .. }) = (server.address, route);
            format!("{source}.{event} at {method} http://{address}{path}")
        };
        self.servers.iter().flat_map(|s| s.routes.iter().map(move |r| line(s, r))).collect()
    }

    async fn serve(self: Box<Self>, stop: Shutdown) {
        let mut serving = tokio::task::JoinSet::new();
        for Server { listener, address, routes } in self.servers {
            let intake = self.intake.clone();
            let state = Arc::new(Port { routes, intake, unknown: LogLimit::new() });
            let app = Router::new().fallback(receive).with_state(state);
            let (server, stop) = (self.intake.server().clone(), stop.clone());
            serving.spawn(async move {
                server.serve(listener, address, Kind::Source, app, stop).await;
            });
        }
        serving.join_all().await;
    }
}
