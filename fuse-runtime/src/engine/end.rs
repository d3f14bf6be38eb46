//! How attempts at actions end.

use jiff::Timestamp;

use crate::ledger::{ActionState, DeadLetterKind};
use crate::triggers::{Done, Failure};

/// The result of firing an action.
pub(super) enum Fired {
    Done(Done),
    Failed(Failure),
    /// It was not fired, because these fuses are off.
    Gated(Vec<String>),
}

/// How an attempt at an action ends.
pub(super) enum End {
    Done(Done),
    Dead(DeadLetterKind, String),
    /// Parked in this state.
    Parked(ActionState),
}

/// The end of an action that has been held for too long.
pub(super) fn given_up(reason: &str, since: Timestamp) -> End {
    End::Dead(DeadLetterKind::NotReady, format!("{reason}; held since {since}"))
}
