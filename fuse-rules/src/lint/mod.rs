//! Lints: checks for rules that are valid but probably not intended. Each lint has a file in `lints/`
//! and a page in `docs/lints/`.

mod allow;
mod computed;
mod context;
pub(crate) mod event_paths;
mod facts;
mod guards;
mod lints;
mod references;
mod template_calls;
mod templates;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod untrusted;

use std::collections::BTreeMap;
use std::fmt;

pub use crate::diagnostic::{Level, Lint};
pub(crate) use facts::shown;
pub use templates::{TemplateError, TemplateFile, TemplateParameter, WorkflowTemplate};

use crate::diagnostic::{Diagnostic, Diagnostics, suggest};
use crate::ruleset::Ruleset;
use crate::span::Files;
use crate::stdlib;
use context::{Findings, LintContext};
use templates::TemplateSet;

/// A lint with the code that checks it.
struct Pass {
    lint: Lint,
    check: fn(&LintContext<'_>, &mut Findings),
}

impl Lint {
    /// Every lint.
    ///
    /// ```
    /// use fuse_rules::lint::Lint;
    ///
    /// assert!(Lint::all().any(|lint| lint.name() == "unused-const"));
    /// ```
    pub fn all() -> impl Iterator<Item = &'static Self> + Clone {
        lints::ALL.iter().map(|pass| &pass.lint)
    }

    /// Finds a lint by name.
    ///
    /// # Errors
    /// No lint has this name. The error suggests a similar one.
    pub fn find(name: &str) -> Result<&'static Self, UnknownLint> {
        Self::all().find(|lint| lint.name == name).ok_or_else(|| {
            let near = suggest::nearest(name, Self::all().map(Self::name));
            UnknownLint { name: name.to_owned(), near }
        })
    }
}

/// The error for an unknown lint name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLint {
    name: String,
    near: Option<&'static str>,
}

impl UnknownLint {
    /// A lint with a similar name.
    pub fn near(&self) -> Option<&'static str> {
        self.near
    }
}

impl fmt::Display for UnknownLint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no lint `{}`", self.name)?;
        match self.near {
            Some(near) => write!(f, "; did you mean `{near}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownLint {}

/// The lints to run, with their levels.
///
/// ```
/// use fuse_rules::{Registry, Ruleset};
/// use fuse_rules::lint::{Level, Lint, Lints};
/// use fuse_rules::schema::{Schema, SourceSchema};
///
/// let registry = Registry::new()
///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
///     .trigger(Schema::new("page", "Pages the engineer on call."));
/// let text = r#"source q queue { event e }
///               const limit = 3
///               ## Pages someone.
///               sensor s on q.e {
///                 ## For every event.
///                 rule r { trigger page {} }
///               }"#;
/// let ruleset = Ruleset::load_in_detail(&["x.rules"], &|_: &str| Ok(text.into()), &registry)?;
///
/// let unused = Lint::find("unused-const").unwrap();
/// let found = Lints::none().level(unused, Level::Deny).run(&ruleset);
/// assert_eq!(found.iter().next().unwrap().message, "the constant `limit` is never used");
/// assert!(found.has_errors());
/// # Ok::<(), fuse_rules::Diagnostics>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Lints {
    /// Levels that differ from the default level of the lint.
    levels: BTreeMap<&'static Lint, Level>,
    templates: Option<Vec<TemplateFile>>,
}

impl Lints {
    /// No lints: all are at [`Level::Allow`].
    pub fn none() -> Self {
        Self::all_at(Level::Allow)
    }

    /// All lints at one level.
    pub fn all_at(level: Level) -> Self {
        let levels = Lint::all().map(|lint| (lint, level)).collect();
        Self { levels, templates: None }
    }

    /// Sets the level of one lint.
    #[must_use]
    pub fn level(mut self, lint: &'static Lint, level: Level) -> Self {
        self.levels.insert(lint, level);
        self
    }

    /// Turns all warnings into errors.
    #[must_use]
    pub fn deny_warnings(self) -> Self {
        self.map(|level| if level == Level::Warn { Level::Deny } else { level })
    }

    /// Keeps only the lints whose findings are errors.
    #[must_use]
    pub fn only_errors(self) -> Self {
        self.map(|level| if level == Level::Deny { level } else { Level::Allow })
    }

    fn map(self, change: impl Fn(Level) -> Level) -> Self {
        let levels = Lint::all().map(|lint| (lint, change(self.level_of(lint)))).collect();
        Self { levels, ..self }
    }

    /// Checks triggers against these workflow templates, which must be complete: a template that is not
    /// listed does not exist. Without this call, the lints about templates find nothing.
    #[must_use]
    pub fn templates(self, files: Vec<TemplateFile>) -> Self {
        Self { templates: Some(files), ..self }
    }

    /// The level of a lint.
    pub fn level_of(&self, lint: &'static Lint) -> Level {
        self.levels.get(lint).copied().unwrap_or(lint.level)
    }

    /// Checks rules that were loaded with [`Ruleset::load_in_detail`]. For other rules, it returns no
    /// findings. The result excludes findings that a comment `# fuse: allow(…) because …` allows, and
    /// findings in the standard library.
    pub fn run(&self, ruleset: &Ruleset) -> Diagnostics {
        let mut files = ruleset.files().clone();
        let templates = self.templates.as_ref();
        let templates = templates.map(|all| TemplateSet::new(all, &mut files));
        let mut problems = Vec::new();
        if let Some(context) = LintContext::new(ruleset, &files, templates.as_ref()) {
            for Pass { lint, check } in lints::ALL {
                let Some(severity) = self.level_of(lint).severity() else { continue };
                let mut findings = Findings::new(lint, severity);
                check(&context, &mut findings);
                let found = findings.without_allowed(&context.allows).into_iter();
                problems.extend(found.filter(|it| !is_of_library(&files, it)));
            }
        }
        Diagnostics::new(files, problems)
    }
}

/// Whether a finding is about the text of a condition of the standard library.
fn is_of_library(files: &Files, finding: &Diagnostic) -> bool {
    finding.label.as_ref().is_some_and(|label| stdlib::contains(files, label.span))
}
