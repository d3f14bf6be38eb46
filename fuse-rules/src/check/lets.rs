//! `let`: the value takes the place of each use, so that nothing after the checker has to know about
//! names. Plans evaluate it once per frame.

use super::Checker;
use super::conditions::{MAX_CONDITION_DEPTH, MAX_CONDITION_SIZE, MAX_INLINED_SIZE};
use super::expressions::unchecked;
use super::inline::{depth, extended, shift, size};
use super::paths::{misused, segments};
use super::scope::{LetBinding, Scope};
use super::value_keys::ValueKey;
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;
use crate::syntax::ast::{self, PathStep, Text};
use crate::typed::{self, Expr, ExprKind, Path};
use crate::types::Known;

impl Checker<'_> {
    /// Binds the value of a `let` for the rest of the scope.
    pub(super) fn let_clause(&mut self, declared: &ast::Let, scope: &mut Scope) -> typed::Let {
        let name = &declared.name;
        let before = self.problems.len();
        self.uses_invalid_let = false;
        let (value, known) = self.expr(&declared.value, scope);
        let mut is_valid = !self.has_errors_since(before) && !self.uses_invalid_let;
        self.check_new(name, scope);
        let size = size(&value);
        if size > MAX_CONDITION_SIZE || depth(&value) > MAX_CONDITION_DEPTH {
            is_valid = false;
            self.report(
                Diagnostic::error(
                    Code::E0216,
                    name.span,
                    format!("`{}` is too large once the names that it uses are inlined", name.text),
                )
                .label(format!(
                    "more than {MAX_CONDITION_SIZE} parts, or nested more than {MAX_CONDITION_DEPTH} deep"
                ))
                .help("use fewer names in it, or use each of them less often"),
            );
        }
        scope.later.retain(|later| later.span != name.span);
        scope.lets.push(LetBinding {
            name: name.clone(),
            value: is_valid.then(|| value.clone()),
            known,
            size,
            bound: scope.bound.len(),
        });
        typed::Let { name: name.text.clone(), value }
    }

    /// A use of a `let`, or of a part of its value.
    pub(super) fn let_path(
        &mut self,
        index: usize,
        root: &Text,
        steps: &[PathStep],
        span: Span,
        scope: &Scope,
    ) -> (Expr, Known) {
        let declared = scope.lets.get(index);
        if let Some(declared) = declared {
            self.names.references().add(root.span, declared.name.span);
        }
        let Some(LetBinding { value: Some(value), size, bound, known, .. }) = declared else {
            self.uses_invalid_let = true;
            return unchecked(span);
        };
        let (mut value, size, bound, known) = (value.clone(), *size, *bound, known.clone());
        if !self.has_room_for(size, span) {
            return unchecked(span);
        }
        let definition = value.span;
        // The elements that the value itself binds are inside those that are bound since then.
        shift(&mut value, bound, scope.bound.len().saturating_sub(bound));
        self.lets.insert(root.span, root.text.as_str().into());
        if let ExprKind::Path(path) = value.kind {
            return self.path_with_name(path, root, steps, span, scope);
        }
        let value = Expr { span: root.span, ..value };
        if !matches!(value.kind, ExprKind::Const(_)) {
            self.calls.insert(root.span, definition);
        }
        if steps.is_empty() {
            return (value, known);
        }
        let known = scope.refined(&value, known);
        let shown = |_| root.text.as_str().into();
        let Some(known) = self.steps(known, steps, 0, &shown) else {
            return unchecked(span);
        };
        let segments = segments(steps);
        (Expr { kind: ExprKind::Access { base: Box::new(value), segments }, span }, known)
    }

    /// A use of a `let` whose value is a path.
    fn path_with_name(
        &mut self,
        path: Path,
        root: &Text,
        steps: &[PathStep],
        span: Span,
        scope: &Scope,
    ) -> (Expr, Known) {
        let (subject, inner) = (path.root, path.segments.len());
        let path = extended(path, &segments(steps));
        if let Some(problem) = misused(subject, root, &path.segments, span, scope) {
            self.report(problem);
            return unchecked(span);
        }
        // The facts may start inside the value of the `let`.
        let (from, known) = scope.start(subject, &path.segments);
        let (from, known) = match from.checked_sub(inner) {
            Some(from) => (from, known),
            None => {
                let own = path.segments.get(..inner).unwrap_or(&[]).to_vec();
                (0, scope.known(&ValueKey::Event(subject, own)))
            }
        };
        let base = |at: usize| scope.text(subject, path.segments.get(..inner + at).unwrap_or(&[]));
        let Some(known) = self.steps(known, steps.get(from..).unwrap_or(&[]), from, &base) else {
            return unchecked(span);
        };
        let name = self.text(span).into();
        self.lets.insert(span, name);
        (Expr { kind: ExprKind::Path(path), span }, known)
    }

    /// Whether the uses of `let`s may add so many nodes. The first use that may not is reported.
    fn has_room_for(&mut self, size: usize, span: Span) -> bool {
        let Some(left) = self.inline_budget else { return false };
        self.inline_budget = left.checked_sub(size);
        if self.inline_budget.is_none() {
            self.report(
                Diagnostic::error(
                    Code::E0216,
                    span,
                    "the uses of conditions and `let`s are too large in total",
                )
                .label(format!("from here on, more than {MAX_INLINED_SIZE} parts"))
                .help("use large values less often, for example in the sensor instead of in each of its rules"),
            );
        }
        self.inline_budget.is_some()
    }
}
