//! The texts that the conditions of a rule test.

use super::event_paths::{self, Bindings, EventPath, RulePart};
use crate::typed::{CompareOp, Expr, ExprKind, Rule, Sensor, TextOp};

/// The values that the conditions of a rule compare with a pattern, a list or a constant. The author
/// of the rule has decided which texts such a value may have.
pub(crate) fn tested_values<'a>(sensor: &'a Sensor, rule: &'a Rule) -> Vec<EventPath<'a>> {
    let mut tested = Vec::new();
    event_paths::roots(sensor, rule, &mut |part, expr, bindings| {
        if let RulePart::When = part {
            event_paths::required(expr, &mut |part| tested.extend(tested_value(part, bindings)));
        }
    });
    tested
}

/// The value whose text a condition tests.
fn tested_value<'a>(condition: &'a Expr, bindings: &Bindings<'a>) -> Option<EventPath<'a>> {
    match &condition.kind {
        ExprKind::Pattern { value, pattern } if pattern.op == TextOp::Matches => {
            underlying(value, bindings)
        }
        ExprKind::In { item, .. } => underlying(item, bindings),
        ExprKind::Compare { op: CompareOp::Eq, left, right } => {
            underlying(left, bindings).or_else(|| underlying(right, bindings))
        }
        _ => None,
    }
}

/// The value itself, without the function that is applied to it and without its default.
fn underlying<'a>(expr: &'a Expr, bindings: &Bindings<'a>) -> Option<EventPath<'a>> {
    match &expr.kind {
        ExprKind::Call { arguments, .. } => underlying(arguments.first()?, bindings),
        ExprKind::Coalesce { left, .. } => underlying(left, bindings),
        _ => bindings.resolve(expr),
    }
}
