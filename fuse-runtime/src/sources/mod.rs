//! Event sources: where events come from.
//!
//! A [`Source`] is a kind of source. It registers a schema, by which rules are checked, and binds the
//! events that the rules declare of its kind. The runtime then runs the [`BoundSource`], and restarts it
//! when it fails. Events go to the [`Intake`], which answers once they are durable.
//!
//! [`testing::SourceTest`] runs a source in memory:
//!
//! ```
//! use async_trait::async_trait;
//! use fuse_rules::schema::{Schema, SourceSchema};
//! use fuse_runtime::sources::testing::SourceTest;
//! use fuse_runtime::sources::{
//!     BoundSource, EventBinding, Incoming, Source, SourceContext, SourceError,
//! };
//!
//! /// Sends one event of each declared kind, once.
//! struct Hello;
//!
//! #[async_trait]
//! impl Source for Hello {
//!     fn schema(&self) -> SourceSchema {
//!         SourceSchema::new(Schema::new("hello", "Says hello once."), Schema::new("event", ""))
//!     }
//!
//!     async fn bind(
//!         &self,
//!         events: Vec<EventBinding>,
//!         _context: &SourceContext,
//!     ) -> Result<Box<dyn BoundSource>, SourceError> {
//!         Ok(Box::new(Greeter { events }))
//!     }
//! }
//!
//! struct Greeter {
//!     events: Vec<EventBinding>,
//! }
//!
//! #[async_trait]
//! impl BoundSource for Greeter {
//!     async fn serve(&mut self, context: &SourceContext) -> Result<(), SourceError> {
//!         for event in &self.events {
//!             let incoming = Incoming::json(&event.source, &event.name, "{}");
//!             let accepted = context.intake().accept(incoming).await;
//!             accepted.map_err(|error| SourceError::with_source("not accepted", error))?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let mut test = SourceTest::new("source greeting hello { event said }").start(Hello).await?;
//! assert_eq!(test.next_event().await.body, "{}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accepted;
mod admission;
mod binding;
mod clock;
mod cloud_events;
mod context;
mod error;
mod format;
mod intake;
mod rebind;
mod responses;
pub mod testing;
#[cfg(test)]
mod tests;
mod view;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use fuse_rules::Ruleset;
use fuse_rules::schema::SourceSchema;
use serde::Deserialize as _;

use crate::secrets::SecretRef;

pub use accepted::{AcceptError, AcceptOutcome, Accepted};
pub use admission::{admit, read_headers};
pub use binding::{EventBinding, milliseconds};
pub use clock::ClockSource;
pub use cloud_events::{HeaderError, decode_header};
pub use context::{SourceContext, SourceHealth};
pub use error::SourceError;
pub use format::{BodyFormat, FormatError, path_parameters, read_query};
pub use intake::Intake;
pub(crate) use intake::IntakeRules;
pub use rebind::{PreparedEvents, Rebind};
pub use webhook::{Webhook, hidden_headers, hidden_parameters, within_body_limit};

/// What arrived at a source, before it is an event.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    /// The source's name.
    pub source: String,
    /// The event's name. If conditions distinguish the events of its address, any of their names: the
    /// [`Intake`] finds the event.
    pub name: String,
    /// The sender's id, where the source knows one. Otherwise it is taken from the source's `id`
    /// expression or from well-known headers, or made up.
    pub id: Option<String>,
    /// Headers, by lower-case names, as [`decode_header`] gives them.
    pub headers: BTreeMap<String, String>,
    /// Parameters of the query.
    pub query: BTreeMap<String, String>,
    /// Parameters of the path.
    pub path: BTreeMap<String, String>,
    /// The body: JSON. [`BodyFormat`] makes it of other formats.
    pub body: Bytes,
}

impl Incoming {
    /// An event without headers or query.
    pub fn json(source: &str, name: &str, body: impl Into<Bytes>) -> Self {
        Self { source: source.into(), name: name.into(), body: body.into(), ..Self::default() }
    }

    /// The same with the sender's id, by which fuse recognizes a repetition.
    #[must_use]
    pub fn with_id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }
}

/// A kind of source. Object-safe; the runtime holds each as `Arc<dyn Source>`.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// The kind and its fields, by which rules are checked.
    fn schema(&self) -> SourceSchema;

    /// Binds all events of this kind: when the runtime starts, and when a reload changes the events of a source
    /// that cannot be [bound again](BoundSource::rebind) while it serves. Check here whatever can be wrong with
    /// the configuration, and open ports: an error fails the start, and a reload changes nothing. Connect to a
    /// remote server in [`BoundSource::serve`], so that an outage of it does not keep fuse from starting.
    ///
    /// # Errors
    /// Why the events cannot be bound.
    async fn bind(
        &self,
        events: Vec<EventBinding>,
        context: &SourceContext,
    ) -> Result<Box<dyn BoundSource>, SourceError>;
}

/// A source that is bound and can serve.
#[async_trait]
pub trait BoundSource: Send + 'static {
    /// What is bound, for people: `alertmanager.slo-alerts at http://127.0.0.1:12000/webhook`.
    fn listening(&self) -> Vec<String> {
        Vec::new()
    }

    /// Changes the events while the source serves, so that its connections stay open during a reload. Without
    /// it, a reload that changes the events of this kind binds them once more, stops this source, and then
    /// serves the new one; a port that both use cannot be opened then.
    fn rebind(&self) -> Option<Arc<dyn Rebind>> {
        None
    }

    /// Serves until the [shutdown](SourceContext::shutdown) is requested, then finishes what is under way and
    /// returns. A source that has no more events may return earlier.
    ///
    /// After an error or a panic, the runtime calls this again on the same value, with a backoff from one
    /// second to a minute. Meanwhile `/readyz` and the metrics show the source as failed.
    ///
    /// # Errors
    /// Why the source cannot go on.
    async fn serve(&mut self, context: &SourceContext) -> Result<(), SourceError>;
}

/// The kinds of sources of a runtime.
#[derive(Clone, Default)]
pub struct Sources {
    by_kind: BTreeMap<String, Arc<dyn Source>>,
}

impl Sources {
    /// No kind.
    pub fn new() -> Self {
        Self::default()
    }

    /// The built-in kinds: `webhook`, which listens on this address, and `clock`.
    pub fn built_in(address: IpAddr) -> Self {
        Self::new().with("webhook", Webhook::new(address)).with("clock", ClockSource)
    }

    /// Adds a kind; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, kind: &str, source: impl Source) -> Self {
        self.by_kind.insert(kind.to_owned(), Arc::new(source));
        self
    }

    /// All kinds, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<dyn Source>)> {
        self.by_kind.iter().map(|(kind, source)| (kind.as_str(), source))
    }

    /// The secrets that the sources of the rules refer to, each with the names of these sources.
    pub fn secrets(&self, ruleset: &Ruleset) -> BTreeMap<SecretRef, BTreeSet<String>> {
        let mut found: BTreeMap<SecretRef, BTreeSet<String>> = BTreeMap::new();
        for (kind, source) in self.iter() {
            let schema = source.schema();
            for event in ruleset.events().filter(|event| event.kind == kind) {
                let of_source = schema.source().secrets(event.fields);
                for secret in of_source.into_iter().chain(schema.event().secrets(event.fields)) {
                    // The checker has made it, so it has this form.
                    if let Ok(reference) = SecretRef::deserialize(secret) {
                        found.entry(reference).or_default().insert(event.source.to_owned());
                    }
                }
            }
        }
        found
    }

    /// The events of a kind that the rules declare.
    pub(crate) fn bindings(ruleset: &Ruleset, kind: &str) -> Vec<EventBinding> {
        ruleset
            .events()
            .filter(|event| event.kind == kind)
            .map(|event| EventBinding {
                source: event.source.to_owned(),
                name: event.name.to_owned(),
                fields: event.fields.clone(),
            })
            .collect()
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_kind.keys()).finish()
    }
}
