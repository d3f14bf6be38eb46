//! Passes occurrences through the clauses of their rules. Flow control is applied only here.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{FlowRequest, FlowState, Owner};

/// A rule whose conditions are true, for one element of one event, and the clauses that it has to pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The rule's full name, `sensor/rule`.
    pub rule: String,
    /// The element, as in [`Decision::element`](crate::Decision::element).
    pub element: Option<Vec<u32>>,
    /// Who asks.
    pub owner: Owner,
    /// Whether the rule is in shadow: it then takes no place in a limiter, which other rules share.
    pub is_shadow: bool,
    /// The clauses, in the order in which they are passed.
    pub requests: Vec<FlowRequest>,
}

impl Occurrence {
    /// The keys of the states that decide about it, as in [`FlowStates`].
    pub fn keys(&self) -> impl Iterator<Item = String> {
        self.requests.iter().map(|request| request.state_key(&self.rule))
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

/// The answer of one clause: `Err` contains the reason why it holds the occurrence back.
pub(super) type ClauseAnswer = Result<(), String>;

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
}

/// The states of clauses, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowStates(BTreeMap<String, FlowState>);

impl FlowStates {
    /// Passes an occurrence through its clauses in their order. The first clause that holds it back decides.
    ///
    /// An occurrence takes a place only if it passes all clauses: if one of them holds it back, the states of those
    /// before it do not change. Only `after` counts all matches that reach it, whatever the clauses behind it decide.
    pub fn admit(&mut self, occurrence: &Occurrence, time: FlowTime) -> Admission {
        let mut passed = Vec::with_capacity(occurrence.requests.len());
        for (by, request) in occurrence.requests.iter().enumerate() {
            let key = request.state_key(&occurrence.rule);
            let owner = match &request.limiter {
                // Rules that share a limiter may be about the same event.
                Some(_) => &occurrence.owner.of_rule(&occurrence.rule),
                None => &occurrence.owner,
            };
            let (state, answer) = request.flow.step(self.0.get(&key), owner, time);
            match answer {
                Ok(()) if occurrence.is_shadow && request.limiter.is_some() => {}
                Ok(()) if request.flow.counts_matches() => {
                    self.0.insert(key, state);
                }
                Ok(()) => passed.push((key, state)),
                Err(why) => {
                    if !occurrence.is_shadow || request.limiter.is_none() {
                        self.0.insert(key, state);
                    }
                    let why = format!("`{request}` {why}");
                    return if request.flow.counts_matches() {
                        Admission::Counted { by, why }
                    } else {
                        Admission::Suppressed { by, why }
                    };
                }
            }
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
