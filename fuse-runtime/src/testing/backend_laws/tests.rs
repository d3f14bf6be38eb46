//! The laws on both backends, and that the suite notices a backend that breaks one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;

use super::{Fixture, LawError, check, laws};
use crate::backend::{Backend, BackendError, Embedded};
use crate::bus::{Bus, BusError, Delivery, Health, Published};
use crate::event::Envelope;
use crate::ledger::Ledger;
use crate::store::Store;
use crate::testing::MemoryBackend;

struct OnDisk(TempDir);

#[async_trait]
impl Fixture for OnDisk {
    async fn open(&self) -> Result<Arc<dyn Backend>, BackendError> {
        Ok(Arc::new(Embedded::open(self.0.path()).await?))
    }

    async fn open_with_max_backlog(
        &self,
        max_backlog: u64,
    ) -> Result<Option<Arc<dyn Backend>>, BackendError> {
        Ok(Some(Arc::new(Embedded::new(Store::open(self.0.path())?, max_backlog).await?)))
    }
}

struct InMemory(MemoryBackend);

#[async_trait]
impl Fixture for InMemory {
    async fn open(&self) -> Result<Arc<dyn Backend>, BackendError> {
        Ok(Arc::new(self.0.restarted()))
    }

    async fn open_with_max_backlog(
        &self,
        max_backlog: u64,
    ) -> Result<Option<Arc<dyn Backend>>, BackendError> {
        Ok(Some(Arc::new(MemoryBackend::with_max_backlog(max_backlog))))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_embedded_backend_keeps_every_law() -> Result<(), LawError> {
    check(|| OnDisk(tempfile::tempdir().unwrap())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_backend_keeps_every_law() -> Result<(), LawError> {
    check(|| InMemory(MemoryBackend::new())).await
}

/// Requeues at once, whatever the delay.
struct Hasty(MemoryBackend);

struct HastyBus(Arc<dyn Bus>);

#[async_trait]
impl Fixture for Hasty {
    async fn open(&self) -> Result<Arc<dyn Backend>, BackendError> {
        Ok(Arc::new(Self(self.0.restarted())))
    }
}

#[async_trait]
impl Backend for Hasty {
    fn bus(&self) -> Arc<dyn Bus> {
        Arc::new(HastyBus(self.0.bus()))
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        self.0.ledger()
    }

    async fn close(&self) -> Result<(), BackendError> {
        self.0.close().await
    }
}

#[async_trait]
impl Bus for HastyBus {
    async fn publish_all(&self, events: Vec<Envelope>) -> Vec<Result<Published, BusError>> {
        self.0.publish_all(events).await
    }

    async fn next(&self) -> Result<Delivery, BusError> {
        self.0.next().await
    }

    async fn ack(&self, delivery: &Delivery) -> Result<(), BusError> {
        self.0.ack(delivery).await
    }

    async fn nack(&self, delivery: Delivery, _after: Duration) -> Result<(), BusError> {
        self.0.nack(delivery, Duration::ZERO).await
    }

    fn health(&self) -> Health {
        self.0.health()
    }

    fn backlog(&self) -> u64 {
        self.0.backlog()
    }
}

#[tokio::test]
async fn a_broken_law_is_named() {
    let mut broken = Vec::new();
    for law in laws() {
        if let Err(error) = law.check(&Hasty(MemoryBackend::new())).await {
            broken.push(error.to_string());
        }
    }
    let [broken] = broken.as_slice() else { panic!("{broken:?}") };
    let expected = "the backend breaks the law `bus::a_nacked_event_is_not_delivered_before_its_time`: \
                    a nack with a delay of 150ms is delivered after ";
    assert!(broken.starts_with(expected), "{broken}");
}
