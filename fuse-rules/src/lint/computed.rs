//! Explains why a condition on a computed value never holds: by the range of the function.

use super::context::LintContext;
use crate::analysis::Clause;
use crate::diagnostic::Fix;
use crate::functions::ranges::Range;
use crate::functions::{self, Call, ranges};
use crate::literals::quoted;
use crate::path::Segment;
use crate::span::Span;
use crate::syntax::ast::{CompareOp, Expr, ExprKind};
use crate::value::Value;

/// The help for a condition that never holds, and the fix if there is an obvious one.
pub(super) struct Reason {
    pub(super) help: String,
    pub(super) fix: Option<Fix>,
}

/// The reason why a clause never holds; `None` if it does not result from the range of a function.
pub(super) fn reason(clause: &Clause, context: &LintContext<'_>) -> Option<Reason> {
    match clause.because.as_slice() {
        [] => of_range(context.syntax(clause.span)?),
        [other] => across_midnight(clause.span, *other, context),
        _ => None,
    }
}

/// The condition tests a result of a function that the function never returns.
fn of_range(condition: &Expr) -> Option<Reason> {
    let (value, tested) = match &inner(condition).kind {
        ExprKind::Compare { left, right, .. } => match computed(left) {
            Some(range) => (range, right),
            None => (computed(right)?, left),
        },
        ExprKind::In { item, list, .. } => (computed(item)?, list),
        ExprKind::TextTest { left, right, .. } => (computed(left)?, right),
        _ => return None,
    };
    let Range { function, part, words, .. } = value;
    let help = match part {
        Some(part) => format!("`{part}` of the result of `{function}` {words}"),
        None => format!("the result of `{function}` {words}"),
    };
    Some(Reason { help, fix: fixed(value, tested) })
}

/// The range of a value that a function returns.
fn computed(expr: &Expr) -> Option<&'static Range> {
    let (call, part) = match &inner(expr).kind {
        ExprKind::Access { base, steps } => match steps.as_slice() {
            [step] => match &step.segment {
                Segment::Key(key) => (&**base, Some(key.as_str())),
                Segment::Index(_) => return None,
            },
            _ => return None,
        },
        _ => (expr, None),
    };
    match &inner(call).kind {
        ExprKind::Call { function, .. } => ranges::find(&function.text, part),
        _ => None,
    }
}

/// Replaces texts by those that the function returns for them: `"ERROR"` by `"error"`.
fn fixed(range: &Range, tested: &Expr) -> Option<Fix> {
    let texts = match &inner(tested).kind {
        ExprKind::List(items) => items.iter().collect(),
        _ => vec![inner(tested)],
    };
    let mut edits = Vec::new();
    for expr in texts {
        let ExprKind::String(text) = &inner(expr).kind else { return None };
        let returned = match (range.function, range.part) {
            ("lower" | "upper" | "capitalize" | "trim", None) => applied(range.function, text)?,
            ("url", Some("host" | "scheme")) => applied("lower", text)?,
            _ => return None,
        };
        if !range.has_text(&returned) {
            return None;
        }
        if returned != *text {
            edits.push((expr.span, quoted(&returned)));
        }
    }
    let mut edits = edits.into_iter();
    let (span, text) = edits.next()?;
    let fix = Fix::new(format!("write `{text}`"), span, text);
    Some(edits.fold(fix, |fix, (span, text)| fix.and(span, text)))
}

fn applied(function: &str, text: &str) -> Option<String> {
    let Call::Pure(call) = functions::find(function)?.call else { return None };
    match call(&[Value::text(text.to_owned())]) {
        Ok(Value::String(text)) => Some(text.into_owned()),
        _ => None,
    }
}

/// The two conditions are the ends of a time window that spans midnight.
fn across_midnight(one: Span, other: Span, context: &LintContext<'_>) -> Option<Reason> {
    let (first, second) = if one < other { (one, other) } else { (other, one) };
    let (a, b) = (end_of_window(context.syntax(first)?)?, end_of_window(context.syntax(second)?)?);
    let is_same = context.text(a.value) == context.text(b.value);
    let (from, to) = if a.is_start { (&a, &b) } else { (&b, &a) };
    if !is_same || !from.is_start || to.is_start || from.bound <= to.bound {
        return None;
    }
    let shown = |span| context.text(span);
    let window = format!("{} or {}", shown(first), shown(second));
    let whole = first.to(second);
    let between = Span { start: first.end, end: second.start, ..first };
    let is_joined = first.file == second.file && shown(between).trim() == "and";
    let fix = is_joined.then(|| {
        // With further conditions beside it, `or` needs parentheses.
        let is_alone = context
            .syntax(whole)
            .is_some_and(|expr| matches!(&expr.kind, ExprKind::And(parts) if parts.len() == 2));
        let text = if is_alone { window.clone() } else { format!("({window})") };
        Fix::new("combine them with `or`", whole, text)
    });
    Some(Reason { help: format!("a time window across midnight needs `or`: `{window}`"), fix })
}

/// A comparison of a time of day with a constant.
struct WindowEnd {
    /// The span of the time of day.
    value: Span,
    bound: jiff::SignedDuration,
    /// Whether it is a lower bound.
    is_start: bool,
}

fn end_of_window(condition: &Expr) -> Option<WindowEnd> {
    let ExprKind::Compare { op, left, right } = &inner(condition).kind else { return None };
    let ExprKind::Call { function, .. } = &inner(left).kind else { return None };
    let ExprKind::Duration(bound) = inner(right).kind else { return None };
    let is_start = match op {
        CompareOp::Gt | CompareOp::Ge => true,
        CompareOp::Lt | CompareOp::Le => false,
        CompareOp::Eq | CompareOp::Ne => return None,
    };
    (function.text == "time-of-day").then_some(WindowEnd { value: left.span, bound, is_start })
}

/// The expression without parentheses around it.
fn inner(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Paren(inner) => self::inner(inner),
        _ => expr,
    }
}
