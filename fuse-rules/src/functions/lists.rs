//! Lists: `len`, `sort`, `unique`.

use std::cmp::Ordering;

use super::{Call, CallResult, Function, Returns, check_same_kind, elements, list};
use crate::number::Number;
use crate::value::{Kinds, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "len",
        params: &[("value", Kinds::STRING.or(Kinds::LIST).or(Kinds::MAP))],
        returns: Returns::Int,
        doc: "The number of characters in a string, elements in a list, or entries in a map.",
        examples: &[
            (r#"len("é!")"#, Some("2")),
            ("len([1, 2, 3])", Some("3")),
            (r#"len("")"#, Some("0")),
        ],
        call: Call::Pure(len),
    },
    Function {
        name: "sort",
        params: &[("list", Kinds::LIST)],
        returns: Returns::Argument(0),
        doc: "The elements in ascending order: numbers, durations, times, versions, or strings (by code point), all of one kind.",
        examples: &[
            ("sort([10, 9, 1.5])", Some("[1.5,9,10]")),
            (r#"sort(["b", "a", "B"])"#, Some(r#"["B","a","b"]"#)),
            ("sort([])", Some("[]")),
            (r#"sort([1, "a"])"#, None),
        ],
        call: Call::Pure(sort),
    },
    Function {
        name: "unique",
        params: &[("list", Kinds::LIST)],
        returns: Returns::Argument(0),
        doc: "The elements without duplicates, in the order of their first occurrence; elements must not be lists or maps.",
        examples: &[
            (r#"unique(["b", "a", "b"])"#, Some(r#"["b","a"]"#)),
            (r#"unique([1, 1.0, "1"])"#, Some(r#"[1,"1"]"#)),
            ("unique([[1], [1]])", None),
        ],
        call: Call::Pure(unique),
    },
];

fn len(arguments: &[Value<'_>]) -> CallResult {
    let count = match arguments.first() {
        Some(Value::String(text)) => text.chars().count(),
        Some(Value::List(list)) => list.len(),
        Some(Value::Map(map)) => map.len(),
        _ => 0,
    };
    Ok(Value::Number(Number::from(i64::try_from(count).unwrap_or(i64::MAX))))
}

fn sort(arguments: &[Value<'_>]) -> CallResult {
    let mut sorted = list(arguments, 0).to_vec();
    check_same_kind(&sorted, Kinds::ORDERED.or(Kinds::STRING))?;
    sorted.sort_by(total);
    Ok(Value::List(sorted).into_owned())
}

fn unique(arguments: &[Value<'_>]) -> CallResult {
    let values = list(arguments, 0);
    elements(values, Kinds::SCALAR.or(Kinds::NULL))?;
    let mut numbered: Vec<_> = values.iter().enumerate().collect();
    // The sort is stable, so the first of several equal elements comes first.
    numbered.sort_by(|(_, a), (_, b)| total(a, b));
    numbered.dedup_by(|(_, a), (_, b)| total(a, b).is_eq());
    numbered.sort_unstable_by_key(|(at, _)| *at);
    let first = numbered.into_iter().map(|(_, value)| value.clone().into_owned());
    Ok(Value::List(first.collect()))
}

/// A total order over scalars of all kinds. Values are equal if they are equal in rules.
fn total(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => a.order(b).unwrap_or_else(|| a.kind().cmp(&b.kind())),
    }
}
