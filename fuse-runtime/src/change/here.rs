//! Committing changes to a store that belongs to this process alone.

use async_trait::async_trait;
use redb::WriteTransaction;
use tokio::sync::oneshot;

use super::{AfterCommit, ChangeAnswer, Commit, StateChange, frame};
use crate::store::{Durable, Store, StoreError, WriteJob, caught};

/// Commits changes to a store that belongs to this process.
#[derive(Clone, Debug)]
pub(crate) struct CommitHere(pub(crate) Store);

#[async_trait]
impl Commit for CommitHere {
    async fn commit(
        &self,
        change: StateChange,
        then: AfterCommit,
    ) -> Result<ChangeAnswer, StoreError> {
        self.submit(change, then, Durable::BeforeAnswer).await
    }

    async fn commit_lazily(
        &self,
        change: StateChange,
        then: AfterCommit,
    ) -> Result<ChangeAnswer, StoreError> {
        self.submit(change, then, Durable::WithNext).await
    }
}

impl CommitHere {
    async fn submit(
        &self,
        change: StateChange,
        then: AfterCommit,
        durable: Durable,
    ) -> Result<ChangeAnswer, StoreError> {
        let (answer, answered) = oneshot::channel();
        let outcome = Err(StoreError::Closed);
        self.0.submit(Box::new(ChangeJob { change, then, durable, outcome, answer })).await?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

/// A change, and a caller that waits for it.
struct ChangeJob {
    change: StateChange,
    then: AfterCommit,
    durable: Durable,
    outcome: Result<ChangeAnswer, StoreError>,
    answer: oneshot::Sender<Result<ChangeAnswer, StoreError>>,
}

impl WriteJob for ChangeJob {
    fn bytes(&self) -> usize {
        self.change.bytes()
    }

    fn run(&mut self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        self.outcome = caught(|| self.change.apply(transaction, None));
        self.outcome.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn record(&mut self, journal: &mut Vec<u8>) -> Result<Durable, StoreError> {
        let kept =
            self.outcome.as_ref().ok().and_then(|answer| self.change.without_refused(answer));
        let change = kept.as_ref().unwrap_or(&self.change);
        frame::put_change(journal, change, &change.rows())
            .map_err(|error| StoreError::Internal(error.to_string()))?;
        Ok(self.durable)
    }

    fn answer(self: Box<Self>) {
        if let Ok(answer) = &self.outcome {
            (self.then)(answer);
        }
        // Sending fails if the caller no longer waits. The work is done nevertheless.
        let _ = self.answer.send(self.outcome);
    }

    fn abandon(self: Box<Self>, problem: &StoreError) {
        let _ = self.answer.send(Err(problem.clone()));
    }
}

/// Applies the changes of a record of the journal, which was written by [`ChangeJob::record`].
pub(crate) fn apply_record(
    mut record: &[u8],
    transaction: &WriteTransaction,
) -> Result<(), StoreError> {
    let unreadable = |error: frame::FrameError| {
        StoreError::Damaged(format!(
            "a change in `fuse.journal` cannot be read: {error}; restore a backup into another folder, or start the version of fuse that wrote it"
        ))
    };
    while !record.is_empty() {
        let (mut change, rows): (StateChange, _) =
            frame::take_change(&mut record).map_err(unreadable)?;
        change.put_rows(rows).map_err(unreadable)?;
        change.apply(transaction, None)?;
    }
    Ok(())
}
