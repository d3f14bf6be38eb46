//! Hides values in explanations: the values of sensitive headers and parameters, and everything
//! that they are compared with.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Compiled, EventPlan, Slot};
use crate::semantics::ops::Fault;
use crate::span::Span;
use crate::typed::{Concealed, Expr, ExprKind, Reference as _};

/// The hidden values of an event's conditions: those that come from a sensitive value, and those
/// that are compared with one.
pub(crate) struct Conceal {
    /// The paths of values that are compared with sensitive ones.
    compared: FxHashSet<Arc<str>>,
}

impl Conceal {
    /// `None` if no condition reads a sensitive value.
    pub(crate) fn from_conditions<'p>(
        conditions: impl IntoIterator<Item = &'p Expr<Slot>>,
    ) -> Option<Self> {
        let sensitive = conditions.into_iter().filter(|condition| condition.is_sensitive());
        let mut sensitive = sensitive.peekable();
        sensitive.peek()?;
        let mut compared = FxHashSet::default();
        sensitive.for_each(|condition| compare(condition, &mut compared));
        // Otherwise, nothing of the event would be shown.
        compared.remove("body");
        Some(Self { compared })
    }

    /// Whether the values and constants of an expression are hidden.
    pub(crate) fn hides(&self, expr: &Expr<Slot>) -> bool {
        match &expr.kind {
            ExprKind::Path(slot) => slot.is_sensitive() || self.is_compared(&slot.text),
            _ => expr.children().into_iter().any(|child| self.hides(child)),
        }
    }

    pub(crate) fn is_compared(&self, path: &str) -> bool {
        self.compared.iter().any(|other| is_inside(path, other) || is_inside(other, path))
    }

    /// The hidden parts of a condition's source text, each with its replacement.
    pub(crate) fn replaced(
        &self,
        plan: &Compiled,
        expr: &Expr<Slot>,
        span: Span,
        out: &mut Vec<(Span, String)>,
    ) {
        if !self.hides(expr) {
            return;
        }
        if plan.calls.contains_key(&span) {
            let text = plan.files.text(span);
            let shown = text.split_once('(').map(|(name, _)| format!("{name}(…)"));
            return out.push((span, shown.unwrap_or_else(|| text.to_owned())));
        }
        match &expr.kind {
            ExprKind::Not(inner) => self.replaced(plan, inner, inner.span, out),
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                parts.iter().for_each(|part| self.replaced(plan, part, part.span, out));
            }
            ExprKind::Quantifier { kind, list, body, .. }
                if kind.is_condition() && !self.hides(list) =>
            {
                self.replaced(plan, body, body.span, out);
            }
            _ => out.push((span, Concealed(expr).to_string())),
        }
    }
}

/// Adds the values that are compared with sensitive ones.
fn compare(expr: &Expr<Slot>, compared: &mut FxHashSet<Arc<str>>) {
    if !expr.is_sensitive() {
        return;
    }
    match &expr.kind {
        ExprKind::Not(inner) => compare(inner, compared),
        ExprKind::And(parts) | ExprKind::Or(parts) => {
            parts.iter().for_each(|part| compare(part, compared));
        }
        ExprKind::Quantifier { kind, name, list, body, .. }
            if kind.is_condition() && !list.is_sensitive() =>
        {
            let mut inner = FxHashSet::default();
            compare(body, &mut inner);
            // If an element is compared, its list would reveal it.
            if inner.iter().any(|path| is_inside(path, name)) {
                add(list, &mut inner);
            }
            compared.extend(inner);
        }
        _ => add(expr, compared),
    }
}

fn add(expr: &Expr<Slot>, compared: &mut FxHashSet<Arc<str>>) {
    expr.references(&mut |slot| {
        if !slot.is_sensitive() {
            compared.insert(Arc::clone(&slot.text));
        }
    });
}

/// Whether a path is equal to another one or continues it.
fn is_inside(path: &str, of: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Renders the expressions of one event.
#[derive(Clone, Copy)]
pub(crate) struct Show<'p> {
    plan: &'p Compiled,
    conceal: Option<&'p Conceal>,
}

impl<'p> Show<'p> {
    pub(crate) fn new(plan: &'p Compiled, event: Option<&'p EventPlan>) -> Self {
        Self { plan, conceal: event.and_then(|event| event.conceal.as_ref()) }
    }

    /// Whether the values that an expression reads, and its constants, are hidden.
    pub(crate) fn hides(&self, expr: &Expr<Slot>) -> bool {
        self.conceal.is_some_and(|conceal| conceal.hides(expr))
    }

    /// The source text of this expression, on one line.
    pub(crate) fn text(&self, expr: &Expr<Slot>, span: Span) -> String {
        let mut replaced = Vec::new();
        if let Some(conceal) = self.conceal {
            conceal.replaced(self.plan, expr, span, &mut replaced);
        }
        // Arguments of a named condition are not part of its text.
        replaced.retain(|(part, _)| span.contains(*part));
        replaced.sort_by_key(|(part, _)| *part);
        let text = |start, end| self.plan.files.text(Span { start, end, ..span });
        let mut shown = String::new();
        let mut at = span.start;
        for (part, instead) in replaced {
            if part.start >= at {
                shown.push_str(text(at, part.start));
                shown.push_str(&instead);
                at = part.end;
            }
        }
        shown.push_str(text(at, span.end));
        let shown = shown.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        shown.trim().to_owned()
    }

    /// Why an expression is unknown, in one sentence.
    pub(crate) fn reason(&self, expr: &Expr<Slot>, fault: &Fault) -> String {
        if !self.hides(expr) {
            return fault.reason();
        }
        let mut paths = Vec::new();
        expr.references(&mut |slot| paths.push(slot));
        match fault {
            // A text that is not a path can contain constants.
            Fault::Absent(path) | Fault::Unknown(path) | Fault::Null(path)
                if paths.iter().any(|slot| slot.text == *path) =>
            {
                fault.reason()
            }
            _ => {
                let sensitive = paths.iter().find(|slot| slot.is_sensitive()).or(paths.first());
                let path = sensitive.map_or("a header", |slot| &slot.text);
                format!(
                    "the reason is hidden, since the condition reads `{path}`, which may contain a secret"
                )
            }
        }
    }
}
