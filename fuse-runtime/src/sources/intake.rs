//! Where every source hands in its events: each is validated, given an id, and made durable.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Buf as _;
use fuse_rules::{Event, Plan, UnreadableBody, without_bom};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::accepted::MAX_ID_BYTES;
use super::admission::admit;
use super::view::with_texts;
use super::{AcceptError, AcceptOutcome, Accepted, Incoming};
use crate::bus::{Bus, BusError, Health, Published};
use crate::clock::Clock;
use crate::decision_waiters::DecisionWaiters;
use crate::event::{Envelope, Replay};
use crate::generation::ActiveGeneration;
use crate::log_limit::LogLimit;
use crate::metrics::Metrics;

/// Accepts events. Clones share everything.
#[derive(Clone)]
pub struct Intake {
    sink: Arc<dyn EventSink>,
    rules: IntakeRules,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// `None` in tests of sources, where nothing decides.
    pub(super) decisions: Option<Arc<DecisionWaiters>>,
}

/// The rules by which the intake routes events and finds their ids.
#[derive(Clone)]
pub(crate) enum IntakeRules {
    /// Those in use.
    Active(ActiveGeneration),
    Fixed(Plan),
}

/// Where accepted events go.
#[async_trait]
pub(crate) trait EventSink: Send + Sync + 'static {
    /// Makes events durable, with one result for each in the same order.
    async fn publish_all(&self, events: Vec<Envelope>) -> Vec<Result<Published, BusError>>;
    fn health(&self) -> Health;
    fn backlog(&self) -> u64;
}

#[async_trait]
impl EventSink for Arc<dyn Bus> {
    async fn publish_all(&self, events: Vec<Envelope>) -> Vec<Result<Published, BusError>> {
        self.as_ref().publish_all(events).await
    }

    fn health(&self) -> Health {
        self.as_ref().health()
    }

    fn backlog(&self) -> u64 {
        self.as_ref().backlog()
    }
}

impl Intake {
    pub(crate) fn new(
        sink: impl EventSink,
        rules: IntakeRules,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { sink: Arc::new(sink), rules, clock, metrics, decisions: None }
    }

    /// The same with the rules of this plan, whatever a reload does: for routes that belong to it.
    pub(crate) fn with_plan(&self, plan: Plan) -> Self {
        Self { rules: IntakeRules::Fixed(plan), ..self.clone() }
    }

    /// The same with the rules that are in use now.
    pub(crate) fn pinned(&self) -> Self {
        self.with_plan(self.plan())
    }

    pub(super) fn plan(&self) -> Plan {
        match &self.rules {
            IntakeRules::Active(active) => active.get().plan.clone(),
            IntakeRules::Fixed(plan) => plan.clone(),
        }
    }

    /// Whether events can be accepted now. Cheap: for readiness.
    pub fn health(&self) -> Health {
        self.sink.health()
    }

    /// How many events are accepted and not settled. Cheap: for metrics.
    pub fn backlog(&self) -> u64 {
        self.sink.backlog()
    }

    /// The time of day.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Counts a request that the source refused before its event was known.
    pub(super) fn refused(&self, source: &str, name: &str, result: &'static str) {
        self.metrics.received(source, name, result);
    }

    /// Accepts an event. Returns once it is durable.
    ///
    /// # Errors
    /// Why it was not accepted. Nothing of it is kept then, but for the count of conflicts.
    pub async fn accept(&self, incoming: Incoming) -> Result<Accepted, AcceptError> {
        let accepted = self.accept_many(vec![incoming]).await.pop();
        accepted.unwrap_or_else(|| Err(no_answer()))
    }

    /// Accepts events together: one commit makes all of them durable, which is far cheaper than one
    /// for each. Returns one result per event, in the same order; an event that is not accepted does not
    /// affect the others.
    pub async fn accept_many(&self, events: Vec<Incoming>) -> Vec<Result<Accepted, AcceptError>> {
        let prepare = |incoming| self.envelope(incoming).map_err(|(_, error)| error);
        self.publish(events.into_iter().map(|one| (labels(&one), prepare(one))).collect()).await
    }

    /// Accepts events together, as [`Intake::accept_many`] does, and records those that are not valid as dead
    /// letters: for sources whose senders get no answer. Only [`AcceptError::Conflict`] and
    /// [`AcceptError::Unavailable`] are left as errors; acknowledge every message whose error is not
    /// [retryable](AcceptError::is_retryable).
    pub async fn accept_or_reject(
        &self,
        events: Vec<Incoming>,
    ) -> Vec<Result<Accepted, AcceptError>> {
        let prepare = |incoming| match self.envelope(incoming) {
            Ok(prepared) => prepared,
            Err((incoming, error)) => Prepared::Store(self.rejected(*incoming, error.to_string())),
        };
        self.publish(events.into_iter().map(|one| (labels(&one), Ok(prepare(one)))).collect()).await
    }

    /// Records a message that is not an event as a dead letter, with the reason in a sentence. Any
    /// bytes may be its body. Without an id it gets one that follows from its body, so that rejecting the
    /// same message again changes nothing.
    ///
    /// # Errors
    /// [`AcceptError::Conflict`] and [`AcceptError::Unavailable`].
    pub async fn reject(
        &self,
        incoming: Incoming,
        reason: impl Into<String>,
    ) -> Result<Accepted, AcceptError> {
        let labels = labels(&incoming);
        let envelope = self.rejected(incoming, reason.into());
        let accepted = self.publish(vec![(labels, Ok(Prepared::Store(envelope)))]).await.pop();
        accepted.unwrap_or_else(|| Err(no_answer()))
    }

    async fn publish(
        &self,
        prepared: Vec<(Labels, Result<Prepared, AcceptError>)>,
    ) -> Vec<Result<Accepted, AcceptError>> {
        let (mut waiting, mut envelopes) = (Vec::with_capacity(prepared.len()), Vec::new());
        for ((source, mut name), prepared) in prepared {
            let known = prepared.map(|prepared| match prepared {
                Prepared::Store(envelope) => {
                    name.clone_from(&envelope.name);
                    let known = (envelope.id.clone(), envelope.rejected.is_some());
                    envelopes.push(envelope);
                    Some(known)
                }
                Prepared::Unrouted => None,
            });
            waiting.push(((source, name), known));
        }
        let mut published = match envelopes.is_empty() {
            true => Vec::new(),
            false => self.sink.publish_all(envelopes).await,
        }
        .into_iter();
        let results = waiting.into_iter().map(|((source, name), prepared)| {
            let result = prepared.and_then(|known| {
                let Some((id, is_rejected)) = known else {
                    let (id, outcome) = (String::new(), AcceptOutcome::Unrouted);
                    return Ok(Accepted { id, name: name.clone(), outcome });
                };
                let published = published.next().ok_or_else(no_answer)?;
                let outcome = match published.map_err(AcceptError::Unavailable)? {
                    Published::Accepted if is_rejected => AcceptOutcome::DeadLetter,
                    Published::Accepted => AcceptOutcome::New,
                    Published::Known => AcceptOutcome::Duplicate,
                    Published::Conflict => return Err(AcceptError::Conflict { id }),
                };
                Ok(Accepted { id, name: name.clone(), outcome })
            });
            let label = match &result {
                Ok(accepted) => match accepted.outcome {
                    AcceptOutcome::New => "accepted",
                    AcceptOutcome::Duplicate => "known",
                    AcceptOutcome::DeadLetter => "rejected",
                    AcceptOutcome::Unrouted => {
                        tracing::debug!(source, "the request matches no event");
                        self.metrics.unrouted(&source);
                        return result;
                    }
                },
                Err(error) => error.label(),
            };
            self.metrics.received(&source, &name, label);
            result
        });
        results.collect()
    }

    /// The event to store, unless the request matches no event.
    fn envelope(&self, mut incoming: Incoming) -> Result<Prepared, (Box<Incoming>, AcceptError)> {
        let received = self.clock.now();
        match self.id(&incoming, received) {
            Ok(Some((id, other_name))) => {
                if let Some(name) = other_name {
                    incoming.name = name;
                }
                Ok(Prepared::Store(envelope(incoming, id, received)))
            }
            Ok(None) => Ok(Prepared::Unrouted),
            Err(error) => Err((Box::new(incoming), error)),
        }
    }

    fn rejected(&self, incoming: Incoming, reason: String) -> Envelope {
        let given = incoming.id.clone().filter(|id| is_usable(id).is_ok());
        let id = given.unwrap_or_else(|| {
            let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&incoming.body));
            format!("rejected-{hash}")
        });
        Envelope { rejected: Some(reason), ..envelope(incoming, id, self.clock.now()) }
    }

    /// The id of the event, and its name if it is another one; `None` if the request matches no event. The id is the
    /// sender's if there is one, else a new one that sorts by time.
    fn id(
        &self,
        incoming: &Incoming,
        received: Timestamp,
    ) -> Result<Option<(String, Option<String>)>, AcceptError> {
        let Incoming { source, name, .. } = incoming;
        let event = arriving(incoming, received)?;
        let plan = self.plan();
        let arrived = admit(&plan, event, incoming.id.clone())?;
        let Some(arrived) = arrived else { return Ok(None) };
        let event = arrived.seen().map_err(unreadable)?;
        let other_name = (event.name() != name).then(|| event.name().to_owned());
        let id = match event.event_id() {
            "" => {
                if plan.has_source_field(&event, "id") {
                    warn_of_missing_id(source, event.name());
                }
                Uuid::now_v7().to_string()
            }
            id => id.to_owned(),
        };
        Ok(Some((id, other_name)))
    }
}

fn warn_of_missing_id(source: &str, name: &str) {
    static LIMIT: LogLimit = LogLimit::new();
    if let Some(left_out) = LIMIT.pass() {
        tracing::warn!(
            left_out,
            source,
            name,
            "the source's `id` has no value for this event: fuse will not recognize a repetition of it"
        );
    }
}

/// What becomes of an event that arrives.
#[expect(clippy::large_enum_variant, reason = "almost every event is stored")]
enum Prepared {
    Store(Envelope),
    /// The request matches no event.
    Unrouted,
}

/// Why an event whose body cannot be read is refused.
pub(super) fn unreadable(why: UnreadableBody) -> AcceptError {
    match why {
        UnreadableBody::Invalid(why) => AcceptError::Invalid(why),
        UnreadableBody::Undecodable(why) => AcceptError::Undecodable(why),
        why => AcceptError::BadId(why.to_string()),
    }
}

/// The names of the source and the event, which metrics are counted by.
type Labels = (String, String);

fn labels(incoming: &Incoming) -> Labels {
    (incoming.source.clone(), incoming.name.clone())
}

fn no_answer() -> AcceptError {
    AcceptError::Unavailable(BusError::Storage("the bus gave no answer".into()))
}

/// Whether an id can be used.
pub(super) fn is_usable(id: &str) -> Result<(), AcceptError> {
    if id.len() > MAX_ID_BYTES {
        return Err(AcceptError::LongId);
    }
    // Ids are in annotations of objects, some of which expand templates.
    if id.contains("{{") {
        let why = "the event's id contains `{{`, which a workflow would expand";
        return Err(AcceptError::BadId(why.into()));
    }
    if Replay::is_attempt_id(id) {
        let why = "the event's id ends like ` (attempt 2)`, which is reserved for replays";
        return Err(AcceptError::BadId(why.into()));
    }
    Ok(())
}

fn envelope(incoming: Incoming, id: String, received: Timestamp) -> Envelope {
    let Incoming { source, name, id: _, headers, query, path, mut body } = incoming;
    let bom = body.len() - without_bom(&body).len();
    body.advance(bom);
    Envelope {
        id,
        source,
        name,
        received,
        headers,
        query,
        path,
        rejected: None,
        replay: None,
        body,
    }
}

/// The event as it arrives: it is not read yet.
pub(super) fn arriving(incoming: &Incoming, received: Timestamp) -> Result<Event<'_>, AcceptError> {
    let Incoming { source, name, id: _, headers, query, path, body } = incoming;
    let event =
        Event::unread(source.as_str(), name.as_str(), body).map_err(AcceptError::Invalid)?;
    Ok(with_texts(event, headers, query, path).received(received))
}
