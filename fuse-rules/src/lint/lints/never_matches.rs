//! `never-matches`

use rustc_hash::FxHashSet;

use crate::analysis::{Analysis, Placed};
use crate::lint::context::{Findings, LintContext};
use crate::lint::facts::is_impossible;
use crate::lint::{Level, Lint, Pass};
use crate::typed::Sensor;

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "never-matches",
        title: "a rule that can never match",
        level: Level::Deny,
        page: include_str!("../../../lints/never-matches.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let facts = context.facts();
    let shared = facts.shared.iter().filter(|clause| is_impossible(clause)).map(|c| c.span);
    let shared: Vec<_> = shared.collect();
    for rule in &facts.rules {
        let of_sensor = rule.placed.sensor.when.iter();
        let excluded = rule.clauses.iter().any(is_impossible)
            && rule.clauses.iter().filter(|c| is_impossible(c)).all(|c| c.because.len() < 2)
            || of_sensor
                .into_iter()
                .any(|when| shared.iter().any(|span| when.span.contains(*span)));
        if !rule.matching.is_never() || excluded {
            continue;
        }
        out.add(rule.span(), format!("rule `{}` can never match", rule.name()), |problem| {
            problem
                .label("its conditions never hold together")
                .help("correct the condition that is wrong, or remove the rule")
        });
    }
    drop(facts);
    never_cancels(context, out);
}

/// Reports the `unless` conditions that no event meets.
fn never_cancels(context: &LintContext<'_>, out: &mut Findings) {
    let cancellers: Vec<Sensor> = context.rules.cancellers().collect();
    let mut analysis = Analysis::new(context.rules);
    // All rules of a sensor share its `unless`.
    let mut seen = FxHashSet::default();
    for sensor in &cancellers {
        let Some(rule) = sensor.rules.first().filter(|rule| seen.insert(rule.span)) else {
            continue;
        };
        if analysis.matching(Placed { sensor, rule }).is_never() {
            out.add(rule.span, "this `unless` can never be true".to_owned(), |problem| {
                problem.label("no event ends the wait").help("correct the condition that is wrong")
            });
        }
    }
}
