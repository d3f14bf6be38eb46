//! Makes the database smaller.

use std::path::Path;
use std::sync::TryLockError;
use std::sync::atomic::Ordering;

use super::open::Opener;
use super::{Core, SizeLimits, Store, StoreError, open, replay};

/// The length of a database in bytes, before and after it was compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// Makes the database in a state folder as small as possible. No other process may use the folder.
///
/// # Errors
///
/// As of [`Store::open`], and [`StoreError::Storage`] if it cannot be compacted.
pub fn compact(folder: &Path) -> Result<Compacted, StoreError> {
    let opener = Opener::file(folder, &SizeLimits::default());
    let mut database = opener.open()?.database;
    if let Some(journal) = opener.journal() {
        replay::open(&database, journal)?;
    }
    let before = opener.length();
    database.compact().map_err(|problem| StoreError::Storage(problem.to_string()))?;
    database.close().map_err(|problem| StoreError::Storage(problem.to_string()))?;
    Ok(Compacted { before, after: opener.length() })
}

impl Store {
    /// Compacts the database as soon as nothing is being read, if most of it is free. Reads and writes wait meanwhile.
    pub(crate) async fn compact(&self) -> Result<(), StoreError> {
        self.inner.core.compact.store(true, Ordering::Relaxed);
        self.write(|_| Ok(())).await
    }
}

impl Core {
    /// Whether compacting was requested, and nothing is being read. Writes must not wait for a long read, such as a backup.
    pub(super) fn can_compact(&self) -> bool {
        self.compact.load(Ordering::Relaxed)
            && !matches!(self.database.try_write(), Err(TryLockError::WouldBlock))
    }

    /// Compacts the database if that was requested and most of it is free.
    pub(super) fn compact_if_worthwhile(&self) {
        if !self.compact.swap(false, Ordering::Relaxed) {
            return;
        }
        let mut guard = match self.database.try_write() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return self.compact.store(true, Ordering::Relaxed),
        };
        let Some(database) = guard.as_mut() else { return };
        let before = self.opener.length();
        match open::compact(database, before) {
            Ok(false) => {}
            Ok(true) => {
                let after = self.opener.length();
                tracing::info!(before, after, "compacted `fuse.redb`, which was mostly free");
                self.capacity.changed();
            }
            // Nothing is lost: the next batch shows whether the file works.
            Err(problem) => tracing::warn!(%problem, "cannot compact `fuse.redb`"),
        }
    }
}
