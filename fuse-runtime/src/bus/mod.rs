//! The bus: events go in durably, and come out one by one until each is acked.
//!
//! [`EmbeddedBus`] keeps them in the state folder. Another bus is another implementation of
//! [`Bus`]; [`Delivery::new`] is how it hands an event out.

mod embedded;

#[cfg(test)]
mod tests;

use async_trait::async_trait;

use crate::event::Envelope;
use crate::store::StoreError;

pub use embedded::EmbeddedBus;

/// What became of an event that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Published {
    /// It is new: it is in the queue and on disk.
    Accepted,
    /// An event of that source, name and id with the same body was accepted before; nothing
    /// changed. The first one may be done already.
    Known,
    /// An event of that source, name and id with *another* body was accepted before. Nothing was
    /// queued; that it happened is recorded on the first one.
    Conflict,
}

/// Why the bus could not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// As many events as allowed wait already. The sender should try again later.
    #[error("the queue is full: {limit} events wait to be handled")]
    Full {
        /// How many events may wait.
        limit: u64,
    },
    /// The bus is closed, as the runtime is stopping.
    #[error("the bus is closed")]
    Closed,
    /// The storage below failed; whether a published event was kept is unknown. Publishing it
    /// again is safe.
    #[error("the queue's storage failed: {0}")]
    Storage(String),
}

impl From<StoreError> for BusError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::Closed,
            StoreError::Storage(problem) => Self::Storage(problem),
            other => Self::Storage(other.to_string()),
        }
    }
}

/// An event handed out by [`Bus::next`], to be acked or given back.
#[derive(Debug)]
pub struct Delivery {
    event: Envelope,
    token: u64,
}

impl Delivery {
    /// For implementations of [`Bus`]: `token` is whatever number tells this delivery from the
    /// bus's others.
    pub fn new(event: Envelope, token: u64) -> Self {
        Self { event, token }
    }

    /// The event.
    pub fn event(&self) -> &Envelope {
        &self.event
    }

    /// The number by which the bus knows this delivery.
    pub fn token(&self) -> u64 {
        self.token
    }
}

/// A durable queue of events.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Takes an event in. Returns only once the answer is durable. Dropping the future may or
    /// may not publish the event; publishing it again is safe.
    ///
    /// # Errors
    ///
    /// [`BusError::Full`] for a new event when too many wait; an event that is known is answered
    /// even then.
    async fn publish(&self, event: Envelope) -> Result<Published, BusError>;

    /// Waits for the next event, in the order in which they were accepted. Each event that is
    /// not acked is handed out once while the process lives, and again after a restart or when
    /// given back. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`BusError::Closed`] once the bus is closed.
    async fn next(&self) -> Result<Delivery, BusError>;

    /// Takes the event out of the queue for good, durably. What is known about it stays. Acking
    /// again does nothing.
    ///
    /// # Errors
    ///
    /// Only those of a closed bus and of storage; the event may be handed out again then, after
    /// a restart.
    async fn ack(&self, delivery: &Delivery) -> Result<(), BusError>;

    /// Puts the event back to be handed out again, before those accepted after it. Not to be
    /// called after [`Bus::ack`].
    ///
    /// # Errors
    ///
    /// Only those of a closed bus and of storage.
    async fn give_back(&self, delivery: Delivery) -> Result<(), BusError>;

    /// How many events are accepted and not acked. Cheap: for metrics and readiness.
    fn backlog(&self) -> u64;
}
