//! What operators take: which kinds of values can meet, and what comes of it.

use super::Checker;
use super::typed::{CompareOp, Expr, ExprKind};
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;
use crate::syntax::ast;
use crate::value::{Kinds, Value};

impl Checker<'_> {
    pub(super) fn comparable(
        &mut self,
        op: CompareOp,
        left: (&Expr, Kinds),
        right: (&Expr, Kinds),
        span: Span,
    ) {
        const WHOLE: Kinds = Kinds::LIST.or(Kinds::MAP);
        for (expr, kinds) in [left, right] {
            if kinds == Kinds::NULL {
                let test = if op == CompareOp::Ne { "is not null" } else { "is null" };
                return self.report(
                    Diagnostic::error(
                        Code::E0308,
                        expr.span,
                        "null is asked for, not compared with",
                    )
                    .label("comparing with `null` is never true")
                    .help(format!(
                        "write `… {test}`, or `… is missing` for a field that is not there"
                    )),
                );
            }
            if kinds.within(WHOLE) {
                return self.report(
                    Diagnostic::error(
                        Code::E0307,
                        expr.span,
                        "lists and records are not compared as a whole",
                    )
                    .label(format!("this is {kinds}"))
                    .help("test its elements: `any(x in list: x == …)`, or `… in list`"),
                );
            }
            if op.is_order() && kinds == Kinds::STRING {
                return self.report(
                    Diagnostic::error(Code::E0309, expr.span, "strings have no order")
                        .label(format!(
                            "`{}` compares numbers, durations, times and versions",
                            op.as_str()
                        ))
                        .help("convert both sides: `int(…)`, `float(…)`, `time(…)` or `semver(…)`"),
                );
            }
        }
        let (left_kinds, right_kinds) = (left.1, right.1);
        let common = left_kinds.and(right_kinds);
        let possible = if op.is_order() { common.and(Kinds::ORDERED) } else { common };
        if possible == Kinds::NOTHING {
            let mut problem = Diagnostic::error(
                Code::E0301,
                span,
                format!("{left_kinds} and {right_kinds} never compare with `{}`", op.as_str()),
            )
            .label("this can never be true");
            if left_kinds.or(right_kinds).meets(Kinds::STRING) {
                problem = problem.help(
                    "convert one side: `int(…)`, `float(…)`, `time(…)`, `semver(…)` or `string(…)`",
                );
            }
            self.report(problem);
        }
    }

    /// Reports elements of a literal list that the item can never equal.
    pub(super) fn member(&mut self, item: Kinds, list: &Expr) {
        let values: Vec<(Kinds, Span)> = match &list.kind {
            ExprKind::Const(Value::List(values)) => {
                values.iter().map(|value| (value.kind(), list.span)).collect()
            }
            ExprKind::List(items) => items
                .iter()
                .filter_map(|item| match &item.kind {
                    ExprKind::Const(value) => Some((value.kind(), item.span)),
                    _ => None,
                })
                .collect(),
            _ => return,
        };
        if let Some((kinds, span)) = values.iter().find(|(kinds, _)| !kinds.meets(item)) {
            self.report(
                Diagnostic::error(Code::E0301, *span, format!("{item} is never equal to {kinds}"))
                    .label("an element that can never be found")
                    .help("make the elements of one kind"),
            );
        }
    }
}

/// The kinds of a result, over all pairs of kinds that the operator takes.
pub(super) fn arith_kinds(op: ast::ArithOp, left: Kinds, right: Kinds) -> Kinds {
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
