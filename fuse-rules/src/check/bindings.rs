//! Reports names that cannot be bound.

use super::Checker;
use super::names::What;
use crate::diagnostic::{Code, Diagnostic};
use crate::path::ROOTS;
use crate::syntax::ast::Text;

impl Checker<'_> {
    /// Reports a name that hides a root or a constant.
    pub(super) fn is_free(&mut self, name: &Text) {
        self.is_no_root(name);
        if let Some(at) = self.names.declaration(What::Const, name) {
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
    pub(super) fn is_no_root(&mut self, name: &Text) {
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
