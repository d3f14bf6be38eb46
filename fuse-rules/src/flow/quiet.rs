//! `quiet D per KEY max M`: the last occurrence of a burst passes, `D` after it, if no other one of its key came
//! meanwhile. A newer occurrence takes the place of the one that waits. With `max`, the wait of a burst ends at the latest
//! `M` after its first occurrence.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::admit::{ClauseAnswer, Hold, Question};
use super::describe::StateText;
use super::time::{corrected_window, window_end};
use super::{FlowTime, Owner};

/// The occurrences of a key that follow each other closely. The last one waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// The one that waits. `None` once it was released.
    waiter: Option<Owner>,
    /// When its event was received.
    received: Timestamp,
    /// When the first one came, in steady time.
    first: Timestamp,
    /// When the one that waits is due, in steady time.
    until: Timestamp,
}

impl Burst {
    /// The instant from which (inclusive) none waits.
    pub(super) fn end(&self) -> Timestamp {
        if self.waiter.is_some() { self.until } else { Timestamp::MIN }
    }

    /// The owner of this id no longer waits.
    pub(super) fn release(mut self, owner: &str) -> Self {
        self.waiter.take_if(|waiter| waiter.id == owner);
        self
    }

    /// The state in words. `None` if none waits.
    pub(super) fn describe(
        &self,
        max: Option<SignedDuration>,
        time: FlowTime,
    ) -> Option<StateText> {
        let (first, until) = corrected_window((self.first, self.until), time.steady);
        let holds = format!("{} waits", self.waiter.as_ref()?.name);
        let last = max.map(|max| window_end(first, max)).filter(|last| until < *last);
        let last = last.map(|last| format!(", and at the latest at {}", time.shown(last)));
        let frees = format!(
            "acts at {} if there is no other match until then{}",
            time.shown(until),
            last.unwrap_or_default()
        );
        Some(StateText::until(holds, frees, until, time))
    }
}

pub(super) fn step(
    before: Option<&Burst>,
    question: Question<'_>,
    (length, max): (SignedDuration, Option<SignedDuration>),
    time: FlowTime,
) -> (Burst, ClauseAnswer) {
    let Question { owner, received, .. } = question;
    let now = time.steady;
    let before = before.and_then(|burst| {
        let (first, until) = corrected_window((burst.first, burst.until), now);
        let waiter = burst.waiter.as_ref().filter(|_| now < until)?;
        Some((waiter, Burst { first, until, ..burst.clone() }))
    });
    let answer = |burst: &Burst, replaces: Option<&Owner>| {
        let why = format!("waits until {}", time.shown(burst.until));
        Err(Hold::Waits { until: burst.until, why, replaces: replaces.cloned() })
    };
    match before {
        Some((waiter, burst)) if waiter.id == owner.id => {
            let answer = answer(&burst, None);
            (burst, answer)
        }
        // Events may be decided in another order than they were received.
        Some((waiter, burst)) if received < burst.received => {
            let why = format!("waits for {}, which was received later", waiter.name);
            (burst, Err(Hold::Back(why)))
        }
        before => {
            let first = before.as_ref().map_or(now, |(_, burst)| burst.first);
            let last = max.map_or(Timestamp::MAX, |max| window_end(first, max));
            let until = window_end(now, length).min(last);
            let burst = Burst { waiter: Some(owner.clone()), received, first, until };
            let answer = answer(&burst, before.map(|(waiter, _)| waiter));
            (burst, answer)
        }
    }
}
