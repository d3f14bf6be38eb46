//! The switch with which tests make the files of a store fail. Elsewhere it does nothing.

use std::io;
#[cfg(test)]
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Makes the files of a store fail. Clones are the same switch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    #[cfg(test)]
    full: Arc<AtomicBool>,
    #[cfg(test)]
    broken: Arc<AtomicBool>,
}

impl Faults {
    /// Fails if a test requested it.
    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only tests make it fail")]
    pub(crate) fn strike(&self, _writes: bool) -> io::Result<()> {
        Ok(())
    }

    /// Fails if a test requested it.
    #[cfg(test)]
    pub(crate) fn strike(&self, writes: bool) -> io::Result<()> {
        if writes && self.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        Ok(())
    }

    /// From now on, writes fail as on a full disk, or work again.
    #[cfg(test)]
    pub(crate) fn full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// From now on, reads and writes fail, or work again.
    #[cfg(test)]
    pub(crate) fn broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }
}
