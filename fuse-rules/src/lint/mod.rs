//! Lints: what rules are better without, although they mean something. One lint is one file in
//! `lints`, with its page, its examples and its code.

mod allow;
mod context;
pub(crate) mod event_paths;
mod facts;
mod guards;
mod level;
mod lints;
pub(crate) mod outsiders;
mod page;
mod references;
mod template_calls;
mod templates;
#[cfg(test)]
pub(crate) mod tests;
mod visit;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

pub use level::Level;
pub use templates::{TemplateFile, TemplateParameter, WorkflowTemplate};

use crate::diagnostic::{Diagnostics, suggest};
use crate::ruleset::Ruleset;
use context::{Context, Findings};
use templates::Templates;

/// Something to look for in rules.
pub struct Lint {
    /// Its name, in kebab-case. It never changes.
    name: &'static str,
    /// What it finds, in a few words: "a constant that nothing uses".
    title: &'static str,
    /// What becomes of a finding where nobody says otherwise.
    level: Level,
    /// What it finds and why that matters, in Markdown.
    finds: &'static str,
    /// What to write instead, in Markdown.
    instead: &'static str,
    /// Rules in which it finds something: below each such line, `#~` and the text that is marked. The
    /// first is the example of its page.
    flags: &'static [&'static str],
    /// Rules in which it finds nothing. The first is what its page shows as the way out.
    passes: &'static [&'static str],
    look: fn(&Context<'_>, &mut Findings),
}

impl Lint {
    /// Every lint.
    ///
    /// ```
    /// use fuse_rules::Lint;
    ///
    /// assert!(Lint::all().any(|lint| lint.name() == "unused-const"));
    /// ```
    pub fn all() -> impl Iterator<Item = &'static Self> + Clone {
        lints::ALL.iter().copied()
    }

    /// The name, as in `unused-const`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it finds, in a few words.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// What becomes of a finding where nobody says otherwise.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Its page in Markdown: what it finds, why that matters, an example and what to write instead.
    ///
    /// ```
    /// let lint = fuse_rules::Lint::find("unused-const").unwrap();
    /// assert!(lint.page().starts_with("# unused-const: "));
    /// ```
    pub fn page(&self) -> String {
        page::page(self)
    }

    /// The lint of this name.
    ///
    /// # Errors
    /// There is none; the nearest is named.
    pub fn find(name: &str) -> Result<&'static Self, UnknownLint> {
        Self::all().find(|lint| lint.name == name).ok_or_else(|| {
            let near = suggest::nearest(name, Self::all().map(Self::name));
            UnknownLint { name: name.to_owned(), near }
        })
    }
}

impl fmt::Debug for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

// A lint is its name: no two have the same.

impl PartialEq for Lint {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Lint {}

impl PartialOrd for Lint {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Lint {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name.cmp(other.name)
    }
}

impl Hash for Lint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// A name that no lint has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLint {
    name: String,
    near: Option<&'static str>,
}

impl UnknownLint {
    /// The lint whose name is near.
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

/// Which lints to run, and how bad what they find is.
///
/// ```
/// use fuse_rules::{Level, Lint, Lints, Registry, Ruleset, Schema, SourceSchema};
///
/// let registry = Registry::new()
///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
///     .trigger(Schema::new("page", "Calls a human."));
/// let text = r#"source q queue { event e }
///               const most = 3
///               ## Wakes somebody up.
///               sensor s on q.e {
///                 ## Whatever happens.
///                 rule r { trigger page {} }
///               }"#;
/// let ruleset = Ruleset::load_in_detail(&["x.rules"], &|_: &str| Ok(text.into()), &registry)?;
///
/// let unused = Lint::find("unused-const").unwrap();
/// let found = Lints::none().level(unused, Level::Deny).run(&ruleset);
/// assert_eq!(found.iter().next().unwrap().message, "nothing uses the constant `most`");
/// assert!(found.has_errors());
/// # Ok::<(), fuse_rules::Diagnostics>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Lints {
    /// Those that differ from what the lints say themselves.
    levels: BTreeMap<&'static Lint, Level>,
    templates: Option<Vec<TemplateFile>>,
}

impl Lints {
    /// None of them: they are allowed.
    pub fn none() -> Self {
        Self::all_at(Level::Allow)
    }

    /// All of them at one level.
    pub fn all_at(level: Level) -> Self {
        let levels = Lint::all().map(|lint| (lint, level)).collect();
        Self { levels, templates: None }
    }

    /// Sets the level of one.
    #[must_use]
    pub fn level(mut self, lint: &'static Lint, level: Level) -> Self {
        self.levels.insert(lint, level);
        self
    }

    /// What warns becomes an error.
    #[must_use]
    pub fn deny_warnings(self) -> Self {
        self.map(|level| if level == Level::Warn { Level::Deny } else { level })
    }

    /// Only those whose findings are errors.
    #[must_use]
    pub fn only_errors(self) -> Self {
        self.map(|level| if level == Level::Deny { level } else { Level::Allow })
    }

    fn map(self, change: impl Fn(Level) -> Level) -> Self {
        let levels = Lint::all().map(|lint| (lint, change(self.level_of(lint)))).collect();
        Self { levels, ..self }
    }

    /// Holds what rules give to workflow templates against these: they are all that there are. Without
    /// them the lints about templates find nothing.
    #[must_use]
    pub fn templates(self, files: Vec<TemplateFile>) -> Self {
        Self { templates: Some(files), ..self }
    }

    /// The level at which a lint runs.
    pub fn level_of(&self, lint: &'static Lint) -> Level {
        self.levels.get(lint).copied().unwrap_or(lint.level)
    }

    /// Looks at rules that were loaded by [`Ruleset::load_in_detail`]; of others nothing is known that
    /// could be found. What a comment `# fuse: allow(…) because …` allows is left out, and so is
    /// whatever stands in the standard library.
    pub fn run(&self, ruleset: &Ruleset) -> Diagnostics {
        let mut files = ruleset.files().clone();
        let given = self.templates.as_ref();
        let templates = given.map(|given| Templates::new(given, &mut files));
        let mut problems = Vec::new();
        if let Some(context) = Context::new(ruleset, &files, templates.as_ref()) {
            for lint in Lint::all() {
                let Some(severity) = self.level_of(lint).severity() else { continue };
                let mut findings = Findings::new(lint, severity);
                (lint.look)(&context, &mut findings);
                problems.extend(findings.without_allowed(&context.allows));
            }
        }
        Diagnostics::new(files, problems)
    }
}
