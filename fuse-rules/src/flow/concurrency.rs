//! `concurrency N per KEY`: at most `N` occurrences of a key are in progress.
//!
//! The state is the list of the occurrences in progress and the queue of those that wait, in the order in which they asked.
//! An occurrence is in progress from the moment it passes until the caller reports that its actions ended. One in the queue
//! passes if there is a place for it and for all before it, so the queue does not depend on who asks first. If the number
//! of a rule is edited, the new one applies at once.
//!
//! With `else replace`, one in the queue makes the oldest one in progress stop, and passes when that has ended. The caller
//! learns from [`FlowStates::take_stops`](super::FlowStates::take_stops) which have to stop.

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
    /// The oldest one in progress stops, and it waits for that place.
    Replace,
}

impl Overflow {
    /// The word in rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Skip => "skip",
            Self::Replace => "replace",
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
    /// Whether it waits for one that stops.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    replaces: bool,
    /// The name of the one for which it has to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stops_for: Option<String>,
}

impl Member {
    fn new(rule: &str, owner: &Owner, time: FlowTime) -> Self {
        Self {
            rule: rule.to_owned(),
            owner: owner.clone(),
            since: time.steady,
            replaces: false,
            stops_for: None,
        }
    }

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
        let ready = self.queue.iter().take(self.free());
        ready.map(Member::name)
    }

    /// Those in progress that have to stop, each with the name of the one that replaces it.
    pub(super) fn stopping(&self) -> impl Iterator<Item = (WaitName, &str)> {
        self.places.iter().filter_map(|one| Some((one.name(), one.stops_for.as_deref()?)))
    }

    /// One that replaces another joins the queue. Of a rule, no more wait without a place than can be in progress: returns
    /// the one that waits no longer.
    fn replace(&mut self, by: Member) -> Option<Owner> {
        let rule = by.rule.clone();
        self.queue.push(Member { replaces: true, ..by });
        let waiting = self.queue.iter().enumerate().skip(self.free());
        let mut own = waiting.filter(|(_, one)| one.replaces && one.rule == rule);
        let oldest = own.next().map(|(at, _)| at);
        let is_too_many = own.count() >= self.count as usize;
        let superseded = oldest.filter(|_| is_too_many).map(|oldest| self.queue.remove(oldest));
        superseded.map(|one| one.owner)
    }

    /// How many more may be in progress.
    fn free(&self) -> usize {
        (self.count as usize).saturating_sub(self.places.len())
    }

    /// Each one that replaces another needs the place of one that stops, unless there is a place for it. So do those that
    /// are too many since the number was lowered.
    fn stop_for_those_that_wait(&mut self) {
        let waiting = self.queue.iter().skip(self.free()).filter(|one| one.replaces);
        let mut by: Vec<String> = waiting.map(|one| one.owner.name.clone()).collect();
        let too_many = self.places.len().saturating_sub(self.count as usize);
        let first = by.first().cloned();
        by.splice(0..0, first.into_iter().cycle().take(too_many));
        let stopping = self.places.iter().filter(|one| one.stops_for.is_some()).count();
        let others = self.places.iter_mut().filter(|one| one.stops_for.is_none());
        for (place, by) in others.zip(by.into_iter().skip(stopping)) {
            place.stops_for = Some(by);
        }
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
        let free = self.free();
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
        state.places.push(Member::new(rule, owner, time));
        state.stop_for_those_that_wait();
        return (state, Ok(()));
    }
    let full = state.why_full(time);
    if otherwise == Overflow::Skip {
        let before = waiting("; ", ahead, " before it");
        return (state, Err(Hold::Back(format!("is reached: {full}{before}"))));
    }
    let mut replaces = None;
    if queued.is_none() {
        if ahead >= MAX_QUEUED {
            let why = format!("is reached: {full}; {MAX_QUEUED} wait already, which is the limit");
            return (state, Err(Hold::Back(why)));
        }
        let member = Member::new(rule, owner, time);
        match otherwise {
            Overflow::Replace => replaces = state.replace(member),
            _ => state.queue.push(member),
        }
    }
    state.stop_for_those_that_wait();
    let queued = state.queue.iter().position(|one| one.is(rule, &owner.id));
    let before = waiting("; ", queued.unwrap_or(ahead), " before it");
    let why = match otherwise {
        Overflow::Replace => format!("waits until the oldest one has stopped: {full}{before}"),
        _ => format!("waits for a place: {full}{before}"),
    };
    let until = window_end(time.steady, ASK_AGAIN);
    (state, Err(Hold::Waits { until, why, replaces }))
}
