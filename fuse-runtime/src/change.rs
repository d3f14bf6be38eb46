//! Every change of the state as a value. A backend applies it and writes it to its own journal, or sends it to the other
//! replicas first: replicas that apply the same changes in the same order have the same state.

use std::fmt::Debug;

use async_trait::async_trait;
use redb::WriteTransaction;
use serde::{Deserialize, Serialize};

use crate::bus::Health;
use crate::bus::change::{BusAnswer, BusChange};
use crate::ledger::Sharing;
use crate::ledger::change::{LedgerAnswer, LedgerChange};
use crate::store::StoreError;
use frame::FrameError;

pub(crate) use here::{CommitHere, apply_record};

pub(crate) mod frame;
mod here;

/// A change of the state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum StateChange {
    /// Of the queue.
    Bus(BusChange),
    /// Of the record.
    Ledger(Box<LedgerChange>),
}

/// What a change gave.
#[derive(Debug)]
pub(crate) enum ChangeAnswer {
    Bus(BusAnswer),
    Ledger(Box<LedgerAnswer>),
}

/// Where a change comes from, if several replicas share the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The id of the replica.
    pub(crate) replica: String,
    /// The position of the change in the log, which grows with every change.
    pub(crate) position: u64,
}

impl StateChange {
    /// Applies the change. May run more than once, each time in a new transaction. With an origin, the result depends only on
    /// the change, its origin and the state.
    pub(crate) fn apply(
        &mut self,
        transaction: &WriteTransaction,
        origin: Option<&Origin>,
    ) -> Result<ChangeAnswer, StoreError> {
        match self {
            Self::Bus(change) => change.apply(transaction, origin).map(ChangeAnswer::Bus),
            Self::Ledger(change) => change
                .apply(transaction, origin)
                .map(|answer| ChangeAnswer::Ledger(Box::new(answer))),
        }
    }

    /// About how many bytes it writes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Bus(change) => change.bytes(),
            Self::Ledger(_) => 0,
        }
    }

    /// The rows of the events that it accepts, which JSON leaves out.
    pub(crate) fn rows(&self) -> Vec<&[u8]> {
        match self {
            Self::Bus(BusChange::Accept { events, .. }) => {
                events.iter().map(|event| event.row.as_slice()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Puts back the rows that JSON left out.
    pub(crate) fn put_rows(&mut self, rows: Vec<Vec<u8>>) -> Result<(), FrameError> {
        if let Self::Bus(BusChange::Accept { events, .. }) = self {
            if events.len() != rows.len() {
                return Err(FrameError::Truncated);
            }
            for (event, row) in events.iter_mut().zip(rows) {
                event.row = row;
            }
        }
        Ok(())
    }

    /// The change without the events that the answer refuses for lack of room, if there are some. Free space is not part of
    /// the state, so that a replay could not decide it again.
    fn without_refused(&self, answer: &ChangeAnswer) -> Option<Self> {
        let (Self::Bus(change), ChangeAnswer::Bus(answer)) = (self, answer) else { return None };
        change.without_refused(answer).map(Self::Bus)
    }
}

/// What to do after the commit and before the answer, even if the caller no longer waits. Runs in the order of commits.
pub(crate) type AfterCommit = Box<dyn FnOnce(&ChangeAnswer) + Send + Sync>;

/// Commits changes.
#[async_trait]
pub(crate) trait Commit: Debug + Send + Sync + 'static {
    /// Applies a change, and returns once it is durable. A caller that stops waiting does not cancel it.
    ///
    /// # Errors
    ///
    /// The change was not applied, or that is unknown; repeating it is safe.
    async fn commit(
        &self,
        change: StateChange,
        then: AfterCommit,
    ) -> Result<ChangeAnswer, StoreError>;

    /// Like [`Commit::commit`], but does not wait until the change is durable. For changes that a crash may lose, because the
    /// engine would make them again.
    async fn commit_lazily(
        &self,
        change: StateChange,
        then: AfterCommit,
    ) -> Result<ChangeAnswer, StoreError> {
        self.commit(change, then).await
    }

    /// The id of this replica, if several share the state: the owner of the events that it handles.
    fn owner(&self) -> Option<String> {
        None
    }

    /// What is known of the other replicas, if several share the state.
    fn sharing(&self) -> Option<Sharing> {
        None
    }

    /// Why nothing can be committed now, if that is known before one tries.
    fn health(&self) -> Option<Health> {
        None
    }
}

/// The error about an answer to another change.
pub(crate) fn wrong_answer() -> StoreError {
    StoreError::Internal("a change got the answer of another one".to_owned())
}
