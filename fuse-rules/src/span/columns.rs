//! Positions in the units that editors use.

use super::SourceFile;

/// The unit in which the columns of a [`Position`] count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnUnit {
    /// Bytes of UTF-8.
    Utf8,
    /// Code units of UTF-16: the default of the Language Server Protocol.
    Utf16,
    /// Characters (Unicode scalar values).
    Characters,
}

/// A line and a column, both from 0, as in the Language Server Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 0.
    pub line: usize,
    /// The column, from 0, in a [`ColumnUnit`].
    pub column: usize,
}

impl ColumnUnit {
    fn len(self, text: &str) -> usize {
        match self {
            Self::Utf8 => text.len(),
            Self::Utf16 => text.encode_utf16().count(),
            Self::Characters => text.chars().count(),
        }
    }

    fn len_of(self, character: char) -> usize {
        match self {
            Self::Utf8 => character.len_utf8(),
            Self::Utf16 => character.len_utf16(),
            Self::Characters => 1,
        }
    }
}

impl SourceFile {
    /// The position of a byte. An offset inside a character counts as the start of that character, and one
    /// past the end as the end.
    ///
    /// ```
    /// use fuse_rules::diagnostic::{ColumnUnit, Position};
    /// use fuse_rules::{Registry, Ruleset};
    ///
    /// let ruleset = Ruleset::parse("a.rules", "const a = \"🔥\" # hot", &Registry::new())?;
    /// let file = ruleset.files().iter().next().unwrap();
    /// let hash = file.text().find('#').unwrap();
    /// assert_eq!(file.position(hash, ColumnUnit::Utf8), Position { line: 0, column: 17 });
    /// assert_eq!(file.position(hash, ColumnUnit::Utf16), Position { line: 0, column: 15 });
    /// assert_eq!(file.position(hash, ColumnUnit::Characters), Position { line: 0, column: 14 });
    /// # Ok::<(), fuse_rules::Diagnostics>(())
    /// ```
    pub fn position(&self, offset: usize, unit: ColumnUnit) -> Position {
        let offset = self.text.floor_char_boundary(offset.min(self.text.len()));
        let line = self.lines.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or(0);
        Position { line, column: unit.len(self.text.get(start..offset).unwrap_or_default()) }
    }

    /// The byte at a position: the reverse of [`position`](Self::position). A column inside a character counts
    /// as the start of that character, and one past the end of the line as its end. `None` if there is no
    /// such line.
    pub fn offset(&self, position: Position, unit: ColumnUnit) -> Option<usize> {
        let start = *self.lines.get(position.line)?;
        let end = self.lines.get(position.line + 1).copied().unwrap_or(self.text.len());
        let line = self.text.get(start..end)?;
        let line = line.strip_suffix('\n').unwrap_or(line);
        let mut column = 0;
        for (at, character) in line.char_indices() {
            column += unit.len_of(character);
            if column > position.column {
                return Some(start + at);
            }
        }
        Some(start + line.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNITS: [ColumnUnit; 3] = [ColumnUnit::Utf8, ColumnUnit::Utf16, ColumnUnit::Characters];

    fn file(text: &str) -> SourceFile {
        SourceFile::new("a.rules".into(), text.into())
    }

    #[test]
    fn columns_inside_a_character_and_past_the_line_are_moved() {
        let file = file("a🔥b\nc");
        let at = |column| file.offset(Position { line: 0, column }, ColumnUnit::Utf16);
        assert_eq!([0, 1, 2, 3, 4, 99].map(at), [0, 1, 1, 5, 6, 6].map(Some));
        assert_eq!(file.offset(Position { line: 2, column: 0 }, ColumnUnit::Utf8), None);
        assert_eq!(file.position(3, ColumnUnit::Utf8), Position { line: 0, column: 1 });
        assert_eq!(file.position(99, ColumnUnit::Utf8), Position { line: 1, column: 1 });
    }

    proptest! {
        #[test]
        fn an_offset_survives_the_way_to_a_position_and_back(text in "[a-cé🔥\n]{0,40}") {
            let file = file(&text);
            for offset in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                for unit in UNITS {
                    let position = file.position(offset, unit);
                    prop_assert_eq!(file.offset(position, unit), Some(offset), "{:?}", unit);
                }
            }
        }
    }
}
