//! The faults of single parts of conditions, and which places of the rules one text stands for: that of a
//! named condition stands wherever the condition is called.

use crate::number::Number;
use crate::ruleset::Ruleset;
use crate::span::Span;
use crate::typed::{ArithOp, CompareOp, Expr, ExprKind, QuantifierKind, TextOp};
use crate::value::Value;

/// What a fault changes in the text of the rules: the same wherever that text stands for something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Change {
    /// Where the text stands of what is changed.
    at: Span,
    pub(super) what: String,
    /// Which it is of those of one part.
    number: usize,
}

/// A part of a condition with a fault.
struct Own {
    kind: ExprKind,
    what: String,
    /// What is told of its place.
    shown: Span,
}

/// Finds the faults of conditions and plants them.
#[derive(Clone, Copy)]
pub(super) struct Parts<'r> {
    pub(super) ruleset: &'r Ruleset,
}

impl Parts<'_> {
    /// Calls `each` with every fault of a condition, and the place that is told of it.
    pub(super) fn changes(self, expr: &Expr, each: &mut dyn FnMut(Change, Span)) {
        let at = self.at(expr);
        for (number, own) in self.own(expr).into_iter().enumerate() {
            each(Change { at, what: own.what, number }, own.shown);
        }
        expr.children().into_iter().for_each(|child| self.changes(child, each));
    }

    /// Plants a fault wherever the text that it changes stands.
    pub(super) fn plant(self, change: &Change, expr: &mut Expr) {
        expr.children_mut().into_iter().for_each(|child| self.plant(change, child));
        if self.at(expr) != change.at {
            return;
        }
        let own = self.own(expr).into_iter().nth(change.number);
        if let Some(own) = own.filter(|own| own.what == change.what) {
            expr.kind = own.kind;
        }
    }

    pub(super) fn text(self, span: Span) -> String {
        let words: Vec<_> = self.ruleset.files().text(span).split_whitespace().collect();
        words.join(" ")
    }

    /// Where the text stands that a fault of this part changes.
    fn at(self, expr: &Expr) -> Span {
        match &expr.kind {
            // Elements are left out where the list is written, which may be an argument of a call.
            ExprKind::In { list, .. } => self.origin(list.span),
            _ => self.origin(expr.span),
        }
    }

    /// Where the text stands that something means: of a call, the body of the condition.
    fn origin(self, span: Span) -> Span {
        let mut span = span;
        while let Some(body) = self.ruleset.typed().calls.get(&span) {
            span = *body;
        }
        span
    }

    /// The faults of one part, what it is made of being left as it is.
    fn own(self, expr: &Expr) -> Vec<Own> {
        let origin = self.origin(expr.span);
        let at = self.at(expr);
        let shown = if origin.contains(at) { origin } else { at };
        let own = |(kind, what)| Own { kind, what, shown };
        let mut all: Vec<Own> = self.turned(expr, origin).into_iter().map(own).collect();
        let (ExprKind::And(parts) | ExprKind::Or(parts)) = &expr.kind else { return all };
        for (i, part) in parts.iter().enumerate().filter(|_| parts.len() > 1) {
            let mut fewer = parts.clone();
            fewer.remove(i);
            let kind = match &expr.kind {
                ExprKind::And(_) => ExprKind::And(fewer),
                _ => ExprKind::Or(fewer),
            };
            // The text of an argument stands at the call, and another one at another call.
            let (part, shown) = match origin.contains(part.span) {
                true => (format!("`{}`", self.text(part.span)), part.span),
                false => (format!("part {} of `{}`", i + 1, self.text(origin)), origin),
            };
            all.push(Own { kind, what: format!("{part} is left out"), shown });
        }
        all
    }

    /// The expression with its own operator or constant changed, its parts left as they are.
    fn turned(self, expr: &Expr, origin: Span) -> Vec<(ExprKind, String)> {
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
            ExprKind::Not(inner) => vec![(inner.kind.clone(), "`not` is left out".into())],
            ExprKind::Compare { op, left, right } => {
                let to = turned(*op);
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
            ExprKind::Coalesce { left, .. } => {
                vec![(left.kind.clone(), "what stands behind `??` is left out".into())]
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

fn turned(op: CompareOp) -> CompareOp {
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

/// A list without one of its elements, for each that it has.
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
        (Expr { kind: ExprKind::List(fewer), span: list.span }, format!("`{shown}` is left out"))
    };
    (0..all.len()).map(without).collect()
}
