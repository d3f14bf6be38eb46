//! Occurrences that wait at a clause.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FlowRequest, FlowTime, Occurrence, Owner};

/// An occurrence that waits at one of its clauses. Once it is due, [`FlowStates::resume`](super::FlowStates::resume)
/// asks again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The occurrence.
    pub occurrence: Occurrence,
    /// The clause at which it waits, as an index of [`Occurrence::requests`].
    pub clause: usize,
    /// Since when, in steady time.
    pub since: Timestamp,
    /// When it is due: in steady time or, if it waits for [hours](FlowRequest::hours), in the time of day.
    pub until: Timestamp,
    /// The approval that it waited for, once it is given. It is then due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// The answer of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who answered: the name of a token or of a user.
    pub by: String,
    /// When, in the time of day.
    pub at: Timestamp,
    /// Why, if it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Approval {
    /// The reason of an action that is performed after it.
    pub fn granted(&self) -> String {
        format!("every condition holds, and it was approved {self}")
    }

    /// The reason of an action that is not performed after it.
    pub fn declined(&self) -> String {
        format!("declined {self}")
    }
}

/// Formats the answer after a verb: `by alice: looks good`.
impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by {} at {:.0}", self.by, self.at)?;
        self.reason.iter().try_for_each(|reason| write!(f, ": {reason}"))
    }
}

impl Wait {
    /// An occurrence that begins to wait at one of its clauses now.
    pub fn new(occurrence: Occurrence, clause: usize, time: FlowTime, until: Timestamp) -> Self {
        Self { occurrence, clause, since: time.steady, until, approval: None }
    }

    /// The clause at which it waits for the answer of a person. `None` if it waits for something else, or the answer is
    /// given.
    pub fn open_approval(&self) -> Option<&FlowRequest> {
        let request = self.occurrence.requests.get(self.clause)?;
        (request.flow.is_approval() && self.approval.is_none()).then_some(request)
    }

    /// The groups of which one may answer, even if it waits for something else at present. Empty if everyone may answer, or
    /// it needs no approval.
    pub fn approvers(&self) -> &[String] {
        let request = self.occurrence.requests.iter().find(|request| request.flow.is_approval());
        request.map_or(&[], |request| request.approvers.as_slice())
    }

    /// Whether it waits for hours, so that its time is a time of day.
    pub fn is_for_hours(&self) -> bool {
        let request = self.occurrence.requests.get(self.clause);
        request.is_some_and(|request| request.hours.is_some())
    }

    /// Whether it waits for this fuse, so that it is resumed once the fuse is on.
    pub fn is_for_fuse(&self, fuse: &str) -> bool {
        let request = self.occurrence.requests.get(self.clause);
        request.is_some_and(|request| request.fuses.contains_key(fuse))
    }

    /// Whether it waits for fuses.
    pub fn is_for_fuses(&self) -> bool {
        let request = self.occurrence.requests.get(self.clause);
        request.is_some_and(|request| request.flow.is_requires())
    }

    /// Whether it waits for fuses that were on when its event was evaluated.
    pub fn is_for_fuses_now_off(&self) -> bool {
        let request = self.occurrence.requests.get(self.clause);
        request.is_some_and(|request| request.flow.is_requires() && request.off().next().is_none())
    }

    /// Whether it waits for a place of `concurrency`, so that it is resumed as soon as one is free.
    pub fn is_for_place(&self) -> bool {
        let request = self.occurrence.requests.get(self.clause);
        request.is_some_and(|request| request.flow.holds_places())
    }

    /// Whether it is due.
    pub fn is_due(&self, time: FlowTime) -> bool {
        self.until <= if self.is_for_hours() { time.wall } else { time.steady }
    }

    /// The first word of the clause at which it waits.
    pub fn clause_word(&self) -> &'static str {
        self.occurrence.clause_word(self.clause)
    }

    /// Its name among all waits: the rule and the owner.
    pub fn name(&self) -> WaitName {
        self.occurrence.name()
    }
}

/// Identifies a wait.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WaitName {
    /// The full name of the rule that waits.
    pub rule: String,
    /// The id of its [`Owner`].
    pub owner: String,
}

impl WaitName {
    /// The id of the event that waits, as it was given to [`Owner::new`].
    pub fn event(&self) -> &str {
        Owner::event_of(&self.owner)
    }
}

/// A wait for a place of `concurrency`, for which there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadyWait {
    /// The key of the state in which it waits.
    pub key: String,
    /// The wait.
    pub wait: WaitName,
}

/// An occurrence in progress that has to stop, because a newer one takes its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplacedOccurrence {
    /// The key of the state in which it has its place.
    pub key: String,
    /// The occurrence.
    pub occurrence: WaitName,
    /// The name of the one that takes its place, for people.
    pub by: String,
}

/// A wait that ended before it was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedWait {
    /// The wait.
    pub wait: WaitName,
    /// How it ended.
    pub end: WaitEnd,
    /// Why, for people.
    pub why: String,
}

/// How a wait ended before it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// An event met the `unless` condition of `still`.
    Cancelled,
    /// A newer occurrence of the key took its place in `quiet`.
    Superseded,
    /// A person declined it at `approval`.
    Declined,
}

/// An event that meets the `unless` condition of a `still` clause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// The full name of the rule that waits.
    pub rule: String,
    /// The `still` clause, with the values that its keys have in the cancelling event.
    pub request: FlowRequest,
}
