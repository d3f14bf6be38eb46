//! The identity of values, for facts: paths of the event, and computed values.

use std::fmt::Write as _;
use std::sync::Arc;

use super::inline;
use crate::typed::{Expr, ExprKind, Path, Root, Segment, Shown};

/// Larger expressions have no identity, so that the checks of a large file stay fast.
const MAX_KEY_SIZE: usize = 500;

/// A value in a scope, independent of how it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ValueKey {
    Event(Root, Vec<Segment>),
    /// A computed value. Expressions are pure, so equal ones have equal values where their names
    /// mean the same.
    Computed(Arc<str>),
}

impl ValueKey {
    /// The number of steps from the root.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Event(_, segments) => segments.len(),
            Self::Computed(_) => 0,
        }
    }
}

/// The value of an expression below `bound` binders; `None` for a constant, and for an expression
/// that is too large.
pub(super) fn value_key(expr: &Expr, bound: usize) -> Option<ValueKey> {
    match &expr.kind {
        ExprKind::Const(_) => None,
        ExprKind::Path(path) => Some(ValueKey::Event(path.root, path.segments.clone())),
        _ if inline::size(expr) > MAX_KEY_SIZE => None,
        _ => {
            let mut expr = expr.clone();
            identify(&mut expr, bound);
            Some(ValueKey::Computed(Shown(&expr).to_string().into()))
        }
    }
}

/// Gives names the same text exactly if they mean the same: elements that are bound outside of the
/// expression count from the event, the others from the expression.
fn identify(expr: &mut Expr, bound: usize) {
    match &mut expr.kind {
        ExprKind::Path(path) => path.text = identity(path, bound),
        ExprKind::Quantifier { name, .. } => *name = "_".into(),
        _ => {}
    }
    expr.children_mut().into_iter().for_each(|child| identify(child, bound));
}

fn identity(path: &Path, bound: usize) -> Arc<str> {
    let Root::Element(level) = path.root else { return path.text.clone() };
    let level = level as usize;
    let mut text = match level.checked_sub(bound) {
        Some(inner) => format!("#{inner}"),
        None => format!("${level}"),
    };
    // Writing to a string cannot fail.
    let _ = write!(text, "{}", crate::path::path_text("", &path.segments));
    text.into()
}
