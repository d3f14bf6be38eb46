//! Constants: each evaluated once, and standing as a value wherever it is named.

use super::Checker;
use super::expressions::broken;
use super::names::What;
use super::scope::{Place, Scope};
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::reference;
use crate::semantics;
use crate::span::Span;
use crate::syntax::ast::{self, PathStep, Text};
use crate::typed::{Expr, ExprKind, Segment};
use crate::types::{Known, Ty};
use crate::value::Value;

/// How large a constant may be, in values (64 bytes of text count as one), since each use of it
/// has a copy.
const LARGEST: usize = 10_000;
const BYTES: usize = 64;
/// How deep its lists and maps may nest: as deep as what is written.
const DEEPEST: usize = 64;

impl Checker<'_> {
    /// The value of a constant; `None` where it has none, which is reported. `sound` says whether
    /// all that it uses has a meaning.
    pub(super) fn constant(
        &mut self,
        declared: &ast::Const,
        sound: bool,
    ) -> Option<Value<'static>> {
        let before = self.problems.len();
        self.is_no_root(&declared.name);
        let mut scope = Scope::of(Place::Const);
        let (expr, _) = self.expr(&declared.value, &mut scope);
        if let Some(clock) = clock(&expr) {
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
        if !sound || self.problems.len() > before {
            return None;
        }
        let name = &declared.name.text;
        match reference::constant(&expr) {
            Err(fault) => {
                let message = format!("constant `{name}` has no value: {}", fault.reason());
                self.error(Code::E0215, expr.span, message, "this cannot be computed");
                None
            }
            Ok(value) if !fits(&value) => {
                self.report(
                    Diagnostic::error(
                        Code::E0216,
                        declared.name.span,
                        format!("constant `{name}` is too large"),
                    )
                    .label(format!("more than {LARGEST} values, or more than {DEEPEST} deep"))
                    .help("split it, or leave out what is not needed"),
                );
                None
            }
            Ok(value) => Some(value),
        }
    }

    /// What a path is that starts with a constant; `None` where no constant is called so.
    pub(super) fn constant_path(
        &mut self,
        root: &Text,
        steps: &[PathStep],
        span: Span,
    ) -> Option<(Expr, Known)> {
        let Some(index) = self.names.seen(What::Const, root) else {
            let problem = self.names.elsewhere(What::Const, root)?;
            self.report(problem);
            return Some(broken(span));
        };
        // Where it has no value, that is reported.
        let Some(value) = self.constants.get(index).cloned().flatten() else {
            return Some(broken(span));
        };
        let mut at = &value;
        for step in steps {
            let Ok(Some(part)) = at.step(&step.segment) else {
                self.leads_nowhere(root, at, step);
                return Some(broken(span));
            };
            at = part;
        }
        let known = Known::present(Ty::of_value(at));
        Some((Expr { kind: ExprKind::Const(at.clone()), span }, known))
    }

    fn leads_nowhere(&mut self, root: &Text, at: &Value<'_>, step: &PathStep) {
        let (message, help) = match (&step.segment, at) {
            (Segment::Key(key), Value::Map(map)) => (
                format!("constant `{}` has no `{key}`", root.text),
                suggest::help(key, map.iter().map(|(key, _)| key.as_ref()), "it has"),
            ),
            (Segment::Index(index), Value::List(list)) => (
                format!("constant `{}` has no element {index}", root.text),
                Some(format!("it has {}, counted from 0", list.len())),
            ),
            _ => (format!("nothing is inside of {}", at.kind()), None),
        };
        let problem = Diagnostic::error(Code::E0212, step.span, message);
        self.report(problem.label("leads nowhere").maybe_help(help));
    }
}

fn fits(value: &Value<'_>) -> bool {
    let (values, bytes) = semantics::weight(value);
    values.saturating_add(bytes / BYTES) <= LARGEST && depth(value) <= DEEPEST
}

fn depth(value: &Value<'_>) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(map) => 1 + map.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
        _ => 0,
    }
}

/// A function that is called here and asks when the event was received.
fn clock(expr: &Expr) -> Option<&'static str> {
    match &expr.kind {
        ExprKind::Call { function, .. } if function.reads_clock() => Some(function.name),
        _ => expr.children().into_iter().find_map(clock),
    }
}
