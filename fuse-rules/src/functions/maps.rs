//! Maps: `keys`, `values`.

use super::{Call, Function, Returns};
use crate::value::{Kinds, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "keys",
        params: &[("map", Kinds::MAP)],
        returns: Returns::ListOf(Kinds::STRING),
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
];

/// The entries of a map sorted by key: their order in an event has no meaning.
fn sorted<'v>(arguments: &'v [Value<'_>]) -> Vec<(&'v str, &'v Value<'v>)> {
    let Some(Value::Map(map)) = arguments.first() else {
        return Vec::new();
    };
    let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.as_ref(), value)).collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}
