//! `unused-const`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unused-const",
        title: "a constant that is never used",
        level: Level::Warn,
        page: include_str!("../../../lints/unused-const.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for file in context.conclusive_files(out).files() {
        for declared in &file.tree.consts {
            let name = &declared.name;
            if !context.references().is_used(name.span) {
                out.add(
                    name.span,
                    format!("the constant `{}` is never used", name.text),
                    |problem| problem.label("not used").help("use it, or remove it"),
                );
            }
        }
    }
}
