//! The laws of a [`Bus`].

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Fixture;
use super::support::{OpenBackend, Violation, at, envelope, next};
use crate::bus::{Bus, BusError, Published};
use crate::event::Envelope;
use crate::ledger::LedgerError;

/// More than a bus is likely to fetch at once.
const MANY: usize = 100;

/// Polls the future once, and drops it.
async fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

/// Each event is delivered once while the process lives, in the order of acceptance, and stays in the
/// backlog until it is acknowledged.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn events_are_delivered_in_the_order_of_acceptance_and_once(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for number in 0..MANY {
        let published = opened.publish(&number.to_string()).await?;
        ensure_eq!(published, Published::Accepted, "the answer to a new event");
    }
    for number in 0..MANY {
        let delivery = opened.next().await?;
        ensure_eq!(delivery.event().id, number.to_string(), "the delivered event");
        ensure!(!delivery.is_redelivered(), "the first delivery of an event is a redelivery");
        ensure_eq!(delivery.nacks(), 0, "the number of nacks of a new event");
    }
    opened.silent().await?;
    ensure_eq!(opened.bus.backlog(), MANY as u64, "the backlog");
    Ok(())
}

/// An event is delivered byte for byte, however large it is.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_event_is_delivered_as_it_was_published(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let mut event = envelope("github", "", "");
    event.body = Bytes::from_iter(
        (0..3_u32 << 20).map(|n| n.to_le_bytes().into_iter().fold(0, u8::wrapping_add)),
    );
    event.query.insert("a".into(), "b".into());
    for id in ["1", "2", "3"] {
        event.id = id.into();
        opened.bus.publish(event.clone()).await?;
    }
    for id in ["1", "2", "3"] {
        event.id = id.into();
        ensure!(*opened.next().await?.event() == event, "the event `{id}` changed on its way");
    }
    Ok(())
}

/// A consumer that waits gets an event that is published later.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_waiting_consumer_wakes_for_a_new_event(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let bus = Arc::clone(&opened.bus);
    let waiting = tokio::spawn(async move { next(&*bus).await });
    opened.silent().await?;
    opened.publish("a").await?;
    let delivery = waiting.await.map_err(|error| Violation::new(error.to_string()))??;
    ensure_eq!(delivery.event().id, "a", "the delivered event");
    Ok(())
}

/// Dropping the future of [`Bus::next`] loses no event.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn dropping_next_loses_nothing(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for id in ["a", "b", "c"] {
        // Dropped while it waits for an event.
        let polled = poll_once(opened.bus.next()).await;
        ensure!(polled.is_pending(), "something is delivered before `{id}` is published");
        opened.publish(id).await?;
        // Dropped while it reads the queue, unless that is quicker.
        let delivered = match poll_once(opened.bus.next()).await {
            Poll::Ready(delivery) => delivery?.event().id.clone(),
            Poll::Pending => opened.next_id().await?,
        };
        ensure_eq!(delivered, id, "the delivered event");
    }
    Ok(())
}

/// Several consumers of one bus get each event once between them.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn consumers_share_the_events(fixture: &dyn Fixture) -> Result<(), Violation> {
    const CONSUMERS: usize = 4;
    let opened = OpenBackend::new(fixture).await?;
    let consume = |bus: Arc<dyn Bus>| async move {
        let mut seen = Vec::new();
        loop {
            let delivery = next(&*bus).await?;
            bus.ack(&delivery).await?;
            if delivery.event().id == "stop" {
                return Ok::<_, Violation>(seen);
            }
            seen.push(delivery.event().id.clone());
        }
    };
    let consumers: Vec<_> =
        (0..CONSUMERS).map(|_| tokio::spawn(consume(Arc::clone(&opened.bus)))).collect();
    for number in 0..MANY {
        opened.publish(&number.to_string()).await?;
    }
    for source in 0..CONSUMERS {
        opened.bus.publish(envelope(&source.to_string(), "stop", "{}")).await?;
    }
    let mut seen = Vec::new();
    for consumer in consumers {
        seen.extend(consumer.await.map_err(|error| Violation::new(error.to_string()))??);
    }
    ensure_eq!(seen.len(), MANY, "the number of deliveries");
    ensure_eq!(BTreeSet::from_iter(seen).len(), MANY, "the number of delivered events");
    ensure_eq!(opened.bus.backlog(), 0, "the backlog");
    Ok(())
}

/// An event that was nacked is delivered again, as a redelivery, and does not keep new events from
/// being delivered, even if it is nacked again and again.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_nacked_event_is_delivered_again(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for id in ["a", "b", "c"] {
        opened.publish(id).await?;
    }
    let mut nacked = 0;
    let mut acked = BTreeSet::new();
    while acked.len() < 2 {
        ensure!(nacked < 100, "new events are not delivered while another one is nacked");
        let delivery = opened.next().await?;
        let id = delivery.event().id.clone();
        ensure_eq!(delivery.is_redelivered(), id == "a" && nacked > 0, "whether it is redelivered");
        if id == "a" {
            ensure_eq!(delivery.nacks(), nacked, "the number of nacks");
            opened.bus.nack(delivery, Duration::ZERO).await?;
            nacked += 1;
        } else {
            opened.bus.ack(&delivery).await?;
            acked.insert(id);
        }
    }
    let delivery = opened.next().await?;
    ensure_eq!(delivery.event().id, "a", "the delivered event");
    ensure_eq!(delivery.nacks(), nacked, "the number of nacks");
    opened.bus.ack(&delivery).await?;
    opened.silent().await?;
    ensure_eq!(opened.bus.backlog(), 0, "the backlog");
    Ok(())
}

/// An event that was nacked with a delay is not delivered before that has passed.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_nacked_event_is_not_delivered_before_its_time(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    const DELAY: Duration = Duration::from_millis(150);
    let opened = OpenBackend::new(fixture).await?;
    opened.publish("a").await?;
    let mut delivery = opened.next().await?;
    for nacks in 1..3 {
        let start = Instant::now();
        opened.bus.nack(delivery, DELAY).await?;
        delivery = opened.next().await?;
        let elapsed = start.elapsed();
        ensure!(
            elapsed >= DELAY,
            "a nack with a delay of {DELAY:?} is delivered after {elapsed:?}"
        );
        ensure_eq!((delivery.event().id.as_str(), delivery.nacks()), ("a", nacks), "the delivery");
    }
    Ok(())
}

/// Extending a delivery neither acknowledges nor requeues its event.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_extended_delivery_is_still_the_same(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    opened.publish("a").await?;
    let delivery = opened.next().await?;
    for _ in 0..2 {
        opened.bus.extend(&delivery).await?;
        opened.silent().await?;
    }
    ensure_eq!(opened.bus.backlog(), 1, "the backlog");
    opened.bus.ack(&delivery).await?;
    ensure_eq!(opened.bus.backlog(), 0, "the backlog");
    Ok(())
}

/// The same event again is known. Another body with the same id is a conflict, which is recorded on
/// the first one. Ids are unique only within one source and name.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_repeat_is_known_and_another_body_is_a_conflict(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = envelope("github", "a", "{}");
    let publish = async |event: Envelope| opened.bus.publish(event).await;
    ensure_eq!(publish(event.clone()).await?, Published::Accepted, "the answer to a new event");
    ensure_eq!(publish(event.clone()).await?, Published::Known, "the answer to a repeat");
    for seconds in [5, 7] {
        let received = at(seconds);
        let other = Envelope { received, ..envelope("github", "a", "{\"other\":1}") };
        ensure_eq!(publish(other).await?, Published::Conflict, "the answer to another body");
    }
    let elsewhere = envelope("gitlab", "a", "{\"other\":1}");
    let named = Envelope { name: "ping".into(), ..event.clone() };
    for other in [elsewhere, named] {
        ensure_eq!(
            publish(other.clone()).await?,
            Published::Accepted,
            "the answer to another event"
        );
        ensure_eq!(publish(other).await?, Published::Known, "the answer to its repeat");
    }
    ensure_eq!(opened.bus.backlog(), 3, "the backlog");

    let record = opened.record(&event.key()).await?;
    ensure_eq!(record.event, event, "the recorded event");
    let conflicts = (record.conflicts, record.last_conflict);
    ensure_eq!(conflicts, (2, Some(at(7))), "the recorded conflicts");
    Ok(())
}

/// A batch has one answer per event, in the same order, and events are accepted in that order. A repeat
/// within the batch is known, and a conflict does not affect the others.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_batch_is_answered_event_by_event(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    ensure_eq!(opened.bus.publish_all(Vec::new()).await, [], "the answer to an empty batch");
    opened.publish("b").await?;
    let batch = [("a", "{}"), ("b", "{}"), ("a", "{}"), ("b", "{\"other\":1}"), ("c", "{}")];
    let batch = batch.map(|(id, body)| envelope("github", id, body)).to_vec();
    let answers = opened.bus.publish_all(batch).await;
    use Published::{Accepted, Conflict, Known};
    let expected = [Accepted, Known, Known, Conflict, Accepted].map(Ok);
    ensure_eq!(answers, expected, "the answer to the batch");
    for id in ["b", "a", "c"] {
        ensure_eq!(opened.next_id().await?, id, "the delivered event");
    }
    opened.silent().await
}

/// While the queue is full, new events are refused, and known ones are answered. An event leaves the
/// queue when it is acknowledged, not when it is delivered.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_full_queue_refuses_only_new_events(fixture: &dyn Fixture) -> Result<(), Violation> {
    let Some(backend) = fixture.open_with_max_backlog(2).await? else { return Ok(()) };
    let opened = OpenBackend::from_backend(backend);
    opened.publish("a").await?;
    ensure_eq!(opened.bus.health().problem, None, "the problem of a queue with room");
    opened.publish("b").await?;
    let full = Err(BusError::Full { limit: 2 });
    ensure_eq!(opened.publish("c").await, full, "the answer to a new event");
    ensure!(opened.bus.health().problem.is_some(), "a full queue is healthy");
    ensure_eq!(opened.publish("a").await, Ok(Published::Known), "the answer to a known event");
    let delivery = opened.next().await?;
    ensure_eq!(opened.publish("c").await, full, "the answer after a delivery");
    opened.bus.ack(&delivery).await?;
    ensure_eq!(opened.publish("c").await, Ok(Published::Accepted), "the answer after an ack");
    Ok(())
}

/// After a crash, the events that were not acknowledged are delivered again, as redeliveries and before
/// new ones, whether or not they were delivered before.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn what_is_not_acknowledged_is_delivered_again_after_a_crash(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for id in ["a", "b", "c"] {
        opened.publish(id).await?;
    }
    let _delivered = opened.next().await?;
    opened.ack_next().await?;
    let opened = opened.crash(fixture).await?;
    ensure_eq!(opened.bus.backlog(), 2, "the backlog after a crash");
    ensure_eq!(opened.publish("b").await?, Published::Known, "the answer to a repeat");
    opened.publish("d").await?;
    for (id, is_redelivered) in [("a", true), ("c", false), ("d", false)] {
        let delivery = opened.next().await?;
        ensure_eq!(delivery.event().id, id, "the delivered event");
        // A bus may not know what an earlier process delivered.
        if is_redelivered {
            ensure!(delivery.is_redelivered(), "`{id}` counts as never delivered after a crash");
        }
    }
    opened.silent().await
}

/// Once it is closed, a backend refuses everything, and wakes those that wait for events.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_closed_backend_reports_that(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("a", 0).await?;
    let delivery = opened.next().await?;
    let bus = Arc::clone(&opened.bus);
    let waiting = tokio::spawn(async move { bus.next().await.map(|_| ()) });
    opened.silent().await?;
    opened.backend.close().await?;
    opened.backend.close().await?;
    let woken = waiting.await.map_err(|error| Violation::new(error.to_string()))?;
    ensure_eq!(woken, Err(BusError::Closed), "the answer to a consumer that waits");
    let closed = Err(BusError::Closed);
    ensure_eq!(opened.publish("b").await, closed, "the answer to `publish`");
    ensure_eq!(opened.bus.next().await.map(|_| ()), Err(BusError::Closed), "the answer to `next`");
    ensure_eq!(opened.bus.ack(&delivery).await, Err(BusError::Closed), "the answer to `ack`");
    let read = opened.ledger.event(&event).await;
    ensure_eq!(read, Err(LedgerError::Closed), "the answer of the ledger");
    drop((opened, delivery));
    let opened = OpenBackend::new(fixture).await?;
    ensure_eq!(opened.next_id().await?, "a", "the event that is delivered after the next start");
    Ok(())
}
