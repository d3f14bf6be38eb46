//! `still D per KEY unless …`: an occurrence passes after `D`, if no event met the `unless` condition for its key
//! meanwhile. While one waits, further occurrences of the key are suppressed: they do not restart the wait.
//!
//! Events may be decided in another order than they were received. The state therefore has the last cancellation too, and
//! an occurrence that was received before it does not wait.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::admit::{ClauseAnswer, Hold, Question};
use super::describe::StateText;
use super::time::{corrected_window, window_end};
use super::{FlowTime, Owner};

/// The occurrence of a key that waits, and the last event that cancelled one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    waiter: Option<Waiter>,
    cancelled: Option<Cancelled>,
}

/// An occurrence that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Waiter {
    owner: Owner,
    /// When its event was received.
    received: Timestamp,
    /// Since when it waits, in steady time.
    since: Timestamp,
    /// When it is due, in steady time.
    until: Timestamp,
}

/// The last event that met the `unless` condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cancelled {
    /// Its name for people.
    by: String,
    /// When it was received.
    received: Timestamp,
    /// When it was decided, in steady time.
    since: Timestamp,
    /// The instant in steady time from which (inclusive) it is forgotten.
    until: Timestamp,
}

impl Delay {
    /// The instant from which (inclusive) the state has no effect.
    pub(super) fn end(&self) -> Timestamp {
        // It can be cancelled until it is released.
        let waiter = self.waiter.as_ref().map(|_| Timestamp::MAX);
        let cancelled = self.cancelled.as_ref().map(|cancelled| cancelled.until);
        waiter.max(cancelled).unwrap_or(Timestamp::MIN)
    }

    /// What still counts.
    fn current(&self, now: Timestamp) -> Self {
        let waiter = self.waiter.clone().map(|waiter| {
            let (since, until) = corrected_window((waiter.since, waiter.until), now);
            Waiter { since, until, ..waiter }
        });
        let cancelled = self.cancelled.clone().map(|cancelled| {
            let (since, until) = corrected_window((cancelled.since, cancelled.until), now);
            Cancelled { since, until, ..cancelled }
        });
        Self { waiter, cancelled: cancelled.filter(|cancelled| now < cancelled.until) }
    }

    /// The owner of this id no longer waits.
    pub(super) fn release(mut self, owner: &str) -> Self {
        self.waiter.take_if(|waiter| waiter.owner.id == owner);
        self
    }

    /// The state in words. `None` if none waits, and none would be cancelled.
    pub(super) fn describe(&self, time: FlowTime) -> Option<StateText> {
        match self.current(time.steady) {
            Self { waiter: Some(Waiter { owner, until, .. }), .. } => {
                let holds = format!("{} waits", owner.name);
                let frees = format!("acts at {} unless an event cancels it", time.shown(until));
                Some(StateText::until(holds, frees, until, time))
            }
            Self { cancelled: Some(Cancelled { by, until, .. }), .. } => {
                let holds = format!("{by} cancels what was received before it");
                let frees = format!("forgotten at {}", time.shown(until));
                Some(StateText::until(holds, frees, until, time))
            }
            Self { waiter: None, cancelled: None } => None,
        }
    }
}

pub(super) fn step(
    before: Option<&Delay>,
    question: Question<'_>,
    length: SignedDuration,
    time: FlowTime,
) -> (Delay, ClauseAnswer) {
    let Question { owner, received, .. } = question;
    let now = time.steady;
    let mut delay = before.map(|delay| delay.current(now)).unwrap_or_default();
    let waits = |until: Timestamp| {
        let why = format!("waits until {}", time.shown(until));
        Err(Hold::Waits { until, why, replaces: None })
    };
    // One that is due acts, even if it is not released yet.
    if let Some(waiter) = delay.waiter.as_ref().filter(|waiter| now < waiter.until) {
        let answer = if waiter.owner.id == owner.id {
            waits(waiter.until)
        } else {
            let until = time.shown(waiter.until);
            Err(Hold::Back(format!("waits already, for {} until {until}", waiter.owner.name)))
        };
        return (delay, answer);
    }
    if let Some(cancelled) = delay.cancelled.as_ref().filter(|one| received < one.received) {
        let why = format!("is cancelled by {}, which was received later", cancelled.by);
        return (delay, Err(Hold::Cancelled(why)));
    }
    let until = window_end(now, length);
    delay.waiter = Some(Waiter { owner: owner.clone(), received, since: now, until });
    (delay, waits(until))
}

/// An event met the `unless` condition. Returns the owner that waited for it, if there is one.
pub(super) fn cancel(
    before: Option<&Delay>,
    question: Question<'_>,
    length: SignedDuration,
    time: FlowTime,
) -> (Delay, Option<Owner>) {
    let now = time.steady;
    let mut delay = before.map(|delay| delay.current(now)).unwrap_or_default();
    let Question { owner, received, .. } = question;
    let ended = delay.waiter.take_if(|waiter| waiter.received <= received);
    if delay.cancelled.as_ref().is_none_or(|last| last.received <= received) {
        let (by, until) = (owner.name.clone(), window_end(now, length));
        delay.cancelled = Some(Cancelled { by, received, since: now, until });
    }
    (delay, ended.map(|waiter| waiter.owner))
}
