//! The state folder: a database and its journal, which the embedded bus and ledger share.
//!
//! Every write goes through **one writer thread with group commit**: the writes that arrive during a
//! flush are made durable together by the next one, so that up to 128 of them share it. A caller
//! is answered once its work is durable in the journal or in the database. Acknowledgements are the exception: they
//! become durable with the next change. Before a read, the writer commits everything that it has answered.
//!
//! After an I/O error, the open file is unusable. The writer closes and reopens it until that works.
//! Meanwhile every call fails with [`StoreError::Storage`], and [`Store::outage`] reports why.

mod backup;
mod capacity;
mod compact;
mod error;
mod faults;
mod file;
mod health;
mod job;
mod journal;
mod open;
mod replay;
mod rows;
mod tables;
mod time;
mod write_queue;
mod writer;

#[cfg(test)]
pub(crate) mod support;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};
use tokio::sync::{mpsc, oneshot, watch};

pub use backup::{StateReport, restore};
pub(crate) use capacity::Capacity;
pub use capacity::SizeLimits;
pub use compact::{Compacted, compact};
pub use error::StoreError;
pub use health::Outage;
pub(crate) use job::{Durable, WriteJob, caught};
pub(crate) use rows::{
    EventStatus, WithoutDecisions, decode_envelope, decode_head, encode_envelope, get_row, put_row,
    put_row_if_changed, seal,
};
pub(crate) use tables::*;

use crate::clock::Clock;
use health::StoreHealth;
use job::{ClosureJob, ReadableJob};
use journal::{Journal, unwritable};
use open::{OpenedFile, Opener};

/// The name of the database in the state folder.
pub const FILE_NAME: &str = "fuse.redb";

/// The version of the layout that this program writes. It reads every version up to this one. The version covers the
/// changes in the journal, too: raise it if one is added, or if its effect changes.
pub const SCHEMA_VERSION: u64 = 5;

/// The part that the store, its clones and its writer share.
struct Core {
    /// The database. `None` while it is reopened, and once it is closed. Reads and the writer
    /// hold the lock for reading.
    database: RwLock<Option<Database>>,
    opener: Opener,
    health: StoreHealth,
    capacity: Arc<Capacity>,
    batches: AtomicU64,
    /// Whether to compact the database before the next batch, if that is worthwhile.
    compact: AtomicBool,
    /// The clock whose readings are recorded.
    clock: Mutex<Option<Clock>>,
    /// Whether commits need not be on disk at once.
    lazy: AtomicBool,
    /// Whether the writer has answered changes that are not committed, so that readers do not see them yet.
    is_ahead: AtomicBool,
}

/// One state folder, opened. Clones are handles to the same store.
///
/// Dropping the last handle waits for the writes in progress. [`Store::close`] does so without
/// blocking the async thread, and reports errors. Neither is needed for safety: every write that was
/// answered is on disk, except acknowledgements of the last two seconds.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    /// The channel to the writer. `None` once the store is closed.
    jobs: Mutex<Option<mpsc::Sender<Box<dyn WriteJob>>>>,
    writer: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
    closed: watch::Sender<bool>,
    is_new: bool,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in the folder `dir` with the default [`SizeLimits`]. Creates the folder and the file
    /// if they are missing. Only the owner can read the file, because event bodies may contain secrets.
    ///
    /// Blocks while the file is opened, which is fast even after a crash. A file that is mostly free is
    /// compacted first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`], [`StoreError::Newer`], [`StoreError::Open`], and
    /// [`StoreError::Storage`] if the new tables cannot be written.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, SizeLimits::default())
    }

    /// Opens the store with these limits.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn open_with(dir: &Path, limits: SizeLimits) -> Result<Self, StoreError> {
        Self::start(Opener::file(dir, &limits), limits)
    }

    /// A store in memory, for tests and embedders. It is lost with its last handle.
    ///
    /// # Errors
    ///
    /// [`StoreError::Storage`] if there is no memory or thread.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::start(Opener::memory(), SizeLimits::default())
    }

    fn start(opener: Opener, limits: SizeLimits) -> Result<Self, StoreError> {
        let OpenedFile { database, is_new } = opener.open()?;
        let journal =
            opener.journal().map(|journal| replay::open(&database, journal)).transpose()?;
        let core = Arc::new(Core {
            database: RwLock::new(Some(database)),
            capacity: Arc::new(Capacity::new(opener.path(), limits)),
            opener,
            health: StoreHealth::new(),
            batches: AtomicU64::new(0),
            compact: AtomicBool::new(true),
            clock: Mutex::new(None),
            lazy: AtomicBool::new(false),
            is_ahead: AtomicBool::new(false),
        });
        core.compact_if_worthwhile();
        core.note_size()?;
        // Room for the next batch while one is being committed.
        let (jobs, queue) = mpsc::channel(2 * write_queue::MAX_BATCH);
        let shared = Arc::clone(&core);
        let thread = thread::Builder::new()
            .name("fuse-store".into())
            .spawn(move || writer::run(&shared, journal, queue))
            .map_err(|problem| StoreError::Storage(format!("no writer thread: {problem}")))?;
        Ok(Self {
            inner: Arc::new(Inner {
                core,
                jobs: Mutex::new(Some(jobs)),
                writer: Mutex::new(Some(thread)),
                closed: watch::Sender::new(false),
                is_new,
            }),
        })
    }

    /// Whether the file was created when the store was opened, so that it is empty.
    pub fn is_new(&self) -> bool {
        self.inner.is_new
    }

    /// Why the store does not work now, if it does not.
    pub fn outage(&self) -> Option<Outage> {
        self.inner.core.health.outage()
    }

    /// Why no further events are accepted, if there is no room for them.
    pub(crate) fn capacity_problem(&self) -> Option<String> {
        self.inner.core.capacity.current()
    }

    pub(crate) fn capacity(&self) -> Arc<Capacity> {
        Arc::clone(&self.inner.core.capacity)
    }

    /// Changes whenever the file was reopened after a failure: a commit that failed may have been kept.
    pub(crate) fn reopened(&self) -> watch::Receiver<u64> {
        self.inner.core.health.reopened()
    }

    /// Refuses new writes, waits for those in progress and for reads, and closes the file. Every
    /// later call fails with [`StoreError::Closed`]. Closing again does nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Storage`] if the database was not closed cleanly. What was durable is in the journal even then.
    pub async fn close(&self) -> Result<(), StoreError> {
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || inner.shut())
            .await
            .map_err(|problem| StoreError::Storage(problem.to_string()))?
    }

    /// From now on, most commits are flushed by a later one: for a copy of a state that is durable elsewhere. After a
    /// crash, the last ones may be missing.
    #[cfg(feature = "jetstream")]
    pub(crate) fn commit_lazily(&self) {
        self.inner.core.lazy.store(true, Ordering::Relaxed);
    }

    /// How many batches of writes were completed since the store was opened.
    pub fn batches(&self) -> u64 {
        self.inner.core.batches.load(Ordering::Relaxed)
    }

    /// Whether the store is closed, or being closed.
    pub(crate) fn is_closed(&self) -> bool {
        *self.inner.closed.borrow()
    }

    /// Waits until the store is closed.
    pub(crate) async fn closed(&self) {
        let mut closed = self.inner.closed.subscribe();
        // An error means that the sender was dropped, and the store with it.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Does `work` in the next batch of the writer, and returns once the database is on disk with it.
    ///
    /// `work` may run more than once, each time in a new transaction: a batch is repeated without a job
    /// that failed. An error reverts what the job wrote and does not affect the rest of the batch. An
    /// expected refusal should be an `Ok`, which does not repeat the batch. A caller that stops waiting
    /// does not cancel its work.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.submit(Box::new(ClosureJob::new(work, answer))).await?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Queues a job for the writer.
    pub(crate) async fn submit(&self, job: Box<dyn WriteJob>) -> Result<(), StoreError> {
        let jobs = lock(&self.inner.jobs).clone().ok_or(StoreError::Closed)?;
        jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        // A sender would keep the writer from ending while this waits for its last answers.
        drop(jobs);
        self.inner.wake_writer();
        Ok(())
    }

    /// Reads everything that was answered so far, on a blocking thread.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&ReadTransaction) -> Result<T, StoreError> + Send + 'static,
    {
        let core = Arc::clone(&self.inner.core);
        let closed = self.is_closed();
        if core.is_ahead.load(Ordering::Acquire) {
            let (readable, until_readable) = oneshot::channel();
            // Otherwise, the read would miss answered changes.
            self.submit(Box::new(ReadableJob(readable))).await?;
            until_readable.await.map_err(|_| StoreError::Closed)??;
        }
        let done = tokio::task::spawn_blocking(move || {
            let guard = core.database.read().unwrap_or_else(PoisonError::into_inner);
            match guard.as_ref() {
                Some(database) => work(&database.begin_read()?),
                None if closed => Err(StoreError::Closed),
                None => Err(core.unavailable()),
            }
        });
        let done = done.await.map_err(|problem| StoreError::Internal(problem.to_string()))?;
        if let Err(StoreError::Storage(_)) = &done
            && let Some(jobs) = lock(&self.inner.jobs).clone()
        {
            // The writer notices the failure, and reopens the file.
            let (answer, _) = oneshot::channel();
            let _full = jobs
                .try_send(Box::new(ClosureJob::new(|_: &WriteTransaction| Ok(()), answer)))
                .is_err();
            self.inner.wake_writer();
        }
        done
    }

    /// How many writes wait for the writer.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        lock(&self.inner.jobs).as_ref().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity())
    }
}

impl Inner {
    fn wake_writer(&self) {
        if let Some(writer) = lock(&self.writer).as_ref() {
            writer.thread().unpark();
        }
    }

    fn shut(&self) -> Result<(), StoreError> {
        lock(&self.jobs).take();
        // Sent only now: those who receive it find that writes are refused.
        self.closed.send_replace(true);
        self.wake_writer();
        let writer = lock(&self.writer).take();
        let written = match writer {
            Some(writer) if writer.thread().id() != thread::current().id() => {
                // A panic in the writer was answered to its callers.
                writer.join().unwrap_or(Ok(()))
            }
            _ => Ok(()),
        };
        // Even if the last changes are in the journal only.
        self.core.close().and(written)
    }
}

impl Core {
    /// Notes how much of the database events fill.
    fn note_size(&self) -> Result<(), StoreError> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = guard.as_ref() else { return Ok(()) };
        self.capacity.committed(open::event_bytes(database)?);
        Ok(())
    }

    /// The error of a call while the file is reopened.
    fn unavailable(&self) -> StoreError {
        let problem = self.health.outage().map(|outage| outage.problem);
        StoreError::Storage(problem.unwrap_or_else(|| "the file is being reopened".into()))
    }

    fn close(&self) -> Result<(), StoreError> {
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        match guard.take() {
            Some(database) => {
                if self.lazy.load(Ordering::Relaxed) {
                    let mut transaction = database.begin_write()?;
                    transaction.set_quick_repair(true);
                    transaction.commit()?;
                }
                database.close().map_err(|problem| StoreError::Storage(problem.to_string()))
            }
            None => match self.health.outage() {
                Some(outage) => Err(StoreError::Storage(outage.problem)),
                None => Ok(()),
            },
        }
    }

    /// Closes the file if it is open, and opens it again, with everything that was answered.
    fn reopen(&self, journal: Option<&mut Journal>) -> Result<(), StoreError> {
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // It failed already, so that it need not close cleanly.
        drop(guard.take());
        let database = self.opener.open()?.database;
        // Opening may need no space on the disk, but a commit does.
        let mut transaction = database.begin_write()?;
        transaction.set_quick_repair(true);
        self.record_time(&transaction)?;
        transaction.commit()?;
        if let Some(journal) = journal {
            replay::reopen(&database, journal)?;
            // The next record may also need space.
            journal.grow(1).map_err(|problem| unwritable(&problem))?;
        }
        *guard = Some(database);
        self.capacity.changed();
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(problem) = self.shut() {
            tracing::warn!(%problem, "the store was not closed cleanly");
        }
    }
}

/// The lock's value even if a thread panicked while it held it: the values here are replaced
/// whole, never left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
