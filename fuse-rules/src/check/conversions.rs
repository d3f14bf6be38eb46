//! Suggests conversions of operands that have different kinds.

use crate::typed::{Expr, ExprKind, IsTest, Shown};
use crate::types::Known;
use crate::value::Kinds;

/// The conversion of the operand that is a string, if the other one is a number.
pub(super) fn number_of_text(left: &(Expr, Known), right: &(Expr, Known)) -> Option<String> {
    let (text, number) = match (left.1.kinds(), right.1.kinds()) {
        (Kinds::STRING, Kinds::NUMBER) => (left, right),
        (Kinds::NUMBER, Kinds::STRING) => (right, left),
        _ => return None,
    };
    if matches!(text.0.kind, ExprKind::Const(_)) {
        return None;
    }
    let is_whole = number.1.ty.clone().tested(IsTest::Int, true) == number.1.ty;
    let function = if is_whole { "int" } else { "float" };
    Some(format!("{function}({})", Shown(&text.0)))
}
