//! Reads a complete text as a value.

use std::borrow::Cow;

use super::cursor::{Cursor, ObjectKey};
use super::text::unescape;
use crate::value::{DuplicateKey, Value};

impl<'a> Value<'a> {
    /// Reads a value from valid JSON. A duplicate key anywhere is an error.
    pub(crate) fn read(raw: &'a str) -> Result<Self, DuplicateKey> {
        let value = Self::read_lenient(raw);
        value.duplicate().map_or(Ok(value), |key| Err(DuplicateKey(key)))
    }

    /// Reads a value from valid JSON and keeps duplicate keys. Leaves out a key with half of a
    /// surrogate pair, which no path can name.
    pub(crate) fn read_lenient(raw: &'a str) -> Self {
        tree(raw).unwrap_or(Self::Null)
    }
}

/// Reads JSON; `None` if it is not valid. Keeps duplicate keys, and leaves out a key with half of a
/// surrogate pair, which no path can name.
pub(super) fn tree(text: &str) -> Option<Value<'_>> {
    let mut cursor = Cursor::new(text);
    let value = value(&mut cursor, 0)?;
    cursor.is_at_end().then_some(value)
}

fn value<'t>(cursor: &mut Cursor<'t>, depth: usize) -> Option<Value<'t>> {
    match cursor.opens()? {
        b'{' => {
            let mut entries = Vec::new();
            let mut more = cursor.open(b'}', depth)?;
            while more {
                let key = name(&cursor.key()?);
                let value = value(cursor, depth + 1)?;
                entries.extend(key.map(|key| (key, value)));
                more = cursor.more(b'}')?;
            }
            Some(Value::Map(entries))
        }
        b'[' => {
            let mut items = Vec::new();
            let mut more = cursor.open(b']', depth)?;
            while more {
                items.push(value(cursor, depth + 1)?);
                more = cursor.more(b']')?;
            }
            Some(Value::List(items))
        }
        _ => {
            let start = cursor.at();
            cursor.value(depth)?;
            Some(Value::read_scalar(cursor.since(start)))
        }
    }
}

fn name<'t>(key: &ObjectKey<'t>) -> Option<Cow<'t, str>> {
    if !key.escaped {
        return Some(Cow::Borrowed(key.text()));
    }
    let mut text = String::new();
    unescape(key.text(), &mut text).then_some(Cow::Owned(text))
}
