//! Checks that a body is UTF-8 and JSON.

use super::InvalidBody;
use crate::scan::MAX_DEPTH;
use crate::span::Place;

pub(super) fn utf8(body: &[u8]) -> Result<&str, InvalidBody> {
    std::str::from_utf8(body).map_err(|error| match foreign_encoding(body) {
        Some(encoding) => InvalidBody {
            place: place(body, 0),
            message: format!("the body is {encoding}, not UTF-8"),
        },
        None => InvalidBody {
            place: place(body, error.valid_up_to()),
            message: "the body is not UTF-8".into(),
        },
    })
}

/// The bytes without a byte order mark (U+FEFF) before them. Some senders add one, and RFC 8259 allows receivers to
/// ignore it.
///
/// ```
/// assert_eq!(fuse_rules::without_bom(b"\xef\xbb\xbf{}"), b"{}");
/// assert_eq!(fuse_rules::without_bom(b"{}"), b"{}");
/// ```
pub fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

/// The encoding of bytes that begin like text in another encoding, or like compressed data.
///
/// ```
/// assert_eq!(fuse_rules::foreign_encoding(&[0x1f, 0x8b, 8]), Some("compressed with gzip"));
/// assert_eq!(fuse_rules::foreign_encoding(b"{\0\"\0"), Some("UTF-16"));
/// assert_eq!(fuse_rules::foreign_encoding(b"{}"), None);
/// ```
pub fn foreign_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x1f, 0x8b, ..] => Some("compressed with gzip"),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        // JSON begins with an ASCII character, which has one zero byte in UTF-16.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [first, second, ..] if (*first == 0) != (*second == 0) => Some("UTF-16"),
        _ => None,
    }
}

/// The reason why a text is not JSON that fuse can read, such as `not JSON: …`, and the position.
pub(crate) fn json_fault(text: &str) -> Option<(Place, String)> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        // ASCII in UTF-16 is also UTF-8, with zero bytes.
        if let Some(encoding) = foreign_encoding(text.as_bytes()) {
            return Some((Place { line: 1, column: 1 }, format!("{encoding}, not UTF-8")));
        }
        let shown = error.to_string();
        let message = shown.rsplit_once(" at line ").map_or(shown.as_str(), |(message, _)| message);
        let place = Place { line: error.line().max(1), column: error.column().max(1) };
        return Some((place, format!("not JSON: {message}")));
    }
    let at = too_deep(text.as_bytes())?;
    Some((place(text.as_bytes(), at), format!("nested more than {MAX_DEPTH} deep")))
}

/// The first bracket of valid JSON that is nested too deeply.
fn too_deep(body: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut bytes = body.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                while let Some((_, byte)) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(at);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The line and column of a byte; columns count bytes.
pub(crate) fn place(body: &[u8], at: usize) -> Place {
    let before = body.get(..at).unwrap_or(body);
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
    Place { line, column }
}
