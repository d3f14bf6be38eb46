//! Rules files, spans in them, and lines and columns for people.

mod columns;

use std::ops::Range;
use std::sync::Arc;

pub use columns::{ColumnUnit, Position};

/// The id of a loaded file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(crate) u32);

/// A range of bytes in one file. Files are at most 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    pub(crate) fn new(file: FileId, range: Range<usize>) -> Self {
        let cut = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { file, start: cut(range.start), end: cut(range.end) }
    }

    /// The bytes as a range of indices into the file's text.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The smallest span that covers both, which must be in the same file.
    pub(crate) fn to(self, other: Self) -> Self {
        Self { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Whether the other span lies within this one.
    pub(crate) fn contains(self, other: Self) -> bool {
        self.file == other.file && self.to(other) == self
    }
}

/// A line and a column, both from 1; the column counts characters, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The character within the line, from 1.
    pub column: usize,
}

/// A rules file: its display name and its text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    name: String,
    text: String,
    /// The first byte of each line.
    lines: Vec<usize>,
}

impl SourceFile {
    fn new(name: String, text: String) -> Self {
        let after_newlines =
            text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        let lines = std::iter::once(0).chain(after_newlines).collect();
        Self { name, text, lines }
    }

    /// The file's name, as given to the loader.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line and column of a byte. A byte past the end has the position of the end.
    pub fn place(&self, offset: usize) -> Place {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|i| self.lines.get(i)).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        Place { line, column: column + 1 }
    }
}

/// A range of complete lines of a file.
pub(crate) struct Lines {
    /// The number of the first line, from 1.
    pub(crate) first: usize,
    /// The first byte.
    pub(crate) offset: usize,
}

impl SourceFile {
    /// The complete lines from the line of byte `start` to the line of byte `end`, with their text.
    pub(crate) fn lines(&self, start: Option<usize>, end: Option<usize>) -> Option<(Lines, &str)> {
        let first = self.place(start?).line;
        let offset = *self.lines.get(first - 1)?;
        let last = self.place(end?).line;
        let until = self.lines.get(last).copied().unwrap_or(self.text.len());
        Some((Lines { first, offset }, self.text.get(offset..until)?))
    }
}

/// The files of one load, shared by everything that refers to spans in them.
#[derive(Clone, Debug, Default)]
pub struct Files {
    files: Arc<Vec<SourceFile>>,
}

impl Files {
    pub(crate) fn add(&mut self, name: String, text: String) -> FileId {
        let files = Arc::make_mut(&mut self.files);
        files.push(SourceFile::new(name, text));
        FileId(u32::try_from(files.len() - 1).unwrap_or(u32::MAX))
    }

    /// The id of the file with this name.
    pub fn find(&self, name: &str) -> Option<FileId> {
        self.ids().find(|(_, file)| file.name() == name).map(|(id, _)| id)
    }

    /// The file with this id.
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// The span, widened to complete characters.
    pub(crate) fn at_char_boundaries(&self, span: Span) -> Span {
        let Some(file) = self.get(span.file) else { return span };
        let range = span.range();
        let start = file.text.floor_char_boundary(range.start);
        let end = file.text.ceil_char_boundary(range.end).max(start);
        Span::new(span.file, start..end)
    }

    /// The text of a span; empty if there is no such span.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.file).and_then(|file| file.text.get(span.range())).unwrap_or("")
    }

    /// The start of a span, as `file:line:column`.
    pub fn locate(&self, span: Span) -> String {
        self.get(span.file).map_or_else(String::new, |file| {
            let place = file.place(span.start as usize);
            format!("{}:{}:{}", file.name, place.line, place.column)
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// All files with their ids, in the order in which they were read.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        (0..).map(FileId).zip(self.files.iter())
    }

    /// All files, in the order in which they were read.
    pub fn iter(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let file = SourceFile::new("x".into(), "ab\nçd\n".into());
        let at = |offset| {
            let place = file.place(offset);
            (place.line, place.column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(3), (2, 1));
        assert_eq!(at(5), (2, 2), "two bytes, one character");
        assert_eq!(at(7), (3, 1));
        assert_eq!(at(99), (3, 1), "past the end is the end");
    }
}
