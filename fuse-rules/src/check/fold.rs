//! Folds interpolations of constants into constants, so that the index and the analysis do not have
//! to.

use crate::typed::{Expr, ExprKind};
use crate::value::Value;

/// An interpolation of these parts, or its text if no part reads the event.
pub(super) fn interpolation(parts: Vec<Expr>) -> ExprKind {
    let text = |part: &Expr| match &part.kind {
        ExprKind::Const(value) => Some(value.canonical()?.into_owned()),
        _ => None,
    };
    match parts.iter().map(text).collect::<Option<String>>() {
        Some(text) => ExprKind::Const(Value::text(text)),
        None => ExprKind::Concat(parts),
    }
}
