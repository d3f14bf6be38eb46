//! Event sources: where events come from.
//!
//! A source registers a schema, by which rules are checked; binds what the rules declare of its
//! kind; and hands what arrives to the [`Intake`], which answers once the event is durable.
//!
//! ```
//! use async_trait::async_trait;
//! use fuse_rules::{Schema, SourceSchema};
//! use fuse_runtime::Shutdown;
//! use fuse_runtime::sources::{BoundSource, EventBinding, Incoming, Intake, Source, SourceError};
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
//!         intake: Intake,
//!     ) -> Result<Box<dyn BoundSource>, SourceError> {
//!         Ok(Box::new(Bell { events, intake }))
//!     }
//! }
//!
//! struct Bell {
//!     events: Vec<EventBinding>,
//!     intake: Intake,
//! }
//!
//! #[async_trait]
//! impl BoundSource for Bell {
//!     fn listening(&self) -> Vec<String> {
//!         vec!["hello".into()]
//!     }
//!
//!     async fn serve(self: Box<Self>, _stop: Shutdown) {
//!         for event in &self.events {
//!             let incoming = Incoming::json(&event.source, &event.name, b"{}".to_vec());
//!             if let Err(why) = self.intake.accept(incoming).await {
//!                 eprintln!("not taken: {why}");
//!             }
//!         }
//!     }
//! }
//! ```

mod cloud_events;
mod intake;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use fuse_rules::{Ruleset, SourceSchema};

use crate::shutdown::Shutdown;

pub use cloud_events::decode_header;
pub use intake::{Intake, Refused, Taken, sender_id};
pub use webhook::Webhook;

/// What arrived at a source, before it is an event.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    /// The source's name.
    pub source: String,
    /// The event's name.
    pub name: String,
    /// The sender's id, where the source knows one; else it is looked for in the headers and by
    /// the source's `id` expression, and made up last.
    pub id: Option<String>,
    /// Headers, by lower-case names, as [`decode_header`] gives them.
    pub headers: BTreeMap<String, String>,
    /// Parameters of the query.
    pub query: BTreeMap<String, String>,
    /// The body: JSON.
    pub body: Bytes,
}

impl Incoming {
    /// An event without headers or query.
    pub fn json(source: &str, name: &str, body: impl Into<Bytes>) -> Self {
        Self { source: source.into(), name: name.into(), body: body.into(), ..Self::default() }
    }
}

/// One event that rules declare, with its source's fields as the schema's types give them.
#[derive(Clone, Debug)]
pub struct EventBinding {
    /// The source's name.
    pub source: String,
    /// The event's name.
    pub name: String,
    /// The fields of the source's block with the event's own over them.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// Why a source cannot be bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// A kind of source. Object-safe; the runtime holds each as `Arc<dyn Source>`.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// The kind and its fields, by which rules are checked.
    fn schema(&self) -> SourceSchema;

    /// Binds all events of this kind: what can fail, such as opening a port, fails here and
    /// fails the start.
    ///
    /// # Errors
    /// What could not be bound, for people.
    async fn bind(
        &self,
        events: Vec<EventBinding>,
        intake: Intake,
    ) -> Result<Box<dyn BoundSource>, SourceError>;
}

/// A source that is bound and can serve.
#[async_trait]
pub trait BoundSource: Send + 'static {
    /// What is bound, for people: `alertmanager.slo-alerts at http://127.0.0.1:12000/webhook`.
    fn listening(&self) -> Vec<String>;

    /// Serves until told to stop, then finishes what is under way.
    async fn serve(self: Box<Self>, stop: Shutdown);
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
