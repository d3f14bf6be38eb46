//! Compares the fields of an action with the expected ones, and writes them as rules do. Objects may have further
//! fields; lists must have the same length.

use serde_json::{Map, Value as Json};

use crate::literals::{quoted, show_duration, show_size};
use crate::number::Number;
use crate::schema::FieldType;
use crate::syntax::is_name;
use crate::typed::{ExpectedFields, Mapped, MappedValue};

/// The most differences that are listed.
const MAX_DIFFERENCES: usize = 10;

/// The fields of an action, which has lost their types: a duration is a number of milliseconds.
type Fields = Map<String, Json>;

/// What is known about the type of a value of an action.
#[derive(Clone, Copy)]
pub(super) enum Shape<'r> {
    /// The fields of a block.
    Block(&'r [Mapped]),
    /// A value of this type.
    Type(&'r FieldType),
    Unknown,
}

impl<'r> Shape<'r> {
    /// The type of a field.
    fn field(self, key: &str) -> Self {
        match self {
            Self::Block(fields) => match fields.iter().find(|field| field.key == key) {
                Some(Mapped { value: MappedValue::Block(fields), .. }) => Self::Block(fields),
                Some(Mapped { value: MappedValue::Expr(_, ty), .. }) => Self::Type(ty),
                None => Self::Unknown,
            },
            Self::Type(FieldType::Map(ty)) => Self::Type(ty),
            Self::Type(_) | Self::Unknown => Self::Unknown,
        }
    }

    /// The type of an element.
    fn element(self) -> Self {
        match self {
            Self::Type(FieldType::List(ty)) => Self::Type(ty),
            _ => Self::Unknown,
        }
    }

    /// A value as a literal of the rules.
    pub(super) fn literal(self, value: &Json) -> String {
        match (self, value) {
            (Self::Type(FieldType::Duration), Json::Number(number)) => match number.as_u64() {
                Some(milliseconds) => show_duration(milliseconds),
                None => number.to_string(),
            },
            (Self::Type(FieldType::Size), Json::Number(number)) => match number.as_u64() {
                Some(bytes) => show_size(bytes),
                None => number.to_string(),
            },
            (_, Json::String(text)) => quoted(text),
            (_, Json::Array(items)) => {
                let items: Vec<_> = items.iter().map(|item| self.element().literal(item)).collect();
                format!("[{}]", items.join(", "))
            }
            (_, Json::Object(map)) if map.is_empty() => "{}".into(),
            (_, Json::Object(map)) => {
                let fields = map.iter();
                let fields: Vec<_> = fields
                    .map(|(name, value)| {
                        format!("{} = {}", key(name), self.field(name).literal(value))
                    })
                    .collect();
                format!("{{ {} }}", fields.join(", "))
            }
            (_, other) => other.to_string(),
        }
    }

    /// A block with those fields of an action that `like` and these paths name, one per line.
    pub(super) fn block(self, like: &Fields, left_out: &[&[String]], fields: &Fields) -> String {
        let mut text = String::from("{\n");
        for path in left_out {
            let [name] = path else { continue };
            text.push_str(&match fields.get(name) {
                Some(value) => format!("{} = {}\n", key(name), self.field(name).literal(value)),
                None => format!("{}? = null\n", key(name)),
            });
        }
        for (name, like) in like {
            let Some(value) = fields.get(name) else {
                text.push_str(&format!("{}? = null\n", key(name)));
                continue;
            };
            let inner = self.field(name);
            text.push_str(&key(name));
            match (like, value) {
                (Json::Object(like), Json::Object(value)) => {
                    let of_block = left_out.iter().filter_map(|path| {
                        path.split_first().filter(|(first, _)| *first == name).map(|(_, rest)| rest)
                    });
                    let left_out: Vec<&[String]> = of_block.collect();
                    text.push(' ');
                    text.push_str(&inner.block(like, &left_out, value));
                }
                _ => {
                    text.push_str(" = ");
                    text.push_str(&inner.literal(value));
                }
            }
            text.push('\n');
        }
        text.push('}');
        text
    }
}

/// A key, in quotes unless it is a name.
pub(super) fn key(key: &str) -> String {
    if is_name(key) { key.to_owned() } else { quoted(key) }
}

/// Describes the differences, each with its path. Empty if the expectation is met.
pub(super) fn differences(
    expected: &ExpectedFields,
    actual: &Fields,
    shape: Shape<'_>,
) -> Vec<String> {
    let mut found = Vec::new();
    object("", &expected.values, actual, shape, &mut found);
    for path in &expected.left_out {
        let (mut at, mut shape) = (Some(actual), shape);
        let Some((last, blocks)) = path.split_last() else { continue };
        for key in blocks {
            at = at.and_then(|fields| fields.get(key)?.as_object());
            shape = shape.field(key);
        }
        if let Some(value) = at.and_then(|fields| fields.get(last)) {
            let (path, value) = (path.join("."), shape.field(last).literal(value));
            found.push(format!("`{path}`: expected to be left out, found {value}"));
        }
    }
    if found.len() > MAX_DIFFERENCES {
        let more = found.len() - MAX_DIFFERENCES;
        found.truncate(MAX_DIFFERENCES);
        found.push(format!("and {more} more"));
    }
    found
}

fn object(
    path: &str,
    expected: &Fields,
    actual: &Fields,
    shape: Shape<'_>,
    found: &mut Vec<String>,
) {
    for (key, expected) in expected {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let shape = shape.field(key);
        match actual.get(key) {
            Some(actual) => value(&path, expected, actual, shape, found),
            None => {
                found
                    .push(format!("`{path}`: expected {}, found nothing", shape.literal(expected)));
            }
        }
    }
}

fn value(path: &str, expected: &Json, actual: &Json, shape: Shape<'_>, found: &mut Vec<String>) {
    match (expected, actual) {
        (Json::Object(expected), Json::Object(actual)) => {
            object(path, expected, actual, shape, found);
        }
        (Json::Array(expected), Json::Array(actual)) if expected.len() == actual.len() => {
            for (i, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                value(&format!("{path}[{i}]"), expected, actual, shape.element(), found);
            }
        }
        _ if same(expected, actual) => {}
        _ => {
            let (expected, actual) = (shape.literal(expected), shape.literal(actual));
            found.push(format!("`{path}`: expected {expected}, found {actual}"));
        }
    }
}

fn same(a: &Json, b: &Json) -> bool {
    let number = |json: &Json| Number::parse(&json.to_string()).ok();
    match (a, b) {
        (Json::Number(_), Json::Number(_)) => number(a) == number(b),
        _ => a == b,
    }
}
