//! The bus: events go in durably, and come out one by one until each is acked.
//!
//! [`EmbeddedBus`] keeps them in the state folder. Another bus is another implementation of
//! [`Bus`]; [`Delivery::new`] is how it hands an event out.

mod embedded;

#[cfg(test)]
mod tests;

use std::time::Duration;

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
    /// There is no room for further events: the state has its largest size, or the disk is nearly full.
    #[error("{0}")]
    NoRoom(String),
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

/// An event handed out by [`Bus::next`], to be acked or nacked.
#[derive(Debug)]
pub struct Delivery {
    event: Envelope,
    token: u64,
    redelivered: u32,
    is_new: bool,
}

impl Delivery {
    /// For implementations of [`Bus`]: `token` is whatever number tells this delivery from the
    /// bus's others.
    pub fn new(event: Envelope, token: u64) -> Self {
        Self { event, token, redelivered: 0, is_new: false }
    }

    /// The same, of an event that was certainly never handed out before, in no earlier process either.
    #[must_use]
    pub fn as_new(self) -> Self {
        Self { is_new: true, ..self }
    }

    /// The same, of an event that was nacked so many times since the process started.
    #[must_use]
    pub fn with_redelivered(self, redelivered: u32) -> Self {
        Self { redelivered, is_new: false, ..self }
    }

    /// The event.
    pub fn event(&self) -> &Envelope {
        &self.event
    }

    /// The number by which the bus knows this delivery.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Whether the event was certainly never handed out before, so that nothing is decided about it.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Gives the memory of the body back, once it is not needed any more.
    pub(crate) fn drop_body(&mut self) {
        self.event.body = bytes::Bytes::new();
    }

    /// How many times the event was nacked since the process started.
    pub fn redelivered(&self) -> u32 {
        self.redelivered
    }
}

/// Whether a bus can accept events now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why it cannot, in a sentence; `None` where it can.
    pub problem: Option<String>,
    /// For how long its storage has failed, where it fails: what a restart of the process may mend.
    pub failing_for: Option<Duration>,
}

/// A durable queue of events.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Accepts an event. Returns only once the answer is durable. Dropping the future may or
    /// may not publish the event; publishing it again is safe.
    ///
    /// # Errors
    ///
    /// [`BusError::Full`] for a new event when too many wait; an event that is known is answered
    /// even then.
    async fn publish(&self, event: Envelope) -> Result<Published, BusError> {
        let published = self.publish_all(vec![event]).await.pop();
        published.unwrap_or_else(|| Err(BusError::Storage("the bus gave no answer".into())))
    }

    /// Publishes events together, in their order, where possible in one commit. One result per event, in the
    /// same order. An event that is refused does not affect the others.
    async fn publish_all(&self, events: Vec<Envelope>) -> Vec<Result<Published, BusError>>;

    /// Waits for the next event, in the order in which they were accepted. Each event that is
    /// not acked is handed out once while the process lives, and again after a restart or when
    /// nacked. Dropping the future loses nothing.
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

    /// Puts the event back, to be handed out again once `after` has passed. Not to be called after
    /// [`Bus::ack`].
    ///
    /// # Errors
    ///
    /// Only those of a closed bus and of storage.
    async fn nack(&self, delivery: Delivery, after: Duration) -> Result<(), BusError>;

    /// Whether events can be accepted now. Cheap: for readiness.
    fn health(&self) -> Health;

    /// How many events are accepted and not acked. Cheap: for metrics and readiness.
    fn backlog(&self) -> u64;

    /// How many accepted events cannot be read any more. They stay in the queue.
    fn damaged(&self) -> u64 {
        0
    }
}
