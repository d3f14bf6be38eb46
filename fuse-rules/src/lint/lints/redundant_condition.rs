//! `redundant-condition`

use crate::analysis::{ClauseFinding, Events};
use crate::lint::computed;
use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "redundant-condition",
        title: "a condition that has no effect",
        level: Level::Warn,
        page: include_str!("../../../lints/redundant-condition.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let facts = context.facts();
    let conditional = facts.rules.iter().filter(|rule| !rule.always_matches);
    let of_rules = conditional.flat_map(|rule| &rule.clauses);
    for clause in facts.shared.iter().chain(of_rules) {
        let always = match clause.finding {
            ClauseFinding::Impossible => continue,
            ClauseFinding::Redundant => "always true",
            ClauseFinding::ImpossiblePart => "never true",
            ClauseFinding::Covered => "true only",
        };
        let text = context.text(clause.span);
        let message = match clause.because.as_slice() {
            [] => format!("`{text}` is {always}"),
            [other] => format!("`{text}` is {always} if `{}` is", context.text(*other)),
            _ => format!("`{text}` is {always} if the conditions before it are"),
        };
        out.add(clause.span, message, |mut problem| {
            for other in &clause.because {
                problem = problem.related(*other, "if this is true");
            }
            if clause.finding == ClauseFinding::ImpossiblePart
                && let Some(reason) = computed::reason(clause, context)
            {
                let problem = problem.label("this alternative never holds");
                return problem.help(reason.help).maybe_fix(reason.fix);
            }
            let (label, help) = match (clause.finding, clause.events) {
                (ClauseFinding::ImpossiblePart, _) => {
                    ("this alternative never holds", "remove the alternative, or correct it")
                }
                (ClauseFinding::Covered, _) => {
                    ("has no effect", "remove it, or correct it: the other alternative covers it")
                }
                (_, Events::Typed) => {
                    ("has no effect", "remove it, or correct it: the declared type guarantees it")
                }
                (_, Events::Any) => {
                    ("has no effect", "remove it, or correct it if you meant something else")
                }
            };
            problem.label(label).help(help)
        });
    }
}
