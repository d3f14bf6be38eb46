//! Extracts the documentation of a declaration: the comment block directly above it, without
//! directives.

use std::ops::Range;

/// White space other than line ends.
pub(crate) const BLANK: [char; 3] = [' ', '\t', '\u{feff}'];

/// The comment block directly above byte `at`, without the `#`s. `comments` are the comments of the
/// text.
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

/// Whether only white space precedes this byte on its line.
pub(crate) fn is_alone(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or("");
    before.trim_end_matches(BLANK).chars().next_back().is_none_or(is_line_end)
}

/// Whether the text is exactly one line end, surrounded only by white space.
pub(crate) fn is_one_line_end(text: &str) -> bool {
    matches!(text.trim_matches(BLANK), "\n" | "\r" | "\r\n")
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

/// The directive in a comment (without its `#`): in `fuse: allow(…) because …`, the text after the
/// colon.
pub(crate) fn directive(comment: &str) -> Option<&str> {
    let said = comment.trim_start().strip_prefix("fuse:")?.trim_start();
    let word = said.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    (word.len() < said.len() && word.trim_start().starts_with('(')).then_some(said)
}
