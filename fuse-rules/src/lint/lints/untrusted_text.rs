//! `untrusted-text`

use crate::analysis::Placed;
use crate::lint::context::{Findings, LintContext};
use crate::lint::event_paths::{self, Bindings, EventPath, RulePart};
use crate::lint::untrusted::HARMLESS_FIELDS;
use crate::lint::{Level, Lint, Pass, guards};
use crate::typed::{Expr, ExprKind, Mapped, Path, Rule, Sensor};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "untrusted-text",
        title: "text from an untrusted author passed to a trigger",
        level: Level::Warn,
        page: include_str!("../../../lints/untrusted-text.md"),
    },
    check,
};

/// Functions that cannot return arbitrary text.
const HARMLESS_CALLS: [&str; 11] = [
    "age",
    "base64",
    "duration",
    "float",
    "hex",
    "int",
    "len",
    "semver",
    "sha256",
    "time",
    "url-encode",
];

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for sensor in &context.rules.sensors {
        for rule in &sensor.rules {
            check_rule(sensor, rule, context, out);
        }
    }
}

fn check_rule<'a>(
    sensor: &'a Sensor,
    rule: &'a Rule,
    context: &LintContext<'a>,
    out: &mut Findings,
) {
    let mut found = Vec::new();
    event_paths::roots(sensor, rule, &mut |part, expr, bindings| {
        if let RulePart::Field(trigger, field) = part
            && can_do_harm(&trigger.kind, field, context)
        {
            flows(expr, bindings, &mut Vec::new(), &mut |path, expr, default_for| {
                found.push((path, expr, field, default_for.to_vec()));
            });
        }
    });
    if found.is_empty() {
        return;
    }
    let tested = guards::tested_values(sensor, rule);
    let mut facts = context.facts();
    for (_, expr, field, default_for) in found.iter().filter(|(path, ..)| !tested.contains(path)) {
        if facts.analysis.is_plain(Placed { sensor, rule }, expr, default_for) {
            continue;
        }
        let (text, name) = (context.text(expr.span), &field.name);
        let message = format!("anyone can choose this text, and `{name}` receives it");
        out.add(expr.span, message, |problem| {
            problem.label("untrusted text").help(format!(
                "test it first, as in `when {text} matches r\"[A-Za-z0-9/_.-]+\"`, or pass a value \
                 that outsiders cannot choose, such as a number or a SHA"
            ))
        });
    }
}

/// Whether a text in a trigger field can do harm.
fn can_do_harm(kind: &str, field: &Mapped, context: &LintContext<'_>) -> bool {
    let only_logs =
        context.registry.find_trigger(kind).is_some_and(|schema| schema.is_notification());
    let outer = field.name.split('.').next().unwrap_or_default();
    !only_logs && !HARMLESS_FIELDS.contains(&outer)
}

/// Calls `visit` for each untrusted text that reaches the value of `expr` unchanged, with the values that it is the
/// default for.
fn flows<'a>(
    expr: &'a Expr,
    bindings: &mut Bindings<'a>,
    default_for: &mut Vec<&'a Path>,
    visit: &mut impl FnMut(EventPath<'a>, &'a Expr, &[&'a Path]),
) {
    match &expr.kind {
        ExprKind::Path(path) => {
            if let Some(path) = bindings.resolve_path(path).filter(EventPath::is_untrusted) {
                visit(path, expr, default_for);
            }
        }
        ExprKind::Call { function, .. } if HARMLESS_CALLS.contains(&function.name) => {}
        ExprKind::Quantifier { list, body, kind, .. } => {
            flows(list, bindings, default_for, visit);
            if !kind.is_condition() && !kind.keeps_elements() {
                bindings.bind(list);
                flows(body, bindings, default_for, visit);
                bindings.unbind();
            }
        }
        ExprKind::Coalesce { left, right } => {
            flows(left, bindings, default_for, visit);
            let outer = default_for.len();
            if let ExprKind::Path(path) = &left.kind {
                default_for.push(path);
            }
            flows(right, bindings, default_for, visit);
            default_for.truncate(outer);
        }
        ExprKind::If { chosen, otherwise, .. } => {
            flows(chosen, bindings, default_for, visit);
            flows(otherwise, bindings, default_for, visit);
        }
        _ if expr.is_condition() => {}
        _ => {
            expr.children()
                .into_iter()
                .for_each(|child| flows(child, bindings, default_for, visit));
        }
    }
}
