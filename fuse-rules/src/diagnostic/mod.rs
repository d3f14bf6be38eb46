//! Problems in rules as data: a code or a lint, a severity, a message, labelled spans, help, and a
//! fix. They are rendered last: as text, JSON lines, SARIF or GitHub annotations.

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

pub use crate::span::{ColumnUnit, FileId, Files, Place, Position, SourceFile, Span};
use std::fmt;

pub use codes::{Code, UnknownCode};
pub use fix::{Edit, Fix};
pub use level::Level;
pub use lint::Lint;
pub use suggest::nearest;
pub use topic::Topic;

/// The severity of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The rules cannot be loaded, or break a rule that they must follow.
    Error,
    /// The rules can be loaded, but an author should look at them.
    Warning,
}

/// A span and a text about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The span.
    pub span: Span,
    /// The text; may be empty.
    pub text: String,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The topic: an error with a stable code, or a lint.
    pub topic: Topic,
    /// The severity.
    pub severity: Severity,
    /// The problem in one lower-case sentence without a full stop.
    pub message: String,
    /// The main span. `None` only if there is no position, such as for a file that cannot be read.
    pub label: Option<Label>,
    /// Other spans that explain the first one.
    pub related: Vec<Label>,
    /// How to fix it.
    pub help: Option<String>,
    /// The fix as a change to the text, if there is one.
    pub fix: Option<Box<Fix>>,
    /// The names that could replace an unknown one, the nearest first: for the completion of an editor. Empty
    /// for other problems.
    pub candidates: Vec<String>,
}

/// The length in bytes to which messages, labels and help are shortened.
const MAX_TEXT_BYTES: usize = 2_000;

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
            candidates: Vec::new(),
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

    /// Shortens long texts in the middle: quoted names can be megabytes long.
    fn shorten(&mut self) {
        let labels = self.label.iter_mut().chain(&mut self.related).map(|label| &mut label.text);
        let texts = labels.chain([&mut self.message]).chain(&mut self.help);
        for text in texts.filter(|text| text.len() > MAX_TEXT_BYTES) {
            let start = text.floor_char_boundary(MAX_TEXT_BYTES / 2);
            let end = text.ceil_char_boundary(text.len() - MAX_TEXT_BYTES / 4);
            text.replace_range(start..end, "…");
        }
    }

    /// Adds a fix. If there is no other help, its title is the help.
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

/// All problems of one load, with their files.
///
/// `Display` prints the text of `fuse check`, without colours.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    files: Files,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Sorts problems by file and position.
    pub(crate) fn new(files: Files, mut list: Vec<Diagnostic>) -> Self {
        for problem in &mut list {
            problem.shorten();
            let labels = problem.label.iter_mut().chain(&mut problem.related);
            let edits = problem.fix.iter_mut().flat_map(|fix| &mut fix.edits);
            let spans = labels.map(|label| &mut label.span);
            for span in spans.chain(edits.map(|edit| &mut edit.span)) {
                *span = files.at_char_boundaries(*span);
            }
        }
        list.sort_by_key(|d| (d.label.as_ref().map(|l| l.span), d.topic));
        list.dedup();
        Self { files, list }
    }

    /// Merges these problems with others of the same rules, sorted by file and position.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        // The others may come from a step that read more files. Those follow the files of the
        // rules.
        let files = if others.files.len() > self.files.len() { others.files } else { self.files };
        Self::new(files, self.list.into_iter().chain(others.list).collect())
    }

    /// The problems, sorted by file and position.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// The number of problems.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are no problems.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The files that the spans refer to.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Whether any problem is an error, so that nothing was loaded.
    pub fn has_errors(&self) -> bool {
        self.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The text for people: each problem with its lines of the file.
    pub fn to_text(&self, style: Style) -> String {
        text::text(self, style)
    }

    /// One JSON object per line: `code`, `severity`, `message`, `help`, `file`, `start` and `end`
    /// (each with `line` and `column`, from 1), `label`, `related`, `fix`.
    pub fn to_json_lines(&self) -> String {
        json::json_lines(self)
    }

    /// A log in SARIF 2.1.0, the exchange format of code scanners.
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

    /// Workflow commands with which GitHub annotates the lines of a change, one per problem.
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

/// Whether text contains terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// ASCII only, for files and logs.
    Plain,
    /// Terminal colours.
    Colour,
}
