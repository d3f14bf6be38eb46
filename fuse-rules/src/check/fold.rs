//! Interpolations of constants, which are constants themselves: in one place, so that all who know what to make of a
//! constant, such as the index and the analysis, know what to make of them.

use crate::typed::{Expr, ExprKind};
use crate::value::Value;

/// An interpolation of these parts: their text, where none of them reads the event.
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
