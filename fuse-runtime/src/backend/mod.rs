//! Storage backends: a bus and a ledger that belong together, and what a runtime needs to open and
//! close them.
//!
//! [`Embedded`] keeps everything in one folder and needs no server. With [`JetStream`], any number of replicas
//! share one state over a NATS cluster. For tests there is
//! [`MemoryBackend`](crate::testing::MemoryBackend). Another backend is another implementation of
//! [`Backend`]; [`backend_laws`](crate::testing::backend_laws) checks it.

mod embedded;
#[cfg(feature = "jetstream")]
mod jetstream;

use std::error::Error;
use std::fs::File;
use std::sync::Arc;

use async_trait::async_trait;

use crate::bus::{Bus, BusError};
use crate::clock::Clock;
use crate::ledger::{Ledger, LedgerError};
use crate::store::StoreError;

pub use embedded::Embedded;
#[cfg(feature = "jetstream")]
pub use jetstream::{
    JetStream, JetStreamError, JetStreamOptions, LogReport, Login, export, import, permissions,
};

/// Where a runtime keeps its durable state.
///
/// The ledger can decide every event that the bus accepted. Nothing else is assumed about the two:
/// they need not share a transaction, nor a server.
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use fuse_runtime::backend::{Backend, BackendError};
/// use fuse_runtime::bus::Bus;
/// use fuse_runtime::ledger::Ledger;
///
/// /// A bus of one kind with a ledger of another.
/// struct Pair {
///     bus: Arc<dyn Bus>,
///     ledger: Arc<dyn Ledger>,
/// }
///
/// #[async_trait]
/// impl Backend for Pair {
///     fn bus(&self) -> Arc<dyn Bus> {
///         Arc::clone(&self.bus)
///     }
///
///     fn ledger(&self) -> Arc<dyn Ledger> {
///         Arc::clone(&self.ledger)
///     }
///
///     async fn close(&self) -> Result<(), BackendError> {
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The queue of accepted events.
    fn bus(&self) -> Arc<dyn Bus>;

    /// The record of events, decisions and actions.
    fn ledger(&self) -> Arc<dyn Ledger>;

    /// The clock of the runtime, which continues from the last time on record, so that a restart with
    /// another time of day shortens no window. Called once, before any event is accepted. By default
    /// it returns `clock` itself.
    ///
    /// # Errors
    ///
    /// The time on record cannot be read.
    async fn resume_clock(&self, clock: &Clock) -> Result<Clock, BackendError> {
        Ok(clock.clone())
    }

    /// A consistent copy of everything on record, as a file to be read from its start. `None` if the backend has tools of
    /// its own for that, as by default.
    ///
    /// # Errors
    ///
    /// The state cannot be read, or there is no room for the copy.
    async fn copy(&self) -> Result<Option<File>, BackendError> {
        Ok(None)
    }

    /// Completes what is being written, and closes the bus and the ledger. Every later call of theirs
    /// fails; closing again does nothing.
    ///
    /// # Errors
    ///
    /// The backend was not closed cleanly. What was answered is durable even then.
    async fn close(&self) -> Result<(), BackendError>;
}

#[async_trait]
impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn bus(&self) -> Arc<dyn Bus> {
        (**self).bus()
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        (**self).ledger()
    }

    async fn resume_clock(&self, clock: &Clock) -> Result<Clock, BackendError> {
        (**self).resume_clock(clock).await
    }

    async fn copy(&self) -> Result<Option<File>, BackendError> {
        (**self).copy().await
    }

    async fn close(&self) -> Result<(), BackendError> {
        (**self).close().await
    }
}

/// Why a backend could not be opened, resumed or closed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BackendError(Box<dyn Error + Send + Sync>);

impl BackendError {
    /// The error of a backend, as it is.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

impl From<StoreError> for BackendError {
    fn from(error: StoreError) -> Self {
        Self::new(error)
    }
}

impl From<BusError> for BackendError {
    fn from(error: BusError) -> Self {
        Self::new(error)
    }
}

impl From<LedgerError> for BackendError {
    fn from(error: LedgerError) -> Self {
        Self::new(error)
    }
}
