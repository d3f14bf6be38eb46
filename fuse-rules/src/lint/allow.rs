//! Comments that suppress lints: `# fuse: allow(LINT, …) because REASON`, directly above a
//! declaration, rule, clause or field, or at the end of its first line.

use std::cell::Cell;
use std::cmp::Reverse;
use std::ops::Range;

use rustc_hash::FxHashSet;

use super::Lint;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Files, Span};
use crate::syntax::{self, Rule, directive, is_alone, is_one_line_end};

/// The `# fuse: …` comments of all files.
#[derive(Debug, Default)]
pub(crate) struct Allows {
    pub(super) comments: Vec<AllowComment>,
}

/// A `# fuse: …` comment.
#[derive(Debug)]
pub(super) struct AllowComment {
    /// The comment, including the `#`.
    pub(super) span: Span,
    /// The names in `allow(…)`; `None` if the comment is not an `allow(…)`.
    pub(super) names: Option<Vec<AllowedName>>,
    pub(super) has_reason: bool,
    /// The item that the comment belongs to, if any.
    pub(super) target: Option<Span>,
}

/// One name in an `allow(…)`.
#[derive(Debug)]
pub(super) struct AllowedName {
    pub(super) span: Span,
    pub(super) lint: Option<&'static Lint>,
    pub(super) state: Cell<AllowState>,
}

/// Whether a name in an `allow(…)` suppresses anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AllowState {
    /// The lint did not run, or could not decide.
    Undecided,
    /// The lint ran and found nothing in the target.
    Unused,
    /// The comment suppressed a finding.
    Used,
}

impl FromIterator<Allows> for Allows {
    fn from_iter<I: IntoIterator<Item = Self>>(all: I) -> Self {
        Self { comments: all.into_iter().flat_map(|allows| allows.comments).collect() }
    }
}

impl Allows {
    /// The comments of one file.
    pub(super) fn read(file: FileId, files: &Files) -> Self {
        let text = files.get(file).map_or("", |file| file.text());
        // Fast path: most files have no such comment.
        if !text.contains("fuse:") {
            return Self::default();
        }
        let comments = syntax::comments(text);
        let targets = targets(text);
        let read = |(range, block): (&Range<usize>, usize)| {
            let range = range.clone();
            let directive = directive(text.get(range.start + 1..range.end)?)?;
            let target = if is_alone(text, range.start) {
                below(text, block, &targets)
            } else {
                beside(text, range.start, &targets)
            };
            let target = target.map(|range| Span::new(file, range));
            Some(comment(file, range, directive, target))
        };
        let blocks = blocks(text, &comments);
        Self { comments: comments.iter().zip(blocks).filter_map(read).collect() }
    }

    /// Removes the findings of a lint that a comment allows, and records which comments are used. In the
    /// inconclusive files, a comment without findings stays undecided.
    pub(super) fn filter(
        &self,
        lint: &'static Lint,
        mut problems: Vec<Diagnostic>,
        inconclusive: &FxHashSet<FileId>,
    ) -> Vec<Diagnostic> {
        let mut allowed: Vec<(Span, &AllowedName)> = Vec::new();
        for comment in &self.comments {
            allowed.extend(comment.target.zip(comment.name_of(lint)));
        }
        let conclusive = |name: &&(Span, &AllowedName)| !inconclusive.contains(&name.1.span.file);
        for (_, name) in allowed.iter().filter(conclusive) {
            name.state.set(AllowState::Unused);
        }
        // By start; outer targets before inner ones.
        allowed.sort_by_key(|(target, _)| (target.file, target.start, Reverse(target.end)));
        problems.sort_by_key(|problem| problem.label.as_ref().map(|label| label.span));
        let mut waiting = allowed.into_iter().peekable();
        let mut around: Vec<(Span, &AllowedName)> = Vec::new();
        problems.retain(|problem| {
            let Some(at) = problem.label.as_ref().map(|label| label.span) else { return true };
            let begun = |target: &Span| (target.file, target.start) <= (at.file, at.start);
            around.extend(std::iter::from_fn(|| waiting.next_if(|(target, _)| begun(target))));
            while around.pop_if(|(target, _)| !target.contains(at)).is_some() {}
            // The innermost comment suppresses the finding.
            around.last().inspect(|(_, name)| name.state.set(AllowState::Used)).is_none()
        });
        problems
    }
}

impl AllowComment {
    /// The entry for a lint.
    fn name_of(&self, lint: &'static Lint) -> Option<&AllowedName> {
        self.names.iter().flatten().find(|name| name.lint == Some(lint))
    }
}

/// Parses the directive of the comment at `range`.
fn comment(
    file: FileId,
    range: Range<usize>,
    directive: &str,
    target: Option<Span>,
) -> AllowComment {
    // The directive is the end of the comment.
    let start = range.end - directive.len();
    let inside = directive.strip_prefix("allow").and_then(|rest| {
        let rest = rest.trim_start().strip_prefix('(')?;
        rest.split_once(')')
    });
    let span = Span::new(file, range.start..start + directive.trim_end().len());
    let Some((list, after)) = inside else {
        return AllowComment { span, names: None, has_reason: true, target };
    };
    let mut at = start + (directive.len() - after.len() - 1 - list.len());
    let mut names = Vec::new();
    for piece in list.split(',') {
        let trimmed = piece.trim();
        let from = at + (piece.len() - piece.trim_start().len());
        names.push(AllowedName {
            span: Span::new(file, from..from + trimmed.len()),
            lint: Lint::find(trimmed).ok(),
            state: Cell::new(AllowState::Undecided),
        });
        at += piece.len() + 1;
    }
    let reason = after.trim().strip_prefix("because");
    let has_reason = reason
        .is_some_and(|reason| reason.starts_with(char::is_whitespace) && !reason.trim().is_empty());
    AllowComment { span, names: Some(names), has_reason, target }
}

/// The items that a comment can belong to, by start, outer items before inner ones.
fn targets(text: &str) -> Vec<Range<usize>> {
    let Some(file) = syntax::pieces(text) else { return Vec::new() };
    let is_target = |rule: Rule| {
        matches!(
            rule,
            Rule::use_decl
                | Rule::type_decl
                | Rule::const_decl
                | Rule::condition_decl
                | Rule::fuse_decl
                | Rule::limiter_decl
                | Rule::limiter_limit
                | Rule::defaults_decl
                | Rule::source_decl
                | Rule::event_decl
                | Rule::sensor_decl
                | Rule::rule_decl
                | Rule::test_decl
                | Rule::requires_clause
                | Rule::each_clause
                | Rule::let_clause
                | Rule::when_clause
                | Rule::after_clause
                | Rule::once_clause
                | Rule::during_clause
                | Rule::quiet_clause
                | Rule::still_clause
                | Rule::unless_part
                | Rule::limit_clause
                | Rule::approval_clause
                | Rule::shadow_clause
                | Rule::trigger_clause
                | Rule::reaction_clause
                | Rule::blow_clause
                | Rule::reset_clause
                | Rule::field
                | Rule::nested
                | Rule::from_pick
                | Rule::pick
                | Rule::type_field
        )
    };
    let pairs = file.into_inner().flatten().filter(|pair| is_target(pair.as_rule()));
    pairs
        .map(|pair| pair.as_span().start()..pair.as_span().start() + pair.as_str().trim_end().len())
        .collect()
}

/// For each comment, the end of the block of comments that it belongs to.
fn blocks(text: &str, comments: &[Range<usize>]) -> Vec<usize> {
    let mut ends: Vec<usize> = Vec::with_capacity(comments.len());
    let mut below: Option<(&Range<usize>, usize)> = None;
    for comment in comments.iter().rev() {
        let goes_on =
            |next: &Range<usize>| text.get(comment.end..next.start).is_some_and(is_one_line_end);
        let end = below.filter(|(next, _)| goes_on(next)).map_or(comment.end, |(_, end)| end);
        ends.push(end);
        below = Some((comment, end));
    }
    ends.reverse();
    ends
}

/// The item directly below a block of comments that ends at `end`.
fn below(text: &str, end: usize, targets: &[Range<usize>]) -> Option<Range<usize>> {
    let target = targets.get(targets.partition_point(|target| target.start < end))?;
    is_one_line_end(text.get(end..target.start)?).then(|| target.clone())
}

/// The first item that begins on the line of the comment at `at`, or the innermost item around that line.
fn beside(text: &str, at: usize, targets: &[Range<usize>]) -> Option<Range<usize>> {
    let line = text.get(..at)?.rfind(['\n', '\r']).map_or(0, |end| end + 1);
    let before = targets.partition_point(|target| target.start < at);
    let first = targets.partition_point(|target| target.start < line);
    if let Some(target) = targets.get(first..before).and_then(<[_]>::first) {
        return Some(target.clone());
    }
    let around = targets.get(..first)?.iter().rev().find(|target| target.end > line);
    around.cloned()
}
