//! Event to decisions: the evaluator of plans, its slow reference, and explanations.

mod atoms;
mod constant;
mod elements;
pub(crate) mod exhaustive;
pub(crate) mod explain;
pub(crate) mod frame;
pub(crate) mod indexed;
pub(crate) mod mapping;
pub(crate) mod missing;
pub(crate) mod ops;
mod programs;
pub(crate) mod reference;
mod scratch;
mod stack;
#[cfg(test)]
pub(crate) mod tests;

use serde::Serialize;

use crate::decision::{Action, Element, OnceKey, Outcome};
use crate::event::{self, Event};
use crate::fuses::Fuses;
use crate::scan::Refused;
use crate::span::Place;
use crate::typed;
pub(crate) use constant::constant;
use mapping::Rendered;
use ops::Fault;
pub(crate) use scratch::Pool;
pub(crate) use stack::{Work, weight};

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
    fn of(decisions: Vec<Decision>) -> Self {
        Self { refused: None, mismatch: None, decisions }
    }

    /// An event that is refused as a whole, for this reason.
    fn refused<'r>(reason: &str, rules: impl Iterator<Item = &'r str>) -> Self {
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

/// Why an event is refused that gives no values.
fn refusal(why: Refused, event: &Event<'_>) -> String {
    match why {
        Refused::Duplicate(key, at) => {
            let Place { line, column } = event::place(event.body().as_bytes(), at);
            format!("{} (again at line {line}, column {column})", twice(&key))
        }
        Refused::Invalid => match event.fault() {
            Some(fault) => fault.to_string(),
            None => "the body cannot be read; this is a bug of fuse, please report it".into(),
        },
    }
}

/// Why an event is refused in which a key that the rules read stands twice in one object.
fn twice(key: &str) -> String {
    format!(
        "the key `{key}` stands twice in one object of the body, so that it cannot be told what it says"
    )
}

/// What evaluating came to, before it is put in words.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// With a reason only where it is not a condition that decided.
    NotMatched(String),
    Unknown(Fault),
    Gated(String),
    Rejected(String),
    Fired {
        trigger: String,
        ordinal: u32,
        fields: Rendered,
        once: Option<OnceKey>,
    },
}

/// A verdict as a decision.
pub(crate) fn decision(rule: &str, element: Option<&[u32]>, verdict: Verdict) -> Decision {
    let element = element.map(<[u32]>::to_vec);
    let mut decision = Decision {
        rule: rule.to_owned(),
        element,
        outcome: Outcome::NotMatched,
        reason: String::new(),
        missing: None,
        action: None,
        once: None,
    };
    match verdict {
        Verdict::NotMatched(why) => decision.reason = why,
        Verdict::Unknown(fault) => {
            decision.outcome = Outcome::Unknown;
            decision.reason = fault.reason();
            if let Fault::Absent(path) | Fault::Unknown(path) = fault {
                decision.missing = Some(path.to_string());
            }
        }
        Verdict::Gated(why) => {
            decision.outcome = Outcome::Gated;
            decision.reason = why;
        }
        Verdict::Rejected(why) => {
            decision.outcome = Outcome::Rejected;
            decision.reason = why;
        }
        Verdict::Fired { trigger, ordinal, fields, once } => {
            decision.outcome = Outcome::Fired;
            decision.action = Some(Action {
                trigger,
                rule: rule.to_owned(),
                element: decision.element.clone(),
                ordinal,
                fields,
            });
            decision.once = once;
        }
    }
    decision
}

/// Why a rule that matches is gated: the fuses it requires that are off.
pub(crate) fn gated(all: &[typed::Fuse], requires: &[usize], fuses: &Fuses) -> Option<String> {
    let off: Vec<String> = requires
        .iter()
        .filter_map(|index| all.get(*index))
        .filter(|fuse| !fuses.get(&fuse.name).unwrap_or(fuse.default_on))
        .map(|fuse| format!("`{}`", fuse.name))
        .collect();
    match off.as_slice() {
        [] => None,
        [one] => Some(format!("fuse {one} is off")),
        many => Some(format!("fuses {} are off", many.join(", "))),
    }
}
