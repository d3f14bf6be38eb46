//! What evaluating an event gives: one decision per rule and element, and the actions of those
//! that fired. Plain data, the same in the library, the ledger and the `explain` command.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What became of a rule for one event and element.
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
    /// The condition is true, but flow control (`once`) held the action back.
    Suppressed,
    /// The condition is true, but the action could not be rendered, or the event is refused.
    Rejected,
}

impl Outcome {
    /// Every outcome, in the order in which they are listed to people.
    pub const ALL: [Self; 6] = [
        Self::Fired,
        Self::NotMatched,
        Self::Unknown,
        Self::Gated,
        Self::Suppressed,
        Self::Rejected,
    ];

    /// Whether the condition is true, whatever became of the action. A refused event counts as well.
    pub fn holds(self) -> bool {
        matches!(self, Self::Fired | Self::Gated | Self::Suppressed | Self::Rejected)
    }

    /// The outcome's name in messages, metrics and JSON, as in `not-matched`.
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
            Self::Suppressed => "suppressed",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which element of the event's lists a decision is about: the index path of `each`, outermost
/// first. `None` where no `each` applies (or its list is empty).
pub type Element = Option<Vec<u32>>;

/// What a fired rule asks a trigger backend to do: the trigger block with every value filled in
/// and checked against the backend's schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// The trigger's kind, as in `workflow`.
    pub trigger: String,
    /// The rule's full name, `sensor/rule`.
    pub rule: String,
    /// The element that it fired for.
    pub element: Element,
    /// Which of the rule's triggers this is, from 0.
    pub ordinal: u32,
    /// The rendered fields of the trigger block, in the order of the rules file.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// The key of `once per KEY within D` with its values filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnceKey {
    /// The values of the key's expressions, as canonical JSON texts.
    pub values: Vec<String>,
    /// How long the first occurrence holds back the next ones, in milliseconds.
    pub within_ms: u64,
}

/// What one rule decided for one element.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The rule's full name, `sensor/rule`.
    pub rule: String,
    /// The element, where an `each` applies.
    pub element: Element,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, in a sentence; empty for `fired` and `not-matched`, whose reasons `explain` gives.
    pub reason: String,
    /// The path whose absence makes an `unknown` one.
    pub missing: Option<String>,
    /// What to do, where it fired. A rule with several triggers gives a decision for each.
    pub action: Option<Action>,
    /// The key of its `once`, where it fired and has one.
    pub once: Option<OnceKey>,
}

/// What was decided on one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Why the whole event is refused; then nothing is done.
    pub refused: Option<String>,
    /// Where the event is not of its declared type, in a sentence. Looked for by `evaluate_all`, and by
    /// `evaluate` where the source rejects such events; else [`Plan::mismatch`](crate::Plan::mismatch)
    /// tells.
    pub mismatch: Option<String>,
    /// In the order of sensors, rules and elements.
    pub decisions: Vec<Decision>,
}

impl Evaluation {
    pub(crate) fn new(decisions: Vec<Decision>) -> Self {
        Self { refused: None, mismatch: None, decisions }
    }

    /// An event that is refused as a whole, for this reason.
    pub(crate) fn refused<'r>(reason: &str, rules: impl Iterator<Item = &'r str>) -> Self {
        let decisions = rules
            .map(|rule| Decision {
                rule: rule.to_owned(),
                element: None,
                outcome: Outcome::Rejected,
                reason: reason.to_owned(),
                missing: None,
                action: None,
                once: None,
            })
            .collect();
        Self { refused: Some(reason.to_owned()), mismatch: None, decisions }
    }

    /// The decisions that fired.
    pub fn fired(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.outcome == Outcome::Fired)
    }
}

/// An evaluation, with what is worth counting of the event.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The decisions. [`Evaluation::mismatch`] is always filled in.
    pub evaluation: Evaluation,
    /// The paths that the event lacks and without which a rule cannot fire, each once. See
    /// [`Plan::missing`](crate::Plan::missing).
    pub missing: Vec<String>,
}
