//! The records of the ledger: plain data, which JSON represents as it is.

use fuse_rules::{Action, ActionResponse, Element, Outcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{EventOperation, Thread, WaitRecord};
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
        }
    }
}

/// Why an action has to stop: `concurrency … else replace` gave its place to a newer match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// The newer match, for people: ``event `b` ``.
    pub by: String,
    /// Whether its work was told to stop. It ends a little later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_stopped: bool,
}

/// The state of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ActionState {
    /// No attempt was made, or the last one certainly did not take effect.
    Pending,
    /// An attempt was about to be made. It is unknown whether it was, until the action is settled.
    Intended {
        /// When the latest attempt was about to be made.
        at: Timestamp,
        /// The trigger's checkpoint from before the attempt.
        #[serde(default, alias = "noted")]
        checkpoint: Option<String>,
    },
    /// It left the bus, because something is missing or a fuse is off.
    Held {
        /// Since when.
        since: Timestamp,
        /// What is missing, for people.
        reason: String,
        /// The last attempt, if its result is unknown.
        #[serde(default, alias = "tried")]
        last_attempt: Option<Attempt>,
        /// The checkpoint of the trigger, if it gave one.
        #[serde(default, alias = "noted")]
        checkpoint: Option<String>,
        /// The fuses that are off, if these hold the action.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fuses: Vec<String>,
    },
    /// It left the bus, and is retried at a time.
    Waiting {
        /// When, in the runtime's steady time.
        until: Timestamp,
        /// How many attempts failed since it was decided, or last held.
        attempts: u32,
        /// Why the last attempt failed, for people.
        reason: String,
        /// The last attempt, if its result is unknown.
        #[serde(default, alias = "tried")]
        last_attempt: Option<Attempt>,
        /// The checkpoint of the trigger, if it gave one.
        #[serde(default, alias = "noted")]
        checkpoint: Option<String>,
    },
    /// It was done.
    Done {
        /// When.
        at: Timestamp,
        /// The result for people, as in the name of an object.
        detail: String,
        /// The object that it created, if the action is in progress until the object's work is over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        started: Option<Box<StartedObject>>,
        /// What is kept of the response, if the action got one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        response: Option<ActionResponse>,
        /// The thread of its message, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<Box<Thread>>,
    },
    /// It was given up.
    DeadLettered {
        /// When.
        at: Timestamp,
        /// How it failed.
        kind: DeadLetterKind,
        /// Why, for people.
        reason: String,
        /// What is kept of the response to its last attempt, if it got one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        response: Option<ActionResponse>,
    },
}

/// An object whose work an action started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedObject {
    /// The object's API version, as in `batch/v1`.
    pub api_version: String,
    /// The object's kind, as in `Job`.
    pub kind: String,
    /// Its namespace, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// An attempt whose result is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it was about to be made.
    pub at: Timestamp,
    /// The trigger's checkpoint from before the attempt.
    #[serde(default, alias = "noted")]
    pub checkpoint: Option<String>,
}

/// The observed state of the object that an action created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Whether the work is over, and how.
    pub result: ObservedResult,
    /// The phase of the object, as in `Succeeded`.
    pub phase: String,
    /// The message of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The object's API version, as in `batch/v1`.
    #[serde(default)]
    pub api_version: String,
    /// The object's kind, as in `Workflow`.
    pub kind: String,
    /// Its namespace, where it has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// When that was first observed.
    pub at: Timestamp,
}

/// Whether the work that an action started is over, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObservedResult {
    /// It is in progress.
    Running,
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// Its object was deleted before it was over.
    Gone,
}

impl ObservedResult {
    /// The result's name in messages, metrics and JSON, as in `succeeded`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }
}

impl ActionState {
    /// The trigger's checkpoint from before the latest attempt.
    pub fn checkpoint(&self) -> Option<String> {
        match self {
            Self::Intended { checkpoint, .. }
            | Self::Held { checkpoint, .. }
            | Self::Waiting { checkpoint, .. } => checkpoint.clone(),
            _ => None,
        }
    }

    /// The last attempt, if its result is unknown.
    pub fn last_attempt(&self) -> Option<Attempt> {
        match self {
            Self::Intended { at, checkpoint } => {
                Some(Attempt { at: *at, checkpoint: checkpoint.clone() })
            }
            Self::Held { last_attempt, .. } | Self::Waiting { last_attempt, .. } => {
                last_attempt.clone()
            }
            _ => None,
        }
    }

    /// What is kept of the response to its last attempt.
    pub fn response(&self) -> Option<&ActionResponse> {
        match self {
            Self::Done { response, .. } | Self::DeadLettered { response, .. } => response.as_ref(),
            _ => None,
        }
    }

    /// Whether the action is parked: held, or waiting for a retry.
    pub fn is_parked(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::Waiting { .. })
    }

    /// Whether it is a terminal state: done or given up.
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Pending | Self::Intended { .. } | Self::Held { .. } | Self::Waiting { .. } => {
                false
            }
            Self::Done { .. } | Self::DeadLettered { .. } => true,
        }
    }
}

/// How something failed permanently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeadLetterKind {
    /// It can never succeed as it is.
    Permanent,
    /// Every permitted attempt failed.
    Exhausted,
    /// It is unknown whether it took effect, and doing it twice would be worse.
    Uncertain,
    /// Another object has its name.
    Conflict,
    /// Something was missing for too long, or for too many actions.
    NotReady,
    /// A person gave it up.
    Discarded,
    /// A fuse that drops pending actions was off.
    Dropped,
    /// A newer match took its place before it was performed. It is not listed as a dead letter.
    Replaced,
}

impl DeadLetterKind {
    /// The kind's name in messages, metrics and JSON, as in `permanent`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Exhausted => "exhausted",
            Self::Uncertain => "uncertain",
            Self::Conflict => "conflict",
            Self::NotReady => "not-ready",
            Self::Discarded => "discarded",
            Self::Dropped => "dropped",
            Self::Replaced => "replaced",
        }
    }
}

impl std::fmt::Display for DeadLetterKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Actions that are not settled, including those that left the bus.
    pub unsettled: u64,
    /// Dead letters: actions, decisions and events.
    pub dead_letters: u64,
    /// Occurrences that wait at a clause of flow control.
    #[serde(default)]
    pub waiting: u64,
}
