//! Narrowing: what follows for the values in a condition if the condition is true, or false.
//!
//! A comparison that is true or false implies that its operands are present, since it would be
//! unknown otherwise. A condition that is merely not true implies less, because it may be unknown.

use rustc_hash::FxHashMap;

use super::scope::Scope;
use super::value_keys::ValueKey;
use crate::typed::{CompareOp, Expr, ExprKind, IsTest, Shown};
use crate::types::{Absence, Known, Missing, Ty};
use crate::value::{Kinds, Value};

impl Scope {
    /// Assumes that a condition is true, or that it is false.
    pub(super) fn assume(&mut self, condition: &Expr, holds: bool) {
        match &condition.kind {
            ExprKind::Not(inner) => self.assume(inner, !holds),
            ExprKind::And(parts) if holds => parts.iter().for_each(|part| self.assume(part, true)),
            ExprKind::Or(parts) if !holds => parts.iter().for_each(|part| self.assume(part, false)),
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                self.assume_one_of(parts, &|scope, part| scope.assume(part, holds));
            }
            ExprKind::If { condition, chosen, otherwise } => {
                self.assume_one_of([(true, chosen), (false, otherwise)], &|scope, (is, branch)| {
                    scope.assume(condition, is);
                    scope.assume(branch, holds);
                });
            }
            ExprKind::Compare { op, left, right } => {
                self.assume_compared(left, right);
                self.assume_compared(right, left);
                match (op, holds) {
                    (CompareOp::Eq, true) | (CompareOp::Ne, false) => {
                        self.assume_equal(left, right)
                    }
                    (CompareOp::Eq, false) | (CompareOp::Ne, true) => {
                        self.assume_unequal(left, right);
                        self.assume_unequal(right, left);
                    }
                    _ => {}
                }
            }
            ExprKind::In { item, list } => {
                if holds {
                    self.assume_compared(item, list);
                } else {
                    // An empty list does not contain null.
                    self.assume_present_or_null(item);
                }
                self.assume_present(list);
                if holds
                    && let Some(key) = self.value_key(item)
                    && let Some(element) = self.known_of(list).map(|known| known.ty.element())
                {
                    let known = self.known(&key);
                    self.add_fact(key, Known::present(known.ty.equal_to(&element)));
                }
            }
            ExprKind::TextTest { left, right, .. } => {
                self.assume_kind(left, Kinds::STRING);
                self.assume_kind(right, Kinds::STRING);
            }
            ExprKind::Pattern { value, .. } => self.assume_kind(value, Kinds::STRING),
            ExprKind::Is { value, negated, test } => {
                self.assume_test(value, *test, holds != *negated)
            }
            _ => {
                self.assume_operands(condition);
                if let Some(key) = self.value_key(condition) {
                    let known = self.known(&key).present_not_null();
                    let truth = Ty::from_value(&Value::Bool(holds));
                    self.add_fact(key, Known::present(known.ty.equal_to(&truth)));
                }
            }
        }
    }

    /// Assumes that a condition does not have this truth: it has the other one, or is unknown.
    pub(super) fn assume_not(&mut self, condition: &Expr, truth: bool) {
        match &condition.kind {
            ExprKind::Not(inner) => self.assume_not(inner, !truth),
            ExprKind::And(parts) if !truth => {
                parts.iter().for_each(|part| self.assume_not(part, false));
            }
            ExprKind::Or(parts) if truth => {
                parts.iter().for_each(|part| self.assume_not(part, true));
            }
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                self.assume_one_of(parts, &|scope, part| scope.assume_not(part, truth));
            }
            _ if self.is_decided(condition) => self.assume(condition, !truth),
            _ => {}
        }
    }

    /// Whether an elementary condition is obviously never unknown.
    fn is_decided(&self, condition: &Expr) -> bool {
        let of_kind = |expr: &Expr| {
            // Computing a value may fail, even if nothing is missing.
            if !matches!(expr.kind, ExprKind::Path(_) | ExprKind::Const(_)) {
                return None;
            }
            let known = self.known_of(expr).filter(|known| known.absence == Absence::NEVER)?;
            Kinds::SINGLE.into_iter().find(|kind| known.ty.kinds().within(*kind))
        };
        match &condition.kind {
            ExprKind::Is { value, .. } => matches!(value.kind, ExprKind::Path(_)),
            ExprKind::Path(_) => of_kind(condition) == Some(Kinds::BOOL),
            ExprKind::Compare { left, right, .. } | ExprKind::TextTest { left, right, .. } => {
                of_kind(left).is_some_and(|kind| of_kind(right) == Some(kind))
            }
            ExprKind::Pattern { value, .. } => of_kind(value) == Some(Kinds::STRING),
            _ => false,
        }
    }

    /// Assumes that at least one of the conditions holds: keeps the facts that all of them imply.
    fn assume_one_of<T>(&mut self, parts: impl IntoIterator<Item = T>, so: &dyn Fn(&mut Self, T)) {
        let mut common: Option<FxHashMap<ValueKey, Known>> = None;
        for part in parts {
            let mark = self.mark();
            so(self, part);
            let mut learnt = self.facts_since(mark);
            self.restore(mark);
            common = Some(match common {
                None => learnt,
                Some(common) => common
                    .into_iter()
                    .filter_map(|(key, known)| {
                        let other = learnt.remove(&key)?;
                        Some((key, known.or(other)))
                    })
                    .collect(),
            });
        }
        let mut common: Vec<_> = common.unwrap_or_default().into_iter().collect();
        // Outer values first, so that facts about inner ones refine them.
        common.sort_by_key(|(key, _)| key.depth());
        for (key, known) in common {
            self.add_fact(key, known);
        }
    }

    /// An operand is present. It is not null either, unless the other operand may be null.
    fn assume_compared(&mut self, operand: &Expr, other: &Expr) {
        let other = self.known_of(other).map(|known| {
            let element = known.ty.element();
            known.ty.or(element)
        });
        if other.is_some_and(|ty| !ty.kinds().meets(Kinds::NULL)) {
            self.assume_present(operand);
        } else {
            self.assume_present_or_null(operand);
        }
    }

    /// The value of an expression is present and not null, and so are the values that it is made
    /// of.
    fn assume_present(&mut self, expr: &Expr) {
        if let Some(key) = self.value_key(expr) {
            let known = self.known(&key).present_not_null();
            self.add_fact(key, known);
        }
        self.assume_operands(expr);
    }

    /// An expression has a value, so the values that it is made of are present.
    fn assume_operands(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Access { base: one, .. } | ExprKind::Neg(one) => self.assume_present(one),
            ExprKind::Lookup { base, key, .. } => {
                self.assume_present(base);
                self.assume_present(key);
            }
            ExprKind::Concat(all) => all.iter().for_each(|part| self.assume_present(part)),
            ExprKind::Arith { left, right, .. } => {
                self.assume_present(left);
                self.assume_present(right);
            }
            ExprKind::Call { function, arguments, .. } => {
                for (argument, (_, takes)) in arguments.iter().zip(function.params) {
                    if !takes.meets(Kinds::NULL) {
                        self.assume_present(argument);
                    }
                }
            }
            ExprKind::Quantifier { list, .. } => self.assume_kind(list, Kinds::LIST),
            ExprKind::If { condition, chosen, otherwise } => {
                self.assume_one_of([(true, chosen), (false, otherwise)], &|scope, (is, branch)| {
                    scope.assume(condition, is);
                    scope.assume_operands(branch);
                });
            }
            _ => {}
        }
    }

    /// The value of an expression is present and of this kind.
    pub(super) fn assume_kind(&mut self, expr: &Expr, kind: Kinds) {
        self.assume_present(expr);
        if let Some(key) = self.value_key(expr) {
            let known = self.known(&key);
            self.add_fact(key, Known::present(known.ty.equal_to(&Ty::from_kinds(kind))));
        }
    }

    fn assume_equal(&mut self, left: &Expr, right: &Expr) {
        let known = |scope: &Self, expr| scope.known_of(expr).map(|known| known.ty);
        let (Some(left_ty), Some(right_ty)) = (known(self, left), known(self, right)) else {
            return;
        };
        for (expr, own, other) in [(left, &left_ty, &right_ty), (right, &right_ty, &left_ty)] {
            if let Some(key) = self.value_key(expr) {
                self.add_fact(key, Known::present(own.equal_to(other)));
            }
        }
    }

    fn assume_unequal(&mut self, expr: &Expr, other: &Expr) {
        if let (Some(key), ExprKind::Const(value)) = (self.value_key(expr), &other.kind) {
            let known = self.known(&key);
            self.add_fact(key, Known::present(known.ty.unequal_to(&Ty::from_value(value))));
        }
    }

    fn assume_test(&mut self, value: &Expr, test: IsTest, holds: bool) {
        // A value that is not missing, or is of some kind, is present.
        if holds != (test == IsTest::Missing) && test != IsTest::Null {
            self.assume_operands(value);
        }
        let Some(key) = self.value_key(value) else { return };
        let known = self.known(&key);
        let known = match (test, holds) {
            (IsTest::Missing, true) | (IsTest::Present, false) => {
                let path = match &value.kind {
                    ExprKind::Path(path) => path.text.clone(),
                    _ => Shown(value).to_string().into(),
                };
                let absence = Absence::absent(Missing::Declared(path));
                Known { ty: Ty::nothing(), absence: known.absence.max(absence) }
            }
            (IsTest::Missing, false) | (IsTest::Present, true) => Known::present(known.ty),
            (_, true) => Known::present(known.ty.tested(test, true)),
            (_, false) => Known { ty: known.ty.tested(test, false), absence: known.absence },
        };
        self.add_fact(key, known);
    }

    /// The value of an expression is present, but may be null.
    fn assume_present_or_null(&mut self, expr: &Expr) {
        if let Some(key) = self.value_key(expr) {
            let known = self.known(&key);
            self.add_fact(key, Known::present(known.ty));
        }
        self.assume_operands(expr);
    }

    /// What is known about a literal, a value of the event, or a computed value.
    fn known_of(&self, expr: &Expr) -> Option<Known> {
        match &expr.kind {
            ExprKind::Const(value) => Some(Known::present(Ty::from_value(value))),
            _ => self.value_key(expr).map(|key| self.known(&key)),
        }
    }
}
