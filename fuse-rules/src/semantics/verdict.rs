//! Verdicts: structured decisions, before they are put into words.

use super::mapping::Rendered;
use super::ops::Fault;
use crate::attempts::AttemptPolicy;
use crate::decision::{Action, Decision, Outcome};
use crate::flow::{Cancellation, FlowRequest};
use crate::fuses::Fuses;
use crate::typed;

/// Why an event is refused if an object that the rules read contains a duplicate key.
pub(crate) fn duplicate_key(key: &str) -> String {
    format!("the key `{key}` occurs twice in one object of the body, so its value is ambiguous")
}

/// The result of evaluating a rule, before it is put into words.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// The reason is empty if a condition was false.
    NotMatched(String),
    Unknown(Fault),
    Gated(String),
    Rejected(String),
    Fired {
        trigger: String,
        ordinal: u32,
        fields: Rendered,
        attempts: AttemptPolicy,
        flow: Vec<FlowRequest>,
        /// Whether the action is recorded instead of performed.
        is_shadow: bool,
    },
    /// The condition of an `unless` is true. It ends the waits of this key.
    Cancels(FlowRequest),
}

impl Verdict {
    /// What this verdict on the `unless` of a rule cancels. Unless its condition is true and all keys have a value, it
    /// cancels nothing.
    pub(crate) fn into_cancellation(self, rule: &str) -> Option<Cancellation> {
        match self {
            Self::Cancels(request) => Some(Cancellation { rule: rule.to_owned(), request }),
            _ => None,
        }
    }
}

/// Sorts cancellations and removes duplicates: several elements of an event may have the same key.
pub(crate) fn distinct(mut cancels: Vec<Cancellation>) -> Vec<Cancellation> {
    let key = |one: &Cancellation| {
        (one.rule.clone(), one.request.clause.clone(), one.request.values.clone())
    };
    cancels.sort_by_cached_key(key);
    cancels.dedup();
    cancels
}

/// The decision that results from a verdict.
pub(crate) fn decision(rule: &str, element: Option<&[u32]>, verdict: Verdict) -> Decision {
    let element = element.map(<[u32]>::to_vec);
    let mut missing = None;
    let (outcome, reason) = match verdict {
        Verdict::Fired { trigger, ordinal, fields, attempts, flow, is_shadow } => {
            let action = Action {
                trigger,
                rule: rule.to_owned(),
                element: element.clone(),
                ordinal,
                fields,
                attempts,
            };
            return Decision {
                rule: rule.to_owned(),
                element,
                outcome: if is_shadow { Outcome::Shadow } else { Outcome::Fired },
                reason: String::new(),
                missing: None,
                action: Some(action),
                flow,
            };
        }
        Verdict::NotMatched(why) => (Outcome::NotMatched, why),
        // An `unless` makes no decision.
        Verdict::Cancels(_) => (Outcome::NotMatched, String::new()),
        Verdict::Unknown(fault) => {
            if let Fault::Absent(path) | Fault::Unknown(path) = &fault {
                missing = Some(path.to_string());
            }
            (Outcome::Unknown, fault.reason())
        }
        Verdict::Gated(why) => (Outcome::Gated, why),
        Verdict::Rejected(why) => (Outcome::Rejected, why),
    };
    let rule = rule.to_owned();
    Decision { rule, element, outcome, reason, missing, action: None, flow: Vec::new() }
}

/// Sets the values of the fuses for which the clauses of a rule wait.
pub(crate) fn set_fuses(all: &[typed::Fuse], flow: &mut [FlowRequest], fuses: &Fuses) {
    for request in flow.iter_mut().filter(|request| request.flow.is_requires()) {
        request.set_fuses(|name| {
            let default = || all.iter().find(|fuse| fuse.name == name).map(|fuse| fuse.default_on);
            fuses.get(name).or_else(default).unwrap_or(true)
        });
    }
}

/// Why a rule that matches is gated: required fuses that are off.
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
