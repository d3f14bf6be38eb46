//! `limit N per D per KEY`: at most `N` occurrences of a key pass in any window of length `D`, wherever it starts.
//!
//! The state is a list of places, not a counter: a place has an owner, who may ask again, and an end, `D` after it was
//! taken. A stored place keeps its own end: if the duration of a rule is edited, the new one applies to new places. If
//! the number is edited, it applies at once.
//!
//! With `else wait`, the others queue for a place. An occurrence takes its place when it asks and it is its turn, never
//! before: until then, it is only known when that is expected, and however late it asks, no window has too many. Those
//! that came before it count as if they had a place already, so nobody overtakes.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::admit::{ClauseAnswer, Hold};
use super::describe::{StateText, free_again, waiting};
use super::time::{corrected_window, window_end};
use super::{FlowState, FlowTime, MAX_QUEUED, Owner};
use crate::literals::duration_text;

/// How long after it was due one that waits keeps its turn from those behind it that asked later.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_mins(5);

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

/// The occurrences of a key that passed and still count, and those that wait for a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    places: Places,
    /// Those that wait, in the order in which they came.
    waiting: Vec<Queued>,
}

/// One that waits. It is stored as a list of its fields, because a state may have many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Queued(
    /// The hash of the owner's id.
    u128,
    /// When it asked last.
    #[serde(with = "jiff::fmt::serde::timestamp::nanosecond::required")]
    Timestamp,
    /// When it is due, which is when it asks again.
    #[serde(with = "jiff::fmt::serde::timestamp::nanosecond::required")]
    Timestamp,
    /// Whether it waits for something else meanwhile. It then keeps its position, but no turn from those behind it.
    bool,
);

impl From<&FlowState> for Queue {
    fn from(state: &FlowState) -> Self {
        match state {
            FlowState::Limit(places) => Self { places: places.clone(), waiting: Vec::new() },
            FlowState::Queue(queue) => queue.clone(),
            _ => Self::default(),
        }
    }
}

impl From<Queue> for FlowState {
    fn from(queue: Queue) -> Self {
        if queue.waiting.is_empty() { Self::Limit(queue.places) } else { Self::Queue(queue) }
    }
}

impl Queue {
    /// The instant from which (inclusive) the state has no effect.
    pub(super) fn end(&self) -> Timestamp {
        // Those that wait have to be asked first.
        if self.waiting.is_empty() { self.places.end() } else { Timestamp::MAX }
    }

    /// This owner no longer waits.
    pub(super) fn release(mut self, owner: &Owner) -> Self {
        let owner = owner.hash();
        self.waiting.retain(|one| one.0 != owner);
        self
    }

    /// This owner waits for something else, until it asks again.
    pub(super) fn set_aside(mut self, owner: &Owner) -> Self {
        let owner = owner.hash();
        for one in self.waiting.iter_mut().filter(|one| one.0 == owner) {
            one.3 = true;
        }
        self
    }

    /// The places that count now.
    fn current(mut self, now: Timestamp) -> Self {
        let places = self.places.0.iter().map(|place| place.corrected(now));
        self.places.0 = places.filter(|place| now < place.2).collect();
        self
    }

    /// Forgets those before this position that never asked again, although those behind them did: their events are lost.
    fn without_abandoned(&mut self, position: usize) -> usize {
        let Some(asked) = self.waiting.get(position).map(|one| one.1) else { return position };
        let mut at = 0_usize;
        let before = self.waiting.len();
        self.waiting.retain(|one| {
            let is_before = at < position;
            at = at.saturating_add(1);
            !is_before || one.3 || window_end(one.2, ABANDONED_AFTER) > asked
        });
        position.saturating_sub(before.saturating_sub(self.waiting.len()))
    }

    /// Those that have their turn before the one at this position.
    fn ahead(&self, position: usize, now: Timestamp) -> impl Iterator<Item = &Queued> {
        // If the clock was set back, nobody knows when these ask again.
        self.waiting.iter().take(position).filter(move |one| !one.3 && one.1 <= now)
    }

    /// When it is the turn of the one at this position.
    fn turn(
        &self,
        position: usize,
        (count, per): (usize, SignedDuration),
        now: Timestamp,
    ) -> Timestamp {
        let mut ends: Vec<Timestamp> = self.places.0.iter().map(|place| place.2).collect();
        ends.sort_unstable();
        // If the number was lowered, several places have to become free.
        let free = |ends: &[Timestamp], earliest: Timestamp| {
            let end = ends.len().checked_sub(count).map(|index| ends.get(index).copied());
            end.map_or(earliest, |end| end.unwrap_or(Timestamp::MAX).max(earliest))
        };
        let mut turn = now;
        for one in self.ahead(position, now) {
            turn = free(&ends, turn).max(one.2);
            let end = window_end(turn, per);
            ends.insert(ends.partition_point(|other| *other <= end), end);
        }
        free(&ends, turn)
    }

    /// How many places are taken.
    fn taken(&self, count: u32, per: SignedDuration) -> String {
        format!("{} of {count} within {}", self.places.0.len(), duration_text(per))
    }

    /// The state in words. `None` if all places are free, and none waits.
    pub(super) fn describe(
        self,
        (count, per): (u32, SignedDuration),
        time: FlowTime,
    ) -> Option<StateText> {
        let now = time.steady;
        let queue = self.current(now);
        let queued = queue.waiting.len();
        if queued == 0 && queue.places.0.is_empty() {
            return None;
        }
        let holds = format!("{}{}", queue.taken(count, per), waiting(", ", queued, ""));
        let turn = queue.turn(queued, (count as usize, per), now);
        if turn > now {
            return Some(StateText::until(holds, free_again(turn, time), turn, time));
        }
        let free = (count as usize).saturating_sub(queue.places.0.len());
        let end = queue.places.end().max(now);
        let frees = format!("{free} more may pass; all places are free at {}", time.shown(end));
        Some(StateText::until(holds, frees, end, time))
    }
}

pub(super) fn step(
    before: Queue,
    owner: &Owner,
    (count, per): (u32, SignedDuration),
    waits: bool,
    time: FlowTime,
) -> (Queue, ClauseAnswer) {
    let now = time.steady;
    let mut queue = before.current(now);
    let owner = owner.hash();
    if queue.places.0.iter().any(|place| place.0 == owner) {
        return (queue, Ok(()));
    }
    let queued = queue.waiting.iter().position(|one| one.0 == owner);
    let queued = queued.map(|position| queue.without_abandoned(position));
    let position = queued.unwrap_or(queue.waiting.len());
    let turn = queue.turn(position, (count as usize, per), now);
    if turn <= now {
        queue.waiting.retain(|one| one.0 != owner);
        queue.places.0.push(Place(owner, now, window_end(now, per)));
        return (queue, Ok(()));
    }
    let is_full = queued.is_none() && queue.waiting.len() >= MAX_QUEUED;
    let taken = queue.taken(count, per);
    let ahead = waiting(", ", queue.ahead(position, now).count(), " before it");
    if !waits && queued.is_none() || is_full {
        let why = match is_full && waits {
            true => {
                format!("is reached: {taken}, and {MAX_QUEUED} wait already, which is the limit")
            }
            false => format!("is reached: {taken}{ahead}; {}", free_again(turn, time)),
        };
        return (queue, Err(Hold::Back(why)));
    }
    let one = Queued(owner, now, turn, false);
    match queue.waiting.get_mut(position) {
        Some(place) => *place = one,
        None => queue.waiting.push(one),
    }
    let why = format!("waits until {}: {taken}{ahead}", time.shown(turn));
    (queue, Err(Hold::Waits { until: turn, why, replaces: None }))
}
