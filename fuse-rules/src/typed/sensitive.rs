//! Detects conditions that compare sensitive values with others.

use super::{Expr, ExprKind, Path};
use crate::path::Root;
use crate::sensitive::root_is_sensitive;

/// The values that an expression reads.
#[derive(Clone, Copy, Default)]
struct Reads {
    /// Values of sensitive headers or parameters.
    sensitive: bool,
    /// Other values of the event.
    other: bool,
}

impl Reads {
    fn and(self, other: Self) -> Self {
        Self { sensitive: self.sensitive || other.sensitive, other: self.other || other.other }
    }
}

/// Whether one of the conditions compares a sensitive header with another value of the event, which
/// would then reveal the header. `lists` are the lists of the `each` clauses. Each condition comes
/// with the number of `each` clauses around it.
pub(crate) fn is_compared_with_others<'r>(
    lists: impl IntoIterator<Item = &'r Expr>,
    conditions: impl IntoIterator<Item = (usize, &'r Expr)>,
) -> bool {
    let mut bound = Vec::new();
    for list in lists {
        let list = reads(list, &mut bound);
        if list.sensitive && list.other {
            return true;
        }
        bound.push(list.sensitive);
    }
    conditions.into_iter().any(|(around, condition)| {
        compares(condition, &mut bound.iter().copied().take(around).collect())
    })
}

/// Whether an elementary condition reads both. `bound` is, for each binder around it, whether its
/// elements are part of a sensitive value.
fn compares(expr: &Expr, bound: &mut Vec<bool>) -> bool {
    match &expr.kind {
        ExprKind::Not(inner) => compares(inner, bound),
        ExprKind::And(parts) | ExprKind::Or(parts) => {
            parts.iter().any(|part| compares(part, bound))
        }
        ExprKind::If { condition, chosen, otherwise } => {
            [condition, chosen, otherwise].into_iter().any(|part| compares(part, bound))
        }
        ExprKind::Quantifier { kind, list, body, .. } if kind.is_condition() => {
            let list = reads(list, bound);
            bound.push(list.sensitive);
            let body = compares(body, bound);
            bound.pop();
            body || list.sensitive && list.other
        }
        _ => {
            let reads = reads(expr, bound);
            reads.sensitive && reads.other
        }
    }
}

fn reads(expr: &Expr, bound: &mut Vec<bool>) -> Reads {
    match &expr.kind {
        ExprKind::Path(path) => {
            let sensitive = is_sensitive_path(path, bound);
            Reads { sensitive, other: !sensitive }
        }
        ExprKind::Quantifier { list, body, .. } => {
            let list = reads(list, bound);
            bound.push(list.sensitive);
            let body = reads(body, bound);
            bound.pop();
            list.and(body)
        }
        _ => {
            let children = expr.children().into_iter();
            children.fold(Reads::default(), |all, child| all.and(reads(child, bound)))
        }
    }
}

fn is_sensitive_path(path: &Path, bound: &[bool]) -> bool {
    root_is_sensitive(path.root, &path.segments).unwrap_or_else(|| match path.root {
        Root::Element(level) => bound.get(level as usize).copied().unwrap_or(false),
        _ => false,
    })
}
