//! `unused-limiter`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unused-limiter",
        title: "a limiter that no rule uses",
        level: Level::Warn,
        page: include_str!("../../../lints/unused-limiter.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for file in context.conclusive_files(out).files() {
        for declared in &file.tree.limiters {
            let name = &declared.name;
            if !context.references().is_used_by_rules(name.span) {
                let message = format!("no rule uses the limiter `{}`", name.text);
                out.add(name.span, message, |problem| {
                    problem.label("limits nothing").help(format!(
                        "add `{} {}` to the rules that it should limit, or remove it",
                        declared.limit.flow.word(),
                        name.text
                    ))
                });
            }
        }
    }
}
