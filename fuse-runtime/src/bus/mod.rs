//! The bus: events go in durably, and are delivered one by one until each is acknowledged.
//!
//! The embedded backend keeps them in the state folder. Another bus is another implementation of
//! [`Bus`], which hands events out with [`Delivery::new`].
//! [`backend_laws`](crate::testing::backend_laws) checks an implementation.

pub(crate) mod change;
mod delivery;
mod fresh;
pub(crate) mod queue;
mod store_bus;

#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::event::Envelope;

pub use delivery::{Delivery, Token};
pub(crate) use store_bus::StoreBus;

/// What became of an event that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Published {
    /// It is new: it is accepted and queued, durably.
    Accepted,
    /// An event with this source, name and id and the same body was accepted before. Nothing
    /// changed. The first one may be done already.
    Known,
    /// An event with this source, name and id and *another* body was accepted before. Nothing was
    /// queued; the conflict is recorded on the first one.
    Conflict,
}

/// The errors of a bus.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The queue is full. The sender should try again later.
    #[error("the queue is full: {limit} events wait to be handled")]
    Full {
        /// How many events may wait.
        limit: u64,
    },
    /// There is no room for further events: the state has its largest size, or the disk is nearly full.
    #[error("{0}")]
    NoRoom(String),
    /// The bus is closed, because the runtime is stopping.
    #[error("the bus is closed")]
    Closed,
    /// The delivery was made by another bus: a bug of the caller.
    #[error("another bus made the delivery")]
    ForeignDelivery,
    /// The storage failed. It is unknown whether a published event was kept, and publishing it
    /// again is safe.
    #[error("the queue's storage failed: {0}")]
    Storage(String),
}

/// Whether a bus can accept events now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why it cannot, in a sentence. `None` if it can.
    pub problem: Option<String>,
    /// For how long its storage has failed, if it fails. A restart of the process may fix that.
    pub failing_for: Option<Duration>,
}

/// A durable queue of accepted events.
///
/// A bus delivers each event at least once: again after a restart, and after [`Bus::nack`], until it
/// is acknowledged. A crash may undo the last acknowledgements. Whether an event was decided already is recorded in the
/// [`Ledger`](crate::ledger::Ledger).
///
/// ```
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use fuse_runtime::backend::Backend;
/// use fuse_runtime::bus::Published;
/// use fuse_runtime::event::Envelope;
/// use fuse_runtime::testing::MemoryBackend;
/// use jiff::Timestamp;
///
/// let bus = MemoryBackend::new().bus();
/// let event = Envelope::new("github", "push", "1", Timestamp::UNIX_EPOCH, "{}");
/// assert_eq!(bus.publish(event.clone()).await?, Published::Accepted);
/// assert_eq!(bus.publish(event).await?, Published::Known);
///
/// let delivery = bus.next().await?;
/// bus.nack(delivery, Duration::ZERO).await?;
/// let again = bus.next().await?;
/// assert!(again.is_redelivered());
/// bus.ack(&again).await?;
/// assert_eq!(bus.backlog(), 0);
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
/// ```
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Accepts an event and queues it. The ledger of the same backend can decide it from then on.
    ///
    /// Returns only once the answer is durable. Dropping the future may or may not publish the event,
    /// and publishing it again is safe.
    ///
    /// # Errors
    ///
    /// [`BusError::Full`] for a new event when the queue is full; an event that was accepted before is
    /// answered even then.
    async fn publish(&self, event: Envelope) -> Result<Published, BusError> {
        let published = self.publish_all(vec![event]).await.pop();
        published.unwrap_or_else(|| Err(BusError::Storage("the bus gave no answer".into())))
    }

    /// Accepts events together, in their order, if possible in one commit. Returns one result per event, in
    /// the same order. An event that is refused does not affect the others.
    async fn publish_all(&self, events: Vec<Envelope>) -> Vec<Result<Published, BusError>>;

    /// Waits for the next event, in the order of acceptance. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`BusError::Closed`] once the bus is closed.
    async fn next(&self) -> Result<Delivery, BusError>;

    /// Removes the event from the queue. Its record in the ledger stays. Acknowledging again does nothing.
    ///
    /// The removal need not be durable: after a crash, the bus may deliver the event again.
    ///
    /// # Errors
    ///
    /// Only those of a closed bus and of storage. The event may be delivered again then, after
    /// a restart.
    async fn ack(&self, delivery: &Delivery) -> Result<(), BusError>;

    /// Acknowledges an event that no rule matches, and records the hash of the rules (`plan`) and the time in its record.
    ///
    /// A crash may undo both. The bus then delivers the event again, and the engine decides it by the rules in use then.
    /// Nothing happens if the event was decided meanwhile, by another process. Returns `false` if the bus cannot record
    /// both in one step, which is the default.
    ///
    /// # Errors
    ///
    /// As [`Bus::ack`].
    async fn ack_without_decisions(
        &self,
        delivery: &Delivery,
        plan: &str,
        decided: Timestamp,
    ) -> Result<bool, BusError> {
        let _ = (delivery, plan, decided);
        Ok(false)
    }

    /// Requeues the event, to be delivered again once `after` has passed. Must not be called after
    /// [`Bus::ack`].
    ///
    /// # Errors
    ///
    /// Only those of a closed bus and of storage.
    async fn nack(&self, delivery: Delivery, after: Duration) -> Result<(), BusError>;

    /// Keeps a delivery alive: a bus that redelivers what is not acknowledged in time must not do so
    /// yet. The engine calls this every ten seconds while it works on an event. By default it does
    /// nothing, which suits a bus that redelivers only after a restart.
    ///
    /// # Errors
    ///
    /// Only those of a closed bus and of storage.
    async fn extend(&self, delivery: &Delivery) -> Result<(), BusError> {
        let _ = delivery;
        Ok(())
    }

    /// Whether events can be accepted now. Cheap: for readiness.
    fn health(&self) -> Health;

    /// How many events are accepted and not acknowledged. Cheap: for metrics and readiness.
    fn backlog(&self) -> u64;

    /// How many accepted events cannot be read. They stay in the queue.
    fn damaged(&self) -> u64 {
        0
    }
}
