//! The writer thread: it applies the waiting jobs in a transaction, makes them as durable as each requires, and then
//! answers.
//!
//! With a journal, the transaction stays open for many batches: a batch is durable once its changes are in the journal.
//! The transaction is committed before something is read, and the database is on disk after a checkpoint. Without a
//! journal (in memory, or in a copy of a shared state), each batch is a commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use redb::{Durability, WriteTransaction};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::job::{Durable, WriteJob};
use super::journal::{Journal, unwritable};
use super::open::bytes_of_events;
use super::write_queue::{Next, WriteQueue};
use super::{Core, StoreError, replay};

/// How often callers are answered while the file is reopened.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How often a copy is flushed to disk.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// The longest time that a change is only in the journal.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(2);
/// How many bytes of changes may wait unflushed for the next flush.
const MAX_UNWRITTEN_BYTES: usize = 256 << 10;

/// The thread's state.
pub(super) struct Writer<'c> {
    core: &'c Core,
    journal: Option<Journal>,
    /// The open transaction: what was answered since the last commit, and the current batch.
    transaction: Option<WriteTransaction>,
    /// Since when the database on disk lacks changes of the journal.
    ahead_since: Option<Instant>,
    /// When a copy was last flushed.
    synced: Instant,
    /// Why the database must be reopened before the next batch.
    failed: Option<StoreError>,
}

/// Runs jobs until the last sender is dropped and the queue is empty. Returns whether everything is in the database then.
pub(super) fn run(
    core: &Core,
    journal: Option<Journal>,
    mut jobs: mpsc::Receiver<Box<dyn WriteJob>>,
) -> Result<(), StoreError> {
    let now = Instant::now();
    let mut writer =
        Writer { core, journal, transaction: None, ahead_since: None, synced: now, failed: None };
    let mut batch = Vec::new();
    let mut waiting = WriteQueue::default();
    loop {
        // A panic in the database must not end the thread.
        let done = match waiting.next_batch(&mut batch, &mut jobs, writer.checkpoint_due()) {
            Next::Batch => catch(|| writer.commit(&mut batch)),
            Next::Idle => catch(|| writer.checkpoint()),
            Next::Closed => {
                catch(|| writer.checkpoint())?;
                if let Some(journal) = &mut writer.journal {
                    journal.empty();
                }
                return Ok(());
            }
        };
        match done {
            Ok(()) => {
                if let Some(journal) = &mut writer.journal {
                    journal.keep();
                }
                core.batches.fetch_add(u64::from(!batch.is_empty()), Ordering::Relaxed);
                batch.drain(..).for_each(answer);
            }
            Err(problem) => {
                batch.drain(..).for_each(|job| job.abandon(&problem));
                writer.failed = Some(problem);
            }
        }
        if let Some(problem) = writer.failed.take()
            && !writer.recover(&problem, &mut waiting, &mut jobs)
        {
            // The outage is reported by whoever closes the store.
            return Ok(());
        }
    }
}

fn catch(work: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(StoreError::Storage("a commit panicked".into())))
}

fn answer(job: Box<dyn WriteJob>) {
    if catch_unwind(AssertUnwindSafe(|| job.answer())).is_err() {
        tracing::error!("a fault inside fuse interrupted what follows a commit; please report it");
    }
}

/// Applies the jobs of a batch, and adds their changes to the journal. Returns what the answers wait for, or which job
/// failed.
fn apply(
    batch: &mut [Box<dyn WriteJob>],
    transaction: &WriteTransaction,
    mut journal: Option<&mut Journal>,
) -> Result<Durable, (usize, StoreError)> {
    let mut needed = Durable::WithNext;
    for (index, job) in batch.iter_mut().enumerate() {
        let recorded = job.run(transaction).and_then(|()| match &mut journal {
            Some(journal) => job.record(journal.next()),
            None => Ok(Durable::InDatabase),
        });
        needed = needed.max(recorded.map_err(|problem| (index, problem))?);
    }
    Ok(needed)
}

impl Writer<'_> {
    /// When the next checkpoint is due.
    fn checkpoint_due(&self) -> Option<Instant> {
        self.ahead_since.map(|since| since + CHECKPOINT_AFTER)
    }

    /// Applies the batch and makes it durable. A job that fails is answered and removed, and the others run again, so
    /// that no partial work is committed. Failures are faults of the store, not something that callers provoke, so the
    /// repetition need not be fast.
    fn commit(&mut self, batch: &mut Vec<Box<dyn WriteJob>>) -> Result<(), StoreError> {
        if self.journal.is_some() && self.core.lazy.load(Ordering::Relaxed) {
            // The shared log makes the changes durable.
            self.checkpoint()?;
            self.journal = None;
        }
        self.compact()?;
        while !batch.is_empty() {
            self.begin()?;
            let Some(transaction) = &self.transaction else { return Err(StoreError::Closed) };
            match apply(batch, transaction, self.journal.as_mut()) {
                Ok(needed) => return self.make_durable(needed),
                // The file failed, not the job.
                Err((_, problem @ StoreError::Storage(_))) => return Err(problem),
                Err((index, problem)) => {
                    batch.remove(index).abandon(&problem);
                    self.roll_back()?;
                }
            }
        }
        Ok(())
    }

    /// Compacts the database if that was requested and nothing is being read.
    fn compact(&mut self) -> Result<(), StoreError> {
        if !self.core.can_compact() {
            return Ok(());
        }
        self.checkpoint()?;
        if let Some(transaction) = self.transaction.take() {
            transaction.abort()?;
        }
        self.core.compact_if_worthwhile();
        Ok(())
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        if self.transaction.is_none() {
            let guard = self.core.database.read().unwrap_or_else(PoisonError::into_inner);
            self.transaction = Some(guard.as_ref().ok_or(StoreError::Closed)?.begin_write()?);
        }
        Ok(())
    }

    /// Undoes the current batch, and keeps everything that was answered.
    fn roll_back(&mut self) -> Result<(), StoreError> {
        if let Some(transaction) = self.transaction.take() {
            transaction.abort()?;
        }
        if let Some(journal) = &mut self.journal {
            journal.forget_unanswered();
            let guard = self.core.database.read().unwrap_or_else(PoisonError::into_inner);
            let database = guard.as_ref().ok_or(StoreError::Closed)?;
            self.transaction = Some(replay::roll_forward(database, journal)?);
        }
        Ok(())
    }

    fn make_durable(&mut self, needed: Durable) -> Result<(), StoreError> {
        let Some(journal) = &self.journal else { return self.commit_without_journal() };
        self.core.is_ahead.store(true, Ordering::Release);
        self.ahead_since.get_or_insert_with(Instant::now);
        match needed {
            Durable::WithNext if journal.unwritten().len() < MAX_UNWRITTEN_BYTES => {}
            Durable::WithNext | Durable::BeforeAnswer => self.flush()?,
            Durable::Readable => self.make_readable()?,
            Durable::InDatabase => self.checkpoint()?,
        }
        if self.is_checkpoint_due() {
            // The batch is as durable as required already.
            self.failed = self.checkpoint().err();
        }
        Ok(())
    }

    fn is_checkpoint_due(&self) -> bool {
        self.journal.as_ref().is_some_and(Journal::is_long)
            || self.checkpoint_due().is_some_and(|due| due <= Instant::now())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        match &mut self.journal {
            Some(journal) => journal.flush().map_err(|problem| unwritable(&problem)),
            None => Ok(()),
        }
    }

    /// Commits everything answered so far, so that it can be read.
    fn make_readable(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.commit_transaction(Durability::None)?;
        self.core.is_ahead.store(false, Ordering::Release);
        Ok(())
    }

    /// Flushes the database, and restarts the journal.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        if self.journal.is_none() || self.ahead_since.is_none() {
            return Ok(());
        }
        self.flush()?;
        self.begin()?;
        self.commit_transaction(Durability::Immediate)?;
        self.core.is_ahead.store(false, Ordering::Release);
        self.ahead_since = None;
        if let Some(journal) = &mut self.journal {
            journal.restart();
        }
        Ok(())
    }

    fn commit_transaction(&mut self, durability: Durability) -> Result<(), StoreError> {
        let Some(mut transaction) = self.transaction.take() else { return Ok(()) };
        let is_on_disk = matches!(durability, Durability::Immediate);
        let events = bytes_of_events(&transaction)?;
        if let Some(journal) = &self.journal {
            replay::write_position(&transaction, journal.position())?;
        }
        self.core.record_time(&transaction)?;
        // Without it, opening after a crash walks the whole file.
        transaction.set_quick_repair(is_on_disk);
        let set = transaction.set_durability(durability);
        set.map_err(|error| StoreError::Internal(error.to_string()))?;
        transaction.commit()?;
        if is_on_disk || self.journal.is_none() {
            self.core.capacity.committed(events);
        }
        Ok(())
    }

    fn commit_without_journal(&mut self) -> Result<(), StoreError> {
        let lazily = self.core.lazy.load(Ordering::Relaxed);
        // The next commit that is on disk includes this one.
        let is_lazy = lazily && self.synced.elapsed() < SYNC_EVERY;
        if !is_lazy {
            self.synced = Instant::now();
        }
        self.commit_transaction(if is_lazy { Durability::None } else { Durability::Immediate })
    }

    /// Reopens the file until that works. Meanwhile, every job is answered with the error. Returns `false` if
    /// the store is closed first.
    fn recover(
        &mut self,
        problem: &StoreError,
        waiting: &mut WriteQueue,
        jobs: &mut mpsc::Receiver<Box<dyn WriteJob>>,
    ) -> bool {
        self.transaction = None;
        if let Some(journal) = &mut self.journal {
            journal.forget_unanswered();
        }
        let mut problem = problem.clone();
        loop {
            let wait = self.core.health.failed(&message(&problem));
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
            match catch(|| self.core.reopen(self.journal.as_mut())) {
                Ok(()) => {
                    self.ahead_since = None;
                    self.core.is_ahead.store(false, Ordering::Release);
                    self.core.health.recovered();
                    return true;
                }
                Err(error) => problem = error,
            }
        }
    }
}

fn message(problem: &StoreError) -> String {
    match problem {
        StoreError::Storage(problem) => problem.clone(),
        other => other.to_string(),
    }
}
