//! A layout as data, after Wadler: text with places where a line may end. A group stands on one
//! line where that fits.

use std::borrow::Cow;

/// A piece of a layout.
#[derive(Debug)]
pub(super) enum Doc<'a> {
    /// Text as it is. Only raw strings have line ends in it.
    Text(Cow<'a, str>),
    /// One text where the group around it is broken, another where it stands on one line.
    Either { broken: Cow<'a, str>, flat: &'static str },
    /// A space; nothing at the start or end of a line.
    Space,
    /// A space, or a line end where the group is broken.
    Line,
    /// Nothing, or a line end where the group is broken.
    Soft,
    /// A line end.
    Hard,
    /// A line end with an empty line after it.
    Blank,
    /// Indented once more.
    Nest(Vec<Doc<'a>>),
    /// One line where that fits and nothing in it wants a line end.
    Group { docs: Vec<Doc<'a>>, broken: bool },
    /// Never broken for its width: what stands in a string.
    Tight(Vec<Doc<'a>>),
    /// A comment on a line of its own, or more than one.
    Comment(&'a str),
    /// A comment at the end of a line that is already written.
    Trailing(&'a str),
}

/// Text as it is.
pub(super) fn text<'a>(text: impl Into<Cow<'a, str>>) -> Doc<'a> {
    Doc::Text(text.into())
}

/// Text that is only there where the group is broken.
pub(super) fn if_broken<'a>(broken: impl Into<Cow<'a, str>>) -> Doc<'a> {
    Doc::Either { broken: broken.into(), flat: "" }
}

/// A group. It is broken from the start where something in it needs a line of its own.
pub(super) fn group(docs: Vec<Doc<'_>>) -> Doc<'_> {
    let broken = docs.iter().any(needs_lines);
    Doc::Group { docs, broken }
}

fn needs_lines(doc: &Doc<'_>) -> bool {
    match doc {
        Doc::Hard | Doc::Blank | Doc::Comment(_) | Doc::Trailing(_) => true,
        Doc::Group { broken, .. } => *broken,
        Doc::Nest(docs) | Doc::Tight(docs) => docs.iter().any(needs_lines),
        Doc::Text(_) | Doc::Either { .. } | Doc::Space | Doc::Line | Doc::Soft => false,
    }
}
