//! A layout as data, after Wadler: text with possible line breaks. A group is printed on one line
//! if it fits.

use std::borrow::Cow;

/// A node of a layout.
#[derive(Debug)]
pub(super) enum Doc<'a> {
    /// Literal text without line ends.
    Text(Cow<'a, str>),
    /// One text if the enclosing group is broken, another if it is on one line.
    Either { broken: Cow<'a, str>, flat: &'static str },
    /// A space; nothing at the start or end of a line.
    Space,
    /// A space, or a line end if the group is broken.
    Line,
    /// Nothing, or a line end if the group is broken.
    Soft,
    /// A line end.
    Hard,
    /// A line end followed by an empty line.
    Blank,
    /// One more level of indentation.
    Nest(Vec<Doc<'a>>),
    /// Printed on one line if it fits and contains no line end.
    Group { docs: Vec<Doc<'a>>, broken: bool },
    /// Never broken to fit the line: the content of a string.
    Tight(Vec<Doc<'a>>),
    /// A text block: never broken to fit the line, and indented relative to its first line.
    TextBlock(Vec<Doc<'a>>),
    /// A line break in a text block, with the white space that the next line has beyond the
    /// indentation; `None` before an empty line.
    BlockBreak(Option<&'a str>),
    /// One or more comments on their own lines.
    Comment(&'a str),
    /// A comment at the end of the current line.
    Trailing(&'a str),
}

/// Literal text.
pub(super) fn text<'a>(text: impl Into<Cow<'a, str>>) -> Doc<'a> {
    Doc::Text(text.into())
}

/// Text that is only printed if the group is broken.
pub(super) fn if_broken<'a>(broken: impl Into<Cow<'a, str>>) -> Doc<'a> {
    Doc::Either { broken: broken.into(), flat: "" }
}

/// A group. It is broken from the start if anything in it needs its own line.
pub(super) fn group(docs: Vec<Doc<'_>>) -> Doc<'_> {
    let broken = docs.iter().any(needs_lines);
    Doc::Group { docs, broken }
}

fn needs_lines(doc: &Doc<'_>) -> bool {
    match doc {
        Doc::Hard | Doc::Blank | Doc::Comment(_) | Doc::Trailing(_) => true,
        Doc::Group { broken, .. } => *broken,
        Doc::Nest(docs) | Doc::Tight(docs) | Doc::TextBlock(docs) => docs.iter().any(needs_lines),
        Doc::Text(_)
        | Doc::Either { .. }
        | Doc::Space
        | Doc::Line
        | Doc::Soft
        | Doc::BlockBreak(_) => false,
    }
}
