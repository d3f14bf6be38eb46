//! `all-over-empty-list`

use crate::analysis::Placed;
use crate::lint::context::{Findings, LintContext};
use crate::lint::event_paths::{self, Bindings, EventPath, EventPathStep, RulePart};
use crate::lint::{Level, Lint, Pass};
use crate::span::Span;
use crate::syntax::ast;
use crate::typed::{Expr, ExprKind, QuantifierKind, Rule, Sensor};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "all-over-empty-list",
        title: "`all` over a list that may be empty",
        level: Level::Warn,
        page: include_str!("../../../lints/all-over-empty-list.md"),
    },
    check,
};

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
    let mut quantifiers: Vec<(EventPath<'_>, &Expr, Span)> = Vec::new();
    let mut non_empty: Vec<EventPath<'_>> = Vec::new();
    event_paths::roots(sensor, rule, &mut |part, expr, bindings| match part {
        RulePart::Each => non_empty.extend(bindings.resolve(expr)),
        RulePart::When => {
            visit_positive(expr, true, bindings, &mut |path, list, span| {
                quantifiers.extend(path.map(|path| (path, list, span)));
            });
            event_paths::walk(expr, bindings, &mut |expr, bindings| {
                non_empty.extend(non_empty_list(expr, bindings))
            });
        }
        _ => {}
    });
    quantifiers.retain(|(path, ..)| !non_empty.contains(path));
    for (_, list, span) in quantifiers {
        let Some(name) = list_of(span, context) else { continue };
        if context.facts().analysis.is_filled(Placed { sensor, rule }, list) {
            continue;
        }
        out.add(span, format!("this condition is true if `{name}` is empty"), |problem| {
            problem
                .label("`all` is true for an empty list")
                .help(format!("require an element: `len({name}) > 0 and …`"))
        });
    }
}

/// The source text of the list of a quantifier, which may be in parentheses.
fn list_of<'a>(quantifier: Span, context: &LintContext<'a>) -> Option<&'a str> {
    let mut expr = context.syntax(quantifier)?;
    while let ast::ExprKind::Paren(inner) = &expr.kind {
        expr = inner;
    }
    match &expr.kind {
        ast::ExprKind::Quantifier { list, .. } => Some(context.text(list.span)),
        _ => None,
    }
}

/// Calls `visit` for each `all` in a positive position: if it is true, the condition is more likely
/// true. `positive` is the polarity of `expr` itself.
fn visit_positive<'a>(
    expr: &'a Expr,
    positive: bool,
    bindings: &mut Bindings<'a>,
    visit: &mut impl FnMut(Option<EventPath<'a>>, &'a Expr, Span),
) {
    match &expr.kind {
        ExprKind::Not(inner) => visit_positive(inner, !positive, bindings, visit),
        ExprKind::And(parts) | ExprKind::Or(parts) => {
            parts.iter().for_each(|part| visit_positive(part, positive, bindings, visit));
        }
        ExprKind::Quantifier { kind, list, body, .. } => {
            if *kind == QuantifierKind::All && positive {
                visit(bindings.resolve(list), list, expr.span);
            }
            if let QuantifierKind::Any | QuantifierKind::All = kind {
                bindings.bind(list);
                visit_positive(body, positive, bindings, visit);
                bindings.unbind();
            }
        }
        _ => {}
    }
}

/// The list that is not empty if an expression has a value.
fn non_empty_list<'a>(expr: &'a Expr, bindings: &Bindings<'a>) -> Option<EventPath<'a>> {
    match &expr.kind {
        ExprKind::Quantifier {
            kind: QuantifierKind::Any | QuantifierKind::Count, list, ..
        } => bindings.resolve(list),
        ExprKind::Call { function, arguments, .. } if function.name == "len" => {
            bindings.resolve(arguments.first()?)
        }
        ExprKind::Path(_) => {
            // The condition is unknown if there is no element with this index.
            let mut path = bindings.resolve(expr)?;
            let at = path.steps.iter().rposition(|step| matches!(step, EventPathStep::Index(_)))?;
            path.steps.truncate(at);
            Some(path)
        }
        _ => None,
    }
}
