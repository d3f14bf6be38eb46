//! The state folder: one file that the embedded bus and ledger share.
//!
//! Everything durable goes through **one writer thread with group commit**: what callers want
//! written while a commit is under way is written together by the next one, so a disk flush is
//! shared by up to 128 of them. A caller is answered only after the commit that holds its work.
//! Reads see the last commit and never wait for the writer.
//!
//! After an I/O error nothing more can be done with the open file: the writer closes it and opens it
//! again, until that works. Meanwhile every call fails with [`StoreError::Storage`], and
//! [`Store::outage`] says why.

mod file;
mod health;
mod open;
mod room;
mod rows;
mod tables;
mod time;
mod waiting;
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

pub use health::Outage;
pub(crate) use room::Room;
pub use room::SizeLimits;
pub(crate) use rows::{EventStatus, decode_envelope, encode_envelope, get_row, put_row, seal};
pub(crate) use tables::*;

use crate::clock::Clock;
use health::StoreHealth;
use open::{Opened, Opener};
use writer::{Job, Work};

/// The name of the store's file in the state folder.
pub const FILE_NAME: &str = "fuse.redb";

/// The version of the tables' layout that this program writes. It reads all up to this one.
pub const SCHEMA_VERSION: u64 = 2;

/// What the store, its clones and its writer share.
struct Core {
    /// The database; `None` while it is opened again, and once it is closed. Reads and the writer
    /// hold the lock for reading.
    database: RwLock<Option<Database>>,
    opener: Opener,
    health: StoreHealth,
    room: Arc<Room>,
    commits: AtomicU64,
    /// Whether the file should be made smaller, where that is worth it.
    compact: AtomicBool,
    /// The clock whose readings are put on record.
    clock: Mutex<Option<Clock>>,
}

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
    /// Reading or writing failed: the disk is full or broken. Whether what was to be written is
    /// there is unknown after a failed commit. The store opens its file again by itself.
    #[error("the store failed: {0}")]
    Storage(String),
    /// A record is not what was written: the file was changed or damaged. Other records are not
    /// affected.
    #[error("{0}")]
    Damaged(String),
    /// A fault of fuse itself; nothing of this write was done.
    #[error("{0}; this is a bug of fuse, please report it")]
    Internal(String),
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
    core: Arc<Core>,
    /// The way to the writer; `None` once closed.
    jobs: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
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
    /// Opens the store in the folder `dir`, creating folder and file where they are missing, with
    /// the default [`SizeLimits`]. The file is readable by its owner alone, as event bodies may hold
    /// secrets.
    ///
    /// Blocks while the file is opened, which is quick even after a crash; a file that is mostly free
    /// is made smaller first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`], [`StoreError::Newer`], [`StoreError::Open`], and
    /// [`StoreError::Storage`] where the new tables cannot be written.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, SizeLimits::default())
    }

    /// The same with limits of its own.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn open_with(dir: &Path, limits: SizeLimits) -> Result<Self, StoreError> {
        Self::start(Opener::file(dir), limits)
    }

    /// A store that is gone when its last handle is: for tests and embedders.
    ///
    /// # Errors
    ///
    /// [`StoreError::Storage`] where there is no memory or thread to be had.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::start(Opener::memory(), SizeLimits::default())
    }

    fn start(opener: Opener, limits: SizeLimits) -> Result<Self, StoreError> {
        let Opened { database, is_new } = opener.open()?;
        let core = Arc::new(Core {
            database: RwLock::new(Some(database)),
            room: Arc::new(Room::new(opener.path(), limits)),
            opener,
            health: StoreHealth::new(),
            commits: AtomicU64::new(0),
            compact: AtomicBool::new(true),
            clock: Mutex::new(None),
        });
        core.compact_where_worth_it();
        // Room for the next batch while one is being committed.
        let (jobs, queue) = mpsc::channel(2 * waiting::MAX_BATCH);
        let shared = Arc::clone(&core);
        let thread = thread::Builder::new()
            .name("fuse-store".into())
            .spawn(move || writer::run(&shared, queue))
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

    /// Whether the file was made when the store was opened, so that nothing is remembered in it.
    pub fn is_new(&self) -> bool {
        self.inner.is_new
    }

    /// Why the store does not work now, where it does not.
    pub fn outage(&self) -> Option<Outage> {
        self.inner.core.health.outage()
    }

    /// Why no further events are accepted, where there is no room for them.
    pub(crate) fn no_room(&self) -> Option<String> {
        self.inner.core.room.current()
    }

    pub(crate) fn room(&self) -> Arc<Room> {
        Arc::clone(&self.inner.core.room)
    }

    /// Changes whenever the file was opened again after a failure: a commit that failed may have been
    /// made all the same.
    pub(crate) fn reopened(&self) -> watch::Receiver<u64> {
        self.inner.core.health.reopened()
    }

    /// Makes the file smaller before the next commit, where it is mostly free. Reads and writes wait
    /// meanwhile.
    pub(crate) async fn compact(&self) -> Result<(), StoreError> {
        self.inner.core.compact.store(true, Ordering::Relaxed);
        self.write(|_| Ok(())).await
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
        self.inner.core.commits.load(Ordering::Relaxed)
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
        self.write_then(0, work, |_| ()).await
    }

    /// Like [`Store::write`], of about so many bytes; `after` runs on the writer's thread when the commit is done and
    /// before the answer, in the order of commits, even when the caller went away meanwhile.
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
        let jobs = lock(&self.inner.jobs).clone().ok_or(StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Work::new(bytes, work, after, answer));
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
        let core = Arc::clone(&self.inner.core);
        let closed = self.is_closed();
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
            // The writer finds out that the file fails, and opens it again.
            let (answer, _) = oneshot::channel();
            let _full = jobs
                .try_send(Box::new(Work::new(
                    0,
                    |_: &WriteTransaction| Ok(()),
                    |(): &()| (),
                    answer,
                )))
                .is_err();
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
        self.core.close()
    }
}

impl Core {
    /// The error of a call while the file is opened again.
    fn unavailable(&self) -> StoreError {
        let problem = self.health.outage().map(|outage| outage.problem);
        StoreError::Storage(problem.unwrap_or_else(|| "the file is being opened again".into()))
    }

    fn close(&self) -> Result<(), StoreError> {
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        match guard.take() {
            Some(database) => {
                database.close().map_err(|problem| StoreError::Storage(problem.to_string()))
            }
            None => match self.health.outage() {
                Some(outage) => Err(StoreError::Storage(outage.problem)),
                None => Ok(()),
            },
        }
    }

    /// Closes the file, where it is open, and opens it again.
    fn reopen(&self) -> Result<(), StoreError> {
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // It failed already; that it cannot be closed cleanly is no news.
        drop(guard.take());
        let database = self.opener.open()?.database;
        // Opening may need no room on the disk; a commit does.
        let transaction = database.begin_write()?;
        self.record_time(&transaction)?;
        transaction.commit()?;
        *guard = Some(database);
        self.room.changed();
        Ok(())
    }

    /// Makes the file smaller where that was asked for and most of it is free.
    fn compact_where_worth_it(&self) {
        if !self.compact.swap(false, Ordering::Relaxed) {
            return;
        }
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = guard.as_mut() else { return };
        let before = self.opener.length();
        match open::compact(database, before) {
            Ok(false) => {}
            Ok(true) => {
                let after = self.opener.length();
                tracing::info!(
                    before,
                    after,
                    "the state's file was mostly free and is smaller now"
                );
                self.room.changed();
            }
            // Nothing is lost: the next commit finds out whether the file works.
            Err(problem) => tracing::warn!(%problem, "the state's file could not be made smaller"),
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
