//! The reactions of rules in tests. A test cannot make an action fail, so for each action that fires, the reaction to its
//! failure is evaluated as if it had failed; only an expectation about this reaction sees it.

use std::collections::BTreeSet;

use super::Tests;
use super::execute::SentEvent;
use crate::decision::{Action, Decision, Outcome};
use crate::flow::FlowStates;
use crate::reaction::{ReactionCause, ReactionKind};

/// How an action fails in a test.
const FAILED: (&str, &str) = ("permanent", "the action failed");

impl Tests<'_> {
    /// Evaluates the reactions to the decisions about an event, which is given with its name for people.
    pub(super) fn react(&self, states: &mut FlowStates, name: &str, sent: &mut SentEvent<'_>) {
        let event = (sent.event.source(), sent.event.name());
        let mut causes: Vec<ReactionCause> = Vec::new();
        let mut seen = BTreeSet::new();
        for decision in &sent.evaluation.decisions {
            let cause = match (&decision.action, ReactionCause::of_decision(decision)) {
                (Some(action), None) if decision.outcome == Outcome::Fired => failure(action),
                (_, Some(cause)) => cause,
                _ => continue,
            };
            // A rule with several triggers has several decisions, but one reaction.
            let is_new = cause.kind == ReactionKind::Failure
                || seen.insert((cause.kind, cause.rule.clone(), cause.element.clone()));
            if is_new && self.plan.reacts(event, &cause.rule, cause.kind) {
                causes.push(cause);
            }
        }
        for cause in causes {
            let mut decisions = self.plan.react(&sent.event, &cause);
            self.apply_backends(&mut decisions, &sent.event);
            if cause.kind == ReactionKind::Failure {
                sent.failures.extend(decisions);
                continue;
            }
            for decision in &mut decisions {
                let _ = decision.pass(states, name, name, sent.event.received_at().into());
            }
            sent.evaluation.decisions.extend(decisions);
        }
    }

    /// Why a reaction did not happen, for people.
    pub(super) fn why_no_reaction(&self, reaction: &str, sent: &[&SentEvent<'_>]) -> String {
        let rule = ReactionKind::rule_of(reaction).unwrap_or(reaction);
        let decisions = sent.iter().flat_map(|sent| &sent.evaluation.decisions);
        let mut outcomes: Vec<&str> = decisions
            .filter(|decision: &&Decision| decision.rule == rule)
            .map(|decision| decision.outcome.as_str())
            .collect();
        outcomes.dedup();
        match outcomes.as_slice() {
            [] => format!("rule `{rule}` did not match"),
            outcomes => format!("the outcome of rule `{rule}` was {}", outcomes.join(", ")),
        }
    }
}

fn failure(action: &Action) -> ReactionCause {
    let (state, reason) = FAILED;
    ReactionCause {
        kind: ReactionKind::Failure,
        rule: action.rule.clone(),
        element: action.element.clone(),
        state: state.to_owned(),
        reason: reason.to_owned(),
        action: Some("test".to_owned()),
        object: None,
    }
}
