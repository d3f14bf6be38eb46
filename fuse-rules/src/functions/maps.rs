//! Maps: `keys`, `values`, `entries`, `from-entries`, `merge`.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::{Call, CallResult, Function, ResultSize, Returns, elements, list};
use crate::value::{Kinds, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "keys",
        params: &[("map", Kinds::MAP)],
        returns: Returns::ListOf(Kinds::STRING),
        size: ResultSize::Arguments,
        doc: "The keys of a map, sorted.",
        examples: &[
            (r#"keys(url("https://acme.dev/?b=1&a=2").query)"#, Some(r#"["a","b"]"#)),
            (r#"len(keys(url("https://acme.dev/").query))"#, Some("0")),
        ],
        call: Call::Pure(|arguments| {
            let keys = sorted(arguments).into_iter().map(|(key, _)| Value::text(key.to_owned()));
            Ok(Value::List(keys.collect()))
        }),
    },
    Function {
        name: "values",
        params: &[("map", Kinds::MAP)],
        returns: Returns::ElementsOf(0),
        size: ResultSize::Arguments,
        doc: "The values of a map, in the order of its sorted keys.",
        examples: &[
            (r#"values(url("https://acme.dev/?b=1&a=2").query)"#, Some(r#"["2","1"]"#)),
            (r#"len(values(url("https://acme.dev/").query))"#, Some("0")),
        ],
        call: Call::Pure(|arguments| {
            let values = sorted(arguments).into_iter().map(|(_, value)| value.clone().into_owned());
            Ok(Value::List(values.collect()))
        }),
    },
    Function {
        name: "entries",
        params: &[("map", Kinds::MAP)],
        returns: Returns::EntriesOf(0),
        size: ResultSize::Longer(12),
        doc: "The entries of a map as a list of `{ key, value }`, in the order of its sorted keys.",
        examples: &[
            (
                r#"entries(url("https://acme.dev/?b=1&a=2").query)"#,
                Some(r#"[{"key":"a","value":"2"},{"key":"b","value":"1"}]"#),
            ),
            (r#"len(entries(url("https://acme.dev/").query))"#, Some("0")),
        ],
        call: Call::Pure(|arguments| {
            let entry = |(key, value): (&str, &Value<'_>)| {
                let key = (Cow::Borrowed("key"), Value::text(key.to_owned()));
                Value::Map(vec![key, (Cow::Borrowed("value"), value.clone().into_owned())])
            };
            Ok(Value::List(sorted(arguments).into_iter().map(entry).collect()))
        }),
    },
    Function {
        name: "from-entries",
        params: &[("list", Kinds::LIST)],
        returns: Returns::MapOfEntries(0),
        size: ResultSize::Arguments,
        doc: "The map with the `value` of each element of a list at its `key`, which is a string. A later element with the same key wins.",
        examples: &[
            (
                r#"from-entries(map(t in ["team=pay", "env=dev"]: { key = split(t, "=")[0], value = split(t, "=")[1] }))"#,
                Some(r#"{"team":"pay","env":"dev"}"#),
            ),
            (r#"len(from-entries([]))"#, Some("0")),
            (r#"from-entries(map(n in range(2): { key = n, value = n }))"#, None),
            (r#"from-entries(map(n in range(2): { key = "k" }))"#, None),
        ],
        call: Call::Pure(from_entries),
    },
    Function {
        name: "merge",
        params: &[("first", Kinds::MAP), ("second", Kinds::MAP)],
        returns: Returns::Merged,
        size: ResultSize::Arguments,
        doc: "A map with the entries of both; if both have a key, the result has the value of the second one.",
        examples: &[
            (
                r#"merge(url("https://acme.dev/?a=1&b=2").query, url("https://acme.dev/?b=3&c=4").query)"#,
                Some(r#"{"a":"1","b":"3","c":"4"}"#),
            ),
            (r#"len(merge(url("https://a.dev/").query, url("https://b.dev/").query))"#, Some("0")),
        ],
        call: Call::Pure(|arguments| {
            let entries = arguments.iter().flat_map(|map| match map {
                Value::Map(map) => map.as_slice(),
                _ => &[],
            });
            Ok(last_of_each(entries.map(|(key, value)| (key.as_ref(), value))))
        }),
    },
];

fn from_entries(arguments: &[Value<'_>]) -> CallResult {
    let list = list(arguments, 0);
    elements(list, Kinds::MAP)?;
    let mut entries = Vec::with_capacity(list.len());
    for element in list {
        let Value::Map(fields) = element else { continue };
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        match (field("key"), field("value")) {
            (Some(Value::String(key)), Some(value)) => entries.push((key.as_ref(), value)),
            (Some(Value::Unrepresentable(other)), _) => {
                return Err(format!("the key of an element is {other}").into());
            }
            (Some(other), Some(_)) => {
                return Err(format!("the key of an element is {}", other.kind()).into());
            }
            _ => return Err("an element has no `key` or no `value`".into()),
        }
    }
    Ok(last_of_each(entries.into_iter()))
}

/// A map of entries, each key at its first place with its last value.
fn last_of_each<'v>(entries: impl Iterator<Item = (&'v str, &'v Value<'v>)>) -> Value<'static> {
    let mut places: FxHashMap<&str, usize> = FxHashMap::default();
    let mut map: Vec<(&str, &Value<'_>)> = Vec::new();
    for (key, value) in entries {
        let place = *places.entry(key).or_insert(map.len());
        match map.get_mut(place) {
            Some(entry) => entry.1 = value,
            None => map.push((key, value)),
        }
    }
    let owned =
        |(key, value): (&str, &Value<'_>)| (Cow::Owned(key.to_owned()), value.clone().into_owned());
    Value::Map(map.into_iter().map(owned).collect())
}

/// The entries of a map sorted by key: their order in an event has no meaning.
fn sorted<'v>(arguments: &'v [Value<'_>]) -> Vec<(&'v str, &'v Value<'v>)> {
    let Some(Value::Map(map)) = arguments.first() else {
        return Vec::new();
    };
    let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.as_ref(), value)).collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}
