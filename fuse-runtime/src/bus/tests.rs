//! The embedded bus, beyond the laws of every bus.

use std::sync::Arc;
use std::time::Duration;

use super::{Bus, BusError, Published, StoreBus};
use crate::change::CommitHere;
use crate::store::Store;
use crate::store::support::{WriterGate, until_waiting};
use crate::testing::backend_laws::support::envelope;

async fn in_memory() -> (Store, StoreBus) {
    let store = Store::in_memory().unwrap();
    let bus =
        StoreBus::new(store.clone(), Arc::new(CommitHere(store.clone())), 1000).await.unwrap();
    (store, bus)
}

async fn publish(bus: &StoreBus, id: &str) -> Result<Published, BusError> {
    bus.publish(envelope("github", id, "{}")).await
}

async fn next_id(bus: &StoreBus) -> String {
    bus.next().await.unwrap().event().id.clone()
}

#[tokio::test]
async fn a_publisher_that_goes_away_still_wakes_the_consumer() {
    let (store, bus) = in_memory().await;
    let bus = Arc::new(bus);
    let gate = WriterGate::shut(&store).await;
    let publisher = tokio::spawn({
        let bus = bus.clone();
        async move { publish(&bus, "a").await }
    });
    until_waiting(&store, 1).await;
    publisher.abort();
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { next_id(&bus).await }
    });
    tokio::task::yield_now().await;
    gate.open().await;
    assert_eq!(waiting.await.unwrap(), "a");
}

/// In turns with newer events, so that those which are nacked again and again do not delay others.
#[tokio::test]
async fn requeued_events_take_turns_with_new_ones() {
    let (_, bus) = in_memory().await;
    for id in ["a", "b", "c", "d"] {
        publish(&bus, id).await.unwrap();
    }
    let a = bus.next().await.unwrap();
    let b = bus.next().await.unwrap();
    bus.nack(b, Duration::ZERO).await.unwrap();
    bus.nack(a, Duration::ZERO).await.unwrap();
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(next_id(&bus).await);
    }
    assert_eq!(order, ["a", "c", "b", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_long_delay_is_kept() {
    let (_, bus) = in_memory().await;
    publish(&bus, "a").await.unwrap();
    let start = tokio::time::Instant::now();
    for _ in 0..2 {
        let a = bus.next().await.unwrap();
        bus.nack(a, Duration::from_secs(30)).await.unwrap();
    }
    let again = bus.next().await.unwrap();
    assert_eq!((again.event().id.as_str(), again.nacks()), ("a", 2));
    assert!(start.elapsed() >= Duration::from_secs(60), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_nack_is_accepted_by_a_closed_bus() {
    let (store, bus) = in_memory().await;
    publish(&bus, "a").await.unwrap();
    let a = bus.next().await.unwrap();
    store.close().await.unwrap();
    bus.nack(a, Duration::ZERO).await.unwrap();
    assert!(matches!(bus.next().await, Err(BusError::Closed)));
}

#[test]
fn a_full_queue_has_a_message_for_senders() {
    let full = BusError::Full { limit: 2 };
    assert_eq!(full.to_string(), "the queue is full: 2 events wait to be handled");
}
