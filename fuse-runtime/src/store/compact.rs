//! Making the file smaller.

use std::sync::TryLockError;
use std::sync::atomic::Ordering;

use super::{Core, Store, StoreError, open};

impl Store {
    /// Compacts the file before the next commit during which nothing is read, if it is mostly free. Reads and writes wait
    /// meanwhile.
    pub(crate) async fn compact(&self) -> Result<(), StoreError> {
        self.inner.core.compact.store(true, Ordering::Relaxed);
        self.write(|_| Ok(())).await
    }

    /// Makes the file as small as it can be, and returns its length in bytes before and after. Reads and writes wait
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::Closed`], and [`StoreError::Storage`] if it cannot be read or written.
    pub async fn compact_fully(&self) -> Result<(u64, u64), StoreError> {
        let core = &self.inner.core;
        let before = core.opener.length();
        core.compact_fully.store(true, Ordering::Relaxed);
        self.compact().await?;
        Ok((before, core.opener.length()))
    }
}

impl Core {
    /// Compacts the file if that was requested and most of it is free.
    pub(super) fn compact_if_worthwhile(&self) {
        if !self.compact.swap(false, Ordering::Relaxed) {
            return;
        }
        let mut guard = match self.database.try_write() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Commits must not wait for a long read, such as a backup.
            Err(TryLockError::WouldBlock) => return self.compact.store(true, Ordering::Relaxed),
        };
        let Some(database) = guard.as_mut() else { return };
        let before = self.opener.length();
        let fully = self.compact_fully.swap(false, Ordering::Relaxed);
        match open::compact(database, before, fully) {
            Ok(false) => {}
            Ok(true) => {
                let after = self.opener.length();
                tracing::info!(before, after, "compacted the state's file");
                self.capacity.changed();
            }
            // Nothing is lost: the next commit shows whether the file works.
            Err(problem) => tracing::warn!(%problem, "cannot compact the state's file"),
        }
    }
}
