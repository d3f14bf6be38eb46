//! The state folder: one file that the embedded bus and ledger share.
//!
//! Everything durable goes through **one writer thread with group commit**: what callers want
//! written while a commit is under way is written together by the next one, so a disk flush is
//! shared by up to 128 of them. A caller is answered only after the commit that holds its work.
//! Reads see the last commit and never wait for the writer.

mod open;
mod rows;
mod tables;
mod writer;

#[cfg(test)]
pub(crate) mod support;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use rows::{EventStatus, decode_envelope, encode_envelope, get_row, put_row};
pub(crate) use tables::*;

use writer::{Job, Work};

/// The name of the store's file in the state folder.
pub const FILE_NAME: &str = "fuse.redb";

/// The version of the tables' layout that this program reads and writes.
pub const SCHEMA_VERSION: u64 = 1;

/// The database, until the store is closed. Reads and the writer hold the lock for reading.
type Shared = Arc<RwLock<Option<Database>>>;

/// Why the store could not do something. Errors are plain text inside, so that one failure can be
/// told to every caller whose work was in the same commit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process (or another store in this one) has the file open.
    #[error(
        "`{path}` is in use by another process; stop that process or choose another state folder"
    )]
    Locked {
        /// The file.
        path: String,
    },
    /// The file was written by a newer version of this program.
    #[error(
        "`{path}` has version {found} of the state's layout, and this program knows versions up \
         to {supported}; use the newer program that wrote it, or choose another state folder"
    )]
    Newer {
        /// The file.
        path: String,
        /// The version that the file says it has.
        found: u64,
        /// The newest version that this program knows.
        supported: u64,
    },
    /// The folder or the file cannot be created, read or written, or is something else.
    #[error("can not open `{path}`: {problem}")]
    Open {
        /// The folder or file.
        path: String,
        /// What the system says.
        problem: String,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// Reading or writing failed: the disk is full or broken, or the file is damaged. Whether
    /// what was to be written is there is unknown after a failed commit. The store takes no more
    /// writes after an I/O failure: open it again.
    #[error("the store failed: {0}")]
    Storage(String),
}

/// Every error of the database inside a transaction is a `Storage` one.
macro_rules! storage_errors {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Storage(error.to_string())
            }
        }
    )*};
}
storage_errors!(redb::TransactionError, redb::TableError, redb::StorageError, redb::CommitError);

/// One state folder, opened. Clones are handles to the same store.
///
/// Dropping the last handle waits for the writes under way; [`Store::close`] does so without
/// blocking the async thread and reports what went wrong. Neither is needed for safety: what was
/// answered is on disk.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    database: Shared,
    /// The way to the writer; `None` once closed.
    jobs: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    commits: Arc<AtomicU64>,
    closed: watch::Sender<bool>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in the folder `dir`, creating folder and file where they are missing. The
    /// file is readable by its owner alone, as event bodies may hold secrets.
    ///
    /// Blocks while the file is opened, which is quick even after a crash.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`], [`StoreError::Newer`], [`StoreError::Open`], and
    /// [`StoreError::Storage`] where the new tables cannot be written.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::start(open::file(dir)?)
    }

    /// A store that is gone when its last handle is: for tests and embedders.
    ///
    /// # Errors
    ///
    /// [`StoreError::Storage`] where there is no memory or thread to be had.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::start(open::memory()?)
    }

    fn start(database: Database) -> Result<Self, StoreError> {
        let database: Shared = Arc::new(RwLock::new(Some(database)));
        let commits = Arc::new(AtomicU64::new(0));
        // Room for the next batch while one is being committed.
        let (jobs, queue) = mpsc::channel(2 * writer::MAX_BATCH);
        let (shared, counter) = (database.clone(), commits.clone());
        let thread = thread::Builder::new()
            .name("fuse-store".into())
            .spawn(move || writer::run(&shared, queue, &counter))
            .map_err(|problem| StoreError::Storage(format!("no writer thread: {problem}")))?;
        Ok(Self {
            inner: Arc::new(Inner {
                database,
                jobs: Mutex::new(Some(jobs)),
                writer: Mutex::new(Some(thread)),
                commits,
                closed: watch::Sender::new(false),
            }),
        })
    }

    /// Stops taking writes, waits for those under way and for reads, and closes the file. Every
    /// later call fails with [`StoreError::Closed`]; closing again does nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Storage`] where the file could not be closed cleanly. What was answered is
    /// on disk even then.
    pub async fn close(&self) -> Result<(), StoreError> {
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || inner.shut())
            .await
            .map_err(|problem| StoreError::Storage(problem.to_string()))?
    }

    /// How many commits the writer made since the store was opened. With the number of writes it
    /// tells how well they group.
    pub fn commits(&self) -> u64 {
        self.inner.commits.load(Ordering::Relaxed)
    }

    /// Whether the store is closed, or being closed.
    pub(crate) fn is_closed(&self) -> bool {
        *self.inner.closed.borrow()
    }

    /// Waits until the store is closed.
    pub(crate) async fn closed(&self) {
        let mut closed = self.inner.closed.subscribe();
        // An error means that the sender is gone, which is closed enough.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Does `work` in the writer's next transaction and answers once that is committed.
    ///
    /// `work` may run more than once, each time in a transaction in which nothing of it happened,
    /// as a batch is run again without a job that failed. An error takes back what the job wrote
    /// and leaves the rest of the batch alone; an expected refusal should rather be an `Ok` of its
    /// own, which costs no second run. A caller that goes away does not stop its work.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
    {
        self.write_then(work, |_| ()).await
    }

    /// Like [`Store::write`]; `after` runs on the writer's thread when the commit is done and
    /// before the answer, in the order of commits, even when the caller went away meanwhile.
    pub(crate) async fn write_then<T, F, A>(&self, work: F, after: A) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let jobs = lock(&self.inner.jobs).clone().ok_or(StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Work::new(work, after, answer));
        jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        // Nothing may keep the writer from ending while we wait for its last answers.
        drop(jobs);
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Reads the last commit, off the async threads.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&ReadTransaction) -> Result<T, StoreError> + Send + 'static,
    {
        let database = self.inner.database.clone();
        let done = tokio::task::spawn_blocking(move || {
            let guard = database.read().unwrap_or_else(PoisonError::into_inner);
            let database = guard.as_ref().ok_or(StoreError::Closed)?;
            work(&database.begin_read()?)
        });
        done.await.map_err(|problem| StoreError::Storage(problem.to_string()))?
    }

    /// How many writes wait for the writer.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        lock(&self.inner.jobs).as_ref().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity())
    }
}

impl Inner {
    fn shut(&self) -> Result<(), StoreError> {
        lock(&self.jobs).take();
        // Told only now, so that whoever is told finds that no write is taken any more.
        self.closed.send_replace(true);
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer
            && writer.thread().id() != thread::current().id()
        {
            // A panic in the writer was answered to its callers; there is nothing to add here.
            let _ = writer.join();
        }
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        match guard.take() {
            Some(database) => {
                database.close().map_err(|problem| StoreError::Storage(problem.to_string()))
            }
            None => Ok(()),
        }
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
