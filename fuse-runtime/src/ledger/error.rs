//! The errors of a ledger.

use fuse_rules::flow::Approval;
use jiff::Timestamp;

use crate::event::EventKey;

/// Why the ledger could not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The event was never accepted, or it was pruned.
    #[error("there is no event `{}` of `{}`", .0.id, .0.full_name())]
    UnknownEvent(EventKey),
    /// There is no such action, or its event was pruned.
    #[error("there is no action `{0}`")]
    UnknownAction(String),
    /// The action is in a terminal state. It must not be fired, nor end in another way.
    #[error("action `{0}` is settled already")]
    Settled(String),
    /// Another process is about to fire the action. It can be taken over once the intent is too old.
    #[error("another process performs action `{action}` until {until}")]
    Taken {
        /// The id of the action.
        action: String,
        /// When the action can be taken over.
        until: Timestamp,
    },
    /// The record of the action changed since the permit was given. Read it again.
    #[error("the record of action `{0}` changed meanwhile")]
    Fenced(String),
    /// Another operation on the event was recorded meanwhile. Read the event again.
    #[error("somebody else replayed or discarded something of event `{}` meanwhile; look at it again", .0.id)]
    Outdated(EventKey),
    /// No decision with this action waits: there is none, or its wait is over.
    #[error("no action `{0}` waits; its wait may be over: see `fuse waiting`")]
    NotWaiting(String),
    /// The decision with this action waits, but not for approval.
    #[error("action `{0}` does not wait for approval")]
    NotAsked(String),
    /// The action was approved before.
    #[error("action `{id}` was approved {approval}")]
    Approved {
        /// The id of the action.
        id: String,
        /// By whom, and when.
        approval: Approval,
    },
    /// There is no such dead letter: it was never one, or it was replayed or discarded.
    #[error("there is no dead letter `{0}`")]
    UnknownDeadLetter(String),
    /// The caller contradicts itself or the record: a bug of the caller.
    #[error("{0}")]
    Invalid(String),
    /// The ledger is closed, as the runtime is stopping.
    #[error("the ledger is closed")]
    Closed,
    /// The storage failed. It is unknown whether a write was kept, and repeating it is safe.
    #[error("the ledger's storage failed: {0}")]
    Storage(String),
}
