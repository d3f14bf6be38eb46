//! The values of expressions, and how they are read from JSON.

mod kinds;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use jiff::{SignedDuration, Timestamp};
use semver::Version;

use crate::literals::duration_text;
use crate::number::{Number, NumberError};
use crate::path::Segment;

pub(crate) use kinds::Kinds;

/// A value. Strings without escapes are borrowed from the event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'a, str>),
    List(Vec<Value<'a>>),
    /// In the order of the event; keys are unique.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
    Duration(SignedDuration),
    Time(Timestamp),
    /// Ordered by precedence, which ignores build metadata.
    Version(Box<Version>),
    /// Valid JSON that is out of range.
    Unrepresentable(Unrepresentable),
}

/// Why a valid piece of JSON has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unrepresentable {
    /// A string with half of a surrogate pair.
    Surrogate,
    /// A number with too many digits or too large an exponent.
    Number { integral: bool },
}

impl fmt::Display for Unrepresentable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Surrogate => "a string with half of a surrogate pair, which is not valid text",
            Self::Number { .. } => "a number with more digits than can be compared exactly",
        })
    }
}

/// A duplicate key in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DuplicateKey(pub(crate) String);

impl<'a> Value<'a> {
    /// The first duplicate key in this object or anywhere inside it.
    pub(crate) fn duplicate(&self) -> Option<String> {
        match self {
            Self::List(list) => list.iter().find_map(Self::duplicate),
            Self::Map(map) => {
                let mut keys: Vec<&str> = map.iter().map(|(key, _)| key.as_ref()).collect();
                keys.sort_unstable();
                let twice = keys.windows(2).find_map(|pair| match pair {
                    [a, b] if a == b => Some((*a).to_owned()),
                    _ => None,
                });
                twice.or_else(|| map.iter().find_map(|(_, value)| value.duplicate()))
            }
            _ => None,
        }
    }

    /// Reads any value except a list or object.
    pub(crate) fn read_scalar(raw: &'a str) -> Self {
        match raw.as_bytes().first() {
            Some(b'"') => read_string(raw)
                .map_or(Self::Unrepresentable(Unrepresentable::Surrogate), Self::String),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') => Self::Null,
            _ => match Number::parse(raw) {
                Ok(number) => Self::Number(number),
                Err(NumberError::OutOfRange { integral }) => {
                    Self::Unrepresentable(Unrepresentable::Number { integral })
                }
                Err(NumberError::Malformed) => {
                    Self::Unrepresentable(Unrepresentable::Number { integral: false })
                }
            },
        }
    }

    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::String(text.into())
    }

    /// The kind, for checks and messages. A value that is out of range has the kind of its JSON
    /// text.
    pub(crate) fn kind(&self) -> Kinds {
        match self {
            Self::Null => Kinds::NULL,
            Self::Bool(_) => Kinds::BOOL,
            Self::Number(_) | Self::Unrepresentable(Unrepresentable::Number { .. }) => {
                Kinds::NUMBER
            }
            Self::String(_) | Self::Unrepresentable(Unrepresentable::Surrogate) => Kinds::STRING,
            Self::List(_) => Kinds::LIST,
            Self::Map(_) => Kinds::MAP,
            Self::Duration(_) => Kinds::DURATION,
            Self::Time(_) => Kinds::TIME,
            Self::Version(_) => Kinds::VERSION,
        }
    }

    /// The order of two values of the same kind, if the kind is ordered.
    pub(crate) fn order(&self, other: &Value<'_>) -> Option<Ordering> {
        Some(match (self, other) {
            (Self::Number(a), Value::Number(b)) => a.cmp(b),
            (Self::Duration(a), Value::Duration(b)) => a.cmp(b),
            (Self::Time(a), Value::Time(b)) => a.cmp(b),
            (Self::Version(a), Value::Version(b)) => a.cmp_precedence(b),
            _ => return None,
        })
    }

    /// Follows one step of a path. `Err` if the key is duplicated.
    pub(crate) fn step(&self, segment: &Segment) -> Result<Option<&Self>, DuplicateKey> {
        match segment {
            Segment::Index(index) => Ok(self.index(*index)),
            Segment::Key(key) => match self {
                Self::Map(map) => {
                    let mut found = map.iter().filter(|(k, _)| k == key).map(|(_, v)| v);
                    let first = found.next();
                    if found.next().is_some() {
                        return Err(DuplicateKey(key.clone()));
                    }
                    Ok(first)
                }
                _ => Ok(None),
            },
        }
    }

    /// The element of a list; a negative index counts from the end.
    pub(crate) fn index(&self, index: i64) -> Option<&Self> {
        match self {
            Self::List(list) => list.get(position(index, list.len())?),
            _ => None,
        }
    }

    /// The canonical text of a scalar, for interpolation and text fields.
    pub(crate) fn canonical(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Bool(true) => "true".into(),
            Self::Bool(false) => "false".into(),
            Self::Number(number) => number.to_string().into(),
            Self::String(text) => Cow::Borrowed(text.as_ref()),
            Self::Duration(duration) => duration_text(*duration).into(),
            Self::Time(time) => time.to_string().into(),
            Self::Version(version) => version.to_string().into(),
            _ => return None,
        })
    }

    /// Compact JSON text. Numbers are exact; times, durations and versions are strings.
    pub(crate) fn to_json_text(&self) -> Result<String, Unrepresentable> {
        let mut out = String::new();
        self.write_json(&mut out)?;
        Ok(out)
    }

    fn write_json(&self, out: &mut String) -> Result<(), Unrepresentable> {
        let quote = |out: &mut String, text: &str| {
            // A string always serializes.
            out.push_str(&serde_json::to_string(text).unwrap_or_default());
        };
        match self {
            Self::Null => out.push_str("null"),
            Self::Number(number) => {
                let _infallible = write!(out, "{number}");
            }
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::String(text) => quote(out, text),
            Self::Duration(_) | Self::Time(_) | Self::Version(_) => {
                quote(out, self.canonical().unwrap_or_default().as_ref());
            }
            Self::List(list) => {
                out.push('[');
                for (i, value) in list.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    value.write_json(out)?;
                }
                out.push(']');
            }
            Self::Map(map) => {
                out.push('{');
                for (i, (key, value)) in map.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    quote(out, key);
                    out.push(':');
                    value.write_json(out)?;
                }
                out.push('}');
            }
            Self::Unrepresentable(unrepresentable) => return Err(*unrepresentable),
        }
        Ok(())
    }

    /// The value for `serde_json`. Numbers that are neither `i64` nor `u64` become the nearest
    /// double.
    pub(crate) fn to_json(&self) -> Result<serde_json::Value, Unrepresentable> {
        use serde_json::Value as Json;
        Ok(match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Number(number) => match number.to_i64() {
                Some(whole) => whole.into(),
                None => match number.to_string().parse::<u64>() {
                    Ok(whole) => whole.into(),
                    // The nearest double would be infinite.
                    Err(_) => match number.to_f64() {
                        double if double.is_finite() => double.into(),
                        _ => {
                            return Err(Unrepresentable::Number { integral: number.is_integral() });
                        }
                    },
                },
            },
            Self::String(text) => Json::String(text.clone().into_owned()),
            Self::Duration(_) | Self::Time(_) | Self::Version(_) => {
                Json::String(self.canonical().unwrap_or_default().into_owned())
            }
            Self::List(list) => {
                Json::Array(list.iter().map(Self::to_json).collect::<Result<_, _>>()?)
            }
            Self::Map(map) => Json::Object(
                map.iter()
                    .map(|(key, value)| Ok((key.clone().into_owned(), value.to_json()?)))
                    .collect::<Result<_, Unrepresentable>>()?,
            ),
            Self::Unrepresentable(unrepresentable) => return Err(*unrepresentable),
        })
    }

    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(number) => Value::Number(number),
            Self::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Self::List(list) => Value::List(list.into_iter().map(Value::into_owned).collect()),
            Self::Map(map) => Value::Map(
                map.into_iter()
                    .map(|(key, value)| (Cow::Owned(key.into_owned()), value.into_owned()))
                    .collect(),
            ),
            Self::Duration(duration) => Value::Duration(duration),
            Self::Time(time) => Value::Time(time),
            Self::Version(version) => Value::Version(version),
            Self::Unrepresentable(unrepresentable) => Value::Unrepresentable(unrepresentable),
        }
    }

    /// The value for messages: JSON, shortened if it is long.
    pub(crate) fn show(&self) -> String {
        match self.to_json_text() {
            Ok(text) => cut(&text).into_owned(),
            Err(unrepresentable) => unrepresentable.to_string(),
        }
    }
}

/// A text for messages, shortened if it is long.
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    cut_at(text, 60)
}

/// A text for messages, shortened to this number of characters.
pub(crate) fn cut_at(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or("")).into(),
        None => text.into(),
    }
}

/// The position for an index into a list of that length.
pub(crate) fn position(index: i64, len: usize) -> Option<usize> {
    let at = if index < 0 { i64::try_from(len).ok()?.checked_add(index)? } else { index };
    usize::try_from(at).ok().filter(|at| *at < len)
}

/// Reads a JSON string with its quotes; `None` if it has half of a surrogate pair.
pub(crate) fn read_string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

#[cfg(test)]
mod tests;
