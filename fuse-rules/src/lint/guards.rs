//! What the conditions of a rule make sure of: texts that they test.

use super::event_paths::{self, Bound, Part, Whole};
use crate::typed::{CompareOp, Expr, ExprKind, Rule, Sensor, TextOp};

/// The values that a rule's conditions test by a pattern, or for being one of some: what is left of them
/// is what the author thought of.
pub(crate) fn tested<'a>(sensor: &'a Sensor, rule: &'a Rule) -> Vec<Whole<'a>> {
    let mut tested = Vec::new();
    event_paths::roots(sensor, rule, &mut |part, expr, bound| {
        if let Part::When = part {
            event_paths::required(expr, &mut |part| tested.extend(test(part, bound)));
        }
    });
    tested
}

/// The value that a condition tests as a text.
fn test<'a>(condition: &'a Expr, bound: &Bound<'a>) -> Option<Whole<'a>> {
    match &condition.kind {
        ExprKind::Pattern { value, pattern } if pattern.op == TextOp::Matches => {
            inside(value, bound)
        }
        ExprKind::In { item, .. } => inside(item, bound),
        ExprKind::Compare { op: CompareOp::Eq, left, right } => {
            inside(left, bound).or_else(|| inside(right, bound))
        }
        _ => None,
    }
}

/// A value, perhaps changed by a function or with a default.
fn inside<'a>(expr: &'a Expr, bound: &Bound<'a>) -> Option<Whole<'a>> {
    match &expr.kind {
        ExprKind::Call { arguments, .. } => inside(arguments.first()?, bound),
        ExprKind::Coalesce { left, .. } => inside(left, bound),
        _ => bound.of(expr),
    }
}
