//! The headers by which the sender of a preset says which event a request is: tests need not repeat them.

use crate::syntax::ast::{self, CompareOp, Expr, ExprKind, Segment};

/// The headers that an event of a preset has, with one of the values that its conditions allow. Empty for any other
/// event.
pub(super) fn headers_of(source: &ast::Source, event: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let event = source.events.iter().find(|own| own.name.text == event);
    if let Some(event) = event.filter(|_| source.preset.is_some()) {
        event.when.iter().for_each(|condition| collect(condition, &mut found));
    }
    found
}

fn collect(condition: &Expr, found: &mut Vec<(String, String)>) {
    let header = |expr: &Expr| match &expr.kind {
        ExprKind::Path { root, steps } if root.text == "headers" => match steps.as_slice() {
            [ast::PathStep { segment: Segment::Key(name), .. }] => Some(name.to_string()),
            _ => None,
        },
        _ => None,
    };
    let (header, value) = match &condition.kind {
        ExprKind::And(all) => return all.iter().for_each(|one| collect(one, found)),
        ExprKind::Paren(inner) => return collect(inner, found),
        ExprKind::Compare { op: CompareOp::Eq, left, right } => (header(left), Some(&**right)),
        ExprKind::In { negated: false, item, list } => match &list.kind {
            ExprKind::List(items) => (header(item), items.first()),
            _ => return,
        },
        _ => return,
    };
    if let (Some(header), Some(ExprKind::String(value))) = (header, value.map(|v| &v.kind)) {
        found.push((header, value.clone()));
    }
}
