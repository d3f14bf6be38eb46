//! Passes occurrences through the clauses of their rules. Flow control is applied only here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::describe::StateSubject;
use super::time::shown;
use super::wait::{
    Cancellation, EndedWait, ReadyWait, ReplacedOccurrence, Wait, WaitEnd, WaitName,
};
use super::{
    Flow, FlowRequest, FlowState, FlowTime, Hours, Occurrence, Opening, Owner, approval, requires,
};

/// Who asks a clause.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    /// The full name of its rule.
    pub(super) rule: &'a str,
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
            let why = format!("waits until {}", shown(opens, true));
            Err(Hold::Waits { until: opens, why, replaces: None })
        }
        Opening::Opens(opens) => {
            let (at, opens) = (shown(at, false), shown(opens, true));
            Err(Hold::Back(format!("is closed at {at}; it opens at {opens}")))
        }
        Opening::Never => {
            let at = shown(at, false);
            Err(Hold::Back(format!("is closed at {at}, and for more than a year")))
        }
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

impl Admission {
    /// The clause that decided, as an index of [`Occurrence::requests`], if one did.
    pub fn clause(&self) -> Option<usize> {
        match self {
            Self::Passed => None,
            Self::Counted { by, .. }
            | Self::Suppressed { by, .. }
            | Self::Waiting { by, .. }
            | Self::Cancelled { by, .. }
            | Self::Expired { by, .. } => Some(*by),
        }
    }
}

/// The states of clauses, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowStates {
    states: BTreeMap<String, FlowState>,
    /// What [`FlowStates::take_ready`] returns.
    ready: BTreeSet<ReadyWait>,
    /// What [`FlowStates::take_stops`] returns.
    stops: BTreeSet<ReplacedOccurrence>,
    /// What those that changed belong to, by key.
    pub(super) subjects: BTreeMap<String, StateSubject>,
}

impl FlowStates {
    /// Passes an occurrence through its clauses in their order. The first clause that holds it back decides.
    ///
    /// An occurrence takes a place only if it passes all clauses: if one of them holds it back, the states of those
    /// before it do not change. Only `after` counts all matches that reach it, whatever the clauses behind it decide.
    ///
    /// If a clause lets it wait, the clauses before it are asked again when it resumes, because only then is it known whether
    /// it takes its places.
    pub fn admit(&mut self, occurrence: &Occurrence, time: FlowTime) -> Admission {
        let admission = self.pass(occurrence, None, time);
        self.name_states(occurrence);
        admission
    }

    /// Continues with an occurrence that is due: asks the clauses that take places, and those behind the one at which it
    /// waited. It has passed the others.
    ///
    /// While it waits at another clause, it keeps its position in the queues of limits, but holds up nobody there.
    pub fn resume(&mut self, wait: &Wait, time: FlowTime) -> Admission {
        let rule = &wait.occurrence.rule;
        self.for_waits(wait, |request, state, asker| match request.flow.always_waits() {
            true => state.release(rule, asker),
            false => state,
        });
        let admission = self.pass(&wait.occurrence, Some(wait), time);
        self.name_states(&wait.occurrence);
        match &admission {
            Admission::Passed => {}
            Admission::Waiting { by, .. } => self.set_aside_except(wait, Some(*by)),
            _ => self.release(wait),
        }
        admission
    }

    /// The occurrence no longer waits. [`FlowStates::resume`] does this, too, unless it waits on.
    pub fn release(&mut self, wait: &Wait) {
        let rule = &wait.occurrence.rule;
        self.for_waits(wait, |_, state, asker| state.release(rule, asker));
    }

    /// The occurrence is due, but something else holds it back, until it resumes. It keeps its position in the queues of
    /// limits, but holds up nobody there.
    pub fn set_aside(&mut self, wait: &Wait) {
        self.set_aside_except(wait, None);
    }

    fn set_aside_except(&mut self, wait: &Wait, clause: Option<usize>) {
        let (occurrence, rule) = (&wait.occurrence, &wait.occurrence.rule);
        let waits_at = clause.and_then(|clause| occurrence.requests.get(clause));
        self.for_waits(wait, |request, state, asker| match Some(request) == waits_at {
            true => state,
            false => state.set_aside(rule, asker),
        });
    }

    /// Changes the states in which the occurrence may wait.
    fn for_waits(
        &mut self,
        wait: &Wait,
        change: impl Fn(&FlowRequest, FlowState, &Owner) -> FlowState,
    ) {
        let occurrence = &wait.occurrence;
        for request in occurrence.requests.iter().filter(|request| request.flow.waits()) {
            let key = request.state_key(&occurrence.rule);
            if let Some(state) = self.states.remove(&key) {
                self.put(key, change(request, state, &request.owner_in_state(occurrence)));
            }
        }
    }

    /// An occurrence does not wait, although a state says so. [`FlowStates::release`] does the same for a known wait.
    pub fn release_ready(&mut self, ready: &ReadyWait) {
        let ReadyWait { key, wait } = ready;
        if let Some(state) = self.states.remove(key) {
            let owner = Owner { id: wait.owner.clone(), name: String::new() };
            self.put(key.clone(), state.release(&wait.rule, &owner));
        }
    }

    /// The actions of an occurrence ended: in the state with this key, it is no longer in progress.
    pub fn vacate(&mut self, key: &str, of: &WaitName) {
        if let Some(state) = self.states.remove(key) {
            self.put(key.to_owned(), state.vacate(of));
        }
    }

    /// The occurrences that are in progress in the state with this key.
    pub fn in_progress(&self, key: &str) -> Vec<WaitName> {
        self.states.get(key).map(FlowState::in_progress).unwrap_or_default()
    }

    /// The waits for which there is a place since this was called last. The caller makes them due, and calls
    /// [`FlowStates::release_ready`] for those that do not exist. A wait may be listed again.
    pub fn take_ready(&mut self) -> BTreeSet<ReadyWait> {
        std::mem::take(&mut self.ready)
    }

    /// The occurrences in progress that have to stop, since this was called last. One that stops already may be listed
    /// again.
    pub fn take_stops(&mut self) -> BTreeSet<ReplacedOccurrence> {
        std::mem::take(&mut self.stops)
    }

    /// Sets a state that changed.
    fn put(&mut self, key: String, state: FlowState) {
        if let FlowState::Concurrency(state) = &state {
            self.stops.extend(state.stopping().map(|(occurrence, by)| ReplacedOccurrence {
                key: key.clone(),
                occurrence,
                by: by.to_owned(),
            }));
            self.ready.extend(state.ready().map(|wait| ReadyWait { key: key.clone(), wait }));
        }
        self.states.insert(key, state);
    }

    /// Adds the states of a copy that decided, and what became ready there.
    pub(super) fn extend(&mut self, decided: Self) {
        self.states.extend(decided.states);
        self.ready.extend(decided.ready);
        self.stops.extend(decided.stops);
        self.subjects.extend(decided.subjects);
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
        let question = Question { rule, owner: by, received };
        let (state, ended) = request.flow.cancel(self.states.get(&key), question, time)?;
        self.states.insert(key, state);
        self.name_cancelled(cancellation);
        let why = format!("`{request}` is cancelled by {}", by.name);
        let wait = WaitName { rule: rule.clone(), owner: ended?.id };
        Some(EndedWait { wait, end: WaitEnd::Cancelled, why })
    }

    /// Passes an occurrence through its clauses. If it waited at one of them, `wait` is that.
    fn pass(&mut self, occurrence: &Occurrence, wait: Option<&Wait>, time: FlowTime) -> Admission {
        let waited = wait.map(|wait| wait.clause);
        let mut passed = Vec::with_capacity(occurrence.requests.len());
        let waited_at = waited.and_then(|clause| occurrence.requests.get(clause));
        let waited_for_time =
            waited_at.is_some_and(|request| request.hours.is_some() || request.flow.is_requires());
        for (by, request) in occurrence.requests.iter().enumerate() {
            let has_waited = |at_least: usize| waited.is_some_and(|clause| at_least <= clause);
            if let Some(hours) = &request.hours {
                if has_waited(by.saturating_add(1)) {
                    continue;
                }
                // After it waited for hours or fuses, these may be over again, and others may not have begun.
                let at = if waited_for_time { time.wall } else { occurrence.received };
                match during(hours, request, at) {
                    Ok(()) => continue,
                    Err(hold) => return hold.admission(by, occurrence, request),
                }
            }
            if let Flow::Requires { within } = request.flow {
                if has_waited(by.saturating_add(1)) {
                    continue;
                }
                match requires::step(request, within, wait.filter(|wait| wait.clause == by), time) {
                    Ok(()) => continue,
                    Err(hold) => return hold.admission(by, occurrence, request),
                }
            }
            if let Flow::Approval { within } = request.flow {
                let answer = match wait.filter(|wait| wait.clause == by || wait.approval.is_some())
                {
                    Some(wait) => approval::answered(wait.approval.as_ref()),
                    None if has_waited(by) || occurrence.is_shadow => Ok(()),
                    None => approval::ask(within, time),
                };
                match answer {
                    Ok(()) => continue,
                    Err(hold) => return hold.admission(by, occurrence, request),
                }
            }
            if has_waited(by) && (request.flow.counts_matches() || request.flow.always_waits()) {
                continue;
            }
            let only_reads_limiter = occurrence.is_shadow && request.limiter.is_some();
            // It takes no place, and has none in the queue.
            if only_reads_limiter && wait.is_some_and(|wait| wait.clause == by) {
                continue;
            }
            let key = request.state_key(&occurrence.rule);
            let owner = &request.owner_in_state(occurrence);
            let (rule, received) = (&*occurrence.rule, occurrence.received);
            let question = Question { rule, owner, received };
            let (state, answer) = request.flow.step(self.states.get(&key), question, time);
            let hold = match answer {
                // What performs nothing is never in progress, so it does not have to wait, either.
                Ok(()) | Err(Hold::Waits { .. })
                    if occurrence.is_shadow && request.flow.holds_places() =>
                {
                    continue;
                }
                Ok(()) if only_reads_limiter => continue,
                Ok(()) if request.flow.counts_matches() => {
                    self.put(key, state);
                    continue;
                }
                Ok(()) => {
                    passed.push((key, state));
                    continue;
                }
                Err(hold) => hold,
            };
            if !only_reads_limiter {
                self.put(key, state);
            }
            return hold.admission(by, occurrence, request);
        }
        for (key, state) in passed {
            self.put(key, state);
        }
        Admission::Passed
    }

    /// The state with this key.
    pub fn get(&self, key: &str) -> Option<&FlowState> {
        self.states.get(key)
    }

    /// Adds a state that was stored.
    pub fn insert(&mut self, key: String, state: FlowState) {
        self.states.insert(key, state);
    }

    /// All states with their keys, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &FlowState)> {
        self.states.iter().map(|(key, state)| (key.as_str(), state))
    }

    /// Forgets the states that ended by this instant.
    pub fn prune(&mut self, now: Timestamp) {
        self.states.retain(|_, state| state.end() > now);
        self.subjects.retain(|key, _| self.states.contains_key(key));
    }
}
