//! Lists: `len`, `slice`, `concat`, `flatten`, `range`, `sort`, `unique`.

use std::cmp::Ordering;

use super::{Call, CallResult, Function, ResultSize, Returns, check_same_kind, elements, list};
use crate::number::Number;
use crate::value::{Kinds, Value};

/// The maximum number of elements of a `range`.
const MAX_RANGE: i64 = 1_000;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "len",
        params: &[("value", Kinds::STRING.or(Kinds::LIST).or(Kinds::MAP))],
        returns: Returns::Int,
        size: ResultSize::AtMost(1),
        doc: "The number of characters in a string, elements in a list, or entries in a map.",
        examples: &[
            (r#"len("é!")"#, Some("2")),
            ("len([1, 2, 3])", Some("3")),
            (r#"len("")"#, Some("0")),
        ],
        call: Call::Pure(len),
    },
    Function {
        name: "slice",
        params: &[
            ("value", Kinds::STRING.or(Kinds::LIST)),
            ("from", Kinds::NUMBER),
            ("to?", Kinds::NUMBER),
        ],
        returns: Returns::Argument(0),
        size: ResultSize::Arguments,
        doc: "The characters of a string, or the elements of a list, from `from` to before `to`, or to the end. The first one is 0; negative positions count from the end, and positions outside are moved to the nearest end.",
        examples: &[
            (r#"slice("f95f852bd8fca8fc", 0, 7)"#, Some(r#""f95f852""#)),
            (r#"slice("release.tar.gz", -3)"#, Some(r#"".gz""#)),
            ("slice([1, 2, 3, 4], 1, -1)", Some("[2,3]")),
            (r#"slice("é!", 1, 9)"#, Some(r#""!""#)),
            (r#"slice("abc", 2, 1)"#, Some(r#""""#)),
            (r#"slice("abc", 0.5)"#, None),
        ],
        call: Call::Pure(slice),
    },
    Function {
        name: "concat",
        params: &[("first", Kinds::LIST), ("second", Kinds::LIST)],
        returns: Returns::Joined,
        size: ResultSize::Arguments,
        doc: "The elements of both lists, in order.",
        examples: &[("concat([1, 2], [2, 3])", Some("[1,2,2,3]")), ("concat([], [])", Some("[]"))],
        call: Call::Pure(|arguments| {
            let both = list(arguments, 0).iter().chain(list(arguments, 1));
            Ok(Value::List(both.map(|value| value.clone().into_owned()).collect()))
        }),
    },
    Function {
        name: "flatten",
        params: &[("list", Kinds::LIST)],
        returns: Returns::Flattened(0),
        size: ResultSize::Arguments,
        doc: "The elements of the lists in a list, in order; lists inside them stay as they are.",
        examples: &[
            ("flatten([[1, 2], [], [3, [4]]])", Some("[1,2,3,[4]]")),
            ("flatten([])", Some("[]")),
            ("flatten([[1], 2])", None),
        ],
        call: Call::Pure(flatten),
    },
    Function {
        name: "range",
        params: &[("count", Kinds::NUMBER)],
        returns: Returns::Ints,
        size: ResultSize::AtMost(1 + MAX_RANGE.unsigned_abs()),
        doc: "The whole numbers from 0 to before `count`, which must be between 0 and 1000.",
        examples: &[
            ("range(3)", Some("[0,1,2]")),
            ("range(0)", Some("[]")),
            ("range(-1)", None),
            ("range(1001)", None),
        ],
        call: Call::Pure(range),
    },
    Function {
        name: "sort",
        params: &[("list", Kinds::LIST)],
        returns: Returns::Argument(0),
        size: ResultSize::Arguments,
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
        size: ResultSize::Arguments,
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

fn slice(arguments: &[Value<'_>]) -> CallResult {
    let (from, to) = (whole(arguments, 1)?, whole(arguments, 2)?);
    Ok(match arguments.first() {
        Some(Value::String(text)) => {
            // One position per character, and the end.
            let starts: Vec<usize> =
                text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let (from, to) = bounds(from, to, starts.len().saturating_sub(1));
            let at = |position: usize| starts.get(position).copied().unwrap_or(text.len());
            Value::text(text.get(at(from)..at(to)).unwrap_or_default().to_owned())
        }
        _ => {
            let list = list(arguments, 0);
            let (from, to) = bounds(from, to, list.len());
            let kept = list.get(from..to).unwrap_or_default();
            Value::List(kept.iter().map(|value| value.clone().into_owned()).collect())
        }
    })
}

/// A whole number argument; `None` if it is left out.
fn whole(arguments: &[Value<'_>], index: usize) -> Result<Option<i64>, String> {
    let Some(Value::Number(number)) = arguments.get(index) else { return Ok(None) };
    if !number.is_integral() {
        return Err(format!("`{number}` is not a whole number"));
    }
    // A larger number is as far outside.
    let far = if *number < Number::ZERO { i64::MIN } else { i64::MAX };
    Ok(Some(number.to_i64().unwrap_or(far)))
}

/// The positions from which and to which something of that length is kept.
fn bounds(from: Option<i64>, to: Option<i64>, len: usize) -> (usize, usize) {
    let clamped = |position: i64| {
        let length = i64::try_from(len).unwrap_or(i64::MAX);
        let at = if position < 0 { position.saturating_add(length) } else { position };
        usize::try_from(at.clamp(0, length)).unwrap_or(len)
    };
    let from = clamped(from.unwrap_or(0));
    (from, to.map_or(len, clamped).max(from))
}

fn flatten(arguments: &[Value<'_>]) -> CallResult {
    let lists = list(arguments, 0);
    elements(lists, Kinds::LIST)?;
    let inner = lists.iter().flat_map(|one| match one {
        Value::List(inner) => inner.as_slice(),
        _ => &[],
    });
    Ok(Value::List(inner.map(|value| value.clone().into_owned()).collect()))
}

fn range(arguments: &[Value<'_>]) -> CallResult {
    match whole(arguments, 0)? {
        Some(count @ 0..=MAX_RANGE) => {
            Ok(Value::List((0..count).map(|one| Value::Number(one.into())).collect()))
        }
        _ => Err(format!("the count is not between 0 and {MAX_RANGE}").into()),
    }
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
