//! Lints as data: their names, titles, levels and pages. The checks are in `lint/`.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::Level;

/// A check for rules that are valid but probably not intended.
pub struct Lint {
    /// The name, in kebab-case. It never changes.
    pub(crate) name: &'static str,
    /// What the lint finds, in a few words: "a constant that is never used".
    pub(crate) title: &'static str,
    /// The level unless configured otherwise.
    pub(crate) level: Level,
    /// The page in Markdown.
    pub(crate) page: &'static str,
}

impl Lint {
    /// The name, as in `unused-const`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the lint finds, in a few words.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// The level unless configured otherwise.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The page in Markdown: what the lint reports and why, with an example, a fix, and when to allow it.
    ///
    /// ```
    /// let lint = fuse_rules::lint::Lint::find("unused-const").unwrap();
    /// assert!(lint.page().starts_with("# unused-const: "));
    /// ```
    pub fn page(&self) -> &'static str {
        self.page
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

// Names are unique, so they identify lints.

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
