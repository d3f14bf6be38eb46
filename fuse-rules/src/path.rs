//! Paths into an event: roots, segments, and their text.

use std::sync::Arc;

/// The fields of `event`.
pub(crate) const EVENT_FIELDS: [&str; 6] = ["id", "source", "name", "time", "type", "subject"];
/// The field of `event` with the parameters of the path.
pub(crate) const PATH_FIELD: &str = "path";
/// The roots that every rule can read.
pub(crate) const ROOTS: [&str; 4] = ["body", "headers", "query", "event"];

/// The root that only reactions can read.
pub(crate) const OUTCOME: &str = "outcome";

/// The root of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Root {
    Body,
    Headers,
    Query,
    Event,
    /// What a reaction reacts to.
    Outcome,
    /// The element that the binder at this level binds; the outermost level is 0.
    Element(u32),
}

/// One segment of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    Key(String),
    /// Counted from 0; a negative index counts from the end.
    Index(i64),
}

/// A path as an author would write it.
pub(crate) fn path_text(root: &str, segments: &[Segment]) -> Arc<str> {
    let mut text = root.to_owned();
    for segment in segments {
        match segment {
            Segment::Key(key) if is_name(key) => {
                text.push('.');
                text.push_str(key);
            }
            // Never truncated, because different paths must have different texts.
            Segment::Key(key) => {
                let key = serde_json::Value::from(key.as_str());
                text.push_str(&format!("[{key}]"));
            }
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text.into()
}

/// Whether a key needs no quotes.
pub(crate) fn is_name(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        && !key.ends_with('-')
        && !key.contains("--")
}
