//! Deliveries are kept alive while their actions are performed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::Ruleset;
use tokio::sync::mpsc;

use super::plant::{Mood, RULES, ScriptedBackend};
use super::{Silent, Sources, Triggers};
use crate::backend::{Backend, BackendError};
use crate::bus::{Bus, BusError, Delivery, Health, Published};
use crate::event::Envelope;
use crate::ledger::Ledger;
use crate::sources::Incoming;
use crate::testing::MemoryBackend;
use crate::{Runtime, registry};

/// Reports when a delivery is extended.
struct ExpiringBackend {
    inner: MemoryBackend,
    extended: mpsc::UnboundedSender<String>,
}

struct ExpiringBus {
    inner: Arc<dyn Bus>,
    extended: mpsc::UnboundedSender<String>,
}

#[async_trait]
impl Backend for ExpiringBackend {
    fn bus(&self) -> Arc<dyn Bus> {
        Arc::new(ExpiringBus { inner: self.inner.bus(), extended: self.extended.clone() })
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        self.inner.ledger()
    }

    async fn close(&self) -> Result<(), BackendError> {
        self.inner.close().await
    }
}

#[async_trait]
impl Bus for ExpiringBus {
    async fn publish_all(&self, events: Vec<Envelope>) -> Vec<Result<Published, BusError>> {
        self.inner.publish_all(events).await
    }

    async fn next(&self) -> Result<Delivery, BusError> {
        self.inner.next().await
    }

    async fn ack(&self, delivery: &Delivery) -> Result<(), BusError> {
        self.inner.ack(delivery).await
    }

    async fn nack(&self, delivery: Delivery, after: Duration) -> Result<(), BusError> {
        self.inner.nack(delivery, after).await
    }

    async fn extend(&self, delivery: &Delivery) -> Result<(), BusError> {
        self.extended.send(delivery.event().id.clone()).unwrap();
        Ok(())
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    fn backlog(&self) -> u64 {
        self.inner.backlog()
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_extended_while_its_actions_are_performed() {
    let scripted = ScriptedBackend::default();
    scripted.set("e", Mood::Hangs);
    let triggers = Triggers::new().with(scripted);
    let sources = Sources::new().with("silent", Silent);
    let ruleset = Ruleset::parse("x.rules", RULES, &registry(&sources, &triggers)).unwrap();
    let (extended, mut extensions) = mpsc::unbounded_channel();
    let acked = Arc::new(AtomicU32::new(0));
    let acks = Arc::clone(&acked);
    let running = Runtime::new(ruleset, sources, triggers)
        .grace(Duration::ZERO)
        .watcher(Arc::new(move |step| {
            acks.fetch_add(u32::from(step == super::super::Step::Acked), Ordering::SeqCst);
        }))
        .start(ExpiringBackend { inner: MemoryBackend::new(), extended })
        .await
        .unwrap();
    let id = running.intake().accept(Incoming::json("q", "e", "{}")).await.unwrap().id;
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(extensions.recv().await.unwrap(), id);
    }
    assert!(start.elapsed() >= Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(acked.load(Ordering::SeqCst), 0);
    running.stop().await;
}
