//! Arithmetic: which values can be computed with, and the result.

use super::Checker;
use super::expressions::unchecked;
use super::operands::absence_of_operand;
use super::scope::Scope;
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;
use crate::syntax::ast;
use crate::typed::{ExprKind, IsTest};
use crate::types::{Known, Ty};
use crate::value::Kinds;

impl Checker<'_> {
    pub(super) fn negated(
        &mut self,
        inner: &ast::Expr,
        span: Span,
        scope: &mut Scope,
    ) -> (ExprKind, Known) {
        const NEGATABLE: Kinds = Kinds::NUMBER.or(Kinds::DURATION);
        let (inner, known) = self.expr(inner, scope);
        let kinds = known.kinds();
        let mut result = kinds.and(NEGATABLE);
        if result == Kinds::NOTHING {
            result = Kinds::ANY;
            let label = format!("this is {kinds}");
            self.error(Code::E0301, span, "`-` takes a number or a duration", &label);
        } else {
            self.require_one_kind(&inner, &known, NEGATABLE, "`-`");
        }
        let absence = absence_of_operand(&inner, &known);
        let ty = match result {
            Kinds::NUMBER if is_whole(&known) => Ty::int(),
            result => Ty::from_kinds(result),
        };
        (ExprKind::Neg(Box::new(inner)), Known { ty, absence })
    }

    pub(super) fn arithmetic(
        &mut self,
        op: ast::ArithOp,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
        scope: &mut Scope,
    ) -> (ExprKind, Known) {
        let left = self.expr(left, scope);
        let right = self.expr(right, scope);
        let (left_kinds, right_kinds) = (left.1.kinds(), right.1.kinds());
        let result = arith_kinds(op, left_kinds, right_kinds);
        let absence =
            absence_of_operand(&left.0, &left.1).max(absence_of_operand(&right.0, &right.1));
        // A value that could not be checked is already reported.
        let is_unchecked = left_kinds == Kinds::ANY || right_kinds == Kinds::ANY;
        if result == Kinds::NOTHING && is_unchecked {
            return (unchecked(span).0.kind, Known::unchecked());
        }
        if result == Kinds::NOTHING {
            let op = op.as_str();
            let mut problem = Diagnostic::error(
                Code::E0301,
                span,
                format!("`{op}` does not take {left_kinds} and {right_kinds}"),
            )
            .label("cannot be computed");
            let is_list = |kinds: Kinds| kinds.within(Kinds::LIST);
            let meets = |kinds: Kinds| left_kinds.or(right_kinds).meets(kinds);
            let is_joined = is_list(left_kinds) || is_list(right_kinds);
            if op == "+" && meets(Kinds::STRING) && !is_joined {
                problem = problem.help("join texts by interpolation: \"${a}-${b}\"");
            } else if op == "+" && meets(Kinds::LIST) {
                let (left, right) = (self.text(left.0.span), self.text(right.0.span));
                problem = problem.help(format!("join lists with `concat({left}, {right})`"));
            }
            self.report(problem);
            // Report an impossible operation only once.
            return (unchecked(span).0.kind, Known::unchecked());
        }
        let what = format!("`{}`", op.as_str());
        for (own, other, own_is_left) in [(&left, &right, true), (&right, &left, false)] {
            let fits = |kind: Kinds| {
                let (l, r) =
                    if own_is_left { (kind, other.1.kinds()) } else { (other.1.kinds(), kind) };
                arith_kinds(op, l, r) != Kinds::NOTHING
            };
            let wanted = [Kinds::NUMBER, Kinds::DURATION, Kinds::TIME].into_iter();
            let wanted = wanted.filter(|kind| fits(*kind)).fold(Kinds::NOTHING, Kinds::or);
            self.require_one_kind(&own.0, &own.1, wanted, &what);
        }
        let keeps_whole = op != ast::ArithOp::Div;
        let ty = match result {
            Kinds::NUMBER if keeps_whole && is_whole(&left.1) && is_whole(&right.1) => Ty::int(),
            result => Ty::from_kinds(result),
        };
        let (left, right) = (Box::new(left.0), Box::new(right.0));
        (ExprKind::Arith { op, left, right }, Known { ty, absence })
    }
}

/// Whether all its numbers are whole numbers.
fn is_whole(known: &Known) -> bool {
    let numbers = known.ty.clone().tested(IsTest::Float, true);
    !known.ty.is_any() && numbers.clone().tested(IsTest::Int, true) == numbers
}

/// The kinds of a result, over all pairs of kinds that the operator accepts.
fn arith_kinds(op: ast::ArithOp, left: Kinds, right: Kinds) -> Kinds {
    const N: Kinds = Kinds::NUMBER;
    const D: Kinds = Kinds::DURATION;
    const T: Kinds = Kinds::TIME;
    let table: &[(Kinds, Kinds, Kinds)] = match op {
        ast::ArithOp::Add => &[(N, N, N), (D, D, D), (T, D, T), (D, T, T)],
        ast::ArithOp::Sub => &[(N, N, N), (D, D, D), (T, D, T), (T, T, D)],
        ast::ArithOp::Mul => &[(N, N, N), (D, N, D), (N, D, D)],
        ast::ArithOp::Div => &[(N, N, N), (D, N, D), (D, D, N)],
        ast::ArithOp::Rem => &[(N, N, N)],
    };
    table
        .iter()
        .filter(|(a, b, _)| left.meets(*a) && right.meets(*b))
        .fold(Kinds::NOTHING, |kinds, (.., result)| kinds.or(*result))
}
