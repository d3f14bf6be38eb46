//! Splits a condition into parts at one site: the truth of each part, and its values.

use std::cell::Cell;

use super::part::{Form, Found, Part};
use crate::eval::Pooled;
use crate::eval::stack::Stack;
use crate::plan::Show;
use crate::plan::{EventPlan, Slot};
use crate::semantics::ops::Fault;
use crate::sensitive::HIDDEN;
use crate::span::Span;
use crate::typed::Concealed;
use crate::typed::{Expr, ExprKind, QuantifierKind};
use crate::value::{Value, cut_at};

/// The maximum nesting of parts: JSON readers have limits of their own.
const MAX_PART_DEPTH: usize = 32;
/// The maximum number of parts of one condition, and of elements of one list. If there are more,
/// those that decide come first.
const MAX_PARTS: usize = 24;
const MAX_ELEMENTS: usize = 3;
/// The maximum number of values that are shown for one part.
const MAX_VALUES: usize = 12;
/// The maximum length of a condition or path, in characters.
const MAX_TEXT_CHARS: usize = 240;
/// The maximum length of a reason, in characters.
const MAX_REASON_CHARS: usize = 1_000;
/// The maximum number of parts for all decisions on an event.
const MAX_TOTAL_PARTS: usize = 50_000;

/// The number of parts that can still be shown. Conditions as wholes are always shown.
pub(super) struct PartBudget(Cell<usize>);

impl Default for PartBudget {
    fn default() -> Self {
        Self::new(MAX_TOTAL_PARTS)
    }
}

impl PartBudget {
    pub(super) fn new(parts: usize) -> Self {
        Self(Cell::new(parts))
    }
}

/// Splits conditions into parts.
pub(super) struct Tree<'x> {
    plan: &'x Pooled,
    show: Show<'x>,
    budget: &'x PartBudget,
}

impl<'x> Tree<'x> {
    pub(super) fn new(
        plan: &'x Pooled,
        event: Option<&'x EventPlan>,
        budget: &'x PartBudget,
    ) -> Self {
        Self { plan, show: Show::new(plan, event), budget }
    }

    pub(super) fn part(&self, stack: &Stack<'_, '_>, expr: &Expr<Slot>) -> Part {
        self.at(stack, expr, expr.span, 0)
    }

    /// The part of an expression with this source span, at this depth of the tree.
    fn at(&self, stack: &Stack<'_, '_>, expr: &Expr<Slot>, span: Span, depth: usize) -> Part {
        let truth = stack.truth(expr);
        let mut part = Part {
            text: self.text(expr, span),
            place: self.plan.files.locate(span),
            form: Form::Test,
            element: None,
            truth: truth.as_ref().ok().copied(),
            reason: truth.err().map(|fault| self.reason(expr, &fault)),
            deciding: false,
            found: Vec::new(),
            parts: Vec::new(),
            left_out: 0,
        };
        if let Some(body) = self.plan.calls.get(&span) {
            part.form = Form::Call;
            if self.room(depth) > 0 {
                part.parts.push(self.at(stack, expr, *body, depth + 1));
            }
            return self.finished(part, 1, stack, expr);
        }
        let expr = expr.unnamed();
        match &expr.kind {
            // Expansion wraps a body that is not a condition by its form in an `and` of one part.
            ExprKind::And(parts) if let [only] = parts.as_slice() => {
                self.at(stack, only, only.span, depth)
            }
            ExprKind::Not(inner) => {
                part.form = Form::Not;
                self.with_parts(part, stack, expr, std::slice::from_ref(inner), depth)
            }
            ExprKind::And(parts) => {
                part.form = Form::And;
                self.with_parts(part, stack, expr, parts, depth)
            }
            ExprKind::Or(parts) => {
                part.form = Form::Or;
                self.with_parts(part, stack, expr, parts, depth)
            }
            ExprKind::If { condition, chosen, otherwise } => {
                part.form = Form::If;
                let mut parts: Vec<&Expr<Slot>> = vec![condition];
                if let Ok(holds) = stack.truth(condition) {
                    parts.push(if holds { chosen } else { otherwise });
                }
                self.with_parts(part, stack, expr, &parts, depth)
            }
            ExprKind::Quantifier { kind, .. } if kind.is_condition() => {
                part.form = match kind {
                    QuantifierKind::All => Form::All,
                    QuantifierKind::None => Form::None,
                    _ => Form::Any,
                };
                self.with_elements(part, stack, expr, depth)
            }
            _ => {
                part.found = self.found(stack, expr);
                part
            }
        }
    }

    fn with_parts<E: std::borrow::Borrow<Expr<Slot>>>(
        &self,
        mut part: Part,
        stack: &Stack<'_, '_>,
        expr: &Expr<Slot>,
        parts: &[E],
        depth: usize,
    ) -> Part {
        let (truth, most) = part.form.deciders(part.truth);
        let room = self.room(depth).min(MAX_PARTS);
        let all = parts.len() <= room;
        let decides = |one: &&Expr<Slot>| all || stack.truth(one).ok() == truth;
        let most = if all { room } else { room.min(most) };
        let told = parts.iter().map(E::borrow).filter(decides).take(most);
        part.parts = told.map(|one| self.at(stack, one, one.span, depth + 1)).collect();
        self.finished(part, parts.len(), stack, expr)
    }

    fn with_elements(
        &self,
        mut part: Part,
        stack: &Stack<'_, '_>,
        expr: &Expr<Slot>,
        depth: usize,
    ) -> Part {
        let ExprKind::Quantifier { kind, name, list, body, frame } = &expr.kind else {
            return part;
        };
        part.found = self.found(stack, list);
        // A value that is not a list has no elements; that is the reason then.
        let Ok(list) = stack.list(list, kind.as_str()) else { return part };
        let (truth, most) = part.form.deciders(part.truth);
        let room = self.room(depth).min(MAX_ELEMENTS);
        let all = list.len() <= room;
        let most = if all { room } else { room.min(most) };
        for i in 0..list.len() {
            if part.parts.len() == most {
                break;
            }
            let element = list.frame(stack, i, *frame);
            let stack = stack.with(&element);
            if all || stack.truth(body).ok() == truth {
                let of_element = self.at(&stack, body, body.span, depth + 1);
                let element = Some(format!("{name} {i}"));
                part.parts.push(Part { element, ..of_element });
            }
        }
        let len = list.len();
        self.finished(part, len, stack, expr)
    }

    /// The number of parts that can be shown at this depth.
    fn room(&self, depth: usize) -> usize {
        if depth < MAX_PART_DEPTH { self.budget.0.get() } else { 0 }
    }

    /// Sets how many parts are left out, and adds the values that no part shows.
    fn finished(
        &self,
        mut part: Part,
        of: usize,
        stack: &Stack<'_, '_>,
        expr: &Expr<Slot>,
    ) -> Part {
        self.budget.0.set(self.budget.0.get().saturating_sub(part.parts.len()));
        part.left_out = of.saturating_sub(part.parts.len());
        if part.parts.is_empty() && part.left_out > 0 && part.found.is_empty() {
            part.found = self.found(stack, expr);
        }
        part
    }

    fn found(&self, stack: &Stack<'_, '_>, expr: &Expr<Slot>) -> Vec<Found> {
        let hides = self.show.hides(expr);
        let mut values = Values { tree: self, stack, hides, found: Vec::new() };
        values.collect(expr);
        values.found
    }

    /// The source text, on one line.
    fn text(&self, expr: &Expr<Slot>, span: Span) -> String {
        cut_at(&self.show.text(expr, span), MAX_TEXT_CHARS).into_owned()
    }

    /// A reason, shortened if it is long.
    pub(super) fn cut_reason(&self, reason: &str) -> String {
        cut_at(reason, MAX_REASON_CHARS).into_owned()
    }

    /// Whether the text of a missing value that one of these conditions requires may be shown: it
    /// is a path, or contains no hidden constants.
    pub(super) fn may_show<'e>(
        &self,
        text: &str,
        mut conditions: impl Iterator<Item = &'e Expr<Slot>> + Clone,
    ) -> bool {
        let mut is_path = false;
        for condition in conditions.clone() {
            condition.references(&mut |slot| is_path |= *slot.text == *text);
        }
        is_path || !conditions.any(|condition| self.hides(condition))
    }

    /// Whether the values that an expression reads, and its constants, are hidden.
    pub(super) fn hides(&self, expr: &Expr<Slot>) -> bool {
        self.show.hides(expr)
    }

    /// Why an expression is unknown.
    pub(super) fn reason(&self, expr: &Expr<Slot>, fault: &Fault) -> String {
        cut_at(&self.show.reason(expr, fault), MAX_REASON_CHARS).into_owned()
    }
}

/// Collects the values of a part.
struct Values<'x, 's, 'e> {
    tree: &'x Tree<'x>,
    stack: &'x Stack<'s, 'e>,
    /// Whether the values are hidden.
    hides: bool,
    found: Vec<Found>,
}

impl Values<'_, '_, '_> {
    /// Adds the computed value of an expression, before the values from which it is computed.
    fn collect(&mut self, expr: &Expr<Slot>) {
        match &expr.kind {
            ExprKind::Quantifier { kind, .. } if kind.is_condition() => self.inputs(expr),
            ExprKind::Call { .. } | ExprKind::Quantifier { .. } => {
                // The truth of a condition is already shown by the part itself.
                if let Ok(value) = self.stack.value(expr)
                    && !matches!(*value, Value::Bool(_))
                {
                    let text = match self.hides {
                        true => Concealed(expr).to_string(),
                        false => self.tree.text(expr, expr.span),
                    };
                    self.add(&text, Some(&value));
                }
                self.inputs(expr);
            }
            ExprKind::Lookup { .. }
            | ExprKind::Named { .. }
            | ExprKind::Path(_)
            | ExprKind::Const(_) => self.inputs(expr),
            // The values of the other branch are not read.
            ExprKind::If { condition, chosen, otherwise } => {
                self.collect(condition);
                if let Ok(holds) = self.stack.truth(condition) {
                    self.collect(if holds { chosen } else { otherwise });
                }
            }
            _ => expr.children().into_iter().for_each(|child| self.collect(child)),
        }
    }

    /// Adds the values of the paths in an expression, without duplicates and without elements that
    /// are bound inside it, and the values of named constants.
    fn inputs(&mut self, expr: &Expr<Slot>) {
        if let Some(name) = self.tree.plan.lets.get(&expr.span) {
            match self.stack.value(expr) {
                Ok(value) => self.add(name, Some(&value)),
                Err(fault) if fault.is_absence() => self.add(name, None),
                Err(_) => {}
            }
        }
        match &expr.kind {
            ExprKind::Path(slot) => match self.stack.value(expr) {
                Ok(value) => self.add(&slot.text, Some(&value)),
                Err(fault) if fault.is_absence() => self.add(&slot.text, None),
                Err(_) => {}
            },
            ExprKind::Const(value) => {
                let text = self.tree.plan.files.text(expr.span);
                if is_name(text) {
                    self.add(text, Some(value));
                }
            }
            ExprKind::Quantifier { list, .. } => self.inputs(list),
            // What was found, and the key. All of a table would hide both.
            ExprKind::Lookup { base, key, .. } => {
                let value = self.stack.value(expr);
                if value.as_ref().err().is_none_or(Fault::is_absence) {
                    let text = match self.hides {
                        true => Concealed(expr).to_string(),
                        false => self.tree.text(expr, expr.span),
                    };
                    self.add(&text, value.as_deref().ok());
                }
                self.inputs(key);
                if !matches!(base.kind, ExprKind::Path(_) | ExprKind::Const(_)) {
                    self.inputs(base);
                }
            }
            _ => expr.children().into_iter().for_each(|child| self.inputs(child)),
        }
    }

    fn add(&mut self, path: &str, value: Option<&Value<'_>>) {
        let path = cut_at(path, MAX_TEXT_CHARS);
        if self.found.len() < MAX_VALUES && self.found.iter().all(|found| found.path != path) {
            let shown = |value: &Value<'_>| match self.hides {
                true => HIDDEN.to_owned(),
                false => value.show(),
            };
            self.found.push(Found { path: path.into_owned(), value: value.map(shown) });
        }
    }
}

/// Whether this is the name of a constant, not a literal.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '_' | '-' | '.'))
        && !matches!(text, "true" | "false" | "null")
}
