//! Comments that allow something: `# fuse: allow(LINT, …) because REASON`, straight above a
//! declaration, rule, clause or field, or on the first line of one.

use std::cell::Cell;
use std::cmp::Reverse;
use std::ops::Range;

use rustc_hash::FxHashSet;

use super::Lint;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Files, Span};
use crate::syntax::{self, Rule, directive, is_alone, is_one_line_end};

/// The comments of all files that say something to us.
#[derive(Debug, Default)]
pub(crate) struct Allows {
    pub(super) comments: Vec<Comment>,
}

/// A comment that says something to us.
#[derive(Debug)]
pub(super) struct Comment {
    /// Where it stands, from its `#` on.
    pub(super) span: Span,
    /// What its words are for; `None` where they are not `allow(…)`.
    pub(super) names: Option<Vec<Name>>,
    pub(super) has_reason: bool,
    /// What it is about; `None` where it stands at nothing.
    pub(super) about: Option<Span>,
}

/// One name in an `allow(…)`.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) span: Span,
    pub(super) lint: Option<&'static Lint>,
    pub(super) state: Cell<State>,
}

/// What is known of an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its lint has not run, or could not tell.
    Open,
    /// Its lint ran and had nothing to say there.
    Unused,
    Used,
}

impl FromIterator<Allows> for Allows {
    fn from_iter<I: IntoIterator<Item = Self>>(all: I) -> Self {
        Self { comments: all.into_iter().flat_map(|allows| allows.comments).collect() }
    }
}

impl Allows {
    /// Those of a file.
    pub(super) fn of(file: FileId, files: &Files) -> Self {
        let text = files.get(file).map_or("", |file| file.text());
        // Most files have none.
        if !text.contains("fuse:") {
            return Self::default();
        }
        let comments = syntax::comments(text);
        let places = places(text);
        let read = |(range, block): (&Range<usize>, usize)| {
            let range = range.clone();
            let said = directive(text.get(range.start + 1..range.end)?)?;
            let about = if is_alone(text, range.start) {
                below(text, block, &places)
            } else {
                beside(text, range.start, &places)
            };
            let about = about.map(|range| Span::new(file, range));
            Some(comment(file, range, said, about))
        };
        let blocks = blocks(text, &comments);
        Self { comments: comments.iter().zip(blocks).filter_map(read).collect() }
    }

    /// Of what a lint found, that which nothing allows. Whether it is needed is not known in files of
    /// which the lint is unsure.
    pub(super) fn filter(
        &self,
        lint: &'static Lint,
        mut problems: Vec<Diagnostic>,
        unsure_of: &FxHashSet<FileId>,
    ) -> Vec<Diagnostic> {
        let mut allowed: Vec<(Span, &Name)> = Vec::new();
        for comment in &self.comments {
            allowed.extend(comment.about.zip(comment.of(lint)));
        }
        let sure = |name: &&(Span, &Name)| !unsure_of.contains(&name.1.span.file);
        for (_, name) in allowed.iter().filter(sure) {
            name.state.set(State::Unused);
        }
        // What begins first goes first, and of what begins together the outer.
        allowed.sort_by_key(|(about, _)| (about.file, about.start, Reverse(about.end)));
        problems.sort_by_key(|problem| problem.label.as_ref().map(|label| label.span));
        let mut waiting = allowed.into_iter().peekable();
        let mut around: Vec<(Span, &Name)> = Vec::new();
        problems.retain(|problem| {
            let Some(at) = problem.label.as_ref().map(|label| label.span) else { return true };
            let begun = |about: &Span| (about.file, about.start) <= (at.file, at.start);
            around.extend(std::iter::from_fn(|| waiting.next_if(|(about, _)| begun(about))));
            while around.pop_if(|(about, _)| !about.contains(at)).is_some() {}
            // The innermost of several is the one that is needed.
            around.last().inspect(|(_, name)| name.state.set(State::Used)).is_none()
        });
        problems
    }
}

impl Comment {
    /// What it says of a lint.
    fn of(&self, lint: &'static Lint) -> Option<&Name> {
        self.names.iter().flatten().find(|name| name.lint == Some(lint))
    }
}

/// What the comment at `range` says.
fn comment(file: FileId, range: Range<usize>, said: &str, about: Option<Span>) -> Comment {
    // What is said is the end of the comment.
    let start = range.end - said.len();
    let inside = said.strip_prefix("allow").and_then(|rest| {
        let rest = rest.trim_start().strip_prefix('(')?;
        rest.split_once(')')
    });
    let span = Span::new(file, range.start..start + said.trim_end().len());
    let Some((list, after)) = inside else {
        return Comment { span, names: None, has_reason: true, about };
    };
    let mut at = start + (said.len() - after.len() - 1 - list.len());
    let mut names = Vec::new();
    for piece in list.split(',') {
        let trimmed = piece.trim();
        let from = at + (piece.len() - piece.trim_start().len());
        names.push(Name {
            span: Span::new(file, from..from + trimmed.len()),
            lint: Lint::find(trimmed).ok(),
            state: Cell::new(State::Open),
        });
        at += piece.len() + 1;
    }
    let reason = after.trim().strip_prefix("because");
    let has_reason = reason
        .is_some_and(|reason| reason.starts_with(char::is_whitespace) && !reason.trim().is_empty());
    Comment { span, names: Some(names), has_reason, about }
}

/// What can be spoken of, in the order in which it begins, the outer first.
fn places(text: &str) -> Vec<Range<usize>> {
    let Some(file) = syntax::pieces(text) else { return Vec::new() };
    let spoken_of = |rule: Rule| {
        matches!(
            rule,
            Rule::use_decl
                | Rule::type_decl
                | Rule::const_decl
                | Rule::condition_decl
                | Rule::fuse_decl
                | Rule::defaults_decl
                | Rule::source_decl
                | Rule::event_decl
                | Rule::sensor_decl
                | Rule::rule_decl
                | Rule::test_decl
                | Rule::requires_clause
                | Rule::each_clause
                | Rule::when_clause
                | Rule::once_clause
                | Rule::trigger_clause
                | Rule::field
                | Rule::nested
                | Rule::from_pick
                | Rule::pick
                | Rule::type_field
        )
    };
    let pairs = file.into_inner().flatten().filter(|pair| spoken_of(pair.as_rule()));
    pairs
        .map(|pair| pair.as_span().start()..pair.as_span().start() + pair.as_str().trim_end().len())
        .collect()
}

/// Where the block of comments ends that each comment is in.
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

/// What stands straight below a block of comments that ends at `end`.
fn below(text: &str, end: usize, places: &[Range<usize>]) -> Option<Range<usize>> {
    let place = places.get(places.partition_point(|place| place.start < end))?;
    is_one_line_end(text.get(end..place.start)?).then(|| place.clone())
}

/// What begins on the line of a comment at `at`; else the innermost of what that line is in.
fn beside(text: &str, at: usize, places: &[Range<usize>]) -> Option<Range<usize>> {
    let line = text.get(..at)?.rfind(['\n', '\r']).map_or(0, |end| end + 1);
    let before = places.partition_point(|place| place.start < at);
    let first = places.partition_point(|place| place.start < line);
    if let Some(place) = places.get(first..before).and_then(<[_]>::first) {
        return Some(place.clone());
    }
    let around = places.get(..first)?.iter().rev().find(|place| place.end > line);
    around.cloned()
}
