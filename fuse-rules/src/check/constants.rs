//! Constants: each is evaluated once, and inlined wherever it is named.

use super::Checker;
use super::expressions::unchecked;
use super::names::DeclarationKind;
use super::scope::{Scope, ScopeKind};
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::reference;
use crate::semantics;
use crate::span::Span;
use crate::syntax::ast::{self, PathStep, Text};
use crate::typed::{Expr, ExprKind, Segment};
use crate::types::{Known, Ty};
use crate::value::Value;

/// The maximum size of a constant, in values (64 bytes of text count as one). Each use has a copy.
const MAX_CONSTANT_SIZE: usize = 10_000;
const BYTES_PER_VALUE: usize = 64;
/// The maximum depth of its lists and maps, the same as for source text.
const MAX_CONSTANT_DEPTH: usize = 64;

impl Checker<'_> {
    /// The value of a constant; `None` if it is invalid, which is reported. `uses_are_valid` is whether
    /// everything that it uses is valid.
    pub(super) fn constant(
        &mut self,
        declared: &ast::Const,
        uses_are_valid: bool,
    ) -> Option<Value<'static>> {
        let before = self.problems.len();
        self.check_not_a_root(&declared.name);
        let mut scope = Scope::without_event(ScopeKind::Const);
        let (expr, _) = self.expr(&declared.value, &mut scope);
        if let Some(clock) = clock_function(&expr) {
            self.report(
                Diagnostic::error(
                    Code::E0215,
                    expr.span,
                    format!("`{clock}` depends on when an event is received"),
                )
                .label("this has no value without an event")
                .help(format!("call `{clock}` where the constant is used")),
            );
        }
        if !uses_are_valid || self.problems.len() > before {
            return None;
        }
        let name = &declared.name.text;
        match reference::constant(&expr) {
            Err(fault) => {
                let message = format!("constant `{name}` has no value: {}", fault.reason());
                self.error(Code::E0215, expr.span, message, "this cannot be computed");
                None
            }
            Ok(value) if !is_small_enough(&value) => {
                self.report(
                    Diagnostic::error(
                        Code::E0216,
                        declared.name.span,
                        format!("constant `{name}` is too large"),
                    )
                    .label(format!(
                        "more than {MAX_CONSTANT_SIZE} values, or nested more than {MAX_CONSTANT_DEPTH} deep"
                    ))
                    .help("split it, or leave out what is not needed"),
                );
                None
            }
            Ok(value) => Some(value),
        }
    }

    /// The value of a path that starts with a constant; `None` if there is no constant of this
    /// name.
    pub(super) fn constant_path(
        &mut self,
        root: &Text,
        steps: &[PathStep],
        span: Span,
    ) -> Option<(Expr, Known)> {
        let Some(index) = self.names.seen(DeclarationKind::Const, root) else {
            let problem = self.names.not_visible(DeclarationKind::Const, root)?;
            self.report(problem);
            return Some(unchecked(span));
        };
        // An invalid constant is reported at its declaration.
        let Some(value) = self.constants.get(index).cloned().flatten() else {
            return Some(unchecked(span));
        };
        let mut at = &value;
        for step in steps {
            let Ok(Some(part)) = at.step(&step.segment) else {
                self.report_no_such_part(root, at, step);
                return Some(unchecked(span));
            };
            at = part;
        }
        let known = Known::present(Ty::from_value(at));
        Some((Expr { kind: ExprKind::Const(at.clone()), span }, known))
    }

    fn report_no_such_part(&mut self, root: &Text, at: &Value<'_>, step: &PathStep) {
        let (message, help) = match (&step.segment, at) {
            (Segment::Key(key), Value::Map(map)) => (
                format!("constant `{}` has no `{key}`", root.text),
                suggest::help(key, map.iter().map(|(key, _)| key.as_ref()), "it has"),
            ),
            (Segment::Index(index), Value::List(list)) => (
                format!("constant `{}` has no element {index}", root.text),
                Some(format!("it has {}, counted from 0", list.len())),
            ),
            _ => (format!("{} has no fields or elements", at.kind()), None),
        };
        let problem = Diagnostic::error(Code::E0212, step.span, message);
        self.report(problem.label("does not exist").maybe_help(help));
    }
}

fn is_small_enough(value: &Value<'_>) -> bool {
    let (values, bytes) = semantics::weight(value);
    values.saturating_add(bytes / BYTES_PER_VALUE) <= MAX_CONSTANT_SIZE
        && depth(value) <= MAX_CONSTANT_DEPTH
}

fn depth(value: &Value<'_>) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(map) => 1 + map.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
        _ => 0,
    }
}

/// A function in this expression that depends on the time of the event.
fn clock_function(expr: &Expr) -> Option<&'static str> {
    match &expr.kind {
        ExprKind::Call { function, .. } if function.reads_clock() => Some(function.name),
        _ => expr.children().into_iter().find_map(clock_function),
    }
}
