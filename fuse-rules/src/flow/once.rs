//! `once per KEY within D`: the first occurrence of a key passes. Further occurrences are suppressed until `D` has
//! passed since the first.
//!
//! The window starts at the first occurrence, and suppressed occurrences do not extend it. A stored claim keeps its own
//! end: if the duration of a rule is edited, the new one applies from the next window on.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::admit::{ClauseAnswer, Hold};
use super::describe::{StateText, free_again};
use super::time::{corrected_window, window_end};
use super::{FlowTime, Owner};

/// Who holds a key, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The owner of the first occurrence.
    pub(super) owner: Owner,
    /// The time of the first occurrence.
    pub(super) since: Timestamp,
    /// The instant from which (inclusive) the key is free again.
    pub(super) until: Timestamp,
}

impl Claim {
    /// If the clock was set back and the claim starts in the future, it is moved to start at `now`, so that the key is
    /// held no longer than its window.
    fn corrected(self, now: Timestamp) -> Self {
        let (since, until) = corrected_window((self.since, self.until), now);
        Self { since, until, ..self }
    }

    /// Who holds the key.
    fn fired(&self, time: FlowTime) -> String {
        format!("fired at {} for {}", time.shown(self.since), self.owner.name)
    }

    /// The state in words. `None` if the key is free.
    pub(super) fn describe(&self, time: FlowTime) -> Option<StateText> {
        let claim = self.clone().corrected(time.steady);
        let is_held = time.steady < claim.until;
        let frees = free_again(claim.until, time);
        is_held.then(|| StateText::until(claim.fired(time), frees, claim.until, time))
    }
}

pub(super) fn step(
    before: Option<&Claim>,
    owner: &Owner,
    within: SignedDuration,
    time: FlowTime,
) -> (Claim, ClauseAnswer) {
    let now = time.steady;
    let held = before.map(|claim| claim.clone().corrected(now)).filter(|claim| now < claim.until);
    match held {
        Some(claim) if claim.owner.id == owner.id => (claim, Ok(())),
        Some(claim) => {
            let why = format!("already {}; {}", claim.fired(time), free_again(claim.until, time));
            (claim, Err(Hold::Back(why)))
        }
        None => {
            let claim = Claim { owner: owner.clone(), since: now, until: window_end(now, within) };
            (claim, Ok(()))
        }
    }
}
