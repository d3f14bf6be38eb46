//! Mutation operators for conditions. A mutation changes a piece of text. The text of a named condition occurs
//! in every call of the condition, so a mutation of it affects all of them.

use crate::number::Number;
use crate::ruleset::Ruleset;
use crate::span::Span;
use crate::typed::{ArithOp, CompareOp, Expr, ExprKind, QuantifierKind, TextOp};
use crate::value::Value;

/// A mutation of the text of conditions. It is the same in every place where the text is used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ConditionMutation {
    /// The span of the changed text.
    at: Span,
    /// The change, in words.
    pub(super) what: String,
    /// The index among the mutations of one expression.
    index: usize,
}

/// A mutated expression.
struct Variant {
    kind: ExprKind,
    /// The change, in words.
    what: String,
    /// The span to report.
    reported: Span,
}

/// Enumerates and applies mutations of conditions.
#[derive(Clone, Copy)]
pub(super) struct ConditionMutator<'r> {
    pub(super) ruleset: &'r Ruleset,
}

impl ConditionMutator<'_> {
    /// Calls `each` with every mutation of a condition and the span to report.
    pub(super) fn mutations(self, expr: &Expr, each: &mut dyn FnMut(ConditionMutation, Span)) {
        self.own(expr, each);
        expr.children().into_iter().for_each(|child| self.mutations(child, each));
    }

    /// Calls `each` with every mutation of the conditionals in a value: of their conditions, and of
    /// the choice between their branches.
    pub(super) fn choices(self, value: &Expr, each: &mut dyn FnMut(ConditionMutation, Span)) {
        if let ExprKind::If { condition, .. } = &value.kind {
            self.own(value, each);
            self.mutations(condition, each);
        }
        value.children().into_iter().for_each(|child| self.choices(child, each));
    }

    /// The mutations of an expression without those of its operands.
    fn own(self, expr: &Expr, each: &mut dyn FnMut(ConditionMutation, Span)) {
        let at = self.at(expr);
        for (index, variant) in self.variants(expr).into_iter().enumerate() {
            each(ConditionMutation { at, what: variant.what, index }, variant.reported);
        }
    }

    /// Applies a mutation everywhere in an expression.
    pub(super) fn apply(self, mutation: &ConditionMutation, expr: &mut Expr) {
        expr.children_mut().into_iter().for_each(|child| self.apply(mutation, child));
        if self.at(expr) != mutation.at {
            return;
        }
        let variant = self.variants(expr).into_iter().nth(mutation.index);
        if let Some(variant) = variant.filter(|variant| variant.what == mutation.what) {
            expr.kind = variant.kind;
        }
    }

    /// The text of a span on one line.
    pub(super) fn text(self, span: Span) -> String {
        let words: Vec<_> = self.ruleset.files().text(span).split_whitespace().collect();
        words.join(" ")
    }

    /// The span of the text that a mutation of this expression changes.
    fn at(self, expr: &Expr) -> Span {
        match &expr.kind {
            // The mutation removes elements from the list, which may be an argument of a call.
            ExprKind::In { list, .. } => self.origin(list.span),
            _ => self.origin(expr.span),
        }
    }

    /// The span of the text that an expression results from: for a call, the body of the condition.
    fn origin(self, span: Span) -> Span {
        let mut span = span;
        while let Some(body) = self.ruleset.typed().calls.get(&span) {
            span = *body;
        }
        span
    }

    /// The mutations of one expression, without those of its operands.
    fn variants(self, expr: &Expr) -> Vec<Variant> {
        let origin = self.origin(expr.span);
        let at = self.at(expr);
        let reported = if origin.contains(at) { origin } else { at };
        let variant = |(kind, what)| Variant { kind, what, reported };
        let mut all: Vec<Variant> = self.replaced(expr, origin).into_iter().map(variant).collect();
        let (ExprKind::And(parts) | ExprKind::Or(parts)) = &expr.kind else { return all };
        for (i, part) in parts.iter().enumerate().filter(|_| parts.len() > 1) {
            let mut fewer = parts.clone();
            fewer.remove(i);
            let kind = match &expr.kind {
                ExprKind::And(_) => ExprKind::And(fewer),
                _ => ExprKind::Or(fewer),
            };
            // The text of an argument is at the call, and differs between calls.
            let (part, reported) = match origin.contains(part.span) {
                true => (format!("`{}`", self.text(part.span)), part.span),
                false => (format!("part {} of `{}`", i + 1, self.text(origin)), origin),
            };
            all.push(Variant { kind, what: format!("{part} is removed"), reported });
        }
        all
    }

    /// The expression with another operator or constant, and the same operands.
    fn replaced(self, expr: &Expr, origin: Span) -> Vec<(ExprKind, String)> {
        let becomes = |from: &str, to: &str| format!("`{from}` becomes `{to}`");
        match &expr.kind {
            ExprKind::Const(value) => changed(value)
                .map(|changed| {
                    let what = becomes(&value.show(), &changed.show());
                    (ExprKind::Const(changed), what)
                })
                .into_iter()
                .collect(),
            ExprKind::And(parts) if parts.len() > 1 => {
                vec![(ExprKind::Or(parts.clone()), becomes("and", "or"))]
            }
            ExprKind::Or(parts) => vec![(ExprKind::And(parts.clone()), becomes("or", "and"))],
            ExprKind::Not(inner) => vec![(inner.kind.clone(), "`not` is removed".into())],
            ExprKind::Compare { op, left, right } => {
                let to = replacement(*op);
                let what = becomes(op.as_str(), to.as_str());
                let (left, right) = (left.clone(), right.clone());
                vec![(ExprKind::Compare { op: to, left, right }, what)]
            }
            ExprKind::In { item, list } => shorter(list)
                .into_iter()
                .map(|(list, what)| {
                    (ExprKind::In { item: item.clone(), list: Box::new(list) }, what)
                })
                .collect(),
            ExprKind::TextTest { op, left, right } => {
                let to = match op {
                    TextOp::Contains => TextOp::StartsWith,
                    _ => TextOp::Contains,
                };
                let (left, right) = (left.clone(), right.clone());
                let what = becomes(op.as_str(), to.as_str());
                vec![(ExprKind::TextTest { op: to, left, right }, what)]
            }
            ExprKind::Pattern { .. } => {
                let negated = ExprKind::Not(Box::new(expr.clone()));
                vec![(negated, format!("`{}` is negated", self.text(origin)))]
            }
            ExprKind::Is { value, negated, test } => {
                let what = if *negated { becomes("is not", "is") } else { becomes("is", "is not") };
                let value = value.clone();
                vec![(ExprKind::Is { value, negated: !negated, test: *test }, what)]
            }
            ExprKind::Quantifier { kind, name, list, body, frame } => {
                let to = match kind {
                    QuantifierKind::Any => QuantifierKind::All,
                    QuantifierKind::All | QuantifierKind::None => QuantifierKind::Any,
                    _ => return Vec::new(),
                };
                let what = becomes(kind.as_str(), to.as_str());
                let (name, list, body) = (name.clone(), list.clone(), body.clone());
                vec![(ExprKind::Quantifier { kind: to, name, list, body, frame: *frame }, what)]
            }
            ExprKind::If { chosen, otherwise, .. } => {
                let branch = |branch: &Expr, word| {
                    (branch.kind.clone(), format!("only the branch after `{word}` is kept"))
                };
                vec![branch(chosen, "then"), branch(otherwise, "else")]
            }
            ExprKind::Coalesce { left, .. } => {
                vec![(left.kind.clone(), "the default after `??` is removed".into())]
            }
            ExprKind::Arith { op, left, right } => {
                let to = match op {
                    ArithOp::Add => ArithOp::Sub,
                    ArithOp::Sub => ArithOp::Add,
                    ArithOp::Mul => ArithOp::Div,
                    _ => ArithOp::Mul,
                };
                let (left, right) = (left.clone(), right.clone());
                let what = becomes(op.as_str(), to.as_str());
                vec![(ExprKind::Arith { op: to, left, right }, what)]
            }
            _ => Vec::new(),
        }
    }
}

/// The operator that replaces a comparison.
fn replacement(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq => CompareOp::Ne,
        CompareOp::Ne => CompareOp::Eq,
        CompareOp::Lt => CompareOp::Le,
        CompareOp::Le => CompareOp::Lt,
        CompareOp::Gt => CompareOp::Ge,
        CompareOp::Ge => CompareOp::Gt,
    }
}

/// Another constant of the same kind.
fn changed(value: &Value<'static>) -> Option<Value<'static>> {
    Some(match value {
        Value::Bool(truth) => Value::Bool(!truth),
        Value::Number(number) => Value::Number(number.add(Number::from(1_i64))?),
        Value::String(text) if text.is_empty() => Value::String("x".into()),
        Value::String(text) => Value::String(format!("{text}-x").into()),
        _ => return None,
    })
}

/// The variants of a list with one element removed.
fn shorter(list: &Expr) -> Vec<(Expr, String)> {
    let all: Vec<Expr> = match &list.kind {
        ExprKind::List(items) => items.clone(),
        ExprKind::Const(Value::List(items)) => {
            let item = |value: &Value<'static>| Expr {
                kind: ExprKind::Const(value.clone()),
                span: list.span,
            };
            items.iter().map(item).collect()
        }
        _ => return Vec::new(),
    };
    let without = |i: usize| {
        let mut fewer = all.clone();
        let item = fewer.remove(i);
        let shown = match &item.kind {
            ExprKind::Const(value) => value.show(),
            _ => "an element".into(),
        };
        (Expr { kind: ExprKind::List(fewer), span: list.span }, format!("`{shown}` is removed"))
    };
    (0..all.len()).map(without).collect()
}
