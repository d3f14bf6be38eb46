//! What the ledger takes and gives: plain data, the same as JSON.

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
    /// Whether the event is decided and nothing is left to do: the event can be acked.
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

impl ActionState {
    /// Whether it is an end: done or given up.
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Pending | Self::Intended { .. } => false,
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
}

impl DeadLetterKind {
    /// The kind's name in messages, metrics and JSON, as in `permanent`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Exhausted => "exhausted",
            Self::Uncertain => "uncertain",
            Self::Conflict => "conflict",
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
    /// Actions that are not settled.
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
    /// When. It is the time that once claims go by.
    pub decided: Timestamp,
    /// Why the whole event is refused, where it is.
    pub rejected: Option<String>,
    /// What was decided, rule by rule. An action that one names must be in `actions`.
    pub decisions: Vec<DecisionRecord>,
    /// The actions, each with its id. They are recorded as pending.
    pub actions: Vec<(String, Action)>,
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
