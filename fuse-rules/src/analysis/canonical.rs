//! Canonical texts of expressions: expressions with the same text have the same truth for every
//! event.

use std::fmt::Write as _;

use super::truths::Truths;
use super::variables::VariableId;
use crate::typed::{CompareOp, Expr, ExprKind, Path, QuantifierKind, Root};

/// The text of a condition, and what the text may mean where the condition has one of these truths.
pub(super) fn text(expr: &Expr, scope: &[VariableId], want: Truths) -> (String, Meanings) {
    let mut key = CanonicalText { scope, out: String::new() };
    let meanings = key.condition(expr, want);
    (key.out, meanings)
}

/// What a canonical text may evaluate to: a truth, or the order of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meanings(u8);

impl Meanings {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self(u8::MAX);
    const LESS: u8 = 1;
    const EQUAL: u8 = 2;
    const GREATER: u8 = 4;
    /// Values without an order that are equal, or are not.
    const SAME: u8 = 8;
    const OTHER: u8 = 16;
    const UNKNOWN: u8 = 32;

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn truths(want: Truths) -> Self {
        let parts = [(Truths::TRUE, 1), (Truths::FALSE, 2), (Truths::UNKNOWN, 4)];
        Self(parts.iter().filter(|(truth, _)| want.has(*truth)).map(|(_, bit)| bit).sum())
    }

    /// How two values compare where comparing them with `op` has one of these truths.
    fn compared(op: CompareOp, want: Truths) -> Self {
        let ordered = Self::LESS | Self::EQUAL | Self::GREATER;
        let apart = Self::SAME | Self::OTHER;
        let (holds, decided) = match op {
            CompareOp::Eq => (Self::EQUAL | Self::SAME, ordered | apart),
            CompareOp::Ne => (Self::LESS | Self::GREATER | Self::OTHER, ordered | apart),
            CompareOp::Lt => (Self::LESS, ordered),
            CompareOp::Le => (Self::LESS | Self::EQUAL, ordered),
            CompareOp::Gt => (Self::GREATER, ordered),
            CompareOp::Ge => (Self::GREATER | Self::EQUAL, ordered),
        };
        let all = ordered | apart | Self::UNKNOWN;
        let parts = [
            (Truths::TRUE, holds),
            (Truths::FALSE, decided & !holds),
            (Truths::UNKNOWN, all & !decided),
        ];
        let wanted = parts.iter().filter(|(truth, _)| want.has(*truth));
        Self(wanted.fold(0, |all, (_, bits)| all | bits))
    }
}

/// The text of an expression.
pub(super) fn value_text(expr: &Expr, scope: &[VariableId]) -> String {
    let mut key = CanonicalText { scope, out: String::new() };
    key.value(expr);
    key.out
}

struct CanonicalText<'s> {
    scope: &'s [VariableId],
    out: String,
}

impl CanonicalText<'_> {
    fn push_text(&mut self, what: std::fmt::Arguments<'_>) {
        let _infallible = self.out.write_fmt(what);
    }

    fn condition(&mut self, expr: &Expr, want: Truths) -> Meanings {
        match &expr.kind {
            ExprKind::Not(inner) => self.condition(inner, want.negated()),
            ExprKind::Compare { op, left, right } => {
                let sides = [left, right].map(|side| value_text(side, self.scope));
                let [left, right] = &sides;
                let (op, first, second) =
                    if left <= right { (*op, left, right) } else { (op.turned(), right, left) };
                self.push_text(format_args!("(compare {first} {second})"));
                Meanings::compared(op, want)
            }
            ExprKind::Is { value, negated, test } => {
                self.push_text(format_args!("(is {test:?} "));
                self.value(value);
                self.out.push(')');
                Meanings::truths(want.negated_if(*negated))
            }
            ExprKind::Quantifier { kind: QuantifierKind::None, list, body, .. } => {
                self.parts("Any", &[list, body]);
                Meanings::truths(want.negated())
            }
            _ => {
                self.value(expr);
                Meanings::truths(want)
            }
        }
    }

    fn value(&mut self, expr: &Expr) {
        let children = expr.children();
        match &expr.kind {
            // The text of a constant includes its kind.
            ExprKind::Const(value) => self.push_text(format_args!("{value:?}")),
            ExprKind::Path(path) => self.path(path),
            ExprKind::Named { memo, .. } => match *memo {},
            ExprKind::Access { segments, .. } => {
                self.parts(&format!("get {segments:?}"), &children)
            }
            ExprKind::Lookup { .. } => self.parts("lookup", &children),
            ExprKind::Concat(_) => self.parts("text", &children),
            ExprKind::List(_) => self.parts("list", &children),
            ExprKind::Record(fields) => {
                let keys: Vec<_> =
                    fields.iter().map(|field| (&field.key, field.optional)).collect();
                self.parts(&format!("record {keys:?}"), &children);
            }
            ExprKind::Call { function, .. } => {
                self.parts(&format!("call {}", function.name), &children)
            }
            ExprKind::Neg(_) => self.parts("-", &children),
            ExprKind::Arith { op, .. } => self.parts(&format!("{op:?}"), &children),
            ExprKind::Coalesce { .. } => self.parts("??", &children),
            ExprKind::If { .. } => self.parts("if", &children),
            ExprKind::Not(_) => self.parts("not", &children),
            ExprKind::And(_) => self.parts("and", &children),
            ExprKind::Or(_) => self.parts("or", &children),
            ExprKind::Compare { op, .. } => self.parts(&format!("{op:?}"), &children),
            ExprKind::In { .. } => self.parts("in", &children),
            ExprKind::TextTest { op, .. } => self.parts(&format!("{op:?}"), &children),
            ExprKind::Pattern { pattern, .. } => {
                self.parts(&format!("{:?} {:?}", pattern.op, pattern.source), &children);
            }
            ExprKind::Is { negated, test, .. } => {
                self.parts(&format!("is {negated} {test:?}"), &children);
            }
            ExprKind::Quantifier { kind, .. } => self.parts(&format!("{kind:?}"), &children),
        }
    }

    fn parts(&mut self, what: &str, parts: &[&Expr]) {
        self.push_text(format_args!("({what}"));
        for part in parts {
            self.out.push(' ');
            self.value(part);
        }
        self.out.push(')');
    }

    fn path(&mut self, path: &Path) {
        match path.root {
            Root::Element(level) => {
                // Elements that the expression itself binds are numbered from its outside in.
                let level = usize::try_from(level).unwrap_or(usize::MAX);
                match self.scope.get(level) {
                    Some(id) => self.push_text(format_args!("#{}", id.0)),
                    None => {
                        self.push_text(format_args!("@{}", level.saturating_sub(self.scope.len())))
                    }
                }
            }
            root => self.push_text(format_args!("{root:?}")),
        }
        self.push_text(format_args!("{:?}", path.segments));
    }
}
