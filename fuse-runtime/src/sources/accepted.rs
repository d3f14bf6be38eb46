//! What becomes of an event that a source hands in.

use fuse_rules::InvalidBody;

use crate::bus::BusError;

/// The longest id of a sender, in bytes.
pub(super) const MAX_ID_BYTES: usize = 512;

/// An event that is durable, or that fuse ignores because it matches no event of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id; empty if it is [`AcceptOutcome::Unrouted`].
    pub id: String,
    /// Its name: that of one of the events of its address.
    pub name: String,
    /// What fuse does with it.
    pub outcome: AcceptOutcome,
}

impl Accepted {
    /// Whether the event was accepted before, so that nothing more is done.
    pub fn is_duplicate(&self) -> bool {
        self.outcome == AcceptOutcome::Duplicate
    }
}

/// What fuse does with an event that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptOutcome {
    /// The event is new: the rules decide it.
    New,
    /// The event was accepted before: nothing more is done.
    Duplicate,
    /// It is not an event: it is recorded as a dead letter.
    DeadLetter,
    /// The conditions of no event are true for it: it is not stored, and has no id.
    Unrouted,
}

/// Why an event was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// Its body is not valid JSON.
    #[error("{0}")]
    Invalid(InvalidBody),
    /// The id cannot be used, or the conditions or the `id` of the source cannot be evaluated; why.
    #[error("{0}")]
    BadId(String),
    /// The body has no value for the `decode` of its event; why.
    #[error("{0}")]
    Undecodable(String),
    /// The sender's id is too long.
    #[error("the event's id is longer than {MAX_ID_BYTES} bytes")]
    LongId,
    /// The sender used this id for another body before.
    #[error(
        "an event with the id `{id}` was accepted before with another body; the first one counts"
    )]
    Conflict {
        /// The id.
        id: String,
    },
    /// It could not be made durable; the sender should try again.
    #[error("{0}")]
    Unavailable(BusError),
}

impl AcceptError {
    /// Whether the same event may be accepted later. A source that acknowledges its messages returns such
    /// an event to its queue; sending any other again gives the same answer.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// The result as the metric names it.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::Invalid(_) | Self::LongId | Self::BadId(_) | Self::Undecodable(_) => "invalid",
            Self::Unavailable(_) => "unavailable",
        }
    }
}
