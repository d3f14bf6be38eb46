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

    /// Adds the change to the journal, so that fuse can repeat it after a crash. Returns what the answer waits for.
    fn record(&mut self, journal: &mut Vec<u8>) -> Result<Durable, StoreError> {
        let _ = journal;
        Ok(Durable::InDatabase)
    }

    /// Answers with the result of the last run, once it is as durable as required.
    fn answer(self: Box<Self>);

    /// Answers that the work was not done.
    fn abandon(self: Box<Self>, problem: &StoreError);
}

/// What the answer to a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Durable {
    /// Nothing. The change becomes durable with the next flush; a crash may lose it.
    WithNext,
    /// The change is durable in the journal.
    BeforeAnswer,
    /// Everything answered so far is committed, and can be read.
    Readable,
    /// The database is flushed: the work is not in the journal, so that it could not be repeated after a crash.
    InDatabase,
}

/// A job made of a closure. The journal does not have its work.
pub(super) struct ClosureJob<T, F> {
    work: F,
    outcome: Result<T, StoreError>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> ClosureJob<T, F> {
    pub(super) fn new(work: F, answer: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { work, outcome: Err(StoreError::Closed), answer }
    }
}

impl<T, F> WriteJob for ClosureJob<T, F>
where
    T: Send,
    F: FnMut(&WriteTransaction) -> Result<T, StoreError> + Send,
{
    fn bytes(&self) -> usize {
        0
    }

    fn run(&mut self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        self.outcome = caught(|| (self.work)(transaction));
        self.outcome.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn answer(self: Box<Self>) {
        // Sending fails if the caller no longer waits. The work is done nevertheless.
        let _ = self.answer.send(self.outcome);
    }

    fn abandon(self: Box<Self>, problem: &StoreError) {
        let _ = self.answer.send(Err(problem.clone()));
    }
}

/// Does the work of one job. A bug in it must not end the thread that all jobs need.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(StoreError::Internal("a write panicked".into())))
}

/// Makes the writer commit everything that was answered, so that it can be read.
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
