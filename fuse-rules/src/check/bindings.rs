//! Reports names that cannot be bound.

use super::Checker;
use super::names::DeclarationKind;
use super::scope::Scope;
use crate::diagnostic::{Code, Diagnostic};
use crate::path::ROOTS;
use crate::syntax::ast::Text;

impl Checker<'_> {
    /// Reports a name that an element or a `let` already has, or that hides a root or a constant.
    pub(super) fn check_new(&mut self, name: &Text, scope: &Scope) {
        let element = scope.bound.iter().find(|first| first.name.text == name.text);
        let first = element.map(|first| (&first.name, "an element")).or_else(|| {
            let own = scope.lets.iter().find(|own| own.name.text == name.text)?;
            Some((&own.name, "a value"))
        });
        let Some((first, what)) = first else { return self.check_not_taken(name) };
        self.report(
            Diagnostic::error(
                Code::E0207,
                name.span,
                format!("`{}` already names {what} here", name.text),
            )
            .label("bound again")
            .related(first.span, "first bound here")
            .help("choose another name"),
        );
    }

    /// Reports a name that hides a root or a constant.
    pub(super) fn check_not_taken(&mut self, name: &Text) {
        self.check_not_a_root(name);
        if let Some(at) = self.names.declaration(DeclarationKind::Const, name) {
            self.report(
                Diagnostic::error(
                    Code::E0207,
                    name.span,
                    format!("`{}` already names a constant", name.text),
                )
                .label("taken")
                .related(at.span, "the constant")
                .help("choose another name"),
            );
        }
    }

    /// Reports a name that hides a root.
    pub(super) fn check_not_a_root(&mut self, name: &Text) {
        if ROOTS.contains(&name.text.as_str()) {
            self.report(
                Diagnostic::error(
                    Code::E0207,
                    name.span,
                    format!("`{}` already names a part of every event", name.text),
                )
                .label("taken")
                .help("choose another name"),
            );
        }
    }
}
