//! `always-matches`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "always-matches",
        title: "conditions that are true for every event",
        level: Level::Warn,
        page: include_str!("../../../lints/always-matches.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let facts = context.facts();
    for rule in facts.rules.iter().filter(|rule| rule.always_matches) {
        let message = format!("rule `{}` matches every event", rule.name());
        out.add(rule.span(), message, |problem| {
            problem.label("its conditions always hold").help(
                "correct the conditions, or remove them if the rule should act on every event",
            )
        });
    }
}
