//! `all-over-empty-list`

use crate::analysis::Placed;
use crate::typed::{Expr, ExprKind, QuantifierKind, Rule, Sensor};
use crate::lint::context::{Context, Findings};
use crate::lint::event_paths::{self, Bound, Part, Step, Whole};
use crate::lint::{Level, Lint};
use crate::span::Span;
use crate::syntax::ast;

pub(super) static LINT: Lint = Lint {
    name: "all-over-empty-list",
    title: "`all` where the list may be empty",
    level: Level::Warn,
    finds: "\
`all` over an empty list is true, so that the rule fires on an event that has none of what \
it asks about. Nothing is said where the rule also asks whether the list has an element: by \
`any`, `count` or `len` over it, by `each`, or by whatever else is true of no empty list; and \
none of `none`, which reads as what it is.",
    instead: "Ask for an element, too.",
    flags: &[
        "\
when all(check in body.checks: check.state == \"ok\")
#~ all(check in body.checks: check.state == \"ok\")
",
        "\
when not (body.draft == true or not (all(check in body.checks: check.state == \"ok\")))
#~ (all(check in body.checks: check.state == \"ok\"))
when len(body.other) > 0
",
        "\
when first(check in body.checks: check.name == \"build\") is missing
when all(check in body.checks: check.state == \"ok\")
#~ all(check in body.checks: check.state == \"ok\")
",
    ],
    passes: &[
        "when len(body.checks) > 0 and all(check in body.checks: check.state == \"ok\")",
        "when not all(check in body.checks: check.state == \"ok\")",
        "\
when any(check in body.checks: check.name == \"build\")
when all(check in body.checks: check.state == \"ok\")
",
        "when none(check in body.checks: check.state == \"bad\")",
        "when count(c in body.checks: true) >= 2 and all(c in body.checks: c.state == \"ok\")",
        "\
each check in body.checks
when all(other in body.checks: other.state == \"ok\")
",
        "when all(check in [body.a, body.b]: check == \"ok\")",
        "\
when first(check in body.checks: check.name == \"build\").state == \"ok\"
when all(check in body.checks: check.state == \"ok\")
",
        "when \"build\" in body.checks and all(check in body.checks: check != \"\")",
        "\
each check in filter(c in body.checks: c.name == \"build\")
when all(other in body.checks: other.state == \"ok\")
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    for sensor in &context.rules.sensors {
        for rule in &sensor.rules {
            look_at(sensor, rule, context, out);
        }
    }
}

fn look_at<'a>(
    sensor: &'a Sensor,
    rule: &'a Rule,
    context: &Context<'a>,
    out: &mut Findings,
) {
    let mut all: Vec<(Whole<'_>, &Expr, Span)> = Vec::new();
    let mut filled: Vec<Whole<'_>> = Vec::new();
    event_paths::roots(sensor, rule, &mut |part, expr, bound| match part {
        Part::Each => filled.extend(bound.of(expr)),
        Part::When => {
            positive(expr, true, bound, &mut |whole, list, span| {
                all.extend(whole.map(|whole| (whole, list, span)));
            });
            event_paths::below(expr, bound, &mut |expr, bound| filled.extend(asked(expr, bound)));
        }
        _ => {}
    });
    all.retain(|(whole, ..)| !filled.contains(whole));
    for (_, list, span) in all {
        let Some(name) = list_of(span, context) else { continue };
        if context.study().analysis.is_filled(Placed { sensor, rule }, list) {
            continue;
        }
        out.add(span, format!("this is true where `{name}` is empty"), |problem| {
            problem.label("true of no element at all").help(format!(
                "ask for an element, too: `len({name}) > 0 and …`"
            ))
        });
    }
}

/// The list of a quantifier as it is written, perhaps in parentheses.
fn list_of<'a>(quantifier: Span, context: &Context<'a>) -> Option<&'a str> {
    let mut expr = context.written(quantifier)?;
    while let ast::ExprKind::Paren(inner) = &expr.kind {
        expr = inner;
    }
    match &expr.kind {
        ast::ExprKind::Quantifier { list, .. } => Some(context.text(list.span)),
        _ => None,
    }
}

/// Calls `visit` with each `all` whose truth helps the condition to be true, and its list.
fn positive<'a>(
    expr: &'a Expr,
    helps: bool,
    bound: &mut Bound<'a>,
    visit: &mut impl FnMut(Option<Whole<'a>>, &'a Expr, Span),
) {
    match &expr.kind {
        ExprKind::Not(inner) => positive(inner, !helps, bound, visit),
        ExprKind::And(parts) | ExprKind::Or(parts) => {
            parts.iter().for_each(|part| positive(part, helps, bound, visit));
        }
        ExprKind::Quantifier { kind, list, body, .. } => {
            if *kind == QuantifierKind::All && helps {
                visit(bound.of(list), list, expr.span);
            }
            if let QuantifierKind::Any | QuantifierKind::All = kind {
                bound.bind(list);
                positive(body, helps, bound, visit);
                bound.unbind();
            }
        }
        _ => {}
    }
}

/// The list of which an expression says whether it has an element.
fn asked<'a>(expr: &'a Expr, bound: &Bound<'a>) -> Option<Whole<'a>> {
    match &expr.kind {
        ExprKind::Quantifier { kind: QuantifierKind::Any | QuantifierKind::Count, list, .. } => {
            bound.of(list)
        }
        ExprKind::Call { function, arguments } if function.name == "len" => {
            bound.of(arguments.first()?)
        }
        ExprKind::Path(_) => {
            // An element by its number is there or the condition is unknown.
            let mut whole = bound.of(expr)?;
            let at = whole.steps.iter().rposition(|step| matches!(step, Step::Index(_)))?;
            whole.steps.truncate(at);
            Some(whole)
        }
        _ => None,
    }
}
