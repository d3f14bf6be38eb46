//! The reactions of rules in tests. A test does not perform actions, so for each action that fires, the reactions to its
//! failure and to its success are evaluated as if it had failed and succeeded; only an expectation about them sees them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Group, Tests};
use crate::decision::{Action, Decision, Outcome};
use crate::event::Event;
use crate::flow::FlowStates;
use crate::reaction::{ActionResponse, ReactionCause, ReactionKind, SUCCEEDED};
use crate::typed::Sensor;

/// How an action fails in a test, and why.
const FAILED: (&str, &str) = ("permanent", "the action failed");
/// The reason of a success in a test.
const DONE: &str = "the action succeeded";

/// The decisions of reactions.
#[derive(Default)]
pub(super) struct Reactions {
    pub(super) decisions: Vec<Decision>,
    /// Those that would follow if actions failed, and if they succeeded.
    pub(super) assumed: Vec<Decision>,
}

impl Tests<'_> {
    /// Evaluates the reactions to decisions about an event, which is given with its name for people. They happen at this
    /// time. The actions of these rules get these responses. If a rule of the `mutated` sensors lacks a reaction, it does
    /// not happen.
    pub(super) fn reactions(
        &self,
        (states, mutated): (&mut FlowStates, &[Sensor]),
        name: &str,
        event: &Event<'_>,
        (decided, responses): (&[Decision], &BTreeMap<String, ActionResponse>),
        time: Timestamp,
    ) -> Reactions {
        let key = (event.source(), event.name());
        let mut causes: Vec<ReactionCause> = Vec::new();
        let mut seen = BTreeSet::new();
        for decision in decided {
            let of_decision = ReactionCause::of_decision(decision);
            let action = decision.action.as_ref().filter(|_| decision.outcome == Outcome::Fired);
            let assumed = action.filter(|_| of_decision.is_none()).into_iter().flat_map(|action| {
                let response = responses.get(&action.rule);
                [failure(action, response), self.success(action, response)]
            });
            for cause in of_decision.into_iter().chain(assumed) {
                // A rule with several triggers has several decisions, but one reaction.
                let is_new = cause.kind.is_about_result()
                    || seen.insert((cause.kind, cause.rule.clone(), cause.element.clone()));
                if is_new
                    && self.plan.reacts(key, &cause.rule, cause.kind)
                    && !lacks(mutated, &cause)
                {
                    causes.push(cause);
                }
            }
        }
        let mut reactions = Reactions::default();
        for cause in causes {
            let mut decisions = self.plan.react(event, &cause);
            self.apply_backends(&mut decisions, event);
            if cause.kind.is_about_result() {
                reactions.assumed.extend(decisions);
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

    /// The success of an action. Unless the test sets its response, the server answers with 200.
    fn success(&self, action: &Action, response: Option<&ActionResponse>) -> ReactionCause {
        let sensors = &self.ruleset.typed().sensors;
        let mut rules = sensors.iter().flat_map(|sensor| &sensor.rules);
        let rule = rules.find(|rule| rule.name == action.rule);
        let gets_one = rule.is_some_and(|rule| rule.response.is_some());
        let usual = || gets_one.then(|| ActionResponse::new(200));
        let mut cause = result(action, ReactionKind::Success, (SUCCEEDED, DONE));
        cause.response = response.cloned().or_else(usual);
        cause
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

/// The failure of an action. Unless the test sets its response, there is none.
fn failure(action: &Action, response: Option<&ActionResponse>) -> ReactionCause {
    let mut cause = result(action, ReactionKind::Failure, FAILED);
    cause.response = response.cloned();
    cause
}

fn result(action: &Action, kind: ReactionKind, (state, reason): (&str, &str)) -> ReactionCause {
    let of = (action.rule.as_str(), &action.element, "test");
    ReactionCause::of_result(kind, of, state, reason)
}
