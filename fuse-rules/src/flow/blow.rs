//! `blow after N actions within D`: the action that would be one too many in any window of length `D` blows the fuse, and
//! is not performed. `blow after N failures within D`: the `N`th failure in a window of length `D` blows it.
//!
//! The state is a list, like that of a limit: an action or failure has an owner, who may ask again, and an end, `D` after
//! it happened. A fuse that blows forgets all of its counts, and while it is off nothing is counted, so it starts from
//! zero when it is on again. The state therefore never contains more than the number of the clause.

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::describe::{StateSubject, StateText, zero_at};
use super::time::{corrected_window, window_end};
use super::{Admission, FlowState, FlowStates, FlowTime, Occurrence, Owner, Wait};
use crate::literals::duration_text;

/// What a clause counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlowCounts {
    /// Actions that were let through.
    Actions,
    /// Actions that were given up, and actions whose objects failed.
    Failures,
}

impl BlowCounts {
    /// The word in rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::Failures => "failures",
        }
    }
}

/// `blow after N actions within D`: when a fuse blows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlowClause {
    /// What it counts.
    pub counts: BlowCounts,
    /// The number: of the actions that may pass, or of the failures that blow the fuse.
    pub count: u32,
    /// The length of the window.
    pub within: SignedDuration,
}

impl fmt::Display for BlowClause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.counts.as_str();
        let what = if self.count == 1 { what.trim_end_matches('s') } else { what };
        write!(f, "blow after {} {what} within {}", self.count, duration_text(self.within))
    }
}

/// A fuse that blows.
///
/// ```
/// use fuse_rules::flow::{BlowClause, BlowCounts, BlowingFuse, FlowStates, Owner};
/// use jiff::{SignedDuration, Timestamp};
///
/// let within = SignedDuration::from_mins(10);
/// let clause = BlowClause { counts: BlowCounts::Failures, count: 2, within };
/// let fuse = BlowingFuse { name: "healing".into(), clauses: vec![clause], reset_after: None, drops: false };
/// let mut states = FlowStates::default();
/// let now = Timestamp::UNIX_EPOCH.into();
/// let failure = |id: &str| Owner::new(id, id, None);
/// assert_eq!(fuse.fail(&mut states, &failure("a"), now), None);
/// // The same failure is counted once.
/// assert_eq!(fuse.fail(&mut states, &failure("a"), now), None);
/// assert_eq!(
///     fuse.fail(&mut states, &failure("b"), now).map(|blown| blown.why).as_deref(),
///     Some("`blow after 2 failures within 10m` is reached: 2 of 2 failures within 10m")
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlowingFuse {
    /// Its name.
    pub name: String,
    /// When it blows: the first clause that is reached decides.
    pub clauses: Vec<BlowClause>,
    /// How long after it blew it closes by itself. `None` if a person has to close it.
    pub reset_after: Option<SignedDuration>,
    /// Whether it drops pending actions while it is off.
    pub drops: bool,
}

/// What is counted for one clause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlowCount(Vec<Counted>);

/// An action or failure. It is stored as a list of its fields, because a state may have thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Counted(
    /// The hash of the owner's id.
    u128,
    /// When it was counted.
    #[serde(with = "jiff::fmt::serde::timestamp::nanosecond::required")]
    Timestamp,
    /// The instant from which (inclusive) it no longer counts.
    #[serde(with = "jiff::fmt::serde::timestamp::nanosecond::required")]
    Timestamp,
);

impl BlowCount {
    /// The instant from which (inclusive) nothing counts.
    pub(super) fn end(&self) -> Timestamp {
        self.0.iter().map(|one| one.2).max().unwrap_or(Timestamp::MIN)
    }

    /// The same with these owners, and how many of them are new. Those that count already are not added again.
    fn with(
        before: Option<&Self>,
        owners: &[u128],
        within: SignedDuration,
        now: Timestamp,
    ) -> (Self, usize) {
        let corrected = |one: &Counted| {
            let (since, until) = corrected_window((one.1, one.2), now);
            Counted(one.0, since, until)
        };
        let before = before.iter().flat_map(|count| &count.0).map(corrected);
        let mut all: Vec<Counted> = before.filter(|one| now < one.2).collect();
        let known = all.len();
        for owner in owners {
            if !all.iter().any(|one| one.0 == *owner) {
                all.push(Counted(*owner, now, window_end(now, within)));
            }
        }
        let new = all.len().saturating_sub(known);
        (Self(all), new)
    }

    /// The state in words. `None` if nothing counts.
    pub(super) fn describe(&self, clause: BlowClause, time: FlowTime) -> Option<StateText> {
        let (current, _) = Self::with(Some(self), &[], clause.within, time.steady);
        let end = current.0.iter().map(|one| one.2).max()?;
        let frees = zero_at(end, "more are counted", time);
        Some(StateText::until(clause.reached(current.0.len()), frees, end, time))
    }
}

impl BlowClause {
    /// Counts these owners. Returns the next state, and why the fuse blows, if it does.
    fn step(
        self,
        before: Option<&BlowCount>,
        owners: &[u128],
        now: Timestamp,
    ) -> (BlowCount, Option<String>) {
        let (next, new) = BlowCount::with(before, owners, self.within, now);
        let (number, count) = (next.0.len(), self.count as usize);
        let is_reached = match self.counts {
            // Those that passed may ask again.
            _ if new == 0 => false,
            BlowCounts::Actions => number > count,
            BlowCounts::Failures => number >= count,
        };
        let why = is_reached.then(|| match self.counts {
            BlowCounts::Actions => {
                let passed = self.reached(number.saturating_sub(new));
                format!("`{self}` is reached: {passed} passed")
            }
            BlowCounts::Failures => format!("`{self}` is reached: {}", self.reached(number)),
        });
        (next, why)
    }

    /// How many count.
    fn reached(self, number: usize) -> String {
        let (what, within) = (self.counts.as_str(), duration_text(self.within));
        format!("{number} of {} {what} within {within}", self.count)
    }
}

impl BlowingFuse {
    /// The clauses, each with the key of its state. Two clauses that count the same have different periods.
    fn keyed(&self) -> impl Iterator<Item = (String, BlowClause)> {
        self.clauses.iter().map(|clause| {
            let (what, within) = (clause.counts.as_str(), duration_text(clause.within));
            // No rule has this name, because names of rules contain a slash.
            (format!("fuse {} {what} within {within}", self.name), *clause)
        })
    }

    /// The keys of its states, as in [`FlowStates`].
    pub fn keys(&self) -> impl Iterator<Item = String> {
        self.keyed().map(|(key, _)| key)
    }

    /// Whether it counts this.
    pub fn counts(&self, what: BlowCounts) -> bool {
        self.clauses.iter().any(|clause| clause.counts == what)
    }

    /// Counts the failure of an action, which is the owner. If the fuse blows, returns why.
    pub fn fail(
        &self,
        states: &mut FlowStates,
        action: &Owner,
        time: FlowTime,
    ) -> Option<BlownFuse> {
        let counted = self.next(states, BlowCounts::Failures, &[action.hash()], time);
        match counted {
            Ok(next) => {
                self.put(states, next);
                None
            }
            Err(blown) => {
                self.forget(states);
                Some(blown)
            }
        }
    }

    /// Forgets everything that was counted.
    pub fn forget(&self, states: &mut FlowStates) {
        for key in self.keys() {
            if states.get(&key).is_some() {
                states.insert(key, FlowState::Blow(BlowCount::default()));
            }
        }
    }

    /// Sets the states that changed.
    fn put(&self, states: &mut FlowStates, next: Vec<(String, BlowCount)>) {
        for (key, count) in next {
            states.insert(key, FlowState::Blow(count));
        }
        for (key, clause) in self.keyed() {
            if states.get(&key).is_some() {
                states.subjects.insert(key, StateSubject::of_fuse(&self.name, clause));
            }
        }
    }

    /// The states after these owners are counted, or why the fuse blows.
    fn next(
        &self,
        states: &FlowStates,
        counts: BlowCounts,
        owners: &[u128],
        time: FlowTime,
    ) -> Result<Vec<(String, BlowCount)>, BlownFuse> {
        let mut next = Vec::new();
        for (key, clause) in self.keyed().filter(|(_, clause)| clause.counts == counts) {
            let before = match states.get(&key) {
                Some(FlowState::Blow(count)) => Some(count),
                _ => None,
            };
            match clause.step(before, owners, time.steady) {
                (count, None) => next.push((key, count)),
                (_, Some(why)) => return Err(BlownFuse { fuse: self.name.clone(), clause, why }),
            }
        }
        Ok(next)
    }
}

/// The answer to an occurrence that has to pass its clauses and the fuses that blow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlowAdmission {
    /// No fuse blows: the answer of its clauses.
    Intact(Admission),
    /// The clauses let it through, but it would be one action too many: these fuses blow, and it is gated.
    Blown(Vec<BlownFuse>),
}

/// A fuse that blows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlownFuse {
    /// Its name.
    pub fuse: String,
    /// The clause that is reached.
    pub clause: BlowClause,
    /// Why, for people.
    pub why: String,
}

/// Formats the reason of the decision that blows the fuse.
impl fmt::Display for BlownFuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fuse `{}` blows: {}", self.fuse, self.why)
    }
}

impl FlowStates {
    /// Passes an occurrence with this number of actions through its clauses, and then through the fuses that its rule
    /// requires. They must be on.
    ///
    /// The actions of an occurrence pass together. If they blow a fuse, they take no place in any clause; only `after`
    /// counts the match. A rule in shadow has no actions, so it blows nothing.
    ///
    /// For an occurrence that waited and is due, give the wait.
    pub fn admit_unless_blown<'f>(
        &mut self,
        occurrence: &Occurrence,
        waited: Option<&Wait>,
        fuses: impl IntoIterator<Item = &'f BlowingFuse>,
        actions: usize,
        time: FlowTime,
    ) -> BlowAdmission {
        // Only the states that decide about it are copied: a verdict may have a thousand occurrences.
        let mut after = Self::default();
        for key in occurrence.keys() {
            if let Some(state) = self.get(&key) {
                after.insert(key, state.clone());
            }
        }
        let admission = match waited {
            Some(wait) => after.resume(wait, time),
            None => after.admit(occurrence, time),
        };
        if admission != Admission::Passed || occurrence.is_shadow {
            self.extend(after);
            return BlowAdmission::Intact(admission);
        }
        let owner = occurrence.owner.of_rule(&occurrence.rule);
        let owners: Vec<u128> = (0..actions).map(|number| owner.part(number).hash()).collect();
        let (mut counted, mut blown) = (Vec::new(), Vec::new());
        for fuse in fuses {
            match fuse.next(self, BlowCounts::Actions, &owners, time) {
                Ok(next) => counted.push((fuse, next)),
                Err(one) => {
                    fuse.forget(self);
                    blown.push(one);
                }
            }
        }
        if blown.is_empty() {
            self.extend(after);
            counted.into_iter().for_each(|(fuse, next)| fuse.put(self, next));
            return BlowAdmission::Intact(admission);
        }
        // It does not wait any longer, either.
        if let Some(wait) = waited {
            self.release(wait);
        }
        let kept = occurrence.requests.iter().filter(|request| request.flow.counts_matches());
        let keys: BTreeSet<String> =
            kept.map(|request| request.state_key(&occurrence.rule)).collect();
        for key in keys {
            if let Some(state) = after.get(&key) {
                self.insert(key.clone(), state.clone());
                self.subjects.extend(after.subject(&key).map(|subject| (key, subject.clone())));
            }
        }
        if let Some(wait) = waited.filter(|wait| wait.is_for_place()) {
            self.release(wait);
        }
        BlowAdmission::Blown(blown)
    }
}
