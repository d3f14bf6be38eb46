//! The records of the ledger: plain data, which JSON represents as it is.

use std::collections::BTreeMap;

use fuse_rules::{Action, Element, Outcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ActionState, DeadLetterKind, EventOperation, Observed, WaitRecord};
use crate::event::{Envelope, EventKey};

/// Everything that is known about an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// The event as it was accepted.
    pub event: Envelope,
    /// Whether it is acknowledged, and has left the queue.
    pub acked: bool,
    /// When it was decided. `None` while it waits; then the fields that follow are empty.
    pub decided: Option<Timestamp>,
    /// The hash of the plan that decided.
    pub plan: Option<String>,
    /// Why the whole event was refused, if it was.
    pub rejected: Option<String>,
    /// Where the event does not conform to its declared type.
    #[serde(default)]
    pub mismatch: Option<String>,
    /// The decisions, rule by rule.
    pub decisions: Vec<DecisionRecord>,
    /// The actions that result from it, in the order of the verdict.
    pub actions: Vec<ActionRecord>,
    /// The decisions that wait, with the actions that they become.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<WaitRecord>,
    /// The fuses that it blew, or that the failures of its actions blew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blown: Vec<BlowRecord>,
    /// How many times the id of the event came again with another body.
    pub conflicts: u32,
    /// When that happened last.
    pub last_conflict: Option<Timestamp>,
    /// What people did about it since it was decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<EventOperation>,
}

impl EventRecord {
    /// The record of an event that waits to be decided.
    pub(crate) fn undecided(event: Envelope) -> Self {
        Self {
            event,
            acked: false,
            decided: None,
            plan: None,
            rejected: None,
            mismatch: None,
            decisions: Vec::new(),
            actions: Vec::new(),
            waits: Vec::new(),
            blown: Vec::new(),
            conflicts: 0,
            last_conflict: None,
            operations: Vec::new(),
        }
    }
}

/// A fuse that an event blew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlowRecord {
    /// The name of the fuse.
    pub fuse: String,
    /// The full name of the rule whose action or failure blew it.
    pub rule: String,
    /// Why, for people.
    pub reason: String,
    /// When, in steady time.
    pub since: Timestamp,
}

impl EventRecord {
    /// Whether the event is decided, no decision waits, and each of its actions is done or given up.
    pub fn is_settled(&self) -> bool {
        self.decided.is_some()
            && self.waits.is_empty()
            && self.actions.iter().all(|action| action.state.is_settled())
    }
}

/// The decision about one rule and element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The rule's full name, `sensor/rule`.
    pub rule: String,
    /// The element that it is about, if it is about one.
    pub element: Element,
    /// The outcome.
    pub outcome: Outcome,
    /// Why, for people.
    pub reason: String,
    /// The first word of the clause of flow control that holds it back or lets it wait, such as `limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// The id of the action that results from it, if there is one.
    pub action: Option<String>,
    /// The id of the failed action to which it reacts, if it is a reaction to a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reacts_to: Option<String>,
    /// The action that a rule in shadow would have performed. It is recorded only here, so that nothing performs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Box<Action>>,
}

/// An action and its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// The id of the action, which stays the same however often its event is handled.
    pub id: String,
    /// What the trigger has to do.
    pub action: Action,
    /// Its state.
    pub state: ActionState,
    /// The fuses that its rule required when it was decided. It is not performed while one of them is off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// Whether it left the bus: it was held or waited, so that deliveries of its event do not perform it.
    #[serde(default)]
    pub off_bus: bool,
    /// Whether its occurrence keeps places of `concurrency` until it ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_progress: bool,
    /// Why it has to stop, if a newer match takes the place of its occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replacement>,
    /// The state of the object that it created, if it created one that is observed.
    #[serde(default)]
    pub observed: Option<Observed>,
    /// The revision of this record, as its backend counts it; see [`Permit`](super::Permit). Always 0
    /// with the embedded backend.
    #[serde(skip)]
    pub revision: u64,
    /// The replica that is about to perform it, if several share the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performed_by: Option<String>,
}

impl ActionRecord {
    /// A new action, of a rule that required these fuses.
    pub(crate) fn new(id: String, action: Action, requires: Vec<String>) -> Self {
        let state = ActionState::Pending;
        Self {
            id,
            action,
            state,
            requires,
            off_bus: false,
            in_progress: false,
            replaced: None,
            observed: None,
            revision: 0,
            performed_by: None,
        }
    }
}

/// Why an action has to stop: `concurrency … else replace` gave its place to a newer match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// The newer match, for people: ``event `b` ``.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Whether its work was asked to stop, if there was any. It ends a little later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_stopped: bool,
}

/// An action with its event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventAction {
    /// The event.
    pub event: EventKey,
    /// The action.
    pub action: ActionRecord,
}

impl EventAction {
    /// The action without its fields, for a list.
    pub fn summary(&self) -> ActionSummary {
        let (event, action) = (self.event.clone(), &self.action);
        ActionSummary {
            id: action.id.clone(),
            trigger: action.action.trigger.clone(),
            rule: action.action.rule.clone(),
            element: action.action.element.clone(),
            source: event.source,
            name: event.name,
            event: event.id,
            state: action.state.clone(),
        }
    }
}

/// An action in a list, without its fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionSummary {
    /// The action's id.
    pub id: String,
    /// The kind of trigger.
    pub trigger: String,
    /// The rule's full name.
    pub rule: String,
    /// The element that it is about, if it is about one.
    pub element: Element,
    /// The event's source.
    pub source: String,
    /// The event's name.
    pub name: String,
    /// The event's id.
    pub event: String,
    /// Its state.
    #[serde(flatten)]
    pub state: ActionState,
}

/// An action that was given up, a decision that was rejected, or an event that was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its id: that of the action, else a hash of the event and the decision.
    pub id: String,
    /// The event.
    pub event: EventKey,
    /// When it was given up.
    pub at: Timestamp,
    /// How it failed. A rejected decision and a refused event are `permanent`.
    pub kind: DeadLetterKind,
    /// Why, for people.
    pub reason: String,
    /// The action. `None` if there is none, because the decision was rejected or the event refused.
    pub action: Option<ActionRecord>,
    /// The rule, as in [`DecisionRecord::rule`]. `None` if the event was refused as a whole.
    pub rule: Option<String>,
    /// The element that it is about, if it is about one.
    pub element: Element,
}

/// The counts of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Actions that are not settled, including those that left the bus.
    pub unsettled: u64,
    /// Dead letters: actions, decisions and events.
    pub dead_letters: u64,
    /// Occurrences that wait at a clause of flow control.
    #[serde(default)]
    pub waiting: u64,
    /// The same by the first word of the clause.
    #[serde(default)]
    pub waiting_at: BTreeMap<String, u64>,
}
