//! What the laws share: assertions that fail with an error, and the events and verdicts they use.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fuse_rules::flow::{Flow, FlowRequest, Occurrence, Owner};
use fuse_rules::{Action, ActionResponse, Element, Outcome};
use jiff::{SignedDuration, Timestamp};

use super::Fixture;
use crate::backend::{Backend, BackendError};
use crate::bus::{Bus, BusError, Delivery, Published};
use crate::event::{Envelope, EventKey};
use crate::ledger::{
    ActionState, Attempt, Counts, DeadLetterKind, DecisionRecord, EventAction, EventRecord, Ledger,
    LedgerError, Permit, Verdict,
};

/// How long a law waits for an event that the bus must deliver.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a law waits for an event that the bus must not deliver.
const SILENCE: Duration = Duration::from_millis(50);
/// 2026-08-01T10:00:00Z, in seconds since 1970.
const START: i64 = 1_785_578_400;

/// How a backend breaks a law.
#[derive(Debug)]
pub struct Violation(String);

impl Violation {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}

impl From<BusError> for Violation {
    fn from(error: BusError) -> Self {
        Self(format!("the bus failed: {error}"))
    }
}

impl From<LedgerError> for Violation {
    fn from(error: LedgerError) -> Self {
        Self(format!("the ledger failed: {error}"))
    }
}

impl From<BackendError> for Violation {
    fn from(error: BackendError) -> Self {
        Self(format!("the backend cannot be opened or closed: {error}"))
    }
}

/// Fails the law unless two values are equal.
macro_rules! ensure_eq {
    ($actual:expr, $expected:expr, $($what:tt)+) => {
        match (&$actual, &$expected) {
            (actual, expected) if actual != expected => {
                let what = format!($($what)+);
                return Err($crate::testing::backend_laws::support::Violation::new(format!(
                    "{what} is {actual:?}, not {expected:?}"
                )));
            }
            _ => {}
        }
    };
}

/// Fails the law unless a condition is true.
macro_rules! ensure {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err($crate::testing::backend_laws::support::Violation::new(format!($($why)+)));
        }
    };
}

/// A time so many seconds after the start of a law.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START.saturating_add(seconds)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// An event `push` of this source.
pub(crate) fn envelope(source: &str, id: &str, body: &str) -> Envelope {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let mut event = Envelope::new(source, "push", id, at(0), body);
    event.headers.insert("content-type".into(), "application/json".into());
    event
}

/// An open backend.
pub(crate) struct OpenBackend {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) ledger: Arc<dyn Ledger>,
}

impl OpenBackend {
    pub(crate) async fn new(fixture: &dyn Fixture) -> Result<Self, Violation> {
        Ok(Self::from_backend(fixture.open().await?))
    }

    pub(crate) fn from_backend(backend: Arc<dyn Backend>) -> Self {
        Self { bus: backend.bus(), ledger: backend.ledger(), backend }
    }

    /// The backend after a crash.
    pub(crate) async fn crash(self, fixture: &dyn Fixture) -> Result<Self, Violation> {
        drop(self);
        Self::new(fixture).await
    }

    pub(crate) async fn publish(&self, id: &str) -> Result<Published, BusError> {
        self.bus.publish(envelope("github", id, "{}")).await
    }

    /// Accepts the event `github.push` with this id, received so many seconds after the start.
    pub(crate) async fn accept(&self, id: &str, seconds: i64) -> Result<EventKey, Violation> {
        let event = Envelope { received: at(seconds), ..envelope("github", id, "{}") };
        let key = event.key();
        self.bus.publish(event).await?;
        Ok(key)
    }

    pub(crate) async fn next(&self) -> Result<Delivery, Violation> {
        next(&*self.bus).await
    }

    pub(crate) async fn next_id(&self) -> Result<String, Violation> {
        Ok(self.next().await?.event().id.clone())
    }

    /// Fails if the bus delivers anything.
    pub(crate) async fn silent(&self) -> Result<(), Violation> {
        match tokio::time::timeout(SILENCE, self.bus.next()).await {
            Err(_elapsed) => Ok(()),
            Ok(delivery) => {
                let id = delivery?.event().id.clone();
                Err(Violation(format!("the bus delivers `{id}`, which is not due")))
            }
        }
    }

    pub(crate) async fn ack_next(&self) -> Result<(), Violation> {
        let delivery = self.next().await?;
        Ok(self.bus.ack(&delivery).await?)
    }

    /// Accepts and decides an event whose only action has the same id.
    pub(crate) async fn decided(&self, id: &str, seconds: i64) -> Result<EventKey, Violation> {
        let event = self.accept(id, seconds).await?;
        self.ledger.decide(verdict(&event, id, seconds)).await?;
        Ok(event)
    }

    pub(crate) async fn record(&self, event: &EventKey) -> Result<EventRecord, Violation> {
        let record = self.ledger.event(event).await?;
        record.ok_or_else(|| Violation(format!("there is no record of the event `{event}`")))
    }

    pub(crate) async fn action(&self, id: &str) -> Result<EventAction, Violation> {
        let action = self.ledger.action(&push(id), id).await?;
        action.ok_or_else(|| Violation(format!("there is no record of the action `{id}`")))
    }

    pub(crate) async fn permit(&self, id: &str) -> Result<Permit, Violation> {
        Ok(self.action(id).await?.permit())
    }

    pub(crate) async fn state(&self, id: &str) -> Result<ActionState, Violation> {
        Ok(self.action(id).await?.action.state)
    }

    pub(crate) async fn counts(&self) -> Result<(u64, u64), Violation> {
        let Counts { unsettled, dead_letters, .. } = self.ledger.counts().await?;
        Ok((unsettled, dead_letters))
    }

    pub(crate) async fn settle(&self, id: &str, state: ActionState) -> Result<(), Violation> {
        let permit = self.permit(id).await?;
        Ok(self.ledger.settle(&permit, state).await?)
    }
}

/// The next event of a bus, which must come.
pub(crate) async fn next(bus: &dyn Bus) -> Result<Delivery, Violation> {
    match tokio::time::timeout(DELIVERY_TIMEOUT, bus.next()).await {
        Ok(delivery) => Ok(delivery?),
        Err(_elapsed) => {
            Err(Violation(format!("no event is delivered within {DELIVERY_TIMEOUT:?}")))
        }
    }
}

/// The event `github.push` with this id.
pub(crate) fn push(id: &str) -> EventKey {
    EventKey { source: "github".into(), name: "push".into(), id: id.into() }
}

/// An attempt that begins so many seconds after the start.
pub(crate) fn attempt(seconds: i64) -> Attempt {
    Attempt { at: at(seconds), checkpoint: None }
}

pub(crate) fn intended(seconds: i64) -> ActionState {
    ActionState::Intended { at: at(seconds), checkpoint: None }
}

pub(crate) fn done(seconds: i64) -> ActionState {
    ActionState::Done {
        at: at(seconds),
        detail: "created `wf-x`".into(),
        started: None,
        response: Some(ActionResponse::new(201).with("ticket", "OPS-7")),
        thread: None,
    }
}

pub(crate) fn dead(seconds: i64) -> ActionState {
    ActionState::DeadLettered {
        at: at(seconds),
        kind: DeadLetterKind::Exhausted,
        reason: "failed five times".into(),
        response: Some(ActionResponse::new(422).with("is_open", true).with("code", 7)),
    }
}

pub(crate) fn held(last_attempt: Option<Attempt>) -> ActionState {
    ActionState::Held {
        since: at(1),
        reason: "no namespace".into(),
        last_attempt,
        checkpoint: Some("uid".into()),
        fuses: Vec::new(),
    }
}

pub(crate) fn action(rule: &str, element: Element) -> Action {
    let mut fields = serde_json::Map::new();
    fields.insert("url".into(), "https://example.com".into());
    Action {
        trigger: "http".into(),
        rule: rule.into(),
        element,
        ordinal: 0,
        fields,
        attempts: Default::default(),
    }
}

pub(crate) fn fired(rule: &str, element: Element, id: &str) -> DecisionRecord {
    DecisionRecord {
        rule: rule.into(),
        element,
        shadow: None,
        outcome: Outcome::Fired,
        reason: "every condition holds".into(),
        clause: None,
        action: Some(id.into()),
        reacts_to: None,
    }
}

pub(crate) fn rejected(rule: &str, element: Element, reason: &str) -> DecisionRecord {
    DecisionRecord {
        rule: rule.into(),
        element,
        shadow: None,
        outcome: Outcome::Rejected,
        reason: reason.into(),
        clause: None,
        action: None,
        reacts_to: None,
    }
}

/// An occurrence of the rule `s/r`, which has to pass `once per body.k within 4h`, with this key.
pub(crate) fn once(key: &str, event: &str, element: Element) -> Occurrence {
    Occurrence {
        rule: "s/r".into(),
        owner: Owner::new(event, &format!("event `{event}`"), element.as_deref()),
        element,
        received: at(0),
        is_shadow: false,
        requests: vec![FlowRequest::new(
            "once per body.k",
            Flow::Once { within: SignedDuration::from_hours(4) },
            vec![key.into()],
        )],
    }
}

/// The same with `limit 2 per 4h`, without a key.
pub(crate) fn limited(event: &str) -> Occurrence {
    let per = SignedDuration::from_hours(4);
    let request =
        FlowRequest::new("limit per ", Flow::Limit { count: 2, per, waits: false }, Vec::new());
    Occurrence { requests: vec![request], ..once("", event, None) }
}

/// The same with `after 3 within 4h`, without a key.
pub(crate) fn third(event: &str) -> Occurrence {
    let request = FlowRequest::new(
        "after per ",
        Flow::After { count: 3, within: SignedDuration::from_hours(4) },
        Vec::new(),
    );
    Occurrence { requests: vec![request], ..once("", event, None) }
}

/// A verdict that fires the rule `s/r` as the action `id`, so many seconds after the start.
pub(crate) fn verdict(event: &EventKey, id: &str, seconds: i64) -> Verdict {
    Verdict {
        event: event.clone(),
        plan: "plan-1".into(),
        decided: at(seconds),
        steady: at(seconds),
        rejected: None,
        mismatch: None,
        decisions: vec![fired("s/r", None, id)],
        actions: vec![(id.into(), action("s/r", None))],
        requires: BTreeMap::new(),
        flow: Vec::new(),
        received: at(seconds),
        cancels: Vec::new(),
        blow: Vec::new(),
    }
}

/// A verdict that refuses the event as a whole.
pub(crate) fn refused(event: &EventKey, seconds: i64, why: &str) -> Verdict {
    Verdict {
        rejected: Some(why.into()),
        decisions: Vec::new(),
        actions: Vec::new(),
        ..verdict(event, "unused", seconds)
    }
}

/// The outcomes of a record's decisions.
pub(crate) fn outcomes(record: &EventRecord) -> Vec<Outcome> {
    record.decisions.iter().map(|decision| decision.outcome).collect()
}

/// The ids of the actions of a page.
pub(crate) fn ids(page: &[EventAction]) -> Vec<&str> {
    page.iter().map(|one| one.action.id.as_str()).collect()
}
