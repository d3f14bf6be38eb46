//! The standard library: types of what well-known senders send, compiled in.

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

/// What the names of its files start with. No file that a `use` names can have such a name.
const PREFIX: &str = "std:";

/// The text of a module.
pub(crate) fn text(module: &str) -> Option<&'static str> {
    MODULES.iter().find(|(name, _)| *name == module).map(|(_, text)| *text)
}

/// How a module's file is called in messages.
pub(crate) fn file_name(module: &str) -> String {
    format!("{PREFIX}{module}")
}

/// The module that a file's name stands for.
pub(crate) fn module_of(file: &str) -> Option<&str> {
    file.strip_prefix(PREFIX)
}

/// The problem of a module that does not exist.
pub(crate) fn unknown(name: &Text) -> Diagnostic {
    let known = MODULES.iter().map(|(name, _)| *name);
    let message = format!("the standard library has no module `{}`", name.text);
    Diagnostic::error(Code::E0507, name.span, message).label("not known").suggest(
        name,
        known,
        "its modules are",
    )
}
