//! Problems in rules, as data: a code or a lint, a severity, a message, places with labels, help, a
//! fix. How they look is decided last: as text, JSON lines, SARIF or annotations of GitHub.

mod codes;
pub(crate) mod fix;
mod github;
mod json;
mod level;
mod lint;
mod sarif;
pub(crate) mod suggest;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod topic;

use std::fmt;

pub use codes::{Code, UnknownCode};
pub use fix::{Edit, Fix};
pub use level::Level;
pub use lint::Lint;
pub use suggest::nearest;
pub use topic::Topic;

use crate::span::{Files, Span};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The rules cannot be loaded, or are as they must not be.
    Error,
    /// The rules can be loaded, but somebody should look.
    Warning,
}

/// A place, and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is said of it; may be empty.
    pub text: String,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it is one of: a fault with a stable code, or what a lint finds.
    pub topic: Topic,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one lower-case sentence without a full stop.
    pub message: String,
    /// Where; `None` only where there is no place, as for a file that cannot be read.
    pub label: Option<Label>,
    /// Other places that explain the first one.
    pub related: Vec<Label>,
    /// The way out.
    pub help: Option<String>,
    /// The way out as a change of the text, where there is one.
    pub fix: Option<Box<Fix>>,
}

/// The bytes of a message, a label or a help past which it is cut.
const MOST_TEXT: usize = 2_000;

impl Diagnostic {
    pub(crate) fn error(topic: impl Into<Topic>, span: Span, message: impl Into<String>) -> Self {
        let label = Some(Label { span, text: String::new() });
        Self { label, ..Self::without_place(topic, message) }
    }

    pub(crate) fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    pub(crate) fn without_place(topic: impl Into<Topic>, message: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            severity: Severity::Error,
            message: message.into(),
            label: None,
            related: Vec::new(),
            help: None,
            fix: None,
        }
    }

    pub(crate) fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = &mut self.label {
            label.text = text.into();
        }
        self
    }

    pub(crate) fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push(Label { span, text: text.into() });
        self
    }

    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    pub(crate) fn maybe_help(mut self, text: Option<String>) -> Self {
        self.help = text.or(self.help);
        self
    }

    /// Cuts what is quoted at great length in the middle: names may be megabytes long.
    fn shorten(&mut self) {
        let labels = self.label.iter_mut().chain(&mut self.related).map(|label| &mut label.text);
        let texts = labels.chain([&mut self.message]).chain(&mut self.help);
        for text in texts.filter(|text| text.len() > MOST_TEXT) {
            let start = text.floor_char_boundary(MOST_TEXT / 2);
            let end = text.ceil_char_boundary(text.len() - MOST_TEXT / 4);
            text.replace_range(start..end, "…");
        }
    }

    /// A fix; where nothing else is said of the way out, its title says it.
    pub(crate) fn fix(mut self, fix: Fix) -> Self {
        self.help.get_or_insert_with(|| fix.title.clone());
        self.fix = Some(Box::new(fix));
        self
    }

    pub(crate) fn maybe_fix(self, fix: Option<Fix>) -> Self {
        match fix {
            Some(fix) => self.fix(fix),
            None => self,
        }
    }
}

/// All problems of one load, with the files that they are in.
///
/// `Display` gives the text that `fuse check` prints, without colour.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    files: Files,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Puts problems in the order of files and places.
    pub(crate) fn new(files: Files, mut list: Vec<Diagnostic>) -> Self {
        for problem in &mut list {
            problem.shorten();
            let labels = problem.label.iter_mut().chain(&mut problem.related);
            let edits = problem.fix.iter_mut().flat_map(|fix| &mut fix.edits);
            let spans = labels.map(|label| &mut label.span);
            for span in spans.chain(edits.map(|edit| &mut edit.span)) {
                *span = files.of_whole_characters(*span);
            }
        }
        list.sort_by_key(|d| (d.label.as_ref().map(|l| l.span), d.topic));
        list.dedup();
        Self { files, list }
    }

    /// These problems and others of the same rules, in the order of files and places.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        // Whoever found the others may have looked at more files, which come after those of the rules.
        let files = if others.files.len() > self.files.len() { others.files } else { self.files };
        Self::new(files, self.list.into_iter().chain(others.list).collect())
    }

    /// The problems, in the order of files and places.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The files that the places are in.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Whether any problem is an error, so that nothing was loaded.
    pub fn has_errors(&self) -> bool {
        self.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The text for people: each problem with the lines of the file it is in.
    pub fn to_text(&self, style: Style) -> String {
        text::text(self, style)
    }

    /// One JSON object a line: `code`, `severity`, `message`, `help`, `file`, `start` and `end`
    /// (each `line` and `column`, from 1), `label`, `related`, `fix`.
    pub fn to_json_lines(&self) -> String {
        json::json_lines(self)
    }

    /// A log in the format SARIF 2.1.0, as code scanners exchange it.
    ///
    /// ```
    /// use fuse_rules::{Registry, Ruleset};
    ///
    /// let problems = Ruleset::parse("a.rules", "fuse on", &Registry::new()).unwrap_err();
    /// assert!(problems.to_sarif().contains(r#""version": "2.1.0""#));
    /// ```
    pub fn to_sarif(&self) -> String {
        sarif::sarif(self)
    }

    /// Workflow commands that make GitHub annotate the lines of a change, one a problem.
    pub fn to_github(&self) -> String {
        github::github(self)
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(Style::Plain))
    }
}

impl std::error::Error for Diagnostics {}

/// Whether text carries terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// ASCII only, for files and logs.
    Plain,
    /// Terminal colours.
    Colour,
}
