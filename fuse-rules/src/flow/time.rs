//! The time of a decision, and windows in it.

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use serde::{Deserialize, Serialize};

/// The time of a decision. Windows use the steady time, so setting the clock does not change their length. Reasons show
/// the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowTime {
    /// The steady time.
    pub steady: Timestamp,
    /// The time of day.
    pub wall: Timestamp,
}

impl From<Timestamp> for FlowTime {
    fn from(now: Timestamp) -> Self {
        Self { steady: now, wall: now }
    }
}

impl FlowTime {
    /// Converts an instant from the time of day to the steady time.
    pub fn to_steady(self, at: Timestamp) -> Timestamp {
        at.checked_add(self.steady.duration_since(self.wall)).unwrap_or(at)
    }

    /// An instant of the steady time as the time of day, for people: to the second. One that is yet to come is never shown
    /// too early.
    pub(super) fn shown(self, at: Timestamp) -> String {
        shown(self.to_wall(at), at > self.steady)
    }

    /// Converts an instant from the steady time to the time of day.
    pub(super) fn to_wall(self, at: Timestamp) -> Timestamp {
        at.checked_add(self.wall.duration_since(self.steady)).unwrap_or(at)
    }
}

/// A time of day to the second, rounded up if it is yet to come.
pub(super) fn shown(at: Timestamp, is_to_come: bool) -> String {
    to_second(at, is_to_come).to_string()
}

/// A time to the second, rounded up if it is yet to come.
pub(super) fn to_second(at: Timestamp, is_to_come: bool) -> Timestamp {
    let mode = if is_to_come { RoundMode::Ceil } else { RoundMode::Floor };
    let second = TimestampRound::new().smallest(Unit::Second).mode(mode);
    at.round(second).unwrap_or(at)
}

/// The end of a window. One that would end after the last representable timestamp ends there.
pub(super) fn window_end(start: Timestamp, window: SignedDuration) -> Timestamp {
    start.checked_add(window).unwrap_or(Timestamp::MAX)
}

/// The window of something that is stored. If the clock was set back and the window begins in the future, it is moved to
/// begin now, so that it is over after its length.
pub(super) fn corrected_window(
    (since, until): (Timestamp, Timestamp),
    now: Timestamp,
) -> (Timestamp, Timestamp) {
    if since <= now { (since, until) } else { (now, window_end(now, until.duration_since(since))) }
}
