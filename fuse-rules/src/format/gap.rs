//! The comments between two tokens of a file.

use crate::syntax::{BLANK, is_one_line_end};

/// The comments of a gap.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Gap<'a> {
    /// The comment on the line of the token before the gap.
    pub(super) trailing: Option<&'a str>,
    /// The comments on their own lines.
    pub(super) own: Vec<GapComment<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GapComment<'a> {
    pub(super) text: &'a str,
    /// The byte after the comment.
    pub(super) end: usize,
    /// Whether an empty line separates it from the next token, so that it is not documentation.
    pub(super) apart: bool,
}

impl<'a> Gap<'a> {
    /// Reads the gap from byte `from` to byte `to`. Besides comments and white space it can contain
    /// commas, bars and operators, which are ignored.
    pub(super) fn read(text: &'a str, from: usize, to: usize) -> Self {
        let all = text.get(from..to).unwrap_or("");
        let mut gap = Self::default();
        let mut at = 0;
        while let Some((before, rest)) = all.get(at..).and_then(|rest| rest.split_once('#')) {
            let start = at + before.len();
            let len = rest.find(['\n', '\r']).unwrap_or(rest.len());
            let end = start + 1 + len;
            let comment = all.get(start..end).unwrap_or("").trim_end();
            // It can follow a comma, for example.
            let alone = match before.rsplit_once(['\n', '\r']) {
                Some((_, line)) => is_white(line),
                None => from == 0 && is_white(before),
            };
            if at == 0 && !alone {
                gap.trailing = Some(comment);
            } else {
                let after = all.get(end..).unwrap_or("");
                let until = after.find('#').unwrap_or(after.len());
                let apart = !alone || !is_one_line_end(after.get(..until).unwrap_or(""));
                gap.own.push(GapComment { text: comment, end: from + end, apart });
            }
            at = end;
        }
        gap
    }
}

fn is_white(text: &str) -> bool {
    text.trim_matches(BLANK).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The comments after the `x` at the start of the text.
    fn read(text: &str) -> (Option<&str>, Vec<(&str, bool)>) {
        let gap = Gap::read(text, 1, text.len());
        (gap.trailing, gap.own.iter().map(|c| (c.text, c.apart)).collect())
    }

    #[test]
    fn only_the_first_comment_can_stand_behind_what_is_before() {
        assert_eq!(read("x\n"), (None, vec![]));
        assert_eq!(read("x # a \n # b\n"), (Some("# a"), vec![("# b", false)]));
        assert_eq!(read("x\n # b"), (None, vec![("# b", true)]));
        let apart = vec![("# b", true), ("# c", false)];
        assert_eq!(read("x # a\r\n\r\n# b\r\n \r\n# c\r"), (Some("# a"), apart));
        assert_eq!(read("x , # a # still\n"), (Some("# a # still"), vec![]));
        assert_eq!(read("x\n, # a\n"), (Some("# a"), vec![]));
        assert_eq!(read("x # a\n, # b\n"), (Some("# a"), vec![("# b", true)]));
        assert_eq!(read("x\n# a\n,"), (None, vec![("# a", true)]));
    }

    #[test]
    fn nothing_is_before_the_start_of_a_file() {
        let gap = Gap::read("\u{feff}# a\n", 0, 7);
        assert_eq!(gap.own, [GapComment { text: "# a", end: 6, apart: false }]);
    }
}
