//! `unused-type`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unused-type",
        title: "a type that is never used",
        level: Level::Warn,
        page: include_str!("../../../lints/unused-type.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for file in context.conclusive_files(out).files() {
        for declared in &file.tree.types {
            let name = &declared.name;
            if !context.references().is_used(name.span) {
                out.add(name.span, format!("the type `{}` is never used", name.text), |problem| {
                    problem
                        .label("not used")
                        .help("use it for the event that it describes, or remove it")
                });
            }
        }
    }
}
