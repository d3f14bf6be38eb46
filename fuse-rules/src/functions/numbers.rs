//! Numbers: `abs`, `round`, and over lists `min`, `max`, `sum`.

use std::cmp::Ordering;

use super::{Call, CallResult, Function, ResultSize, Returns, check_same_kind, list};
use crate::number::Number;
use crate::value::{Kinds, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "abs",
        params: &[("value", Kinds::NUMBER.or(Kinds::DURATION))],
        returns: Returns::Argument(0),
        size: ResultSize::AtMost(1),
        doc: "A number or duration without its sign.",
        examples: &[
            ("abs(-1.5)", Some("1.5")),
            ("abs(2)", Some("2")),
            ("abs(-5m) == 5m", Some("true")),
        ],
        call: Call::Pure(abs),
    },
    Function {
        name: "round",
        params: &[("number", Kinds::NUMBER)],
        returns: Returns::Int,
        size: ResultSize::AtMost(1),
        doc: "The nearest whole number; halfway cases are rounded away from zero.",
        examples: &[
            ("round(2.4)", Some("2")),
            ("round(2.5)", Some("3")),
            ("round(-2.5)", Some("-3")),
        ],
        call: Call::Pure(|arguments| match arguments.first() {
            Some(Value::Number(number)) => Ok(Value::Number(number.round())),
            _ => Err("it is not a number".into()),
        }),
    },
    Function {
        name: "min",
        params: &[("list", Kinds::LIST)],
        returns: Returns::Element(0),
        size: ResultSize::AtMost(1),
        doc: "The smallest element of a list of numbers, durations, times or versions; the list must not be empty.",
        examples: &[
            ("min([3, 1.5, 2])", Some("1.5")),
            ("min([2h, 30m]) == 30m", Some("true")),
            ("min([])", None),
            (r#"min(["a", "b"])"#, None),
        ],
        call: Call::Pure(|arguments| most(arguments, Ordering::Less)),
    },
    Function {
        name: "max",
        params: &[("list", Kinds::LIST)],
        returns: Returns::Element(0),
        size: ResultSize::AtMost(1),
        doc: "The largest element of a list of numbers, durations, times or versions; the list must not be empty.",
        examples: &[
            ("max([3, 1.5, 2])", Some("3")),
            (r#"string(max([semver("1.9.0"), semver("1.10.0")]))"#, Some(r#""1.10.0""#)),
            ("max([1, 2h])", None),
        ],
        call: Call::Pure(|arguments| most(arguments, Ordering::Greater)),
    },
    Function {
        name: "sum",
        params: &[("list", Kinds::LIST)],
        returns: Returns::Of(Kinds::NUMBER),
        size: ResultSize::AtMost(1),
        doc: "The sum of a list of numbers; 0 for an empty list.",
        examples: &[
            ("sum([0.1, 0.2])", Some("0.3")),
            ("sum([])", Some("0")),
            (r#"sum([1, "2"])"#, None),
        ],
        call: Call::Pure(sum),
    },
];

fn abs(arguments: &[Value<'_>]) -> CallResult {
    match arguments.first() {
        Some(Value::Number(number)) => Ok(Value::Number(number.abs())),
        Some(Value::Duration(duration)) if duration.is_negative() => duration
            .checked_neg()
            .map(Value::Duration)
            .ok_or_else(|| "the duration is too long".into()),
        Some(Value::Duration(duration)) => Ok(Value::Duration(*duration)),
        _ => Err("it is not a number".into()),
    }
}

/// The first element that is the smallest or the largest, depending on `side`.
fn most(arguments: &[Value<'_>], side: Ordering) -> CallResult {
    let values = list(arguments, 0);
    check_same_kind(values, Kinds::ORDERED)?;
    values
        .iter()
        .reduce(|most, value| if value.order(most) == Some(side) { value } else { most })
        .map(|value| value.clone().into_owned())
        .ok_or_else(|| "the list is empty".into())
}

fn sum(arguments: &[Value<'_>]) -> CallResult {
    let values = list(arguments, 0);
    check_same_kind(values, Kinds::NUMBER)?;
    values
        .iter()
        .try_fold(Number::ZERO, |sum, value| match value {
            Value::Number(number) => sum.add(*number),
            _ => Some(sum),
        })
        .map(Value::Number)
        .ok_or_else(|| "the sum is too large".into())
}
