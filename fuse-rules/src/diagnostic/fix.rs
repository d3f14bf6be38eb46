//! Fixes as data: what to write instead, and how to apply several fixes to one text.

use crate::span::{FileId, Span};

/// A change to the rules that fixes a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// A short lower-case description, such as ``write `and` ``.
    pub title: String,
    /// The replacements. Either all of them are applied, or none.
    pub edits: Vec<Edit>,
    /// Whether the fix is certainly what the author meant, so that it can be applied without a
    /// review.
    pub safe: bool,
}

/// A span and the text that replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The span to replace; empty for an insertion.
    pub span: Span,
    /// The new text; empty for a deletion.
    pub text: String,
}

impl Fix {
    /// A fix that the author has to review.
    pub(crate) fn new(title: impl Into<String>, span: Span, text: impl Into<String>) -> Self {
        let edits = vec![Edit { span, text: text.into() }];
        Self { title: title.into(), edits, safe: false }
    }

    /// A fix that can be applied without a review.
    pub(crate) fn safe(title: impl Into<String>, span: Span, text: impl Into<String>) -> Self {
        Self::new(title, span, text).safe_if(true)
    }

    pub(crate) fn safe_if(self, safe: bool) -> Self {
        Self { safe, ..self }
    }

    pub(crate) fn and(mut self, span: Span, text: impl Into<String>) -> Self {
        self.edits.push(Edit { span, text: text.into() });
        self
    }
}

/// The edits of one file that can be applied together. A fix that overlaps an earlier one is left
/// for the next round.
#[derive(Debug, Default)]
pub(crate) struct Edits<'a> {
    taken: Vec<&'a Edit>,
}

impl<'a> Edits<'a> {
    /// Adds all edits of a fix, or none.
    pub(crate) fn take(&mut self, fix: &'a Fix) -> bool {
        let new: Vec<&Edit> = fix.edits.iter().filter(|edit| !self.taken.contains(edit)).collect();
        let clash = |edit: &Edit| self.taken.iter().any(|taken| meet(taken.span, edit.span));
        let inside = new
            .iter()
            .enumerate()
            .any(|(i, edit)| new.iter().skip(i + 1).any(|other| meet(edit.span, other.span)));
        if inside || new.iter().any(|edit| clash(edit)) {
            return false;
        }
        self.taken.extend(new);
        true
    }

    /// The text of a file after its edits.
    pub(crate) fn apply(&self, file: FileId, text: &str) -> String {
        let mut edits: Vec<&Edit> =
            self.taken.iter().copied().filter(|edit| edit.span.file == file).collect();
        edits.sort_by_key(|edit| edit.span);
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for edit in edits {
            let range = edit.span.range();
            out.push_str(text.get(at..range.start).unwrap_or(""));
            out.push_str(&edit.text);
            at = range.end;
        }
        out.push_str(text.get(at..).unwrap_or(""));
        out
    }
}

/// Whether two spans overlap, or touch if one of them is empty, since the order of the texts would
/// then be a guess.
fn meet(a: Span, b: Span) -> bool {
    let empty = |span: Span| span.start == span.end;
    a.file == b.file
        && if empty(a) || empty(b) {
            a.start <= b.end && b.start <= a.end
        } else {
            a.start < b.end && b.start < a.end
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: u32, end: u32) -> Span {
        Span { file: FileId(0), start, end }
    }

    #[test]
    fn edits_are_made_in_the_order_of_the_text() {
        let fixes = [Fix::new("", at(4, 5), "d"), Fix::new("", at(0, 1), "A").and(at(2, 3), "")];
        let mut edits = Edits::default();
        assert!(fixes.iter().all(|fix| edits.take(fix)));
        assert_eq!(edits.apply(FileId(0), "a,b,c"), "A,,d");
        assert_eq!(edits.apply(FileId(1), "a,b,c"), "a,b,c", "another file");
    }

    #[test]
    fn what_touches_a_change_waits() {
        for (second, taken) in [
            (at(2, 4), false),
            (at(0, 9), false),
            (at(3, 3), false),
            (at(1, 1), false),
            (at(3, 4), true),
            (at(0, 1), true),
        ] {
            let fixes = [Fix::new("", at(1, 3), "x"), Fix::new("", second, "y")];
            let mut edits = Edits::default();
            assert!(edits.take(&fixes[0]));
            assert_eq!(edits.take(&fixes[1]), taken, "{second:?}");
        }
    }

    #[test]
    fn one_change_twice_is_made_once_and_a_fix_in_itself_at_odds_never() {
        let same = [Fix::new("", at(1, 2), "x"), Fix::new("", at(1, 2), "x").and(at(4, 4), "y")];
        let mut edits = Edits::default();
        assert!(same.iter().all(|fix| edits.take(fix)));
        assert_eq!(edits.apply(FileId(0), "abcdef"), "axcdyef");
        let odd = Fix::new("", at(0, 3), "x").and(at(2, 4), "y");
        assert!(!Edits::default().take(&odd));
    }
}
