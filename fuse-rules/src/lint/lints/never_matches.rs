//! `never-matches`

use crate::lint::context::{Findings, LintContext};
use crate::lint::facts::is_impossible;
use crate::lint::{Level, Lint, Pass};

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
}
