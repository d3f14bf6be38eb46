//! `rule-without-test`

use rustc_hash::FxHashSet;

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::typed::{Expected, TestStep};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "rule-without-test",
        title: "a rule that no test expects to act",
        level: Level::Warn,
        page: include_str!("../../../lints/rule-without-test.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let mut tested: FxHashSet<&str> = FxHashSet::default();
    for step in context.rules.tests.iter().flat_map(|test| &test.steps) {
        if let TestStep::Expect(expect) = step
            && let Expected::Rule(expected) = &expect.what
            && expected.outcome.holds()
            && expected.count != Some(0)
        {
            tested.insert(&expected.rule);
        }
    }
    for rule in context.rules.sensors.iter().flat_map(|sensor| &sensor.rules) {
        if !tested.contains(rule.name.as_str()) {
            let message = format!("no test expects that rule `{}` acts", rule.name);
            out.add(rule.span, message, |problem| {
                problem
                    .label("untested")
                    .help("write `test \"…\" { send … expect … }` with an event for which it fires")
            });
        }
    }
}
