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
        let of_rules = sensor.rules.iter().flat_map(|rule| &rule.shared.lets);
        for declared in sensor.shared.lets.iter().chain(of_rules) {
            let name = &declared.name;
            if !context.references().is_used(name.span) {
                out.add(name.span, format!("the value `{}` is never used", name.text), |problem| {
                    problem.label("not used").help("use it, or remove the `let`")
                });
            }
        }
    }
}
