//! `unused-let`

use rustc_hash::FxHashSet;

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass, visit};
use crate::syntax::ast::{Expr, ExprKind, Let};

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
    for file in context.trees() {
        for sensor in &file.tree.sensors {
            let mut names = FxHashSet::default();
            visit::of_sensor(sensor, &mut |expr| add(expr, &mut names));
            report(&sensor.shared.lets, &names, out);
            for rule in &sensor.rules {
                let mut names = FxHashSet::default();
                visit::of_rule(rule, &mut |expr| add(expr, &mut names));
                report(&rule.shared.lets, &names, out);
            }
        }
    }
}

/// Adds the names that an expression uses.
fn add<'a>(expr: &'a Expr, names: &mut FxHashSet<&'a str>) {
    visit::walk(expr, &mut |expr| {
        if let ExprKind::Path { root, .. } = &expr.kind {
            names.insert(&root.text);
        }
    });
}

/// Reports the `let`s that are not used. No other name in their scope is equal to theirs.
fn report(lets: &[Let], names: &FxHashSet<&str>, out: &mut Findings) {
    for own in lets {
        let name = &own.name;
        if !names.contains(name.text.as_str()) {
            out.add(name.span, format!("the value `{}` is never used", name.text), |problem| {
                problem.label("not used").help("use it, or remove the `let`")
            });
        }
    }
}
