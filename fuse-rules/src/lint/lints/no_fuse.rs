//! `no-fuse`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "no-fuse",
        title: "a rule that changes something and requires no fuse",
        level: Level::Warn,
        page: include_str!("../../../lints/no-fuse.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let all = context.rules.sensors.iter().flat_map(|sensor| &sensor.rules);
    for rule in all.filter(|rule| !rule.is_shadow) {
        let changes = rule.triggers.iter().find(|trigger| {
            let schema = context.registry.find_trigger(&trigger.kind);
            schema.is_some_and(|schema| !schema.is_notification())
        });
        let Some(trigger) = changes.filter(|_| rule.requires.is_empty()) else { continue };
        let name = context.text(rule.span);
        out.add(rule.span, format!("rule `{name}` requires no fuse"), |problem| {
            problem
                .label("no fuse can stop it")
                .related(trigger.span, "this changes something")
                .help(
                    "declare `fuse NAME default off`, and add `requires NAME` to the rule \
                     or its sensor",
                )
        });
    }
}
