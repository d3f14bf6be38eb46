//! Evaluates the reactions of rules: like rules that match, but only after an outcome to which they react.

use super::Pooled;
use super::exhaustive::{read, rendered, requests, walk_rule};
use crate::decision::Decision;
use crate::event::Event;
use crate::fuses::Fuses;
use crate::plan::{Compiled, RulePlan, SensorPlan};
use crate::reaction::{ReactionCause, ReactionKind};
use crate::semantics::{Verdict, Work, decision};

/// Whether a rule for this event reacts to this kind of outcome.
pub(crate) fn reacts(plan: &Compiled, event: (&str, &str), rule: &str, kind: ReactionKind) -> bool {
    let Some(event_plan) = plan.event(event.0, event.1) else { return false };
    event_plan.reacting.get(rule).is_some_and(|kinds| kinds.contains(&kind))
}

/// The decisions of the reaction to a cause: one per trigger of the reaction. There are none if the rule has no such
/// reaction, or if its conditions are not true for the element.
pub(crate) fn react(plan: &Pooled, event: &Event<'_>, cause: &ReactionCause) -> Vec<Decision> {
    let work = Work::new(event.received_at());
    let name = cause.kind.name_for(&cause.rule);
    let mut decisions = Vec::new();
    let done = read(plan, event, &work, &mut |event_plan, stack, too_expensive| {
        let Some((order, sensor, rule)) = named(&event_plan.sensors, &cause.rule) else { return };
        let mut is_over = false;
        let fuses = Fuses::default();
        walk_rule(
            plan,
            too_expensive,
            (sensor, rule),
            order,
            stack,
            &fuses,
            &mut |site, verdict| {
                let holds = !matches!(verdict, Verdict::NotMatched(_) | Verdict::Unknown(_));
                if is_over || !holds || site.element != cause.element.as_deref() {
                    return;
                }
                // A rule with several triggers has several verdicts.
                is_over = true;
                let reaction = rule.reactions.iter().find(|reaction| reaction.kind == cause.kind);
                let Some(reaction) = reaction else { return };
                let flow = (requests(&reaction.flow, site.stack), false);
                rendered(flow, &reaction.triggers, site.stack, &mut |verdict| {
                    decisions.push(decision(&reaction.name, site.element, verdict));
                });
            },
        );
    });
    match done.and_then(|()| work.exceeded().map_or(Ok(()), Err)) {
        Ok(()) => decisions,
        Err(why) => vec![decision(&name, cause.element.as_deref(), Verdict::Rejected(why))],
    }
}

/// A rule with its sensor, and its index among all rules of the event.
fn named<'p>(
    sensors: &'p [SensorPlan],
    rule: &str,
) -> Option<(usize, &'p SensorPlan, &'p RulePlan)> {
    sensors.iter().find_map(|sensor| {
        let at = sensor.rules.iter().position(|own| own.name == rule)?;
        Some((sensor.first + at, sensor, sensor.rules.get(at)?))
    })
}
