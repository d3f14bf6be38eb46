//! `unused-source`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unused-source",
        title: "a source that no sensor listens to",
        level: Level::Warn,
        page: include_str!("../../../lints/unused-source.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let judged = context.conclusive_files(out);
    let sources = context.rules.sources.iter();
    for source in sources.filter(|source| judged.contains(source.span.file)) {
        let name = &source.name;
        if !context.references().is_used_by_rules(source.span) {
            out.add(source.span, format!("no sensor listens to the source `{name}`"), |problem| {
                problem.label("no rule evaluates its events").help(format!(
                    "add a sensor, as in `sensor NAME on {name}.EVENT`, or remove the source"
                ))
            });
        }
    }
}
