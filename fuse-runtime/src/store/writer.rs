//! The writer thread: it applies the waiting jobs in a transaction, makes them durable, and only then answers.
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
use super::journal::Journal;
use super::write_queue::{Next, WriteQueue};
use super::{Core, StoreError, replay};

/// How often callers are answered while the file is reopened.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How often the commits of a copy are on disk.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How long a change may be in the journal only.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(2);
/// How many bytes of changes may wait for the next one that is flushed.
const MAX_UNWRITTEN_BYTES: usize = 256 << 10;

/// The thread's state.
pub(super) struct Writer<'c> {
    core: &'c Core,
    journal: Option<Journal>,
    /// Has what was answered, or is being applied.
    transaction: Option<WriteTransaction>,
    /// Since when the journal has something that the database does not have on disk.
    ahead_since: Option<Instant>,
    /// When a copy was on disk last.
    synced: Instant,
    /// Why the database must be reopened, although the batch is durable.
    failed: Option<StoreError>,
}

/// Runs jobs until the last sender is dropped and the queue is empty.
pub(super) fn run(
    core: &Core,
    journal: Option<Journal>,
    mut jobs: mpsc::Receiver<Box<dyn WriteJob>>,
) {
    let now = Instant::now();
    let mut writer =
        Writer { core, journal, transaction: None, ahead_since: None, synced: now, failed: None };
    let mut batch = Vec::new();
    let mut waiting = WriteQueue::default();
    loop {
        // Nor must a bug of the database end the thread.
        let done = match waiting.next_batch(&mut batch, &mut jobs, writer.checkpoint_due()) {
            Next::Batch => contain(|| writer.commit(&mut batch)),
            Next::Idle => contain(|| writer.checkpoint()),
            Next::Closed => {
                match (contain(|| writer.checkpoint()), &mut writer.journal) {
                    (Ok(()), Some(journal)) => journal.empty(),
                    (Ok(()), None) => {}
                    (Err(problem), _) => tracing::warn!(
                        %problem,
                        "the state was not closed cleanly; the next start needs a moment longer"
                    ),
                }
                return;
            }
        };
        match done {
            Ok(()) => {
                if !batch.is_empty() {
                    core.commits.fetch_add(1, Ordering::Relaxed);
                }
                batch.drain(..).for_each(|job| job.answer());
            }
            Err(problem) => {
                batch.drain(..).for_each(|job| job.abandon(&problem));
                writer.failed = Some(problem);
            }
        }
        if let Some(problem) = writer.failed.take()
            && !writer.recover(&problem, &mut waiting, &mut jobs)
        {
            return;
        }
    }
}

fn contain(work: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(StoreError::Storage("a commit panicked".into())))
}

impl Writer<'_> {
    /// When the database must be on disk again.
    fn checkpoint_due(&self) -> Option<Instant> {
        self.ahead_since.map(|since| since + CHECKPOINT_AFTER)
    }

    /// Applies the batch and makes it durable. A job that fails is answered and removed, and the others run again, so
    /// that no partial work is committed. Failures are faults of the store, not something that callers provoke, so the
    /// repetition need not be fast.
    fn commit(&mut self, batch: &mut Vec<Box<dyn WriteJob>>) -> Result<(), StoreError> {
        if self.journal.is_some() && self.core.lazy.load(Ordering::Relaxed) {
            // What it has is durable elsewhere.
            self.checkpoint()?;
            self.journal = None;
        }
        if self.core.compact.load(Ordering::Relaxed) {
            self.checkpoint()?;
            self.core.compact_if_worthwhile();
        }
        while !batch.is_empty() {
            let transaction = self.begin()?;
            let failed = batch.iter_mut().enumerate().find_map(|(index, job)| {
                job.run(transaction).err().map(|problem| (index, problem))
            });
            match failed {
                None => return self.make_durable(batch),
                // The file failed, not the job.
                Some((_, problem @ StoreError::Storage(_))) => return Err(problem),
                Some((index, _)) => {
                    batch.remove(index).answer();
                    self.roll_back()?;
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<&WriteTransaction, StoreError> {
        let transaction = match self.transaction.take() {
            Some(open) => open,
            None => {
                let guard = self.core.database.read().unwrap_or_else(PoisonError::into_inner);
                guard.as_ref().ok_or(StoreError::Closed)?.begin_write()?
            }
        };
        Ok(self.transaction.insert(transaction))
    }

    /// Returns to what was answered last.
    fn roll_back(&mut self) -> Result<(), StoreError> {
        if let Some(transaction) = self.transaction.take() {
            transaction.abort()?;
        }
        if let Some(journal) = &mut self.journal {
            let guard = self.core.database.read().unwrap_or_else(PoisonError::into_inner);
            let database = guard.as_ref().ok_or(StoreError::Closed)?;
            self.transaction = replay::roll_forward(database, journal)?;
        }
        Ok(())
    }

    fn make_durable(&mut self, batch: &mut [Box<dyn WriteJob>]) -> Result<(), StoreError> {
        let Some(journal) = &mut self.journal else {
            return self.commit_without_journal();
        };
        let answered = journal.next().len();
        let mut needed = Durable::WithNext;
        for job in batch {
            match job.record(journal.next()) {
                Ok(durable) => needed = needed.max(durable),
                Err(problem) => {
                    journal.next().truncate(answered);
                    return Err(problem);
                }
            }
        }
        self.core.is_ahead.store(true, Ordering::Release);
        self.ahead_since.get_or_insert_with(Instant::now);
        let kept = match needed {
            Durable::WithNext if journal.unwritten().len() < MAX_UNWRITTEN_BYTES => Ok(()),
            Durable::WithNext | Durable::BeforeAnswer => self.flush(),
            Durable::Readable => self.make_readable(),
            Durable::InDatabase => self.checkpoint(),
        };
        if let (Err(_), Some(journal)) = (&kept, &mut self.journal) {
            // What was answered is kept for the next attempt.
            journal.next().truncate(answered);
        }
        kept?;
        if self.is_checkpoint_due() {
            // The batch is durable already.
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

    /// Commits what was answered, so that it can be read.
    fn make_readable(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.commit_transaction(Durability::None)?;
        self.core.is_ahead.store(false, Ordering::Release);
        Ok(())
    }

    /// Brings the database to disk, and begins the journal again.
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
            self.core.capacity.committed();
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
            match contain(|| self.core.reopen(self.journal.as_mut())) {
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

fn unwritable(problem: &std::io::Error) -> StoreError {
    StoreError::Storage(format!("the journal cannot be written: {problem}"))
}

fn message(problem: &StoreError) -> String {
    match problem {
        StoreError::Storage(problem) => problem.clone(),
        other => other.to_string(),
    }
}
