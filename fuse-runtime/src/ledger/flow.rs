//! Passes the occurrences of a verdict through flow control. This module does no I/O: the caller reads the states of the
//! keys that the verdict asks for, and writes those that changed together with the decision.

use fuse_rules::flow::{Admission, FlowStates, FlowTime};
use fuse_rules::{Action, Outcome};

use super::{DecisionRecord, Verdict};

/// The decisions and actions of a verdict after flow control.
pub(super) struct Applied {
    pub(super) decisions: Vec<DecisionRecord>,
    pub(super) actions: Vec<(String, Action)>,
}

/// Passes the occurrences of a verdict through flow control, in their order. The decisions about one that does not pass
/// are counted or suppressed, and its actions dropped.
pub(super) fn apply(verdict: &Verdict, states: &mut FlowStates) -> Applied {
    let mut decisions = verdict.decisions.clone();
    let mut actions = verdict.actions.clone();
    let time = FlowTime { steady: verdict.steady, wall: verdict.decided };
    for occurrence in &verdict.flow {
        let governs = |decision: &DecisionRecord| {
            decision.outcome.is_rendered()
                && decision.rule == occurrence.rule
                && decision.element == occurrence.element
        };
        if !decisions.iter().any(governs) {
            continue;
        }
        let (outcome, reason) = match states.admit(occurrence, time) {
            Admission::Passed => continue,
            Admission::Counted { why, .. } => (Outcome::Counted, why),
            Admission::Suppressed { why, .. } => (Outcome::Suppressed, why),
        };
        for decision in decisions.iter_mut().filter(|decision| governs(decision)) {
            decision.outcome = outcome;
            decision.reason.clone_from(&reason);
            decision.action = None;
            decision.shadow = None;
        }
        // A rule with several triggers has several actions.
        actions.retain(|(_, action)| {
            action.rule != occurrence.rule || action.element != occurrence.element
        });
    }
    Applied { decisions, actions }
}
