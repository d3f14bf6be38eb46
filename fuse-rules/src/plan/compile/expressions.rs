//! Compiles expressions and fields: slots take the place of paths.

use std::sync::Arc;

use super::{Compiler, LetPlan, Memo, Slot};
use crate::span::Span;
use crate::typed::{Expr, ExprKind, Mapped, MappedValue, RecordField, Shown};

impl Compiler<'_> {
    pub(super) fn mapped(&mut self, fields: &[Mapped]) -> Vec<Mapped<Slot>> {
        fields
            .iter()
            .map(|field| Mapped {
                name: field.name.clone(),
                key: field.key.clone(),
                optional: field.optional,
                value: match &field.value {
                    MappedValue::Expr(expr, ty) => MappedValue::Expr(self.expr(expr), ty.clone()),
                    MappedValue::Block(inner) => MappedValue::Block(self.mapped(inner)),
                },
            })
            .collect()
    }

    pub(in crate::plan) fn exprs(&mut self, exprs: &[Expr]) -> Vec<Expr<Slot>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn boxed(&mut self, expr: &Expr) -> Box<Expr<Slot>> {
        Box::new(self.expr(expr))
    }

    /// The same expression, with slots in place of paths. A use of a `let` is evaluated once per
    /// frame. In conditions, only values are: the parts of conditions are shared anyway.
    pub(in crate::plan) fn expr(&mut self, expr: &Expr) -> Expr<Slot> {
        let compiled = self.without_name(expr);
        let rules = self.rules;
        let (Some(name), Some(value)) = (rules.lets.get(&expr.span), rules.calls.get(&expr.span))
        else {
            return compiled;
        };
        if !self.in_values && expr.is_condition() {
            return compiled;
        }
        let memo = self.memo(name, &compiled, *value);
        let kind = ExprKind::Named { value: Box::new(compiled), memo };
        Expr { kind, span: expr.span }
    }

    /// Where the value of a `let` is kept, given the span of its expression.
    fn memo(&mut self, name: &Arc<str>, expr: &Expr<Slot>, span: Span) -> Memo {
        let depth = u32::try_from(self.stack.len()).unwrap_or(u32::MAX);
        let mut level = 0;
        // The elements that the expression itself binds are in none of the frames around it.
        expr.references(&mut |slot| {
            if slot.level < depth {
                level = level.max(slot.level);
            }
        });
        let next = u32::try_from(self.lets.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(span).or_insert(next);
        if number == next {
            let value = Shown(expr).to_string();
            self.lets.push(LetPlan { name: name.clone(), level, value });
            self.frames.has_lets = true;
        }
        Memo { level, number }
    }

    pub(super) fn without_name(&mut self, expr: &Expr) -> Expr<Slot> {
        let kind = match &expr.kind {
            ExprKind::Const(value) => ExprKind::Const(value.clone()),
            ExprKind::Path(path) => ExprKind::Path(self.slot(path, true)),
            ExprKind::Named { memo, .. } => match *memo {},
            ExprKind::Access { base, segments } => {
                ExprKind::Access { base: self.boxed(base), segments: segments.clone() }
            }
            ExprKind::Lookup { base, key, table } => ExprKind::Lookup {
                base: self.boxed(base),
                key: self.boxed(key),
                table: table.clone(),
            },
            ExprKind::Concat(parts) => ExprKind::Concat(self.exprs(parts)),
            ExprKind::List(items) => ExprKind::List(self.exprs(items)),
            ExprKind::Record(fields) => ExprKind::Record(
                fields
                    .iter()
                    .map(|field| RecordField {
                        key: field.key.clone(),
                        optional: field.optional,
                        value: self.expr(&field.value),
                    })
                    .collect(),
            ),
            ExprKind::Call { function, arguments, pattern } => {
                let arguments = self.exprs(arguments);
                ExprKind::Call { function, arguments, pattern: pattern.clone() }
            }
            ExprKind::Neg(inner) => ExprKind::Neg(self.boxed(inner)),
            ExprKind::Arith { op, left, right } => {
                ExprKind::Arith { op: *op, left: self.boxed(left), right: self.boxed(right) }
            }
            ExprKind::Coalesce { left, right } => {
                ExprKind::Coalesce { left: self.boxed(left), right: self.boxed(right) }
            }
            ExprKind::If { condition, chosen, otherwise } => ExprKind::If {
                condition: self.boxed(condition),
                chosen: self.boxed(chosen),
                otherwise: self.boxed(otherwise),
            },
            ExprKind::Not(inner) => ExprKind::Not(self.boxed(inner)),
            ExprKind::And(parts) => ExprKind::And(self.exprs(parts)),
            ExprKind::Or(parts) => ExprKind::Or(self.exprs(parts)),
            ExprKind::Compare { op, left, right } => {
                ExprKind::Compare { op: *op, left: self.boxed(left), right: self.boxed(right) }
            }
            ExprKind::In { item, list } => {
                ExprKind::In { item: self.boxed(item), list: self.boxed(list) }
            }
            ExprKind::TextTest { op, left, right } => {
                ExprKind::TextTest { op: *op, left: self.boxed(left), right: self.boxed(right) }
            }
            ExprKind::Pattern { value, pattern } => {
                ExprKind::Pattern { value: self.boxed(value), pattern: pattern.clone() }
            }
            ExprKind::Is { value, negated, test } => {
                ExprKind::Is { value: self.boxed(value), negated: *negated, test: *test }
            }
            ExprKind::Quantifier { kind, name, list, body, frame: () } => {
                let (list, frame) = self.bind(list);
                if kind.keeps_elements() {
                    let start = self.frames.groups.get(frame).map_or(0, |group| group.start);
                    self.frames.trie.change(start, |node| node.whole = true);
                }
                let body = self.boxed(body);
                self.stack.pop();
                let list = Box::new(list);
                ExprKind::Quantifier { kind: *kind, name: name.clone(), list, body, frame }
            }
        };
        Expr { kind, span: expr.span }
    }
}
