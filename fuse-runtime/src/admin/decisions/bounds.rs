//! The maximum sizes of an answer and its parts.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

/// How many parts of conditions an answer has; those of its last decision may exceed it by as many.
pub(super) const MAX_PARTS: usize = 2_000;
/// How many bytes all decisions of an answer have. A single decision may exceed it.
pub(super) const MAX_DECISIONS_BYTES: usize = 640 << 10;
/// How many bytes one decision has, without its object, before its conditions are omitted.
pub(super) const MAX_DECISION_BYTES: usize = 256 << 10;
/// How many bytes an object has that is shown among others, and one that is requested alone.
pub(super) const MAX_OBJECT_BYTES: usize = 64 << 10;
pub(super) const MAX_ONLY_OBJECT_BYTES: usize = 512 << 10;
/// How many bytes all changes that would make rules match have.
pub(super) const MAX_CHANGES_BYTES: usize = 192 << 10;
/// How many bytes a text has before it is truncated.
const MAX_TEXT_BYTES: usize = 1 << 10;

/// A text, truncated with a mark if it is long.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_TEXT_BYTES {
        return text.into();
    }
    let end = text.floor_char_boundary(MAX_TEXT_BYTES);
    format!("{}…", text.get(..end).unwrap_or_default()).into()
}

/// Data with all of its texts truncated.
pub(super) fn cut_all(data: &impl Serialize) -> Value {
    fn cut_in(value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(shorter) = cut(text) {
                    *text = shorter;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(cut_in),
            Value::Object(map) => map.values_mut().for_each(cut_in),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(data).unwrap_or_default();
    cut_in(&mut value);
    value
}

/// How many bytes data has in an answer at this depth.
pub(super) fn size(data: &impl Serialize, depth: usize) -> usize {
    let mut counter = Counter { bytes: 0, lines: 0 };
    match serde_json::to_writer_pretty(&mut counter, data) {
        Ok(()) => counter.bytes + (counter.lines + 1) * (INDENT * depth + 1),
        Err(_) => usize::MAX,
    }
}

/// The indentation of one level.
const INDENT: usize = 2;

struct Counter {
    bytes: usize,
    lines: usize,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len();
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_are_those_in_the_answer() {
        let data = json!({ "a": [1, { "b": "c\n\u{1}" }], "d": {} });
        let answer = serde_json::to_string_pretty(&json!({ "x": [[data]] })).unwrap();
        let around = serde_json::to_string_pretty(&json!({ "x": [[]] })).unwrap();
        let (told, true_size) = (size(&data, 3), answer.len() - around.len());
        assert!((true_size..true_size + 40).contains(&told), "{told} {true_size}");
    }

    #[test]
    fn texts_are_cut_with_a_mark() {
        assert_eq!(cut("short"), "short");
        let long = cut_all(&json!({ "a": ["é".repeat(1_000)], "b": 1 }));
        let text = long["a"][0].as_str().unwrap();
        assert!(text.len() <= 1_027 && text.ends_with("é…"), "{text}");
    }
}
