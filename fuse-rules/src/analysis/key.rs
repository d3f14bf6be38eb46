//! What an expression says, as a text: expressions with one text have one truth on every event.

use std::fmt::Write as _;

use super::atom::turned;
use super::places::Id;
use crate::check::typed::{CompareOp, Expr, ExprKind, Path, QuantifierKind, Root};

/// The text of a condition, and whether the condition is the negation of what the text says.
pub(super) fn of(expr: &Expr, scope: &[Id]) -> (String, bool) {
    let mut key = Key { scope, out: String::new() };
    let negated = key.condition(expr);
    (key.out, negated)
}

/// The text of an expression.
pub(super) fn of_value(expr: &Expr, scope: &[Id]) -> String {
    let mut key = Key { scope, out: String::new() };
    key.value(expr);
    key.out
}

struct Key<'s> {
    scope: &'s [Id],
    out: String,
}

impl Key<'_> {
    fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        let _infallible = self.out.write_fmt(what);
    }

    fn condition(&mut self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Not(inner) => !self.condition(inner),
            ExprKind::Compare { op, left, right } => {
                let (op, left, right, negated) = match op {
                    CompareOp::Eq | CompareOp::Lt => (*op, left, right, false),
                    CompareOp::Ne => (CompareOp::Eq, left, right, true),
                    CompareOp::Ge => (CompareOp::Lt, left, right, true),
                    CompareOp::Gt => (turned(*op), right, left, false),
                    CompareOp::Le => (CompareOp::Lt, right, left, true),
                };
                let mut sides = [left, right].map(|side| of_value(side, self.scope));
                if op == CompareOp::Eq {
                    sides.sort();
                }
                let [first, second] = sides;
                self.tell(format_args!("({op:?} {first} {second})"));
                negated
            }
            ExprKind::Is { value, negated, test } => {
                self.tell(format_args!("(is {test:?} "));
                self.value(value);
                self.out.push(')');
                *negated
            }
            ExprKind::Quantifier { kind: QuantifierKind::None, list, body, .. } => {
                self.parts("Any", &[list, body]);
                true
            }
            _ => {
                self.value(expr);
                false
            }
        }
    }

    fn value(&mut self, expr: &Expr) {
        let children = expr.children();
        match &expr.kind {
            // The kind of a constant is part of how it is shown.
            ExprKind::Const(value) => self.tell(format_args!("{value:?}")),
            ExprKind::Path(path) => self.path(path),
            ExprKind::Access { segments, .. } => self.parts(&format!("get {segments:?}"), &children),
            ExprKind::Concat(_) => self.parts("text", &children),
            ExprKind::List(_) => self.parts("list", &children),
            ExprKind::Record(fields) => {
                let keys: Vec<_> = fields.iter().map(|field| (&field.key, field.optional)).collect();
                self.parts(&format!("record {keys:?}"), &children);
            }
            ExprKind::Call { function, .. } => self.parts(&format!("call {}", function.name), &children),
            ExprKind::Neg(_) => self.parts("-", &children),
            ExprKind::Arith { op, .. } => self.parts(&format!("{op:?}"), &children),
            ExprKind::Coalesce { .. } => self.parts("??", &children),
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
        self.tell(format_args!("({what}"));
        for part in parts {
            self.out.push(' ');
            self.value(part);
        }
        self.out.push(')');
    }

    fn path(&mut self, path: &Path) {
        match path.root {
            Root::Element(level) => {
                // What is bound inside is named by how far inside.
                let level = usize::try_from(level).unwrap_or(usize::MAX);
                match self.scope.get(level) {
                    Some(id) => self.tell(format_args!("#{}", id.0)),
                    None => self.tell(format_args!("@{}", level.saturating_sub(self.scope.len()))),
                }
            }
            root => self.tell(format_args!("{root:?}")),
        }
        self.tell(format_args!("{:?}", path.segments));
    }
}
