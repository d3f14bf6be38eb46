//! `limit N per D per KEY`: at most `N` occurrences of a key pass in any window of length `D`, wherever it starts.
//!
//! The state is a list of places, not a counter: a place has an owner, who may ask again, and an end, `D` after it was
//! taken. A stored place keeps its own end: if the duration of a rule is edited, the new one applies to new places. If
//! the number is edited, it applies at once.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::admit::{ClauseAnswer, Hold, corrected_window, window_end};
use super::{FlowTime, Owner};
use crate::literals::duration_text;

/// The occurrences of a key that passed and still count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places(Vec<Place>);

/// The place of one occurrence. It is stored as a list of its fields, because a state may have thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place(
    /// The hash of the owner's id.
    u128,
    /// When it was taken.
    #[serde(with = "jiff::fmt::serde::timestamp::nanosecond::required")]
    Timestamp,
    /// The instant from which (inclusive) it is free again.
    #[serde(with = "jiff::fmt::serde::timestamp::nanosecond::required")]
    Timestamp,
);

impl Place {
    /// If the clock was set back and the place is taken in the future, it is moved to start at `now`, so that it is taken
    /// no longer than its window.
    fn corrected(self, now: Timestamp) -> Self {
        let Self(owner, since, until) = self;
        let (since, until) = corrected_window((since, until), now);
        Self(owner, since, until)
    }
}

impl Places {
    /// The instant from which (inclusive) all places are free.
    pub(super) fn end(&self) -> Timestamp {
        self.0.iter().map(|place| place.2).max().unwrap_or(Timestamp::MIN)
    }
}

pub(super) fn step(
    before: Option<&Places>,
    owner: &Owner,
    (count, per): (u32, SignedDuration),
    time: FlowTime,
) -> (Places, ClauseAnswer) {
    let now = time.steady;
    let before = before.iter().flat_map(|places| &places.0).map(|place| place.corrected(now));
    let mut taken: Vec<Place> = before.filter(|place| now < place.2).collect();
    let owner = owner.hash();
    if taken.iter().any(|place| place.0 == owner) {
        return (Places(taken), Ok(()));
    }
    let count = count as usize;
    if taken.len() < count {
        taken.push(Place(owner, now, window_end(now, per)));
        return (Places(taken), Ok(()));
    }
    // If the number was lowered, several places have to become free.
    let mut ends: Vec<Timestamp> = taken.iter().map(|place| place.2).collect();
    ends.sort_unstable();
    let free = ends.get(taken.len().saturating_sub(count)).copied().unwrap_or(Timestamp::MAX);
    let why = format!(
        "is reached: {} of {count} within {}; free again at {}",
        taken.len(),
        duration_text(per),
        time.to_wall(free)
    );
    (Places(taken), Err(Hold::Back(why)))
}
