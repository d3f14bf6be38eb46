//! How deeply brackets nest, before anything recursive looks at the text.

use super::MAX_NESTING;
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;

/// The problem of too deep a nesting.
pub(super) fn problem(span: Span) -> Diagnostic {
    Diagnostic::error(Code::E0108, span, format!("this is nested more than {MAX_NESTING} deep"))
        .label("too deep from here on")
        .help("split the condition into several `when` clauses, which are and-ed")
}

/// The byte of the first bracket that stands deeper than the limit. Brackets in comments and in
/// the text of strings do not count; those in `${…}` do.
pub(super) fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    // The depth at which each string that is open around us goes on.
    let mut strings: Vec<usize> = Vec::new();
    let mut in_string = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if in_string {
            match byte {
                b'\\' => at += 1,
                b'"' | b'\n' => in_string = false,
                b'$' if bytes.get(at + 1) == Some(&b'{') => {
                    strings.push(depth);
                    in_string = false;
                    depth += 1;
                    at += 1;
                }
                _ => {}
            }
        } else {
            match byte {
                b'#' => at = line_end(bytes, at),
                b'"' => match raw_hashes(bytes, at) {
                    Some(hashes) => at = raw_end(bytes, at, hashes),
                    None => in_string = true,
                },
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' => depth = depth.saturating_sub(1),
                b'}' => {
                    depth = depth.saturating_sub(1);
                    if strings.last() == Some(&depth) {
                        strings.pop();
                        in_string = true;
                    }
                }
                _ => {}
            }
        }
        if depth > MAX_NESTING {
            return Some(at);
        }
        at += 1;
    }
    None
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or(&[]);
    from + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
}

/// If the quote at `at` opens a raw string, how many `#` stand between its `r` and the quote.
fn raw_hashes(bytes: &[u8], at: usize) -> Option<usize> {
    let before = bytes.get(..at)?;
    let hashes = before.iter().rev().take_while(|b| **b == b'#').count();
    let mut head = before.iter().rev().skip(hashes);
    let follows_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (head.next() == Some(&b'r') && !head.next().is_some_and(follows_name)).then_some(hashes)
}

/// The last byte of the raw string whose quote stands at `at`.
fn raw_end(bytes: &[u8], at: usize, hashes: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() {
        let closing = bytes.get(end + 1..end + 1 + hashes);
        let closes = bytes.get(end) == Some(&b'"')
            && closing.is_some_and(|tail| tail.iter().all(|b| *b == b'#'));
        if closes {
            return end + hashes;
        }
        end += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_brackets_that_nest_count() {
        let deep = "(".repeat(MAX_NESTING + 1);
        assert_eq!(too_deep(&deep), Some(MAX_NESTING));
        assert_eq!(too_deep(&"()".repeat(1000)), None);
        assert_eq!(too_deep(&format!("# {deep}\n\"{deep}\" r\"{deep}\" r#\"{deep}\"\"#")), None);
        assert!(too_deep(&format!("\"${{{deep}}}\"")).is_some(), "interpolation nests");
        assert_eq!(too_deep(&"\"${x}\"\n".repeat(1000)), None);
        assert!(too_deep(&"\"${".repeat(1000)).is_some());
        assert_eq!(too_deep("\"\\"), None);
    }
}
