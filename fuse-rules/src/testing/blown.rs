//! The reactions of fuses in tests: what happens when a fuse blows.

use jiff::Timestamp;

use super::expectations::summary;
use super::fields::{Shape, differences};
use super::{Group, Tests, failed};
use crate::decision::{Decision, Outcome};
use crate::diagnostic::Diagnostic;
use crate::event::Event;
use crate::flow::BlownFuse;
use crate::reaction::{BlownCause, blown_reaction};
use crate::span::Span;
use crate::typed::{ExpectedFields, Reaction};

impl Tests<'_> {
    /// The reaction of a fuse, by its full name.
    pub(super) fn fuse_reaction(&self, name: &str) -> Option<&Reaction> {
        let fuses = &self.ruleset.typed().fuses;
        fuses.iter().filter_map(|fuse| fuse.reaction.as_ref()).find(|one| one.name == name)
    }

    /// Evaluates the reactions of fuses that an event blew at this time, each with the rule that blew it.
    pub(super) fn reactions_of_fuses(
        &self,
        blown: &[(String, BlownFuse)],
        event: &Event<'_>,
        time: Timestamp,
    ) -> Vec<Decision> {
        let reactions = blown.iter().flat_map(|(rule, one)| {
            let cause = BlownCause {
                fuse: one.fuse.clone(),
                rule: rule.clone(),
                reason: one.why.clone(),
                event: event.event_id().to_owned(),
            };
            self.plan.react_to_blown(&cause, time)
        });
        let mut reactions: Vec<Decision> = reactions.collect();
        self.apply_backends(&mut reactions, event);
        reactions
    }

    /// The diagnostic for a fuse that is not blown, or whose reaction is another one.
    pub(super) fn blown_failure(
        &self,
        (span, fuse): (Span, &str),
        fields: Option<&ExpectedFields>,
        group: &Group<'_, '_>,
    ) -> Diagnostic {
        let Some(fields) = fields.filter(|_| is_blown(fuse, group)) else {
            return failed(span, format!("the fuse `{fuse}` is not blown"))
                .label("after these events")
                .help("send more events whose actions are let through, or move `at` back");
        };
        let found: Vec<&Decision> = reactions(fuse, group).collect();
        let action = found.iter().find_map(|decision| decision.action.as_ref());
        let Some(action) = action else {
            let label = match found.as_slice() {
                [] => "it blew before these events".to_owned(),
                rejected => summary(rejected),
            };
            return failed(span, format!("the fuse `{fuse}` did not react")).label(label);
        };
        let differences = differences(fields, &action.fields, self.shape(action));
        failed(fields.span, format!("the fuse `{fuse}` reacted with other fields"))
            .label(differences.join("; "))
    }
}

/// Whether a fuse is blown, and reacted with these fields.
pub(super) fn is_met(fuse: &str, fields: Option<&ExpectedFields>, group: &Group<'_, '_>) -> bool {
    let fits = |fields: &ExpectedFields| {
        let mut actions = reactions(fuse, group).filter_map(|decision| decision.action.as_ref());
        actions.any(|action| {
            fields.triggers.contains(&action.ordinal)
                && differences(fields, &action.fields, Shape::Unknown).is_empty()
        })
    };
    is_blown(fuse, group) && fields.is_none_or(fits)
}

fn is_blown(fuse: &str, group: &Group<'_, '_>) -> bool {
    group.sent.last().is_some_and(|sent| sent.blown.iter().any(|one| one == fuse))
}

/// The decisions of the reaction of a fuse.
fn reactions<'g>(fuse: &str, group: &'g Group<'_, '_>) -> impl Iterator<Item = &'g Decision> {
    let name = blown_reaction(fuse);
    let decisions = group.all_decisions().map(|(_, decision)| decision);
    decisions.filter(move |one| {
        one.rule == name && matches!(one.outcome, Outcome::Fired | Outcome::Rejected)
    })
}
