//! The backend in the state folder.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Backend, BackendError};
use crate::bus::{Bus, StoreBus};
use crate::change::{Commit, CommitHere};
use crate::clock::Clock;
use crate::ledger::{Ledger, StoreLedger};
use crate::store::{Store, StoreError};

/// The embedded backend: a bus and a ledger that share one [`Store`] in the state folder.
/// Clones are handles to the same backend.
///
/// ```
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use fuse_runtime::backend::{Backend, Embedded};
///
/// let folder = tempfile::tempdir()?;
/// let backend = Embedded::open(folder.path()).await?;
/// assert_eq!(backend.bus().backlog(), 0);
/// backend.close().await?;
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Embedded {
    store: Store,
    bus: Arc<StoreBus>,
    ledger: Arc<StoreLedger>,
}

/// The error about a store that is a copy of a shared state.
#[derive(Debug, thiserror::Error)]
#[error(
    "the folder has a copy of a state that replicas share: ask a running replica, or move the state out with `fuse backend migrate`"
)]
struct SharedState;

impl Embedded {
    /// How many events may wait by default before the bus refuses new ones.
    pub const DEFAULT_MAX_BACKLOG: u64 = 100_000;

    /// Opens the state folder `dir` with default limits; see [`Store::open`].
    ///
    /// # Errors
    ///
    /// The folder cannot be opened or read.
    pub async fn open(dir: &Path) -> Result<Self, BackendError> {
        let dir = dir.to_owned();
        let store = tokio::task::spawn_blocking(move || Store::open(&dir))
            .await
            .map_err(|problem| StoreError::Internal(problem.to_string()))??;
        Self::new(store, Self::DEFAULT_MAX_BACKLOG).await
    }

    /// The backend on an open store, whose bus refuses new events while `max_backlog` events are
    /// accepted and not acknowledged. A store has one backend.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn new(store: Store, max_backlog: u64) -> Result<Self, BackendError> {
        if store.is_shared().await? {
            return Err(BackendError::new(SharedState));
        }
        let commits: Arc<dyn Commit> = Arc::new(CommitHere(store.clone()));
        let bus = StoreBus::new(store.clone(), Arc::clone(&commits), max_backlog).await?;
        let (bus, ledger) = (Arc::new(bus), Arc::new(StoreLedger::new(store.clone(), commits)));
        ledger.correct().await?;
        Ok(Self { store, bus, ledger })
    }

    /// The store below.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

#[async_trait]
impl Backend for Embedded {
    fn bus(&self) -> Arc<dyn Bus> {
        Arc::<StoreBus>::clone(&self.bus)
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::<StoreLedger>::clone(&self.ledger)
    }

    async fn resume_clock(&self, clock: &Clock) -> Result<Clock, BackendError> {
        Ok(self.store.resume_clock(clock).await?)
    }

    async fn copy(&self) -> Result<Option<File>, BackendError> {
        Ok(Some(self.store.copy().await?))
    }

    async fn close(&self) -> Result<(), BackendError> {
        Ok(self.store.close().await?)
    }
}
