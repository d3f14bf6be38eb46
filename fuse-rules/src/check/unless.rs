//! The `unless` of `still`: an event of its own, and the keys of the clause as expressions over this event.

use super::Checker;
use super::event_parts::EventView;
use super::names::DeclarationKind;
use super::scope::Scope;
use super::sensors::{event_name, repeated_clause};
use crate::diagnostic::{Code, Diagnostic};
use crate::path::ROOTS;
use crate::span::Span;
use crate::syntax::ast::{self, ExprKind, Text};
use crate::syntax::visit;
use crate::typed::{Expr, Unless};
use crate::types::{Known, Ty};

/// How many lists an `unless` can iterate over, one inside the other: as many as a sensor with a rule.
const MAX_EACH: usize = 2;

/// The keys of a clause as written, and as checked for the event of the rule.
type Keys<'k> = (&'k [ast::Expr], &'k [(Expr, Known)]);

impl Checker<'_> {
    /// Checks an `unless`. Without keys, those of the clause are invalid, which is reported.
    pub(super) fn unless(
        &mut self,
        unless: &ast::Unless,
        keys: Option<Keys<'_>>,
        outer: &Scope,
    ) -> Option<Unless> {
        let view = self.event_of(&unless.event);
        let mut scope = match &view {
            Some(view) => EventView::joined_scope(std::slice::from_ref(view)),
            None => Scope::with_body(Ty::any()),
        };
        if let (Some(first), Some(third)) = (unless.each.first(), unless.each.get(MAX_EACH)) {
            self.report(repeated_clause("each", third.span, first.span));
        }
        let mut declared = unless.lets.iter().peekable();
        scope.later = unless.lets.iter().map(|own| own.name.clone()).collect();
        let (mut each, mut lets) = (Vec::new(), Vec::new());
        for own in unless.each.iter().take(MAX_EACH) {
            while let Some(before) = declared.next_if(|one| one.span < own.span) {
                lets.push(self.let_clause(before, &mut scope));
            }
            each.push(self.each(own, &mut scope));
        }
        for own in declared {
            lets.push(self.let_clause(own, &mut scope));
        }
        scope.later.clear();
        let when = self.assumed(&unless.when, &mut scope).0;
        let keys = self.keys_in_unless(unless, keys?, &mut scope, outer)?;
        view?;
        let event = event_name(&unless.event);
        Some(Unless { event, each, lets, when, keys, span: unless.span })
    }

    /// The keys of the clause as expressions over the event of its `unless`.
    fn keys_in_unless(
        &mut self,
        unless: &ast::Unless,
        (written, checked): Keys<'_>,
        scope: &mut Scope,
        outer: &Scope,
    ) -> Option<Vec<Expr>> {
        let mut missing = Vec::new();
        written.iter().for_each(|key| self.unbound(key, scope, &mut Vec::new(), &mut missing));
        missing.dedup_by(|a, b| a.text == b.text);
        for name in &missing {
            let clause = match outer.let_index(&name.text) {
                Some(_) => format!("let {} = …", name.text),
                None => format!("each {} in …", name.text),
            };
            self.report(
                Diagnostic::error(
                    Code::E0513,
                    name.span,
                    format!("`{}` is not known in the `unless` of this clause", name.text),
                )
                .label("part of the key")
                .related(unless.event.span, "this event has to have the key, too")
                .help(format!(
                    "add `{clause}` after `unless {}`, so that fuse can compute the key of either event",
                    event_name(&unless.event)
                )),
            );
        }
        if !missing.is_empty() {
            return None;
        }
        // What is known about the text of a key is about the event of the rule.
        let known = std::mem::take(&mut self.known);
        let others = (std::mem::take(&mut self.calls), std::mem::take(&mut self.lets));
        let before = self.problems.len();
        let mut keys = Vec::new();
        for (key, (_, own)) in written.iter().zip(checked) {
            let (mut expr, known) = self.expr(key, scope);
            if !known.ty.is_nothing() && !known.kinds().meets(own.kinds()) {
                self.report(
                    Diagnostic::error(
                        Code::E0513,
                        key.span,
                        "this key can never be the same in the event of `unless`",
                    )
                    .label(format!(
                        "this is {} here, and {} there",
                        own.kinds(),
                        known.kinds()
                    )),
                );
            }
            // The text belongs to the key of the rule.
            set_span(&mut expr, unless.event.span);
            keys.push(expr);
        }
        let has_errors = self.has_errors_since(before);
        let problems: Vec<Diagnostic> = self.problems.drain(before..).collect();
        let related = |problem: Diagnostic| problem.related(unless.event.span, "for this event");
        self.problems.extend(problems.into_iter().map(related));
        self.known = known;
        (self.calls, self.lets) = others;
        (!has_errors).then_some(keys)
    }

    /// Adds the names that an expression reads and that the scope does not have. `bound` are those that it binds itself.
    fn unbound(
        &self,
        expr: &ast::Expr,
        scope: &Scope,
        bound: &mut Vec<String>,
        missing: &mut Vec<Text>,
    ) {
        match &expr.kind {
            ExprKind::Path { root, .. } => {
                let name = root.text.as_str();
                let is_known = ROOTS.contains(&name)
                    || bound.iter().any(|own| own == name)
                    || scope.level(name).is_some()
                    || scope.let_index(name).is_some()
                    || self.names.declaration(DeclarationKind::Const, root).is_some();
                if !is_known {
                    missing.push(root.clone());
                }
            }
            ExprKind::Quantifier { name, list, body, .. } => {
                self.unbound(list, scope, bound, missing);
                bound.push(name.text.clone());
                self.unbound(body, scope, bound, missing);
                bound.pop();
            }
            _ => visit::children(expr, &mut |child| self.unbound(child, scope, bound, missing)),
        }
    }
}

fn set_span(expr: &mut Expr, span: Span) {
    expr.span = span;
    expr.children_mut().into_iter().for_each(|child| set_span(child, span));
}
