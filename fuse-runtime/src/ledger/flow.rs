//! Passes the occurrences of a verdict through flow control. This module does no I/O: the caller reads the states of the
//! keys that the verdict asks for, and writes those that changed together with the decision.

use fuse_rules::flow::{Admission, FlowStates};
use fuse_rules::{Action, Outcome};

use super::blow;
use super::{DecisionRecord, FuseHistories, Verdict};

/// The decisions and actions of a verdict after flow control.
pub(super) struct Applied {
    pub(super) decisions: Vec<DecisionRecord>,
    pub(super) actions: Vec<(String, Action)>,
}

/// Passes the occurrences of a verdict through flow control, in their order. The decisions about one that does not pass
/// are gated, counted or suppressed, and its actions dropped. `fuses` are the last changes of the fuses that may blow.
pub(super) fn apply(
    verdict: &Verdict,
    states: &mut FlowStates,
    fuses: &mut FuseHistories,
) -> Applied {
    let mut decisions = verdict.decisions.clone();
    let mut actions = verdict.actions.clone();
    for occurrence in &verdict.flow {
        let governs = |decision: &DecisionRecord| {
            decision.outcome.is_rendered()
                && decision.rule == occurrence.rule
                && decision.element == occurrence.element
        };
        if !decisions.iter().any(governs) {
            continue;
        }
        let is_its = |action: &Action| {
            action.rule == occurrence.rule && action.element == occurrence.element
        };
        let count = actions.iter().filter(|(_, action)| is_its(action)).count();
        let (outcome, reason) = match blow::admit(verdict, occurrence, count, states, fuses) {
            Ok(Admission::Passed) => continue,
            Ok(Admission::Counted { why, .. }) => (Outcome::Counted, why),
            Ok(Admission::Suppressed { why, .. }) => (Outcome::Suppressed, why),
            Err(why) => (Outcome::Gated, why),
        };
        for decision in decisions.iter_mut().filter(|decision| governs(decision)) {
            decision.outcome = outcome;
            decision.reason.clone_from(&reason);
            decision.action = None;
            decision.shadow = None;
        }
        // A rule with several triggers has several actions.
        actions.retain(|(_, action)| !is_its(action));
    }
    Applied { decisions, actions }
}
