//! What people did about an event after it was decided.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::LedgerError;
use crate::event::EventKey;

/// Something that a person did about an event: replayed it, or a dead letter of it, or discarded a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventOperation {
    /// Its number among those of the event, from 1.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// Who: the name of a token.
    pub by: String,
    /// The id of the [`DeadLetter`](super::DeadLetter). `None` if it is about the whole event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<String>,
    /// What was done.
    #[serde(flatten)]
    pub kind: OperationKind,
}

/// What was done about an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum OperationKind {
    /// It was replayed.
    Replayed {
        /// The id of the event that replays it.
        event: String,
    },
    /// A dead letter was discarded.
    Discarded {
        /// Why, for people.
        reason: String,
    },
}

/// Whether an operation is new, and not one of those on record.
pub(crate) fn is_new(
    event: &EventKey,
    on_record: &[EventOperation],
    operation: &EventOperation,
) -> Result<bool, LedgerError> {
    let known = on_record.iter().find(|known| known.number == operation.number);
    let is_next = operation.number as usize == on_record.len().saturating_add(1);
    match known {
        // The answer may have been lost.
        Some(known) if known.letter == operation.letter && known.kind == operation.kind => {
            Ok(false)
        }
        None if is_next => Ok(true),
        _ => Err(LedgerError::Outdated(event.clone())),
    }
}

/// The error about an operation on an event that is not decided.
pub(crate) fn undecided(event: &EventKey) -> LedgerError {
    LedgerError::Invalid(format!("the event `{}` is not decided yet", event.id))
}

impl EventOperation {
    /// Whether it is about this dead letter of its event.
    pub(crate) fn is_about(&self, letter: &str) -> bool {
        self.letter.as_ref().is_none_or(|own| own == letter)
    }
}
