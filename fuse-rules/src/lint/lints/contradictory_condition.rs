//! `contradictory-condition`

use crate::analysis::{Clause, Events};
use crate::lint::computed;
use crate::lint::context::{Findings, LintContext};
use crate::lint::facts::is_impossible;
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "contradictory-condition",
        title: "a condition that contradicts another one",
        level: Level::Deny,
        page: include_str!("../../../lints/contradictory-condition.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let facts = context.facts();
    let of_rules = facts.rules.iter().flat_map(|rule| &rule.clauses);
    for clause in facts.shared.iter().chain(of_rules).filter(|clause| is_impossible(clause)) {
        // If only several conditions together exclude it, `never-matches` reports the rule.
        if clause.because.len() < 2 {
            report(clause, context, out);
        }
    }
}

fn report(clause: &Clause, context: &LintContext<'_>, out: &mut Findings) {
    let text = context.text(clause.span);
    let message = match clause.because.first() {
        Some(other) => format!("`{text}` is never true if `{}` is", context.text(*other)),
        None => format!("`{text}` is never true"),
    };
    out.add(clause.span, message, |mut problem| {
        for other in &clause.because {
            problem = problem.related(*other, "if this is true");
        }
        let problem = problem.label("never true here");
        if clause.events == Events::Any
            && let Some(reason) = computed::reason(clause, context)
        {
            return problem.help(reason.help).maybe_fix(reason.fix);
        }
        problem.help(match (clause.events, clause.because.is_empty()) {
            (Events::Typed, _) => {
                "the declared type excludes it: correct the condition or the type"
            }
            (Events::Any, false) => {
                "correct one of them, or combine them with `or` if either is enough"
            }
            (Events::Any, true) => "correct the condition: no event satisfies it",
        })
    });
}
