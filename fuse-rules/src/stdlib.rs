//! The standard library: types and conditions for the events of well-known senders, compiled into the
//! binary.

#[cfg(test)]
mod tests;

use crate::diagnostic::{Code, Diagnostic};
use crate::span::{Files, Span};
use crate::syntax::ast::Text;

const MODULES: &[(&str, &str)] = &[
    ("alertmanager", include_str!("../std/alertmanager.rules")),
    ("argocd", include_str!("../std/argocd.rules")),
    ("backstage", include_str!("../std/backstage.rules")),
    ("bitbucket", include_str!("../std/bitbucket.rules")),
    ("cloudevents", include_str!("../std/cloudevents.rules")),
    ("datadog", include_str!("../std/datadog.rules")),
    ("docker-hub", include_str!("../std/docker-hub.rules")),
    ("event-grid", include_str!("../std/event-grid.rules")),
    ("falco", include_str!("../std/falco.rules")),
    ("gitea", include_str!("../std/gitea.rules")),
    ("github", include_str!("../std/github.rules")),
    ("gitlab", include_str!("../std/gitlab.rules")),
    ("grafana", include_str!("../std/grafana.rules")),
    ("harbor", include_str!("../std/harbor.rules")),
    ("opsgenie", include_str!("../std/opsgenie.rules")),
    ("pagerduty", include_str!("../std/pagerduty.rules")),
    ("pubsub", include_str!("../std/pubsub.rules")),
    ("sentry", include_str!("../std/sentry.rules")),
    ("slack", include_str!("../std/slack.rules")),
    ("sns", include_str!("../std/sns.rules")),
];

/// The prefix of the names of its files. A file that a `use` names cannot have such a name.
const NAME_PREFIX: &str = "std:";

/// The prefix of the names of files with presets.
const PRESET_PREFIX: &str = "std:presets/";

/// The names of the modules, sorted.
///
/// ```
/// assert!(fuse_rules::stdlib::modules().any(|module| module == "github"));
/// ```
pub fn modules() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|(name, _)| *name)
}

/// The text of a module: commented declarations of types and conditions.
///
/// ```
/// let github = fuse_rules::stdlib::text("github").ok_or("there is no such module")?;
/// assert!(github.contains("condition pushed-to("));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn text(module: &str) -> Option<&'static str> {
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

/// Whether the rules cannot change the text at a span, because it is in the standard library.
pub(crate) fn contains(files: &Files, span: Span) -> bool {
    files.get(span.file).is_some_and(|file| module_of(file.name()).is_some())
}

/// The name of the file with the presets of a kind of sources.
pub(crate) fn preset_file_name(kind: &str) -> String {
    format!("{PRESET_PREFIX}{kind}")
}

/// Whether a file has the presets of a kind of sources.
pub(crate) fn is_preset(file: &str) -> bool {
    file.starts_with(PRESET_PREFIX)
}

/// Whether a module exists and declares a condition.
pub(crate) fn has_conditions(module: &str) -> bool {
    text(module).is_some_and(|text| text.lines().any(|line| line.starts_with("condition ")))
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
