//! YAML as a tree with the position of every node.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use serde_saphyr::{Location, Spanned};

use super::TemplateError;

/// A node with its position in the text. The position is empty if the node does not come from a text.
#[derive(Clone, Debug)]
pub(super) struct YamlNode {
    value: Value,
    place: Range<usize>,
}

#[derive(Clone, Debug)]
enum Value {
    Null,
    /// The text of a scalar of any type.
    Scalar(String),
    List(Vec<YamlNode>),
    /// Keys with their positions, and values.
    Map(Vec<(String, Range<usize>, YamlNode)>),
}

/// Reads the documents of a text.
///
/// # Errors
/// The text is not valid YAML. The message is one line.
pub(super) fn documents(text: &str) -> Result<Vec<YamlNode>, TemplateError> {
    serde_saphyr::from_multiple(text).map_err(|error| {
        // The other lines of the error show an excerpt of the text.
        let error = error.to_string();
        let line = error.lines().next().unwrap_or_default();
        TemplateError(line.trim_start_matches("error: ").to_owned())
    })
}

impl YamlNode {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => {
                entries.iter().find(|(own, ..)| own == key).map(|entry| &entry.2)
            }
            _ => None,
        }
    }

    /// The value at a path of keys.
    pub(super) fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list; empty for other nodes.
    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    pub(super) fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// Calls `visit` for every scalar in the node.
    pub(super) fn scalars<'n>(&'n self, visit: &mut impl FnMut(&'n str)) {
        match &self.value {
            Value::Null => {}
            Value::Scalar(text) => visit(text),
            Value::List(items) => items.iter().for_each(|item| item.scalars(visit)),
            Value::Map(entries) => entries.iter().for_each(|(_, _, node)| node.scalars(visit)),
        }
    }
}

impl From<&Json> for YamlNode {
    fn from(json: &Json) -> Self {
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Scalar(truth.to_string()),
            Json::Number(number) => Value::Scalar(number.to_string()),
            Json::String(text) => Value::Scalar(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(Self::from).collect()),
            Json::Object(map) => Value::Map(
                map.iter().map(|(key, value)| (key.clone(), 0..0, value.into())).collect(),
            ),
        };
        Self { value, place: 0..0 }
    }
}

impl<'de> Deserialize<'de> for YamlNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value, place: range(spanned.defined) })
    }
}

fn range(at: Location) -> Range<usize> {
    let index = |bytes: Option<u64>| bytes.and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
    let start = index(at.span().byte_offset());
    start..start + index(at.span().byte_len())
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_owned()))
    }

    fn visit_bytes<E>(self, _value: &[u8]) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push((key.value, range(key.defined), map.next_value()?));
        }
        Ok(Value::Map(entries))
    }
}
