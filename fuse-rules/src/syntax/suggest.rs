//! Suggestions for unknown names in the tree.

use super::ast::Text;
use crate::diagnostic::{Diagnostic, suggest};

impl Diagnostic {
    /// Suggests the nearest name in place of an unknown one, or lists all names.
    pub(crate) fn suggest<'a>(
        self,
        name: &Text,
        candidates: impl IntoIterator<Item = &'a str> + Clone,
        what: &str,
    ) -> Self {
        let help = suggest::help(&name.text, candidates.clone(), what);
        self.candidates(&name.text, candidates.clone())
            .maybe_help(help)
            .maybe_fix(suggest::fix(&name.text, name.span, candidates))
    }
}
