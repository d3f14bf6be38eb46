//! The states of actions, and of the objects that they created: plain data, which JSON represents as it is.

use fuse_rules::ActionResponse;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Thread;

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
    /// Whether a newer match took its place before it was performed.
    pub fn is_replaced(&self) -> bool {
        matches!(self, Self::DeadLettered { kind: DeadLetterKind::Replaced, .. })
    }

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
