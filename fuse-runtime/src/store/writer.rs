//! The one thread that writes: it drains what waits, runs all of it in one transaction, commits,
//! and only then answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::WriteTransaction;
use tokio::sync::{mpsc, oneshot};

use super::{Shared, StoreError};

/// The most jobs in one transaction. Past about this many, the flush no longer dominates.
pub(super) const MAX_BATCH: usize = 128;

/// Something to be written, and someone who waits for it.
pub(super) trait Job: Send {
    /// Does the work and keeps what came of it for the answer. Whether it succeeded.
    fn run(&mut self, transaction: &WriteTransaction) -> bool;
    /// Answers with what the last run gave: after the commit, or after the run failed.
    fn answer(self: Box<Self>);
    /// Answers that nothing could be committed.
    fn abandon(self: Box<Self>, problem: &StoreError);
}

/// A job made of closures.
pub(super) struct Work<T, F, A> {
    work: F,
    after: A,
    outcome: Result<T, StoreError>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F, A> Work<T, F, A> {
    pub(super) fn new(work: F, after: A, answer: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { work, after, outcome: Err(StoreError::Closed), answer }
    }
}

impl<T, F, A> Job for Work<T, F, A>
where
    T: Send,
    F: FnMut(&WriteTransaction) -> Result<T, StoreError> + Send,
    A: FnOnce(&T) + Send,
{
    fn run(&mut self, transaction: &WriteTransaction) -> bool {
        // A bug in one job must not end the thread that everyone needs.
        self.outcome = catch_unwind(AssertUnwindSafe(|| (self.work)(transaction)))
            .unwrap_or_else(|_| Err(StoreError::Storage("a write panicked".into())));
        self.outcome.is_ok()
    }

    fn answer(self: Box<Self>) {
        if let Ok(value) = &self.outcome {
            (self.after)(value);
        }
        // Nobody waits any more where sending fails; the work is done all the same.
        let _ = self.answer.send(self.outcome);
    }

    fn abandon(self: Box<Self>, problem: &StoreError) {
        let _ = self.answer.send(Err(problem.clone()));
    }
}

/// Serves jobs until the last sender is gone and the queue is empty.
pub(super) fn run(database: &Shared, mut jobs: mpsc::Receiver<Box<dyn Job>>, commits: &AtomicU64) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while jobs.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        match commit_without_failures(database, &mut batch) {
            Ok(()) => {
                if !batch.is_empty() {
                    commits.fetch_add(1, Ordering::Relaxed);
                }
                batch.drain(..).for_each(|job| job.answer());
            }
            Err(problem) => batch.drain(..).for_each(|job| job.abandon(&problem)),
        }
    }
}

/// Runs and commits the batch. A job that fails is answered and taken out, and the rest is run
/// again in a fresh transaction, so that nothing half done is committed. A failure is a fault of
/// the store, not something that callers provoke, so the repeats need not be quick.
fn commit_without_failures(
    database: &Shared,
    batch: &mut Vec<Box<dyn Job>>,
) -> Result<(), StoreError> {
    let guard = database.read().unwrap_or_else(PoisonError::into_inner);
    let database = guard.as_ref().ok_or(StoreError::Closed)?;
    while !batch.is_empty() {
        let mut transaction = database.begin_write()?;
        // Without it, opening after a crash walks the whole file.
        transaction.set_quick_repair(true);
        match batch.iter_mut().position(|job| !job.run(&transaction)) {
            None => return Ok(transaction.commit()?),
            Some(failed) => {
                batch.remove(failed).answer();
                transaction.abort()?;
            }
        }
    }
    Ok(())
}
