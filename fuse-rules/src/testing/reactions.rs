//! The reactions of rules in tests. A test cannot make an action fail, so for each action that fires, the reaction to its
//! failure is evaluated as if it had failed; only an expectation about this reaction sees it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Group, Tests};
use crate::decision::{Action, Decision, Outcome};
use crate::event::Event;
use crate::flow::FlowStates;
use crate::reaction::{ReactionCause, ReactionKind};
use crate::typed::Sensor;

/// How an action fails in a test.
const FAILED: (&str, &str) = ("permanent", "the action failed");

/// The decisions of reactions.
#[derive(Default)]
pub(super) struct Reactions {
    pub(super) decisions: Vec<Decision>,
    /// Those that would follow if actions failed.
    pub(super) failures: Vec<Decision>,
}

impl Tests<'_> {
    /// Evaluates the reactions to decisions about an event, which is given with its name for people. They happen at this
    /// time. If a rule of the `mutated` sensors lacks a reaction, it does not happen.
    pub(super) fn reactions(
        &self,
        (states, mutated): (&mut FlowStates, &[Sensor]),
        name: &str,
        event: &Event<'_>,
        decided: &[Decision],
        time: Timestamp,
    ) -> Reactions {
        let key = (event.source(), event.name());
        let mut causes: Vec<ReactionCause> = Vec::new();
        let mut seen = BTreeSet::new();
        for decision in decided {
            let cause = match (&decision.action, ReactionCause::of_decision(decision)) {
                (Some(action), None) if decision.outcome == Outcome::Fired => failure(action),
                (_, Some(cause)) => cause,
                _ => continue,
            };
            // A rule with several triggers has several decisions, but one reaction.
            let is_new = cause.kind == ReactionKind::Failure
                || seen.insert((cause.kind, cause.rule.clone(), cause.element.clone()));
            if is_new && self.plan.reacts(key, &cause.rule, cause.kind) && !lacks(mutated, &cause) {
                causes.push(cause);
            }
        }
        let mut reactions = Reactions::default();
        for cause in causes {
            let mut decisions = self.plan.react(event, &cause);
            self.apply_backends(&mut decisions, event);
            if cause.kind == ReactionKind::Failure {
                reactions.failures.extend(decisions);
                continue;
            }
            for decision in &mut decisions {
                // A reaction has no clause that lets it wait.
                let _ = decision.pass(states, name, name, time.into());
            }
            reactions.decisions.extend(decisions);
        }
        reactions
    }

    /// Why a reaction did not happen, for people.
    pub(super) fn why_no_reaction(&self, reaction: &str, group: &Group<'_, '_>) -> String {
        let rule = ReactionKind::rule_of(reaction).unwrap_or(reaction);
        let mut outcomes: Vec<&str> = group
            .decisions()
            .map(|(_, decision)| decision)
            .filter(|decision| decision.rule == rule)
            .map(|decision| decision.outcome.as_str())
            .collect();
        outcomes.dedup();
        match outcomes.as_slice() {
            [] => format!("rule `{rule}` did not match"),
            outcomes => format!("the outcome of rule `{rule}` was {}", outcomes.join(", ")),
        }
    }
}

/// Whether a mutated rule has no reaction to this.
fn lacks(mutated: &[Sensor], cause: &ReactionCause) -> bool {
    let rules = mutated.iter().flat_map(|sensor| &sensor.rules);
    let mut own = rules.filter(|rule| rule.name == cause.rule);
    own.any(|rule| rule.reaction(cause.kind).is_none())
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
