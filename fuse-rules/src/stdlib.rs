//! The standard library: types for the events of well-known senders, compiled into the binary.

#[cfg(test)]
mod tests;

use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::Text;

const MODULES: &[(&str, &str)] = &[
    ("alertmanager", include_str!("../std/alertmanager.rules")),
    ("argocd", include_str!("../std/argocd.rules")),
    ("backstage", include_str!("../std/backstage.rules")),
    ("cloudevents", include_str!("../std/cloudevents.rules")),
    ("github", include_str!("../std/github.rules")),
];

/// The prefix of the names of its files. A file that a `use` names cannot have such a name.
const NAME_PREFIX: &str = "std:";

/// The text of a module.
pub(crate) fn text(module: &str) -> Option<&'static str> {
    MODULES.iter().find(|(name, _)| *name == module).map(|(_, text)| *text)
}

/// The name of a module's file in messages.
pub(crate) fn file_name(module: &str) -> String {
    format!("{NAME_PREFIX}{module}")
}

/// The module of a file name.
pub(crate) fn module_of(file: &str) -> Option<&str> {
    file.strip_prefix(NAME_PREFIX)
}

/// The problem of a module that does not exist.
pub(crate) fn unknown(name: &Text) -> Diagnostic {
    let known = MODULES.iter().map(|(name, _)| *name);
    let message = format!("the standard library has no module `{}`", name.text);
    Diagnostic::error(Code::E0507, name.span, message)
        .label("not known")
        .suggest(name, known, "its modules are")
        .fix_in_quotes()
}
