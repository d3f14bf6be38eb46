//! The source `webhook`: one HTTP server per port, with any number of paths.

mod answers;
mod auth;
mod body;
mod content_coding;
mod credentials;
mod handshake;
mod lookup;
mod ports;
mod preview;
mod rate;
mod reply;
mod request;
mod respond;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fuse_rules::schema::{BodyShape, Field, FieldType, PathPattern, Schema, SourceSchema};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::{
    BodyFormat, BoundSource, EventBinding, Source, SourceContext, SourceError, milliseconds,
};
use crate::http::TlsConfig;
use crate::log_limit::LogLimit;
use auth::{AuthConfig, SourceAuth, auth_field, present, verify_event};
use credentials::Credentials;
use handshake::{Handshake, handshake_field};
use ports::{Kept, Listening, PortRoutes, Ports};
pub use preview::{hidden_headers, hidden_parameters, within_body_limit};
use rate::{RateConfig, RateLimit, rate_field};
use reply::{is_present, reply_field};
use request::WebhookPort;
use respond::{Respond, default_wait, respond_field, respond_within_field, verify_response};
use tls::{PortCertificates, add_certificate, tls_field, verify_tls};

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
            .field(tls_field())
            .field(rate_field())
            .field(handshake_field())
            .field(reply_field())
            .field(respond_field())
            .field(respond_within_field());
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
            .same_for("port", &["tls"])
            .verify(verify)
            .presets(include_str!("presets.rules"))
            // A `reply` is an answer at once.
            .alternatives(&["reply", "respond"])
            .body("method", "GET", BodyShape::Strings)
            .body("format", "form", BodyShape::Strings)
            .body("format", "form-lists", BodyShape::StringLists)
            .body("format", "text", BodyShape::Text)
    }

    async fn bind(
        &self,
        events: Vec<EventBinding>,
        context: &SourceContext,
    ) -> Result<Box<dyn BoundSource>, SourceError> {
        let ports = Ports::new(*self);
        let routes = self.routes(events, context, &Kept::default()).await?;
        ports.open(routes).await?.commit_now();
        Ok(Box::new(Listening { ports }))
    }
}

impl Webhook {
    /// The routes of each port. A source whose `auth` does not change keeps its secrets and their state, one whose
    /// `rate` does not change keeps its counters, and a port keeps its certificate.
    async fn routes(
        &self,
        events: Vec<EventBinding>,
        context: &SourceContext,
        kept: &Kept,
    ) -> Result<PortRoutes, SourceError> {
        let mut auths: BTreeMap<String, Arc<SourceAuth>> = BTreeMap::new();
        let mut certificates = PortCertificates::new();
        let former = &kept.credentials;
        let mut rates: BTreeMap<String, Arc<RateLimit>> = BTreeMap::new();
        let mut open = BTreeSet::new();
        let mut by_port: BTreeMap<u16, Vec<Route>> = BTreeMap::new();
        for event in events {
            let mut config: Config = event.config()?;
            let EventBinding { source, name, fields } = event;
            let written = fields.get("auth");
            // All events of a source have the same `auth`.
            let auth = match (config.auth.take(), auths.get(&source)) {
                (None, _) => {
                    open.insert(source.clone());
                    None
                }
                (Some(_), Some(known)) => Some(Arc::clone(known)),
                (Some(auth), None) => {
                    let known = former.auths.iter().find(|known| known.is_for(&source, written));
                    let auth = known.map_or_else(
                        || Arc::new(SourceAuth::new(&source, auth, written.cloned())),
                        Arc::clone,
                    );
                    auths.insert(source.clone(), Arc::clone(&auth));
                    Some(auth)
                }
            };
            let rate = config.rate.take().map(|rate| {
                let limit = || match kept.rates.get(&source) {
                    Some(known) if known.is_for(rate) => Arc::clone(known),
                    _ => Arc::new(RateLimit::new(rate, Instant::now())),
                };
                Arc::clone(rates.entry(source.clone()).or_insert_with(limit))
            });
            let path = PathPattern::parse(&config.path).map_err(|why| {
                SourceError::with_source(format!("cannot listen on `{}`", config.path), why)
            })?;
            add_certificate(
                &mut certificates,
                config.port,
                config.tls.take(),
                &former.certificates,
            )?;
            by_port.entry(config.port).or_default().push(Route {
                source,
                event: name,
                path,
                auth,
                rate,
                config,
            });
        }
        warn_of_open_sources(self.address, &open);
        let credentials = Credentials {
            auths: auths.into_values().collect(),
            certificates: certificates.values().flatten().cloned().collect(),
        };
        credentials.without(former).refresh(context.secrets()).await;
        // The routes and the plan that finds the ids of their events change together.
        let intake = context.pinned_intake();
        let ports = by_port.into_iter().map(|(port, routes)| {
            let routes = WebhookPort {
                routes,
                intake: intake.clone(),
                unknown: LogLimit::new(),
                denied: LogLimit::new(),
                limited: LogLimit::new(),
                certificate: certificates.get(&port).cloned().flatten(),
                unmatched: LogLimit::new(),
                shutdown: context.shutdown().clone(),
            };
            (SocketAddr::new(self.address, port), routes)
        });
        Ok(PortRoutes { ports: ports.collect(), credentials })
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
    verify_tls(fields)?;
    verify_response(fields)
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
    #[serde(default)]
    respond: Respond,
    #[serde(default = "default_wait", with = "milliseconds")]
    respond_within: Duration,
    #[serde(default, deserialize_with = "present")]
    auth: Option<AuthConfig>,
    #[serde(default, deserialize_with = "present")]
    tls: Option<TlsConfig>,
    #[serde(default, deserialize_with = "present")]
    rate: Option<RateConfig>,
}

/// Where one event arrives. Several events may have the same address: conditions distinguish them.
#[derive(Clone, Debug)]
struct Route {
    source: String,
    event: String,
    path: PathPattern,
    /// How fuse authenticates its senders; `None` if it does not.
    auth: Option<Arc<SourceAuth>>,
    /// How many requests its source accepts; shared by its events.
    rate: Option<Arc<RateLimit>>,
    config: Config,
}
