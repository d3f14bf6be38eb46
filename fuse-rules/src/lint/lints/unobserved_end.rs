//! `unobserved-end`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::schema::TriggerInfo;
use crate::typed::{FlowClause, Rule, Trigger};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unobserved-end",
        title: "a `concurrency` of actions whose end is not observed",
        level: Level::Warn,
        page: include_str!("../../../lints/unobserved-end.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for sensor in &context.rules.sensors {
        for clause in sensor.flow.iter().filter(|clause| clause.flow.holds_places()) {
            // The clause is reported only if it is pointless in every rule.
            let triggers: Option<Vec<&Trigger>> =
                sensor.rules.iter().map(|rule| unobserved(context, rule)).collect();
            if let Some(trigger) = triggers.as_deref().and_then(<[_]>::first) {
                report(clause, trigger, out);
            }
        }
        for rule in &sensor.rules {
            let own = rule.flow.iter().filter(|clause| !sensor.shares(clause));
            for clause in own.filter(|clause| clause.flow.holds_places()) {
                if let Some(trigger) = unobserved(context, rule) {
                    report(clause, trigger, out);
                }
            }
        }
    }
}

/// A trigger of a rule, if the end of none of them is observed.
fn unobserved<'r>(context: &LintContext<'_>, rule: &'r Rule) -> Option<&'r Trigger> {
    let is_observed = |trigger: &Trigger| {
        let schema = context.registry.find_trigger(&trigger.kind);
        schema.is_none_or(|schema| schema.is_observed(&TriggerInfo::from_trigger(trigger)))
    };
    rule.triggers.first().filter(|_| !rule.triggers.iter().any(is_observed))
}

fn report(clause: &FlowClause, trigger: &Trigger, out: &mut Findings) {
    let message = format!("`concurrency` counts `{}` only while fuse performs it", trigger.kind);
    out.add(clause.span, message, |problem| {
        problem
            .label("ends with the call")
            .related(trigger.span, "fuse does not observe what follows")
            .help("to bound how often the rule acts, write `limit N per D`")
    });
}
