//! What the writer is asked to do.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::WriteTransaction;
use tokio::sync::oneshot;

use super::StoreError;

/// Something to be written, and a caller that waits for it.
pub(crate) trait WriteJob: Send {
    /// About how many bytes it writes.
    fn bytes(&self) -> usize;

    /// Does the work and keeps its result for the answer.
    fn run(&mut self, transaction: &WriteTransaction) -> Result<(), StoreError>;

    /// Adds what the work changed to the journal, so that it can be done again after a crash. Returns what the answer
    /// waits for.
    fn record(&mut self, journal: &mut Vec<u8>) -> Result<Durable, StoreError> {
        let _ = journal;
        Ok(Durable::InDatabase)
    }

    /// Answers with the result of the last run: after the commit, or after the run failed.
    fn answer(self: Box<Self>);

    /// Answers that nothing could be committed.
    fn abandon(self: Box<Self>, problem: &StoreError);
}

/// What the answer to a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Durable {
    /// Nothing: it is durable with the next change that is, or soon. A crash may lose it.
    WithNext,
    /// The change is durable in the journal.
    BeforeAnswer,
    /// Everything so far can be read.
    Readable,
    /// The database is on disk: the journal cannot do this work again.
    InDatabase,
}

/// A job made of closures.
pub(super) struct ClosureJob<T, F, A> {
    bytes: usize,
    work: F,
    after: A,
    outcome: Result<T, StoreError>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F, A> ClosureJob<T, F, A> {
    pub(super) fn new(
        bytes: usize,
        work: F,
        after: A,
        answer: oneshot::Sender<Result<T, StoreError>>,
    ) -> Self {
        Self { bytes, work, after, outcome: Err(StoreError::Closed), answer }
    }
}

impl<T, F, A> WriteJob for ClosureJob<T, F, A>
where
    T: Send,
    F: FnMut(&WriteTransaction) -> Result<T, StoreError> + Send,
    A: FnOnce(&T) + Send,
{
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn run(&mut self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        // A bug in one job must not end the thread that all jobs need.
        self.outcome = catch_unwind(AssertUnwindSafe(|| (self.work)(transaction)))
            .unwrap_or_else(|_| Err(StoreError::Internal("a write panicked".into())));
        self.outcome.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn answer(self: Box<Self>) {
        if let Ok(value) = &self.outcome {
            (self.after)(value);
        }
        // Sending fails if the caller no longer waits. The work is done nevertheless.
        let _ = self.answer.send(self.outcome);
    }

    fn abandon(self: Box<Self>, problem: &StoreError) {
        let _ = self.answer.send(Err(problem.clone()));
    }
}

/// Has everything that was answered committed, so that it can be read.
pub(super) struct ReadableJob(pub(super) oneshot::Sender<Result<(), StoreError>>);

impl WriteJob for ReadableJob {
    fn bytes(&self) -> usize {
        0
    }

    fn run(&mut self, _transaction: &WriteTransaction) -> Result<(), StoreError> {
        Ok(())
    }

    fn record(&mut self, _journal: &mut Vec<u8>) -> Result<Durable, StoreError> {
        Ok(Durable::Readable)
    }

    fn answer(self: Box<Self>) {
        let _ = self.0.send(Ok(()));
    }

    fn abandon(self: Box<Self>, problem: &StoreError) {
        let _ = self.0.send(Err(problem.clone()));
    }
}
