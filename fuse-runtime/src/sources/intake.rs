//! What every source hands its events to: validated, given an id, durable, then answered.

use std::sync::Arc;

use fuse_rules::{Event, InvalidBody, Plan, UnreadableBody};
use uuid::Uuid;

use super::{Incoming, cloud_events};
use crate::bus::{Bus, BusError, Health, Published};
use crate::clock::Clock;
use crate::event::Envelope;
use crate::http::Server;
use crate::metrics::Metrics;

/// The longest id of a sender, in bytes.
const LONGEST_ID: usize = 512;

/// Takes events in. Clones share everything.
#[derive(Clone)]
pub struct Intake {
    bus: Arc<dyn Bus>,
    plan: Plan,
    clock: Clock,
    metrics: Arc<Metrics>,
    server: Server,
}

/// An event that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its id.
    pub id: String,
    /// Whether it was known before, so that nothing more will be done.
    pub known: bool,
}

/// Why an event was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Its body is not valid JSON.
    #[error("{0}")]
    Invalid(InvalidBody),
    /// The sender's id is none that can be used; why.
    #[error("{0}")]
    BadId(String),
    /// The sender's id is too long.
    #[error("the event's id is longer than {LONGEST_ID} bytes")]
    LongId,
    /// The sender used this id for another body before.
    #[error("an event with the id `{id}` came before with another body; the first one stands")]
    Conflict {
        /// The id.
        id: String,
    },
    /// It could not be made durable; the sender should try again.
    #[error("{0}")]
    Unavailable(BusError),
}

impl Intake {
    pub(crate) fn new(
        bus: Arc<dyn Bus>,
        plan: Plan,
        clock: Clock,
        metrics: Arc<Metrics>,
        server: Server,
    ) -> Self {
        Self { bus, plan, clock, metrics, server }
    }

    /// What sources over HTTP are served by.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Whether events can be taken in now. Cheap: for readiness.
    pub fn health(&self) -> Health {
        self.bus.health()
    }

    /// How many events are taken in and not settled. Cheap: for metrics.
    pub fn backlog(&self) -> u64 {
        self.bus.backlog()
    }

    /// Takes an event in. Returns once it is durable.
    ///
    /// # Errors
    /// Why it was refused. Nothing of it is kept then, but for the count of conflicts.
    pub async fn accept(&self, incoming: Incoming) -> Result<Taken, Refused> {
        let (source, name) = (incoming.source.clone(), incoming.name.clone());
        let result = self.try_accept(incoming).await;
        let outcome = match &result {
            Ok(Taken { known: false, .. }) => "accepted",
            Ok(Taken { known: true, .. }) => "known",
            Err(Refused::Conflict { .. }) => "conflict",
            Err(Refused::Invalid(_) | Refused::LongId | Refused::BadId(_)) => "invalid",
            Err(Refused::Unavailable(_)) => "unavailable",
        };
        self.metrics.received(&source, &name, outcome);
        result
    }

    async fn try_accept(&self, incoming: Incoming) -> Result<Taken, Refused> {
        let received = self.clock.now();
        let id = self.id(&incoming, received)?;
        let envelope = Envelope {
            id: id.clone(),
            source: incoming.source,
            name: incoming.name,
            received,
            headers: incoming.headers,
            query: incoming.query,
            body: incoming.body,
        };
        match self.bus.publish(envelope).await.map_err(Refused::Unavailable)? {
            Published::Accepted => Ok(Taken { id, known: false }),
            Published::Known => Ok(Taken { id, known: true }),
            Published::Conflict => Err(Refused::Conflict { id }),
        }
    }

    /// The sender's id if there is one, else a new one that sorts by time. Validates the body on the way,
    /// in one pass over it.
    fn id(&self, incoming: &Incoming, received: jiff::Timestamp) -> Result<String, Refused> {
        let Incoming { source, name, body, .. } = incoming;
        let event =
            Event::unread(source.as_str(), name.as_str(), body).map_err(Refused::Invalid)?;
        let has_expression = self.plan.has_source_field(&event, "id");
        // Reading the expression validates, too.
        let event = if has_expression && incoming.id.is_none() {
            event
        } else {
            Event::new(source.as_str(), name.as_str(), body).map_err(Refused::Invalid)?
        };
        let event = with_parts(event, &incoming.headers, &incoming.query).received(received);
        let id = match incoming.id.clone() {
            Some(id) => Some(id),
            None => sender_id(&self.plan, &event).map_err(|why| match why {
                UnreadableBody::Invalid(why) => Refused::Invalid(why),
                why => Refused::BadId(why.to_string()),
            })?,
        };
        if id.is_none() && has_expression {
            tracing::warn!(
                source = incoming.source,
                name = incoming.name,
                "the source's `id` has no value for this event: a repetition of it will not be known"
            );
        }
        match id {
            Some(id) if id.len() > LONGEST_ID => Err(Refused::LongId),
            // Ids stand in annotations of objects, some of which expand templates.
            Some(id) if id.contains("{{") => Err(Refused::BadId(
                "the event's id carries `{{`, which a workflow would expand".into(),
            )),
            Some(id) => Ok(id),
            None => Ok(Uuid::now_v7().to_string()),
        }
    }
}

/// The sender's id of an event: by the `id` of its source, else by the headers that GitHub
/// (`X-GitHub-Delivery`) and CloudEvents (`ce-source` and `ce-id`) send. The id of a cloud event is
/// its source, in which `%`, spaces and control characters are percent-encoded, a space, and its id;
/// the event's headers are [decoded](super::decode_header).
///
/// # Errors
/// The body is not JSON, or a key that the `id` reads is in one object twice, so that there are two ids.
pub fn sender_id(plan: &Plan, event: &Event<'_>) -> Result<Option<String>, UnreadableBody> {
    let header = |name: &str| event.header_value(name).filter(|value| !value.is_empty());
    let cloud_event = || Some(cloud_events::event_id(header("ce-source")?, header("ce-id")?));
    Ok(plan
        .source_field(event, "id")?
        .filter(|id| !id.is_empty())
        .or_else(|| header("x-github-delivery").map(str::to_owned))
        .or_else(cloud_event))
}

type Texts = std::collections::BTreeMap<String, String>;

fn with_parts<'a>(mut event: Event<'a>, headers: &Texts, query: &Texts) -> Event<'a> {
    for (name, value) in headers {
        event = event.header(name, value);
    }
    for (name, value) in query {
        event = event.query(name, value);
    }
    event
}

impl Envelope {
    /// The event as rules see it.
    ///
    /// # Errors
    /// A body that is not valid JSON, which the intake refuses.
    pub fn view(&self) -> Result<Event<'_>, InvalidBody> {
        Ok(self.with_rest(Event::new(self.source.as_str(), self.name.as_str(), &self.body)?))
    }

    /// The same without validating the body, which [`Plan::decide`] does.
    pub(crate) fn unread_view(&self) -> Result<Event<'_>, InvalidBody> {
        Ok(self.with_rest(Event::unread(self.source.as_str(), self.name.as_str(), &self.body)?))
    }

    fn with_rest<'a>(&'a self, event: Event<'a>) -> Event<'a> {
        let event = with_parts(event, &self.headers, &self.query);
        event.id(self.id.as_str()).received(self.received)
    }
}
