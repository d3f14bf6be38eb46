//! The state folder: a database and its journal, which the embedded bus and ledger share.
//!
//! Every write goes through **one writer thread with group commit**: the writes that arrive during a
//! flush are made durable together by the next one, so that up to 128 of them share it. A caller
//! is answered only once its work is durable: in the journal, or in the database. A read sees everything that
//! was answered before; the writer commits it first.
//!
//! After an I/O error, the open file is unusable. The writer closes and reopens it until that works.
//! Meanwhile every call fails with [`StoreError::Storage`], and [`Store::outage`] reports why.

mod backup;
mod capacity;
mod compact;
mod error;
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
pub use error::StoreError;
pub use health::Outage;
pub(crate) use job::{Durable, WriteJob};
pub(crate) use rows::{
    EventStatus, WithoutDecisions, decode_envelope, decode_head, encode_envelope, get_row, put_row,
    put_row_if_changed, seal,
};
pub(crate) use tables::*;

use crate::clock::Clock;
use health::StoreHealth;
use job::{ClosureJob, ReadableJob};
use journal::Journal;
use open::{OpenedFile, Opener};

/// The name of the store's file in the state folder.
pub const FILE_NAME: &str = "fuse.redb";

/// The version of the layout that this program writes. It reads every version up to this one.
pub const SCHEMA_VERSION: u64 = 5;

/// The part that the store, its clones and its writer share.
struct Core {
    /// The database. `None` while it is reopened, and once it is closed. Reads and the writer
    /// hold the lock for reading.
    database: RwLock<Option<Database>>,
    opener: Opener,
    health: StoreHealth,
    capacity: Arc<Capacity>,
    commits: AtomicU64,
    /// Whether to compact the file before the next commit, if that is worthwhile.
    compact: AtomicBool,
    /// The same, whether or not it is worthwhile.
    compact_fully: AtomicBool,
    /// The clock whose readings are recorded.
    clock: Mutex<Option<Clock>>,
    /// Whether commits need not be on disk at once.
    lazy: AtomicBool,
    /// Whether something was answered that is not committed: only the writer sees it.
    is_ahead: AtomicBool,
}

/// One state folder, opened. Clones are handles to the same store.
///
/// Dropping the last handle waits for the writes in progress. [`Store::close`] does so without
/// blocking the async thread, and reports errors. Neither is needed for safety: every write that was
/// answered is on disk.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    /// The channel to the writer. `None` once the store is closed.
    jobs: Mutex<Option<mpsc::Sender<Box<dyn WriteJob>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
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
        Self::start(Opener::file(dir), limits)
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
            commits: AtomicU64::new(0),
            compact: AtomicBool::new(true),
            compact_fully: AtomicBool::new(false),
            clock: Mutex::new(None),
            lazy: AtomicBool::new(false),
            is_ahead: AtomicBool::new(false),
        });
        core.compact_if_worthwhile();
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
    /// [`StoreError::Storage`] if the file was not closed cleanly. Every write that was answered is
    /// on disk even then.
    pub async fn close(&self) -> Result<(), StoreError> {
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || inner.shut())
            .await
            .map_err(|problem| StoreError::Storage(problem.to_string()))?
    }

    #[cfg(feature = "jetstream")]
    /// From now on, commits are on disk a second later: for a copy of a state that is durable elsewhere. After a crash, the
    /// last ones may be missing.
    pub(crate) fn commit_lazily(&self) {
        self.inner.core.lazy.store(true, Ordering::Relaxed);
    }

    /// How many commits the writer made since the store was opened.
    pub fn commits(&self) -> u64 {
        self.inner.core.commits.load(Ordering::Relaxed)
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

    /// Does `work` in the next transaction of the writer, and returns once that is committed.
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
        self.write_then(0, work, |_| ()).await
    }

    /// Like [`Store::write`], for about this many bytes. `after` runs on the writer thread, after the commit
    /// and before the answer, in the order of commits, even if the caller stopped waiting.
    pub(crate) async fn write_then<T, F, A>(
        &self,
        bytes: usize,
        work: F,
        after: A,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.submit(Box::new(ClosureJob::new(bytes, work, after, answer))).await?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Has the writer do this job in its turn.
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
            // What can be read without it lacks what was answered.
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
                .try_send(Box::new(ClosureJob::new(
                    0,
                    |_: &WriteTransaction| Ok(()),
                    |(): &()| (),
                    answer,
                )))
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
        if let Some(writer) = writer
            && writer.thread().id() != thread::current().id()
        {
            // A panic in the writer was answered to its callers.
            let _ = writer.join();
        }
        self.core.close()
    }
}

impl Core {
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
            // Nor may the next record need some.
            journal.grow(1).map_err(|problem| {
                StoreError::Storage(format!("the journal cannot be written: {problem}"))
            })?;
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
