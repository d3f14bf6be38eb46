//! The laws of a bus, on the embedded one.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;

use super::{Bus, BusError, EmbeddedBus, Published};
use crate::ledger::{EmbeddedLedger, Ledger};
use crate::store::Store;
use crate::store::support::{Gate, at, envelope, until_waiting};

async fn in_memory() -> (Store, EmbeddedBus) {
    let store = Store::in_memory().unwrap();
    let bus = EmbeddedBus::new(store.clone(), 1000).await.unwrap();
    (store, bus)
}

async fn publish(bus: &EmbeddedBus, id: &str) -> Result<Published, BusError> {
    bus.publish(envelope("github", id, "{}")).await
}

async fn next_id(bus: &EmbeddedBus) -> String {
    bus.next().await.unwrap().event().id.clone()
}

/// Polls the future once, and drops it.
async fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

#[tokio::test]
async fn events_come_in_the_order_of_acceptance_and_once() {
    let (_, bus) = in_memory().await;
    // More than are fetched ahead.
    for number in 0..150 {
        publish(&bus, &number.to_string()).await.unwrap();
    }
    for number in 0..150 {
        assert_eq!(next_id(&bus).await, number.to_string());
    }
    assert!(poll_once(bus.next()).await.is_pending());
    assert_eq!(bus.backlog(), 150);
}

#[tokio::test]
async fn an_event_comes_out_as_it_went_in() {
    let (_, bus) = in_memory().await;
    let mut event = envelope("github", "big", "");
    event.body = Bytes::from_iter((0..3 << 20).map(|n: u32| n.to_le_bytes()[n as usize % 3]));
    event.query.insert("a".into(), "b".into());
    // Several that do not fit in one read together.
    for id in ["1", "2", "3"] {
        event.id = id.into();
        bus.publish(event.clone()).await.unwrap();
    }
    for id in ["1", "2", "3"] {
        event.id = id.into();
        assert_eq!(*bus.next().await.unwrap().event(), event);
    }
}

#[tokio::test]
async fn a_waiting_consumer_wakes_for_a_new_event() {
    let (_, bus) = in_memory().await;
    let bus = Arc::new(bus);
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { next_id(&bus).await }
    });
    tokio::task::yield_now().await;
    publish(&bus, "a").await.unwrap();
    assert_eq!(waiting.await.unwrap(), "a");
}

#[tokio::test]
async fn a_publisher_that_goes_away_still_wakes_the_consumer() {
    let (store, bus) = in_memory().await;
    let bus = Arc::new(bus);
    let gate = Gate::shut(&store).await;
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

#[tokio::test]
async fn dropping_next_loses_nothing() {
    let (_, bus) = in_memory().await;
    for id in ["a", "b", "c"] {
        // Dropped while it waits for an event.
        assert!(poll_once(bus.next()).await.is_pending());
        publish(&bus, id).await.unwrap();
        // Dropped while it waits for the read of the queue, unless that is quicker.
        let got = match poll_once(bus.next()).await {
            Poll::Ready(delivery) => delivery.unwrap().event().id.clone(),
            Poll::Pending => next_id(&bus).await,
        };
        assert_eq!(got, id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn consumers_share_the_events_between_them() {
    let (_, bus) = in_memory().await;
    let bus = Arc::new(bus);
    let consumers: Vec<_> = (0..4)
        .map(|_| {
            let bus = bus.clone();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                loop {
                    let delivery = bus.next().await.unwrap();
                    bus.ack(&delivery).await.unwrap();
                    if delivery.event().id == "stop" {
                        return seen;
                    }
                    seen.push(delivery.event().id.clone());
                }
            })
        })
        .collect();
    for number in 0..200 {
        publish(&bus, &number.to_string()).await.unwrap();
    }
    for source in ["a", "b", "c", "d"] {
        bus.publish(envelope(source, "stop", "{}")).await.unwrap();
    }
    let mut seen = Vec::new();
    for consumer in consumers {
        seen.extend(consumer.await.unwrap());
    }
    assert_eq!(seen.len(), 200);
    assert_eq!(BTreeSet::from_iter(seen).len(), 200);
    assert_eq!(bus.backlog(), 0);
}

/// In turns with newer ones, so that events which are nacked again and again hold up no others.
#[tokio::test]
async fn what_is_nacked_comes_again_in_turns_with_newer_events() {
    let (_, bus) = in_memory().await;
    for id in ["a", "b", "c", "d"] {
        publish(&bus, id).await.unwrap();
    }
    let a = bus.next().await.unwrap();
    let b = bus.next().await.unwrap();
    assert_eq!(b.redelivered(), 0);
    bus.nack(b, Duration::ZERO).await.unwrap();
    bus.nack(a, Duration::ZERO).await.unwrap();
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(next_id(&bus).await);
    }
    assert_eq!(order, ["a", "c", "b", "d"]);
    assert!(poll_once(bus.next()).await.is_pending());
}

#[tokio::test(start_paused = true)]
async fn what_is_nacked_comes_again_when_its_time_has_passed() {
    let (_, bus) = in_memory().await;
    publish(&bus, "a").await.unwrap();
    let start = tokio::time::Instant::now();
    for _ in 0..2 {
        let a = bus.next().await.unwrap();
        bus.nack(a, Duration::from_secs(30)).await.unwrap();
    }
    let again = bus.next().await.unwrap();
    assert_eq!((again.event().id.as_str(), again.redelivered()), ("a", 2));
    assert!(start.elapsed() >= Duration::from_secs(60), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_repeat_is_known_and_another_body_is_a_conflict() {
    let (store, bus) = in_memory().await;
    let event = envelope("github", "a", "{}");
    assert_eq!(bus.publish(event.clone()).await, Ok(Published::Accepted));
    assert_eq!(bus.publish(event.clone()).await, Ok(Published::Known));
    for seconds in [5, 7] {
        let mut other = envelope("github", "a", "{\"other\":1}");
        other.received = at(seconds);
        assert_eq!(bus.publish(other).await, Ok(Published::Conflict));
    }
    // Ids are scoped by source and name.
    let elsewhere = envelope("gitlab", "a", "{\"other\":1}");
    assert_eq!(bus.publish(elsewhere).await, Ok(Published::Accepted));
    let mut named = envelope("github", "a", "{}");
    named.name = "ping".into();
    assert_eq!(bus.publish(named.clone()).await, Ok(Published::Accepted));
    assert_eq!(bus.publish(named).await, Ok(Published::Known));
    assert_eq!(bus.backlog(), 3);

    let record = EmbeddedLedger::new(store).event(&event.key()).await;
    let record = record.unwrap().unwrap();
    assert_eq!(record.event, event);
    assert_eq!((record.conflicts, record.last_conflict), (2, Some(at(7))));

    // Known stays known when the event is done.
    let delivery = bus.next().await.unwrap();
    bus.ack(&delivery).await.unwrap();
    assert_eq!(bus.publish(event).await, Ok(Published::Known));
    assert_eq!(bus.backlog(), 2);
}

#[tokio::test]
async fn a_full_queue_refuses_new_events_only() {
    let store = Store::in_memory().unwrap();
    let bus = EmbeddedBus::new(store, 2).await.unwrap();
    publish(&bus, "a").await.unwrap();
    publish(&bus, "b").await.unwrap();
    let full = publish(&bus, "c").await;
    assert_eq!(full, Err(BusError::Full { limit: 2 }));
    assert_eq!(
        BusError::Full { limit: 2 }.to_string(),
        "the queue is full: 2 events wait to be handled"
    );
    assert_eq!(publish(&bus, "a").await, Ok(Published::Known));
    // Handed out is not yet out of the queue.
    let a = bus.next().await.unwrap();
    assert!(publish(&bus, "c").await.is_err());
    bus.ack(&a).await.unwrap();
    assert_eq!(publish(&bus, "c").await, Ok(Published::Accepted));
}

#[tokio::test]
async fn what_is_not_acked_comes_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for restart in 0..2 {
        let store = Store::open(folder.path()).unwrap();
        let bus = EmbeddedBus::new(store.clone(), 10).await.unwrap();
        if restart == 0 {
            for id in ["a", "b", "c"] {
                publish(&bus, id).await.unwrap();
            }
            let _a = bus.next().await.unwrap();
            let b = bus.next().await.unwrap();
            bus.ack(&b).await.unwrap();
            bus.ack(&b).await.unwrap();
            // Dropped without closing.
        } else {
            assert_eq!(bus.backlog(), 2);
            assert_eq!(publish(&bus, "b").await, Ok(Published::Known));
            publish(&bus, "d").await.unwrap();
            for id in ["a", "c", "d"] {
                assert_eq!(next_id(&bus).await, id);
            }
        }
    }
}

#[tokio::test]
async fn a_late_ack_does_not_hit_an_event_of_a_later_life() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let bus = EmbeddedBus::new(store.clone(), 10).await.unwrap();
    publish(&bus, "a").await.unwrap();
    let a = bus.next().await.unwrap();
    bus.ack(&a).await.unwrap();
    store.close().await.unwrap();

    let store = Store::open(folder.path()).unwrap();
    let bus = EmbeddedBus::new(store, 10).await.unwrap();
    publish(&bus, "b").await.unwrap();
    bus.ack(&a).await.unwrap();
    assert_eq!(bus.backlog(), 1);
}

#[tokio::test]
async fn a_closed_bus_says_so_to_everyone() {
    let (store, bus) = in_memory().await;
    publish(&bus, "a").await.unwrap();
    let a = bus.next().await.unwrap();
    let bus = Arc::new(bus);
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.next().await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    assert_eq!(waiting.await.unwrap(), Err(BusError::Closed));
    assert_eq!(publish(&bus, "b").await, Err(BusError::Closed));
    assert_eq!(bus.ack(&a).await, Err(BusError::Closed));
    bus.nack(a, Duration::ZERO).await.unwrap();
    assert!(matches!(bus.next().await, Err(BusError::Closed)));
}
