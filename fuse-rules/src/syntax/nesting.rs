//! Checks how deeply brackets nest: first in the bytes, before recursive code sees the text (this
//! pass also finds the comments), and then in the pairs, before our recursive code sees them.

use std::ops::Range;

use pest::Token;
use pest::iterators::Pairs;

use super::{MAX_NESTING, Rule};
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;

/// The problem for nesting that is too deep.
pub(super) fn problem(span: Span) -> Diagnostic {
    Diagnostic::error(Code::E0108, span, format!("this is nested more than {MAX_NESTING} deep"))
        .label("too deep from here on")
        .help("split the condition into several `when` clauses; all of them must be true")
}

/// The byte of the first pair that is nested deeper than the limit.
pub(super) fn too_deep(pairs: &Pairs<'_, Rule>) -> Option<usize> {
    let mut depth = 0_usize;
    for token in pairs.clone().tokens() {
        match token {
            Token::Start { rule, pos } if nests(rule) => {
                depth += 1;
                if depth > MAX_NESTING {
                    return Some(pos.pos());
                }
            }
            Token::End { rule, .. } if nests(rule) => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Whether pairs of this rule can be nested.
fn nests(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::paren
            | Rule::list
            | Rule::lookup
            | Rule::quantifier_body
            | Rule::arguments
            | Rule::interpolation
            | Rule::block
            | Rule::record
            | Rule::generic_body
            | Rule::type_record
            | Rule::type_paren
    )
}

/// The result of the pass over the bytes.
#[derive(Default)]
pub(super) struct Scan {
    /// The byte of the first bracket that is nested deeper than the limit. Brackets in comments and
    /// in the text of strings do not count; brackets in `${…}` do.
    pub(super) too_deep: Option<usize>,
    /// The comments before that byte, without their line ends.
    pub(super) comments: Vec<Range<usize>>,
}

/// The quotes of a string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    One,
    Three,
}

pub(super) fn scan(text: &str) -> Scan {
    let mut scan = Scan::default();
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    // For each open `${`, the depth before it and the quotes of its string.
    let mut strings: Vec<(usize, Quotes)> = Vec::new();
    let mut open: Option<Quotes> = None;
    // Brackets of `list<…>` and `map<…>`. They are counted separately, since `<` and `>` are
    // comparisons as well.
    let mut angles = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if let Some(quotes) = open {
            match byte {
                b'\\' => at += 1,
                b'"' | b'\n' if quotes == Quotes::One => open = None,
                b'"' if is_block_quote(bytes, at) => {
                    open = None;
                    at += 2;
                }
                b'$' if bytes.get(at + 1) == Some(&b'{') => {
                    strings.push((depth, quotes));
                    open = None;
                    depth += 1;
                    at += 1;
                }
                _ => {}
            }
        } else {
            match byte {
                b'#' => {
                    let end = line_end(bytes, at);
                    scan.comments.push(at..end);
                    at = end;
                }
                b'r' => {
                    if let Some(hashes) = raw_hashes(bytes, at) {
                        at = raw_end(bytes, at + 1 + hashes, hashes);
                    }
                }
                b'"' if is_block_quote(bytes, at) => {
                    at += 2;
                    if closes_block(bytes, at + 1) {
                        open = Some(Quotes::Three);
                    } else {
                        at = line_end(bytes, at);
                    }
                }
                b'"' => open = Some(Quotes::One),
                b'\'' => at = quote_end(bytes, at, byte, true),
                b'`' => at = quote_end(bytes, at, byte, false),
                b'<' if is_generic(bytes, at) => angles += 1,
                b'>' => angles = angles.saturating_sub(1),
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' => depth = depth.saturating_sub(1),
                b'}' => {
                    depth = depth.saturating_sub(1);
                    if let Some((_, quotes)) = strings.pop_if(|(before, _)| *before == depth) {
                        open = Some(quotes);
                    }
                }
                _ => {}
            }
        }
        if depth + angles > MAX_NESTING {
            scan.too_deep = Some(at);
            break;
        }
        at += 1;
    }
    scan
}

fn is_block_quote(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(b"\"\"\""))
}

/// Whether the text block whose content starts at `from` may be closed, as in the grammar.
fn closes_block(bytes: &[u8], from: usize) -> bool {
    bytes.get(from..).is_some_and(|rest| rest.windows(3).any(|three| three == b"\"\"\""))
}

/// Whether the `<` at `at` directly follows the word `list` or `map`.
fn is_generic(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at).unwrap_or(&[]);
    let rest = before.strip_suffix(b"list").or_else(|| before.strip_suffix(b"map"));
    let goes_on = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    rest.is_some_and(|rest| !rest.last().is_some_and(goes_on))
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or(&[]);
    from + rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len())
}

/// The end of a string in single quotes or backquotes if it is closed on the same line; otherwise
/// the quote itself.
fn quote_end(bytes: &[u8], from: usize, quote: u8, escapes: bool) -> usize {
    let line = bytes.get(..line_end(bytes, from)).unwrap_or(bytes);
    let mut at = from + 1;
    while let Some(&byte) = line.get(at) {
        if byte == quote {
            return at;
        }
        at += if escapes && byte == b'\\' { 2 } else { 1 };
    }
    from
}

/// If the `r` at `at` opens a raw string, the number of `#`s before its quote.
fn raw_hashes(bytes: &[u8], at: usize) -> Option<usize> {
    let follows_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(follows_name) {
        return None;
    }
    let rest = bytes.get(at + 1..)?;
    let hashes = rest.iter().take_while(|b| **b == b'#').count();
    (rest.get(hashes) == Some(&b'"')).then_some(hashes)
}

/// The last byte of the raw string whose quote is at `at`. Without `#`, or if it is never closed,
/// it ends with its line.
fn raw_end(bytes: &[u8], at: usize, hashes: usize) -> usize {
    let line = line_end(bytes, at);
    let last = if hashes == 0 { line } else { bytes.len() };
    let mut end = at + 1;
    while end < last {
        let closing = bytes.get(end + 1..end + 1 + hashes);
        let closes = bytes.get(end) == Some(&b'"')
            && closing.is_some_and(|tail| tail.iter().all(|b| *b == b'#'));
        if closes {
            return end + hashes;
        }
        end += 1;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn too_deep(text: &str) -> Option<usize> {
        scan(text).too_deep
    }

    #[test]
    fn comments_are_told_from_strings() {
        let text = "a # b\r\n# c\n\"# d ${ e # f\n} # g\" # h\nr\"# i\" r#\"\n# \"#j\n#";
        let block = "\n\"\"\"\n# \" k \\\"\"\" ${ l # m\n} # n\n\"\"\" # o\n\"\"\" # p\n# q";
        let text = text.to_owned() + block;
        let comments = scan(&text).comments;
        let found: Vec<_> = comments.into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, ["# b", "# c", "# f", "# h", "#", "# m", "# o", "# q"]);
    }

    #[test]
    fn only_brackets_that_nest_count() {
        let deep = "(".repeat(MAX_NESTING + 1);
        assert_eq!(too_deep(&deep), Some(MAX_NESTING));
        assert_eq!(too_deep(&"()".repeat(1000)), None);
        assert_eq!(too_deep(&format!("# {deep}\n\"{deep}\" r\"{deep}\" r#\"{deep}\"\"#")), None);
        assert!(too_deep(&format!("\"${{{deep}}}\"")).is_some(), "interpolation nests");
        assert_eq!(too_deep(&"\"${x}\"\n".repeat(1000)), None);
        assert!(too_deep(&"\"${".repeat(1000)).is_some());
        assert!(too_deep(&"list<".repeat(1000)).is_some());
        assert_eq!(too_deep(&"list<x> ".repeat(1000)), None);
        assert_eq!(too_deep(&"body.list<3 and x<y ".repeat(1000)), None);
        assert_eq!(too_deep("\"\\"), None);
        let text = "'a\\'' ";
        assert!(too_deep(&format!("{text}{deep}'")).is_some(), "the escaped quote closes nothing");
        for text in ["r\"", "r#\"", "r#\"\"", "'", "`", "\"\"\""] {
            assert!(too_deep(&format!("{text}\n{deep}")).is_some(), "{text} is never closed");
        }
        for text in ["x matches r#\"a\"# and ", "x == '#' and ", "x == '\"' and ", "# c\r"] {
            let at = text.len() + MAX_NESTING;
            assert_eq!(too_deep(&format!("{text}{deep}")), Some(at), "{text}");
        }
    }
}
