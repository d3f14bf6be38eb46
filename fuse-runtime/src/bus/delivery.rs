//! An event that the bus hands out.

use std::any::Any;
use std::fmt;

use bytes::Bytes;

use super::BusError;
use crate::event::Envelope;

/// How a bus identifies one of its deliveries. Only the bus that made it knows what is inside.
pub struct Token(Box<dyn Any + Send + Sync>);

impl Token {
    /// A token that contains `value`.
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self(Box::new(value))
    }

    /// The value inside.
    ///
    /// # Errors
    ///
    /// [`BusError::ForeignDelivery`] if the token contains a value of another type.
    pub fn get<T: Any>(&self) -> Result<&T, BusError> {
        self.0.downcast_ref().ok_or(BusError::ForeignDelivery)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

/// An event handed out by [`Bus::next`](super::Bus::next), to be acknowledged or requeued.
///
/// ```
/// use fuse_runtime::bus::{Delivery, Token};
/// use fuse_runtime::event::Envelope;
/// use jiff::Timestamp;
///
/// let event = Envelope::new("github", "push", "1", Timestamp::UNIX_EPOCH, "{}");
/// // A bus whose deliveries are numbered.
/// let delivery = Delivery::new(event, Token::new(7_u64));
/// assert!(!delivery.is_redelivered());
/// assert_eq!(delivery.token().get(), Ok(&7_u64));
/// ```
#[derive(Debug)]
pub struct Delivery {
    event: Envelope,
    token: Token,
    is_redelivered: bool,
    nacks: u32,
}

impl Delivery {
    /// The first delivery of an event.
    pub fn new(event: Envelope, token: Token) -> Self {
        Self { event, token, is_redelivered: false, nacks: 0 }
    }

    /// A delivery of an event that may have been delivered before, by this process or an earlier one.
    /// `nacks` is how many times it was nacked, as far as the bus knows.
    #[must_use]
    pub fn redelivered(self, nacks: u32) -> Self {
        Self { is_redelivered: true, nacks, ..self }
    }

    /// The event.
    pub fn event(&self) -> &Envelope {
        &self.event
    }

    /// How the bus identifies this delivery.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Whether the event may have been delivered before, by this process or an earlier one. If not, it
    /// is certainly undecided.
    pub fn is_redelivered(&self) -> bool {
        self.is_redelivered
    }

    /// How many times the event was nacked, as far as the bus knows.
    pub fn nacks(&self) -> u32 {
        self.nacks
    }

    /// Frees the memory of the body.
    pub(crate) fn drop_body(&mut self) {
        self.event.body = Bytes::new();
    }
}
