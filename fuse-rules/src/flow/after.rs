//! `after N within D per KEY`: the `N`th match of a key within `D` passes, and the others are counted. After a match
//! passed, the count starts again from zero, so one match in `N` passes.
//!
//! The state is a list of matches, not a counter: a match has an owner, who may ask again, and an end, `D` after it
//! happened. It contains the matches that count, and those of the last round, which ended with the match that passed. A
//! match is therefore remembered for `D` or until the next round is complete, and the state has at most `2N` matches.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::admit::{ClauseAnswer, Hold};
use super::describe::{StateText, zero_at};
use super::time::{corrected_window, window_end};
use super::{FlowTime, Owner};
use crate::literals::duration_text;

/// The matches of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matches {
    /// Those that count.
    pub(super) counted: Vec<Match>,
    /// Those of the last round. The last one passed.
    pub(super) completed: Vec<Match>,
}

/// A match. It is stored as a list of its fields, because a state may have thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Match(
    /// The hash of the owner's id.
    u128,
    /// When it happened.
    #[serde(with = "jiff::fmt::serde::timestamp::nanosecond::required")]
    pub(super) Timestamp,
    /// The instant from which (inclusive) it no longer counts.
    #[serde(with = "jiff::fmt::serde::timestamp::nanosecond::required")]
    Timestamp,
    /// How many matches counted when it happened, itself included. `None` if it passed.
    Option<u32>,
);

impl Match {
    /// If the clock was set back and the match is in the future, it is moved to `now`, so that it counts no longer than
    /// its window.
    fn corrected(self, now: Timestamp) -> Self {
        let Self(owner, since, until, number) = self;
        let (since, until) = corrected_window((since, until), now);
        Self(owner, since, until, number)
    }
}

impl Matches {
    /// The instant from which (inclusive) no match counts.
    pub(super) fn end(&self) -> Timestamp {
        let ends = self.counted.iter().chain(&self.completed).map(|one| one.2);
        ends.max().unwrap_or(Timestamp::MIN)
    }

    /// The matches whose windows are not over.
    fn current(&self, now: Timestamp) -> Self {
        let current = |matches: &[Match]| -> Vec<Match> {
            let matches = matches.iter().map(|one| one.corrected(now));
            matches.filter(|one| now < one.2).collect()
        };
        Self { counted: current(&self.counted), completed: current(&self.completed) }
    }

    /// The state in words. `None` if no match counts.
    pub(super) fn describe(
        &self,
        (count, within): (u32, SignedDuration),
        time: FlowTime,
    ) -> Option<StateText> {
        let Self { counted, .. } = self.current(time.steady);
        let end = counted.iter().map(|one| one.2).max()?;
        let frees = zero_at(end, "there is another match", time);
        Some(StateText::until(reached(counted.len(), count, within), frees, end, time))
    }
}

/// How many matches count.
fn reached(number: usize, count: u32, within: SignedDuration) -> String {
    format!("{number} of {count} within {}", duration_text(within))
}

pub(super) fn step(
    before: Option<&Matches>,
    owner: &Owner,
    (count, within): (u32, SignedDuration),
    time: FlowTime,
) -> (Matches, ClauseAnswer) {
    let now = time.steady;
    let mut matches = before.map(|matches| matches.current(now)).unwrap_or_default();
    let answer = |number: Option<u32>| match number {
        None => Ok(()),
        Some(number) => {
            let reached = reached(number as usize, count, within);
            Err(Hold::Back(format!("is not reached: {reached}")))
        }
    };
    let owner = owner.hash();
    let known = matches.counted.iter().chain(&matches.completed).find(|one| one.0 == owner);
    if let Some(Match(.., number)) = known.copied() {
        return (matches, answer(number));
    }
    let number = u32::try_from(matches.counted.len()).unwrap_or(u32::MAX).saturating_add(1);
    let number = (number < count).then_some(number);
    matches.counted.push(Match(owner, now, window_end(now, within), number));
    if number.is_none() {
        matches.completed = std::mem::take(&mut matches.counted);
    }
    (matches, answer(number))
}
