//! The result of evaluating an event: one decision per rule and element, with the actions of those
//! that fired. Plain data, shared by the library, the ledger and the `explain` command.

use std::fmt;

use serde::{Deserialize, Serialize};

use jiff::Timestamp;

use crate::attempts::AttemptPolicy;
use crate::flow::{
    Admission, Cancellation, EndedWait, FlowRequest, FlowStates, FlowTime, Occurrence, Owner, Wait,
    WaitEnd,
};

/// The outcome of a rule for one event and element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The condition is true and the action was rendered.
    Fired,
    /// The condition is false.
    NotMatched,
    /// The condition is neither true nor false: a value is missing or of the wrong type.
    Unknown,
    /// The condition is true, but a fuse that the rule requires is off.
    Gated,
    /// The condition is true, but `after` is waiting for more matches.
    Counted,
    /// The condition is true, but flow control (such as `once`) held the action back.
    Suppressed,
    /// The condition is true, and flow control (such as `still`) lets the action wait.
    Waiting,
    /// The action waited, and an event ended the wait.
    Cancelled,
    /// The action waited, and a newer one took its place.
    Superseded,
    /// The action waited for approval, and a person declined it.
    Declined,
    /// The action waited for approval, and nobody answered in time.
    Expired,
    /// The condition is true and the action was rendered, but the rule is in shadow: the action is recorded, and not
    /// performed.
    Shadow,
    /// The condition is true, but the action could not be rendered, or the event was refused.
    Rejected,
}

impl Outcome {
    /// Every outcome, in display order.
    pub const ALL: [Self; 13] = [
        Self::Fired,
        Self::NotMatched,
        Self::Unknown,
        Self::Gated,
        Self::Counted,
        Self::Suppressed,
        Self::Waiting,
        Self::Cancelled,
        Self::Superseded,
        Self::Declined,
        Self::Expired,
        Self::Shadow,
        Self::Rejected,
    ];

    /// Whether the condition is true, even if no action followed. Also true for a refused event.
    pub fn holds(self) -> bool {
        !matches!(self, Self::NotMatched | Self::Unknown)
    }

    /// Whether the condition is true and the action was rendered, whether it is performed or not.
    pub fn is_rendered(self) -> bool {
        matches!(self, Self::Fired | Self::Shadow)
    }

    /// The name of the outcome in messages, metrics and JSON, such as `not-matched`.
    ///
    /// ```
    /// assert_eq!(fuse_rules::Outcome::NotMatched.as_str(), "not-matched");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::NotMatched => "not-matched",
            Self::Unknown => "unknown",
            Self::Gated => "gated",
            Self::Counted => "counted",
            Self::Suppressed => "suppressed",
            Self::Waiting => "waiting",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Shadow => "shadow",
            Self::Rejected => "rejected",
        }
    }
}

impl From<WaitEnd> for Outcome {
    /// What becomes of a decision whose wait ended like this.
    fn from(end: WaitEnd) -> Self {
        match end {
            WaitEnd::Cancelled => Self::Cancelled,
            WaitEnd::Superseded => Self::Superseded,
            WaitEnd::Declined => Self::Declined,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The element of the event's lists that a decision is about: the index path of `each`, outermost
/// first. `None` if there is no `each`, or if its list is empty.
pub type Element = Option<Vec<u32>>;

/// A request to a trigger: the trigger block of a rule that fired, with every value rendered and
/// checked against the trigger's schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The kind of the trigger, such as `workflow`.
    pub trigger: String,
    /// The rule's full name, `sensor/rule`.
    pub rule: String,
    /// The element that the rule fired for.
    pub element: Element,
    /// The index of the trigger within the rule, from 0.
    pub ordinal: u32,
    /// The rendered fields of the trigger block, in the order of the rules file.
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// How often and how long it is attempted, if its rule says so.
    #[serde(default, skip_serializing_if = "AttemptPolicy::is_empty")]
    pub attempts: AttemptPolicy,
}

/// The decision of one rule for one element.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The rule's full name, `sensor/rule`.
    pub rule: String,
    /// The element, if an `each` applies.
    pub element: Element,
    /// The outcome.
    pub outcome: Outcome,
    /// The reason in one sentence. It is empty for `fired` and `not-matched`, whose reasons
    /// `explain` shows.
    pub reason: String,
    /// The path whose absence makes the condition unknown.
    pub missing: Option<String>,
    /// The action, if the rule fired or is in shadow. A rule with several triggers has one decision per trigger.
    pub action: Option<Action>,
    /// The clauses of flow control that a rule with an action has to pass, with their keys, in order. Of a counted or
    /// suppressed rule, the clause that held it back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flow: Vec<FlowRequest>,
}

impl Decision {
    /// The occurrence that asks to pass the clauses of flow control, if there is one. The event is given by its id and by
    /// its name for people.
    pub fn occurrence(&self, event: &str, name: &str, received: Timestamp) -> Option<Occurrence> {
        if self.flow.is_empty() { None } else { self.any_occurrence(event, name, received) }
    }

    /// The same, also if no clause decides about it: the fuses of its rule may.
    pub fn any_occurrence(
        &self,
        event: &str,
        name: &str,
        received: Timestamp,
    ) -> Option<Occurrence> {
        self.outcome.is_rendered().then(|| Occurrence {
            rule: self.rule.clone(),
            element: self.element.clone(),
            owner: Owner::new(event, name, self.element.as_deref()),
            received,
            is_shadow: self.outcome == Outcome::Shadow,
            requests: self.flow.clone(),
        })
    }

    /// Passes a decision with an action through the clauses of flow control, for callers that keep their states in
    /// memory. The event is received at this time. If the decision waits, returns the wait, and the one that ends for it.
    pub fn pass(
        &mut self,
        states: &mut FlowStates,
        event: &str,
        name: &str,
        time: FlowTime,
    ) -> Option<(Wait, Option<EndedWait>)> {
        let occurrence = self.occurrence(event, name, time.wall)?;
        let admission = states.admit(&occurrence, time);
        self.follow(occurrence, admission, time)
    }

    /// Changes the decision to what flow control decided about its occurrence.
    pub(crate) fn follow(
        &mut self,
        occurrence: Occurrence,
        admission: Admission,
        time: FlowTime,
    ) -> Option<(Wait, Option<EndedWait>)> {
        let mut wait = None;
        let (outcome, by, why) = match admission {
            Admission::Passed => return None,
            Admission::Counted { by, why } => (Outcome::Counted, by, why),
            Admission::Suppressed { by, why } => (Outcome::Suppressed, by, why),
            Admission::Cancelled { by, why } => (Outcome::Cancelled, by, why),
            Admission::Expired { by, why } => (Outcome::Expired, by, why),
            Admission::Waiting { by, until, why, ended } => {
                wait = Some((Wait::new(occurrence, by, time, until), ended));
                (Outcome::Waiting, by, why)
            }
        };
        self.flow = self.flow.get(by).cloned().into_iter().collect();
        self.outcome = outcome;
        self.reason = why;
        if wait.is_none() {
            self.action = None;
        }
        wait
    }

    /// Changes the decision because a fuse is off.
    pub(crate) fn gate(&mut self, why: String) {
        self.flow.clear();
        self.outcome = Outcome::Gated;
        self.reason = why;
        self.action = None;
    }
}

/// All decisions about one event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// The reason why the complete event is refused. No rule acts on a refused event.
    pub refused: Option<String>,
    /// How the event differs from its declared type, in one sentence. `evaluate_all` always checks
    /// this. `evaluate` checks it only if the source rejects such events; otherwise use
    /// [`Plan::mismatch`](crate::Plan::mismatch).
    pub mismatch: Option<String>,
    /// The decisions, in the order of sensors, rules and elements.
    pub decisions: Vec<Decision>,
    /// The `still` clauses whose `unless` condition the event meets, without duplicates, sorted by rule.
    pub cancels: Vec<Cancellation>,
}

impl Evaluation {
    pub(crate) fn new(decisions: Vec<Decision>) -> Self {
        Self { refused: None, mismatch: None, decisions, cancels: Vec::new() }
    }

    /// The evaluation of an event that is refused for this reason.
    pub(crate) fn refused<'r>(reason: &str, rules: impl Iterator<Item = &'r str>) -> Self {
        let decisions = rules
            .map(|rule| Decision {
                rule: rule.to_owned(),
                element: None,
                outcome: Outcome::Rejected,
                reason: reason.to_owned(),
                missing: None,
                action: None,
                flow: Vec::new(),
            })
            .collect();
        let refused = Some(reason.to_owned());
        Self { refused, mismatch: None, decisions, cancels: Vec::new() }
    }

    /// The decisions that fired.
    pub fn fired(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.outcome == Outcome::Fired)
    }
}

/// An evaluation, with facts about the event for metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decided {
    /// The decisions. [`Evaluation::mismatch`] is always filled in.
    pub evaluation: Evaluation,
    /// The paths that the event lacks and that a rule needs in order to fire, without duplicates.
    /// See [`Plan::missing`](crate::Plan::missing).
    pub missing: Vec<String>,
}
