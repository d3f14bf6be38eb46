//! What can go wrong in a ledger.

use crate::event::EventKey;
use crate::store::StoreError;

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
    /// The action has ended; it must not be fired, nor end in another way.
    #[error("action `{0}` is settled already")]
    Settled(String),
    /// What was to be recorded contradicts itself or what is on record: a bug of the caller.
    #[error("{0}")]
    Invalid(String),
    /// The ledger is closed, as the runtime is stopping.
    #[error("the ledger is closed")]
    Closed,
    /// The storage below failed; whether a write was kept is unknown. Writing again is safe.
    #[error("the ledger's storage failed: {0}")]
    Storage(String),
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::Closed,
            StoreError::Storage(problem) => Self::Storage(problem),
            other => Self::Storage(other.to_string()),
        }
    }
}
