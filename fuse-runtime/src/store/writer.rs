//! The writer thread: it runs the waiting jobs in one transaction, commits it, and only then answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use redb::{Durability, WriteTransaction};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::write_queue::WriteQueue;
use super::{Core, StoreError};

/// How often callers are answered while the file is reopened.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How often commits are on disk that need not be at once.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Something to be written, and a caller that waits for it.
pub(super) trait WriteJob: Send {
    /// About how many bytes it writes.
    fn bytes(&self) -> usize;
    /// Does the work and keeps its result for the answer.
    fn run(&mut self, transaction: &WriteTransaction) -> Result<(), StoreError>;
    /// Answers with the result of the last run: after the commit, or after the run failed.
    fn answer(self: Box<Self>);
    /// Answers that nothing could be committed.
    fn abandon(self: Box<Self>, problem: &StoreError);
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

/// Runs jobs until the last sender is dropped and the queue is empty.
pub(super) fn run(core: &Core, mut jobs: mpsc::Receiver<Box<dyn WriteJob>>) {
    let mut batch = Vec::new();
    let mut synced = Instant::now();
    let mut waiting = WriteQueue::default();
    while waiting.next_batch(&mut batch, &mut jobs) {
        core.compact_if_worthwhile();
        // Nor must a bug of the database.
        let committed = catch_unwind(AssertUnwindSafe(|| {
            commit_without_failures(core, &mut batch, &mut synced)
        }));
        match committed.unwrap_or_else(|_| Err(StoreError::Storage("a commit panicked".into()))) {
            Ok(()) => {
                if !batch.is_empty() {
                    core.commits.fetch_add(1, Ordering::Relaxed);
                    core.capacity.committed();
                }
                batch.drain(..).for_each(|job| job.answer());
            }
            Err(problem) => {
                batch.drain(..).for_each(|job| job.abandon(&problem));
                if !recover(core, &problem, &mut waiting, &mut jobs) {
                    return;
                }
            }
        }
    }
}

/// Reopens the file until that works. Meanwhile, every job is answered with the error. Returns `false` if
/// the store is closed first.
fn recover(
    core: &Core,
    problem: &StoreError,
    waiting: &mut WriteQueue,
    jobs: &mut mpsc::Receiver<Box<dyn WriteJob>>,
) -> bool {
    let mut problem = problem.clone();
    loop {
        let wait = core.health.failed(&message(&problem));
        let until = Instant::now() + wait;
        let answer = StoreError::Storage(message(&problem));
        waiting.drain().for_each(|job| job.abandon(&answer));
        while Instant::now() < until {
            match jobs.try_recv() {
                Ok(job) => job.abandon(&answer),
                Err(TryRecvError::Empty) => thread::sleep(POLL_INTERVAL),
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        let reopened = catch_unwind(AssertUnwindSafe(|| core.reopen()));
        match reopened.unwrap_or_else(|_| Err(StoreError::Storage("opening panicked".into()))) {
            Ok(()) => {
                core.health.recovered();
                return true;
            }
            Err(error) => problem = error,
        }
    }
}

fn message(problem: &StoreError) -> String {
    match problem {
        StoreError::Storage(problem) => problem.clone(),
        other => other.to_string(),
    }
}

/// Runs and commits the batch. A job that fails is answered and removed, and the others run
/// again in a new transaction, so that no partial work is committed. Failures are faults of the store,
/// not something that callers provoke, so the repetition need not be fast.
fn commit_without_failures(
    core: &Core,
    batch: &mut Vec<Box<dyn WriteJob>>,
    synced: &mut Instant,
) -> Result<(), StoreError> {
    let guard = core.database.read().unwrap_or_else(PoisonError::into_inner);
    let database = guard.as_ref().ok_or(StoreError::Closed)?;
    while !batch.is_empty() {
        let mut transaction = database.begin_write()?;
        // Without it, opening after a crash walks the whole file.
        transaction.set_quick_repair(true);
        let failed = batch
            .iter_mut()
            .enumerate()
            .find_map(|(index, job)| job.run(&transaction).err().map(|problem| (index, problem)));
        match failed {
            None => {
                core.record_time(&transaction)?;
                let lazily = core.lazy.load(Ordering::Relaxed);
                if lazily && synced.elapsed() < SYNC_EVERY {
                    // The next commit that is on disk includes this one.
                    let unchanged = transaction.set_durability(Durability::None);
                    unchanged.map_err(|error| StoreError::Internal(error.to_string()))?;
                } else {
                    *synced = Instant::now();
                }
                return Ok(transaction.commit()?);
            }
            // The file failed, not the job.
            Some((_, problem @ StoreError::Storage(_))) => return Err(problem),
            Some((index, _)) => {
                batch.remove(index).answer();
                transaction.abort()?;
            }
        }
    }
    Ok(())
}
