//! The ledger: what was decided about each event, what became of each action, and which `once`
//! keys are held.
//!
//! An event is decided once. [`Ledger::decide`] records the decisions *with the rendered actions*
//! before anything is fired; whoever handles the event again, after a crash or a reload of the
//! rules, gets that record and goes on from it.

mod dead;
mod embedded;
mod error;
mod once;
mod prune;
mod read;
mod record;

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::event::EventKey;

pub use embedded::EmbeddedLedger;
pub use error::LedgerError;
pub use record::{
    ActionRecord, ActionState, ActionSummary, Attempt, Counts, DeadLetter, DeadLetterKind,
    DecisionRecord, EventAction, EventRecord, Observed, ObservedResult, OnceClaim, Verdict,
};

/// What remembers events, decisions and actions.
///
/// All writes are durable when they return. Dropping a future may or may not do its write; every
/// write can safely be asked for again.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Records what was decided about an event, in one transaction, and gives the record to act
    /// on. An event that has a decision keeps it: the record on file is given and the verdict
    /// dropped.
    ///
    /// The verdict's once claims are applied in their order; see [`OnceClaim`].
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownEvent`] for an event that was not accepted, and
    /// [`LedgerError::Invalid`] for a verdict that contradicts itself or reuses the id of an
    /// action. Nothing is recorded then.
    async fn decide(&self, verdict: Verdict) -> Result<EventRecord, LedgerError>;

    /// What is known about an event; `None` where it was never accepted, or pruned.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage, as for the other reads.
    async fn event(&self, event: &EventKey) -> Result<Option<EventRecord>, LedgerError>;

    /// The events of that id, in the order of their sources and names: an id is unique among the
    /// events of one source and name alone.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn find(&self, id: &str) -> Result<Vec<EventRecord>, LedgerError>;

    /// An action with its event; `None` where there is none, or its event was pruned.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn action(&self, id: &str) -> Result<Option<EventAction>, LedgerError>;

    /// Records that an action is about to be fired, with its trigger's checkpoint, before it is fired.
    /// Recording it again replaces that: it is of the latest attempt.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownAction`], and [`LedgerError::Settled`] for an action that must not
    /// be fired any more.
    async fn intend(&self, action: &str, attempt: Attempt) -> Result<(), LedgerError>;

    /// Records that an action is set aside: it waits for something that is missing, for a fuse, or for
    /// its next attempt. From then on it is not the event's delivery that brings it up again but
    /// [`Ledger::held`], until it is settled.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownAction`], [`LedgerError::Settled`], and [`LedgerError::Invalid`] for a
    /// `state` that is neither [`ActionState::Held`] nor [`ActionState::Waiting`].
    async fn hold(&self, action: &str, state: ActionState) -> Result<(), LedgerError>;

    /// Records what the object of an action came to. Whether that was news: the same again is not,
    /// and nothing is after the end.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownAction`]: the object is another ledger's, or its event was pruned.
    async fn observe(&self, action: &str, observed: Observed) -> Result<bool, LedgerError>;

    /// Records how an action ended. Recording the same end again does nothing.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownAction`], [`LedgerError::Settled`] for an action that ended
    /// otherwise, and [`LedgerError::Invalid`] for a `state` that is no end.
    async fn settle(&self, action: &str, state: ActionState) -> Result<(), LedgerError>;

    /// Makes an action pending again: after an attempt that is known not to have fired, and to
    /// replay a dead letter.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownAction`], and [`LedgerError::Settled`] for an action that is done.
    async fn reopen(&self, action: &str) -> Result<(), LedgerError>;

    /// Up to `limit` actions that are not settled, by action id, from the first one after the id
    /// `after`. To go on with after a restart: an event may be acked while an action of it is
    /// held.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn unsettled(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError>;

    /// Up to `limit` actions that left the bus unsettled, those with ids after `after`, sorted by
    /// id: held and waiting ones, and those that were tried again since. Actions whose records
    /// cannot be read are left out, and counted by [`Ledger::damaged`].
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn held(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError>;

    /// Up to `limit` actions whose objects are seen and not over, those with ids after `after`,
    /// sorted by id.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn running(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError>;

    /// Up to `limit` dead letters, the newest first: actions that were given up, decisions that
    /// were rejected, and events that were refused as a whole.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, LedgerError>;

    /// How many actions are not settled, and how many dead letters there are. Its cost does not
    /// grow with their number.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn counts(&self) -> Result<Counts, LedgerError>;

    /// Forgets the events received before `older_than` that are acked and whose actions are all
    /// settled, dead letters among them, and the once claims that ended by then. Gives the number
    /// of events forgotten. A sender that repeats a forgotten event has it accepted as a new one.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage; what was forgotten until then stays so.
    async fn prune(&self, older_than: Timestamp) -> Result<u64, LedgerError>;

    /// How many records were found that cannot be read any more.
    fn damaged(&self) -> u64 {
        0
    }
}
