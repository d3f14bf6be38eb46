//! Passes occurrences through the clauses of their rules. Flow control is applied only here.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::wait::{Cancellation, EndedWait, Wait, WaitEnd, WaitName};
use super::{Flow, FlowRequest, FlowState, Hours, Opening, Owner, approval};

/// A rule whose conditions are true, for one element of one event, and the clauses that it has to pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// The rule's full name, `sensor/rule`.
    pub rule: String,
    /// The element, as in [`Decision::element`](crate::Decision::element).
    pub element: Option<Vec<u32>>,
    /// Who asks.
    pub owner: Owner,
    /// When its event was received. Events may be decided in another order.
    pub received: Timestamp,
    /// Whether the rule is in shadow: it then takes no place in a limiter, which other rules share.
    pub is_shadow: bool,
    /// The clauses, in the order in which they are passed.
    pub requests: Vec<FlowRequest>,
}

impl Occurrence {
    /// The keys of the states that decide about it, as in [`FlowStates`].
    pub fn keys(&self) -> impl Iterator<Item = String> {
        let requests = self.requests.iter().filter(|request| request.has_state());
        requests.map(|request| request.state_key(&self.rule))
    }
}

/// The time of a decision. Windows use the steady time, so setting the clock does not change their length. Reasons show
/// the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// Converts an instant from the steady time to the time of day.
    pub(super) fn to_wall(self, at: Timestamp) -> Timestamp {
        at.checked_add(self.wall.duration_since(self.steady)).unwrap_or(at)
    }
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

/// Who asks a clause.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) owner: &'a Owner,
    /// When its event was received.
    pub(super) received: Timestamp,
}

/// The answer of one clause.
pub(super) type ClauseAnswer = Result<(), Hold>;

/// How a clause holds an occurrence back, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// It counts or suppresses it.
    Back(String),
    /// It cancels it.
    Cancelled(String),
    /// It ends it, because nobody answered in time.
    Expired(String),
    /// It lets it wait.
    Waits {
        /// Until when, as in [`Wait::until`].
        until: Timestamp,
        why: String,
        /// The occurrence that waited until now and does so no longer.
        replaces: Option<Owner>,
    },
}

impl Hold {
    /// The answer to an occurrence that this clause holds back.
    fn admission(self, by: usize, occurrence: &Occurrence, request: &FlowRequest) -> Admission {
        let reason = |why: &str| format!("`{request}` {why}");
        match self {
            Self::Back(why) if request.flow.counts_matches() => {
                Admission::Counted { by, why: reason(&why) }
            }
            Self::Back(why) => Admission::Suppressed { by, why: reason(&why) },
            Self::Cancelled(why) => Admission::Cancelled { by, why: reason(&why) },
            Self::Expired(why) => Admission::Expired { by, why: reason(&why) },
            Self::Waits { until, why, replaces } => {
                let ended = replaces.map(|owner| EndedWait {
                    wait: WaitName { rule: occurrence.rule.clone(), owner: owner.id },
                    end: WaitEnd::Superseded,
                    why: reason(&format!("waits for {}, which is newer", occurrence.owner.name)),
                });
                Admission::Waiting { by, until, why: reason(&why), ended }
            }
        }
    }
}

/// The answer of `during` at this time.
fn during(hours: &Hours, request: &FlowRequest, at: Timestamp) -> ClauseAnswer {
    match hours.opening(at) {
        Opening::Open => Ok(()),
        Opening::Opens(opens) if request.flow.waits() => {
            let why = format!("waits until {opens}");
            Err(Hold::Waits { until: opens, why, replaces: None })
        }
        Opening::Opens(opens) => Err(Hold::Back(format!("is closed at {at}; it opens at {opens}"))),
        Opening::Never => Err(Hold::Back(format!("is closed at {at}, and for more than a year"))),
    }
}

/// The answer to an occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It passes: the action is performed.
    Passed,
    /// It is counted, but is not the match that acts.
    Counted {
        /// The clause that decided, as an index of [`Occurrence::requests`].
        by: usize,
        /// Why, for people.
        why: String,
    },
    /// It is suppressed.
    Suppressed {
        /// The clause that decided, as an index of [`Occurrence::requests`].
        by: usize,
        /// Why, for people.
        why: String,
    },
    /// It waits. Call [`FlowStates::resume`] when it is due.
    Waiting {
        /// The clause at which it waits, as an index of [`Occurrence::requests`].
        by: usize,
        /// Until when, as in [`Wait::until`].
        until: Timestamp,
        /// Why, for people.
        why: String,
        /// The occurrence whose place it takes, if one waited.
        ended: Option<EndedWait>,
    },
    /// An event that was received later cancelled it already.
    Cancelled {
        /// The clause that decided, as an index of [`Occurrence::requests`].
        by: usize,
        /// Why, for people.
        why: String,
    },
    /// It waited for approval, and nobody answered in time.
    Expired {
        /// The clause that decided, as an index of [`Occurrence::requests`].
        by: usize,
        /// Why, for people.
        why: String,
    },
}

/// The states of clauses, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowStates(BTreeMap<String, FlowState>);

impl FlowStates {
    /// Passes an occurrence through its clauses in their order. The first clause that holds it back decides.
    ///
    /// An occurrence takes a place only if it passes all clauses: if one of them holds it back, the states of those
    /// before it do not change. Only `after` counts all matches that reach it, whatever the clauses behind it decide.
    ///
    /// If a clause lets it wait, the clauses before it are asked again when it resumes, because only then is it known whether
    /// it takes its places.
    pub fn admit(&mut self, occurrence: &Occurrence, time: FlowTime) -> Admission {
        self.pass(occurrence, None, time)
    }

    /// Continues with an occurrence that is due: asks the clauses that take places, and those behind the one at which it
    /// waited. It has passed the others.
    pub fn resume(&mut self, wait: &Wait, time: FlowTime) -> Admission {
        self.release(wait);
        self.pass(&wait.occurrence, Some(wait), time)
    }

    /// The occurrence no longer waits at its clause. [`FlowStates::resume`] does this, too.
    pub fn release(&mut self, wait: &Wait) {
        let Wait { occurrence, clause, .. } = wait;
        let Some(request) = occurrence.requests.get(*clause) else { return };
        let key = request.state_key(&occurrence.rule);
        if let Some(state) = self.0.remove(&key) {
            self.0.insert(key, state.release(&occurrence.owner.id));
        }
    }

    /// An event meets the `unless` condition of a `still` clause. `by` has the event as its owner. Returns the wait that
    /// ends.
    pub fn cancel(
        &mut self,
        cancellation: &Cancellation,
        (by, received): (&Owner, Timestamp),
        time: FlowTime,
    ) -> Option<EndedWait> {
        let Cancellation { rule, request } = cancellation;
        let key = request.state_key(rule);
        let question = Question { owner: by, received };
        let (state, ended) = request.flow.cancel(self.0.get(&key), question, time)?;
        self.0.insert(key, state);
        let why = format!("`{request}` is cancelled by {}", by.name);
        let wait = WaitName { rule: rule.clone(), owner: ended?.id };
        Some(EndedWait { wait, end: WaitEnd::Cancelled, why })
    }

    /// Passes an occurrence through its clauses. If it waited at one of them, `wait` is that.
    fn pass(&mut self, occurrence: &Occurrence, wait: Option<&Wait>, time: FlowTime) -> Admission {
        let waited = wait.map(|wait| wait.clause);
        let mut passed = Vec::with_capacity(occurrence.requests.len());
        let waited_at = waited.and_then(|clause| occurrence.requests.get(clause));
        let waited_for_hours = waited_at.is_some_and(|request| request.hours.is_some());
        for (by, request) in occurrence.requests.iter().enumerate() {
            let has_waited = |at_least: usize| waited.is_some_and(|clause| at_least <= clause);
            if let Some(hours) = &request.hours {
                if has_waited(by.saturating_add(1)) {
                    continue;
                }
                // After it waited for hours, these may be over again, and others may not have begun.
                let at = if waited_for_hours { time.wall } else { occurrence.received };
                match during(hours, request, at) {
                    Ok(()) => continue,
                    Err(hold) => return hold.admission(by, occurrence, request),
                }
            }
            if let Flow::Approval { within } = request.flow {
                let answer = match wait.filter(|wait| wait.clause == by) {
                    Some(wait) => approval::answered(wait.approval.as_ref()),
                    None if has_waited(by) || occurrence.is_shadow => Ok(()),
                    None => approval::ask(within, time),
                };
                match answer {
                    Ok(()) => continue,
                    Err(hold) => return hold.admission(by, occurrence, request),
                }
            }
            if has_waited(by) && (request.flow.counts_matches() || request.flow.waits()) {
                continue;
            }
            let key = request.state_key(&occurrence.rule);
            let owner = match &request.limiter {
                // Rules that share a limiter may be about the same event.
                Some(_) => &occurrence.owner.of_rule(&occurrence.rule),
                None => &occurrence.owner,
            };
            let question = Question { owner, received: occurrence.received };
            let (state, answer) = request.flow.step(self.0.get(&key), question, time);
            let hold = match answer {
                Ok(()) if occurrence.is_shadow && request.limiter.is_some() => continue,
                Ok(()) if request.flow.counts_matches() => {
                    self.0.insert(key, state);
                    continue;
                }
                Ok(()) => {
                    passed.push((key, state));
                    continue;
                }
                Err(hold) => hold,
            };
            if !occurrence.is_shadow || request.limiter.is_none() {
                self.0.insert(key, state);
            }
            return hold.admission(by, occurrence, request);
        }
        self.0.extend(passed);
        Admission::Passed
    }

    /// The state with this key.
    pub fn get(&self, key: &str) -> Option<&FlowState> {
        self.0.get(key)
    }

    /// Adds a state that was stored.
    pub fn insert(&mut self, key: String, state: FlowState) {
        self.0.insert(key, state);
    }

    /// All states with their keys, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &FlowState)> {
        self.0.iter().map(|(key, state)| (key.as_str(), state))
    }

    /// Forgets the states that ended by this instant.
    pub fn prune(&mut self, now: Timestamp) {
        self.0.retain(|_, state| state.end() > now);
    }
}
