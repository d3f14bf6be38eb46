//! The documentation of a declaration: the comment block straight above it, without what it says to
//! us.

use std::ops::Range;

/// White space that ends no line.
pub(crate) const BLANK: [char; 3] = [' ', '\t', '\u{feff}'];

/// The comment block straight above byte `at`, without its `#`s. `comments` are those of the text.
pub(crate) fn doc(text: &str, comments: &[Range<usize>], at: usize) -> Option<String> {
    let above = comments.get(..comments.partition_point(|comment| comment.start < at))?;
    let mut next = at;
    let mut lines: Vec<&str> = above
        .iter()
        .rev()
        .take_while(|comment| {
            let between = text.get(comment.end..next).unwrap_or("");
            next = comment.start;
            is_alone(text, comment.start) && is_one_line_end(between)
        })
        .filter_map(|comment| text.get(comment.start + 1..comment.end))
        .filter(|line| directive(line).is_none())
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect();
    lines.reverse();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Whether nothing but white space stands before this byte in its line.
pub(crate) fn is_alone(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or("");
    before.trim_end_matches(BLANK).chars().next_back().is_none_or(is_line_end)
}

/// Whether this is one line end, with nothing but white space around it.
pub(crate) fn is_one_line_end(text: &str) -> bool {
    matches!(text.trim_matches(BLANK), "\n" | "\r" | "\r\n")
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

/// What a comment, without its `#`, says to us and not to people: in `fuse: allow(…) because …` what
/// stands after the colon.
pub(crate) fn directive(comment: &str) -> Option<&str> {
    let said = comment.trim_start().strip_prefix("fuse:")?.trim_start();
    let word = said.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    (word.len() < said.len() && word.trim_start().starts_with('(')).then_some(said)
}
