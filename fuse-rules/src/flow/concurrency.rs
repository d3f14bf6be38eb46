//! `concurrency N per KEY`: at most `N` occurrences of a key are in progress.
//!
//! The state is the list of the occurrences in progress and the queue of those that wait, in the order in which they asked.
//! An occurrence is in progress from the moment it passes until the caller reports that its actions ended. One in the queue
//! passes if there is a place for it and for all before it, so the queue does not depend on who asks first. If the number
//! of a rule is edited, the new one applies at once.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::admit::{ClauseAnswer, Hold, Question};
use super::describe::{StateText, waiting};
use super::time::window_end;
use super::{FlowTime, MAX_QUEUED, Owner, WaitName};

/// When one that waits asks again. It is told when a place is free, so this is only in case that was missed.
const ASK_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// What becomes of an occurrence while `N` are in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// It waits for a place, in the order of arrival.
    Queue,
    /// It is suppressed.
    Skip,
}

impl Overflow {
    /// The word in rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Skip => "skip",
        }
    }

    /// Its text at the end of a clause. The default is left out.
    pub(super) fn text(self) -> String {
        match self {
            Self::Queue => String::new(),
            other => format!(" else {}", other.as_str()),
        }
    }
}

/// The occurrences of a key that are in progress, and those that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InProgress {
    /// How many may be in progress, by the rules that were used last.
    count: u32,
    places: Vec<Member>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    queue: Vec<Member>,
}

/// An occurrence that is in progress or waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Member {
    rule: String,
    #[serde(flatten)]
    owner: Owner,
    /// Since when.
    since: Timestamp,
}

impl Member {
    fn name(&self) -> WaitName {
        WaitName { rule: self.rule.clone(), owner: self.owner.id.clone() }
    }

    fn is(&self, rule: &str, owner: &str) -> bool {
        self.rule == rule && self.owner.id == owner
    }
}

impl InProgress {
    /// The instant from which (inclusive) the state has no effect.
    pub(super) fn end(&self) -> Timestamp {
        match self.places.is_empty() && self.queue.is_empty() {
            true => Timestamp::MIN,
            false => Timestamp::MAX,
        }
    }

    /// An occurrence is no longer in progress.
    pub(super) fn vacate(mut self, rule: &str, owner: &str) -> Self {
        self.places.retain(|one| !one.is(rule, owner));
        self
    }

    /// An occurrence no longer waits.
    pub(super) fn release(mut self, rule: &str, owner: &str) -> Self {
        self.queue.retain(|one| !one.is(rule, owner));
        self
    }

    /// Those that are in progress.
    pub(super) fn members(&self) -> impl Iterator<Item = WaitName> {
        self.places.iter().map(Member::name)
    }

    /// Those in the queue for which there is a place.
    pub(super) fn ready(&self) -> impl Iterator<Item = WaitName> {
        let free = (self.count as usize).saturating_sub(self.places.len());
        let ready = self.queue.iter().take(free);
        ready.map(Member::name)
    }

    /// Why there is no place: how many are in progress, and the oldest of them.
    fn why_full(&self, time: FlowTime) -> String {
        let number = self.places.len();
        let oldest = self.places.iter().min_by_key(|one| one.since);
        let oldest = oldest.map(|one| {
            format!(", the oldest for {} since {}", one.owner.name, time.shown(one.since))
        });
        format!("{number} of {} in progress{}", self.count, oldest.unwrap_or_default())
    }

    /// The state in words. `None` if none is in progress or waits.
    pub(super) fn describe(&self, time: FlowTime) -> Option<StateText> {
        if self.places.is_empty() && self.queue.is_empty() {
            return None;
        }
        let holds = format!("{}{}", self.why_full(time), waiting("; ", self.queue.len(), ""));
        let free = (self.count as usize).saturating_sub(self.places.len());
        let frees = match (free, self.places.as_slice()) {
            (0, [one]) => format!("free again when the actions of {} end", one.owner.name),
            (0, _) => "free again when the actions of one of them end".to_owned(),
            _ => format!("{free} more may pass"),
        };
        Some(StateText { holds, frees, until: None })
    }
}

pub(super) fn step(
    before: Option<&InProgress>,
    question: Question<'_>,
    (count, otherwise): (u32, Overflow),
    time: FlowTime,
) -> (InProgress, ClauseAnswer) {
    let Question { rule, owner, .. } = question;
    let mut state = before.cloned().unwrap_or_default();
    if state.places.iter().any(|one| one.is(rule, &owner.id)) {
        return (state, Ok(()));
    }
    let queued = state.queue.iter().position(|one| one.is(rule, &owner.id));
    state.count = count;
    let ahead = queued.unwrap_or(state.queue.len());
    if state.places.len().saturating_add(ahead) < state.count as usize {
        state.queue.retain(|one| !one.is(rule, &owner.id));
        state.places.push(Member {
            rule: rule.to_owned(),
            owner: owner.clone(),
            since: time.steady,
        });
        return (state, Ok(()));
    }
    let full = state.why_full(time);
    let before = waiting("; ", ahead, " before it");
    if otherwise == Overflow::Skip {
        return (state, Err(Hold::Back(format!("is reached: {full}{before}"))));
    }
    let why = format!("waits for a place: {full}{before}");
    if queued.is_none() {
        if ahead >= MAX_QUEUED {
            let why = format!("is reached: {full}; {MAX_QUEUED} wait already, which is the limit");
            return (state, Err(Hold::Back(why)));
        }
        state.queue.push(Member {
            rule: rule.to_owned(),
            owner: owner.clone(),
            since: time.steady,
        });
    }
    let until = window_end(time.steady, ASK_AGAIN);
    (state, Err(Hold::Waits { until, why, replaces: None }))
}
