//! `unused-fuse`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unused-fuse",
        title: "a fuse that no rule requires",
        level: Level::Warn,
        page: include_str!("../../../lints/unused-fuse.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for file in context.conclusive_files(out).files() {
        for declared in &file.tree.fuses {
            let name = &declared.name;
            if !context.references().is_used_by_rules(name.span) {
                out.add(
                    name.span,
                    format!("no rule requires the fuse `{}`", name.text),
                    |problem| {
                        problem.label("gates nothing").help(format!(
                            "add `requires {}` to the rules that it should gate, or remove it",
                            name.text
                        ))
                    },
                );
            }
        }
    }
}
