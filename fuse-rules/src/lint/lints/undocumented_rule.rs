//! `undocumented-rule`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "undocumented-rule",
        title: "a rule or sensor without a comment",
        level: Level::Warn,
        page: include_str!("../../../lints/undocumented-rule.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for sensor in &context.rules.sensors {
        let of_sensor = ("sensor", sensor.span, &sensor.doc);
        let of_rules = sensor.rules.iter().map(|rule| ("rule", rule.span, &rule.doc));
        for (what, span, doc) in std::iter::once(of_sensor).chain(of_rules) {
            let has_text = |doc: &String| !doc.trim().is_empty();
            if doc.as_ref().is_some_and(has_text) {
                continue;
            }
            let name = context.text(span);
            out.add(span, format!("{what} `{name}` has no comment"), |problem| {
                problem
                    .label("no comment directly above")
                    .help(format!("describe its purpose in a comment directly above the {what}"))
            });
        }
    }
}
