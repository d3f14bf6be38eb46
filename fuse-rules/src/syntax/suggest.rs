//! Suggestions for unknown names in the tree.

use super::{ast::Text, is_name};
use crate::diagnostic::{Diagnostic, Fix, suggest};
use crate::literals::quoted;

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
            .maybe_fix(suggest::fix(&name.text, name.span, candidates).map(as_key))
    }

    /// Adds quotes to the text of the fix, which replaces a whole string literal.
    pub(crate) fn fix_in_quotes(mut self) -> Self {
        for edit in self.fix.iter_mut().flat_map(|fix| &mut fix.edits) {
            if !edit.text.starts_with('"') {
                edit.text = quoted(&edit.text);
            }
        }
        self
    }
}

/// Adds quotes to a key that is not a name, as in `"app.kubernetes.io/name"`.
pub(crate) fn as_key(mut fix: Fix) -> Fix {
    for edit in fix.edits.iter_mut().filter(|edit| !is_name(&edit.text)) {
        edit.text = quoted(&edit.text);
    }
    fix
}
