//! `unused-condition`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unused-condition",
        title: "a condition that is never used",
        level: Level::Warn,
        page: include_str!("../../../lints/unused-condition.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for file in context.conclusive_files(out).files() {
        for declared in &file.tree.conditions {
            let name = &declared.name;
            if !context.references().is_used(name.span) {
                let message = format!("the condition `{}` is never used", name.text);
                out.add(name.span, message, |problem| {
                    problem.label("not used").help("use it, or remove it")
                });
            }
        }
    }
}
