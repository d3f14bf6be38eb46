//! What the ledger takes and gives: plain data, the same as JSON.

use std::collections::BTreeMap;

use fuse_rules::{Action, Element, Outcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{Envelope, EventKey};

/// All that is known about an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// The event as it was accepted.
    pub event: Envelope,
    /// Whether it has left the queue.
    pub acked: bool,
    /// When it was decided; `None` while it waits, and then what follows is empty.
    pub decided: Option<Timestamp>,
    /// The hash of the plan that decided.
    pub plan: Option<String>,
    /// Why the whole event was refused, where it was.
    pub rejected: Option<String>,
    /// Where the event is not of its declared type, whatever became of it.
    #[serde(default)]
    pub mismatch: Option<String>,
    /// What was decided, rule by rule.
    pub decisions: Vec<DecisionRecord>,
    /// The actions that came of it, in the order of the verdict.
    pub actions: Vec<ActionRecord>,
    /// How many times the event's id came again with another body.
    pub conflicts: u32,
    /// When that was last.
    pub last_conflict: Option<Timestamp>,
}

impl EventRecord {
    /// Whether the event is decided and each of its actions is done or given up.
    pub fn is_settled(&self) -> bool {
        self.decided.is_some() && self.actions.iter().all(|action| action.state.is_settled())
    }
}

/// What was decided about one rule and element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The rule's full name, `sensor/rule`.
    pub rule: String,
    /// The element that it is about.
    pub element: Element,
    /// What was decided.
    pub outcome: Outcome,
    /// Why, for people.
    pub reason: String,
    /// The id of the action that came of it, where one did.
    pub action: Option<String>,
}

/// An action and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// The action's id, the same however often its event is handled.
    pub id: String,
    /// What is to be done.
    pub action: Action,
    /// What became of it.
    pub state: ActionState,
    /// The fuses that its rule required when it was decided: it is not performed while one is off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// Whether it was held or waits, and so left the bus: no delivery brings it up again.
    #[serde(default)]
    pub off_bus: bool,
    /// The state of the object that it created, if it created one that is observed.
    #[serde(default)]
    pub observed: Option<Observed>,
    /// The revision of this record, as its backend counts it; see [`Permit`](super::Permit). Always 0
    /// with the embedded backend.
    #[serde(skip)]
    pub revision: u64,
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ActionState {
    /// Nothing was tried yet, or nothing came of it: it is to be fired.
    Pending,
    /// An attempt was about to be made; whether it was is unknown until it is settled.
    Intended {
        /// When the latest attempt was about to be made.
        at: Timestamp,
        /// The trigger's checkpoint from before the attempt.
        #[serde(default, alias = "noted")]
        checkpoint: Option<String>,
    },
    /// It waits for something that is missing, off the bus.
    Held {
        /// Since when.
        since: Timestamp,
        /// What is missing, for people.
        reason: String,
        /// The attempt that may have been made before, where one may.
        #[serde(default, alias = "tried")]
        last_attempt: Option<Attempt>,
        /// The trigger's checkpoint, where it gave one.
        #[serde(default, alias = "noted")]
        checkpoint: Option<String>,
        /// The fuses that are off, where the action is held by those and not by something missing.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fuses: Vec<String>,
    },
    /// It is tried again at a time, off the bus.
    Waiting {
        /// When, by the runtime's steady time.
        until: Timestamp,
        /// How often it was tried since it was last held, or decided.
        attempts: u32,
        /// Why the last attempt failed, for people.
        reason: String,
        /// The attempt that may have been made before, where one may.
        #[serde(default, alias = "tried")]
        last_attempt: Option<Attempt>,
        /// The trigger's checkpoint, where it gave one.
        #[serde(default, alias = "noted")]
        checkpoint: Option<String>,
    },
    /// It was done.
    Done {
        /// When.
        at: Timestamp,
        /// What was made, for people, as in the name of an object.
        detail: String,
    },
    /// It was given up.
    DeadLettered {
        /// When.
        at: Timestamp,
        /// In which way it failed.
        kind: DeadLetterKind,
        /// Why, for people.
        reason: String,
    },
}

/// An attempt of which it is not known what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it was about to be made.
    pub at: Timestamp,
    /// The trigger's checkpoint from before the attempt.
    #[serde(default, alias = "noted")]
    pub checkpoint: Option<String>,
}

/// What the object of an action came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// What that means for the action.
    pub result: ObservedResult,
    /// The object's own word for it, as in `Succeeded`.
    pub phase: String,
    /// What the object says about it.
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
    /// When that was seen first.
    pub at: Timestamp,
}

/// Whether the work that an action began is over, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObservedResult {
    /// It is not over.
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

    /// The attempt whose end is not known, where there is one.
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

    /// Whether the action is off the bus: held, or waiting to be tried again.
    pub fn is_parked(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::Waiting { .. })
    }

    /// Whether it is an end: done or given up.
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Pending | Self::Intended { .. } | Self::Held { .. } | Self::Waiting { .. } => {
                false
            }
            Self::Done { .. } | Self::DeadLettered { .. } => true,
        }
    }
}

/// In which way something failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeadLetterKind {
    /// It can never succeed as it is.
    Permanent,
    /// It was tried as often as allowed.
    Exhausted,
    /// Whether it happened cannot be known any more, and doing it twice is worse.
    Uncertain,
    /// Something else already has its name.
    Conflict,
    /// What it needs was missing for too long, or for too many.
    NotReady,
    /// A person gave it up.
    Discarded,
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
        }
    }
}

impl std::fmt::Display for DeadLetterKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An action with the event that it came of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventAction {
    /// The event.
    pub event: EventKey,
    /// The action.
    pub action: ActionRecord,
}

impl EventAction {
    /// The action without its fields, as it is listed.
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

/// An action as it is listed: without what the event gave it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionSummary {
    /// The action's id.
    pub id: String,
    /// The kind of trigger.
    pub trigger: String,
    /// The rule's full name.
    pub rule: String,
    /// The element that it is about.
    pub element: Element,
    /// The event's source.
    pub source: String,
    /// The event's name.
    pub name: String,
    /// The event's id.
    pub event: String,
    /// What became of it.
    #[serde(flatten)]
    pub state: ActionState,
}

/// An action that was given up, a decision that was rejected, or an event that was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The event.
    pub event: EventKey,
    /// When it was given up.
    pub at: Timestamp,
    /// In which way; a rejected decision and a refused event are `permanent`.
    pub kind: DeadLetterKind,
    /// Why, for people.
    pub reason: String,
    /// The action; `None` where there is none, as the decision was rejected or the event refused.
    pub action: Option<ActionRecord>,
    /// The rule, as in [`DecisionRecord::rule`]; `None` where the event was refused as a whole.
    pub rule: Option<String>,
    /// The element that it is about, where it is about one.
    pub element: Element,
}

/// What the ledger counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Actions that are not settled, those that left the bus among them.
    pub unsettled: u64,
    /// Dead letters, of actions, decisions and events.
    pub dead_letters: u64,
}

/// What evaluating an event gave, to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The event.
    pub event: EventKey,
    /// The hash of the plan that decided.
    pub plan: String,
    /// When.
    pub decided: Timestamp,
    /// The same by the runtime's steady time, which once claims go by.
    pub steady: Timestamp,
    /// Why the whole event is refused, where it is.
    pub rejected: Option<String>,
    /// Where the event is not of its declared type, whatever became of it.
    pub mismatch: Option<String>,
    /// What was decided, rule by rule. An action that one names must be in `actions`.
    pub decisions: Vec<DecisionRecord>,
    /// The actions, each with its id. They are recorded as pending.
    pub actions: Vec<(String, Action)>,
    /// The fuses that the rules of the actions require, by the rules' full names.
    pub requires: BTreeMap<String, Vec<String>>,
    /// The once keys that fired rules need.
    pub once: Vec<OnceClaim>,
}

/// A rule with `once` fired for an element, if its key is free.
///
/// It governs the `fired` decisions of its rule and element, and their actions. Where it governs
/// none, it claims nothing, so that an action which could not be rendered does not use the key
/// up. Where the key is held, they become `suppressed` and their actions are dropped. The first of
/// two claims of one key in one verdict wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnceClaim {
    /// The key as canonical text, the rule's name included.
    pub key: String,
    /// Who claims it: whoever holds a key is granted it again.
    pub owner: String,
    /// How long the first occurrence holds the key, in milliseconds.
    pub within_ms: u64,
    /// The rule, as in [`DecisionRecord::rule`].
    pub rule: String,
    /// The element, as in [`DecisionRecord::element`].
    pub element: Element,
}
