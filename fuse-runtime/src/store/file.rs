//! The storage below the database: redb's own file, whose length is known without a system call, and which
//! tests can make fail.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{BackendError, DatabaseError, StorageBackend};

use super::faults::Faults;

/// The length of the store's file in bytes. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct FileLength(Arc<AtomicU64>);

impl FileLength {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A file, or memory.
#[derive(Debug)]
pub(super) struct StoreFile<B> {
    inner: B,
    length: FileLength,
    faults: Faults,
}

impl StoreFile<FileBackend> {
    pub(super) fn file(
        file: File,
        length: FileLength,
        faults: Faults,
    ) -> Result<Self, DatabaseError> {
        Ok(Self::new(FileBackend::new(file)?, length, faults))
    }
}

impl StoreFile<InMemoryBackend> {
    pub(super) fn memory(length: FileLength) -> Self {
        Self::new(InMemoryBackend::new(), length, Faults::default())
    }
}

impl<B: StorageBackend> StoreFile<B> {
    fn new(inner: B, length: FileLength, faults: Faults) -> Self {
        length.0.store(inner.len().unwrap_or_default(), Ordering::Relaxed);
        Self { inner, length, faults }
    }
}

impl<B: StorageBackend> StorageBackend for StoreFile<B> {
    fn len(&self) -> Result<u64, io::Error> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.faults.strike(false)?;
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.faults.strike(true)?;
        self.inner.set_len(len)?;
        self.length.0.store(len, Ordering::Relaxed);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.faults.strike(true)?;
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.faults.strike(true)?;
        self.inner.write(offset, data)
    }

    fn close(&self) -> Result<(), io::Error> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
