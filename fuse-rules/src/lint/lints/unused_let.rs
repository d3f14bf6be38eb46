//! `unused-let`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unused-let",
        title: "a `let` that is never used",
        level: Level::Warn,
        page: include_str!("../../../lints/unused-let.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for sensor in context.trees().flat_map(|file| &file.tree.sensors) {
        let all =
            std::iter::once(&sensor.shared).chain(sensor.rules.iter().map(|rule| &rule.shared));
        let declared = all.flat_map(|shared| {
            let unless = shared.flow.iter().filter_map(|clause| clause.unless.as_deref());
            shared.lets.iter().chain(unless.flat_map(|unless| &unless.lets))
        });
        for declared in declared {
            let name = &declared.name;
            if !context.references().is_used(name.span) {
                out.add(name.span, format!("the value `{}` is never used", name.text), |problem| {
                    problem.label("not used").help("use it, or remove the `let`")
                });
            }
        }
    }
}
