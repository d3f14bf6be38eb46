//! Instants: `time`, `from-epoch`, `age`. The only clock is the time at which the event was received.

use jiff::Timestamp;

use super::convert::number;
use super::{Call, CallContext, CallResult, Function, ResultSize, Returns};
use crate::number::Number;
use crate::value::{Kinds, Value, cut};

/// The kinds that can represent an instant.
pub(super) const INSTANT: Kinds = Kinds::STRING.or(Kinds::TIME);

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "time",
        params: &[("value", INSTANT)],
        returns: Returns::Of(Kinds::TIME),
        size: ResultSize::AtMost(1),
        doc: "The instant of an RFC 3339 text such as `2026-08-01T10:00:00Z`.",
        examples: &[
            (r#"string(time("2026-08-01T12:00:00+02:00"))"#, Some(r#""2026-08-01T10:00:00Z""#)),
            (r#"time("2026-08-01T10:00:00.5Z") > time("2026-08-01T10:00:00Z")"#, Some("true")),
            (r#"time("tomorrow")"#, None),
            (r#"time("2026-08-01")"#, None),
        ],
        call: Call::Pure(|arguments| Ok(Value::Time(instant(arguments)?))),
    },
    Function {
        name: "from-epoch",
        params: &[("value", Kinds::NUMBER.or(Kinds::STRING)), ("unit?", Kinds::STRING)],
        returns: Returns::Of(Kinds::TIME),
        size: ResultSize::AtMost(1),
        doc: "The instant that a number, or its text, counts from 1970-01-01T00:00:00Z, in seconds (`s`), or in the unit `ms`, `us` or `ns`. Fractions are exact.",
        examples: &[
            (r#"string(from-epoch(1785580200123, "ms"))"#, Some(r#""2026-08-01T10:30:00.123Z""#)),
            (
                r#"string(from-epoch("1503435956.000247"))"#,
                Some(r#""2017-08-22T21:05:56.000247Z""#),
            ),
            (r#"string(from-epoch(-1.5))"#, Some(r#""1969-12-31T23:59:58.5Z""#)),
            ("from-epoch(1785580200123)", None),
            (r#"from-epoch(1, "min")"#, None),
            (r#"from-epoch("soon")"#, None),
            (r#"from-epoch(0.5, "ns")"#, None),
        ],
        call: Call::Pure(from_epoch),
    },
    Function {
        name: "age",
        params: &[("value", INSTANT)],
        returns: Returns::Of(Kinds::DURATION),
        size: ResultSize::AtMost(1),
        doc: "The time from that instant until the event was received; negative if the instant is later.",
        // The event of the examples was received at 2026-08-01T10:10:00Z.
        examples: &[
            (r#"age("2026-08-01T10:00:00Z") == 10m"#, Some("true")),
            (r#"age("2026-08-01T10:11:00Z") < 0s"#, Some("true")),
            (r#"age("yesterday")"#, None),
        ],
        call: Call::Clock(age),
    },
];

/// The first argument as an instant.
pub(super) fn instant(arguments: &[Value<'_>]) -> Result<Timestamp, String> {
    match arguments.first() {
        Some(Value::Time(time)) => Ok(*time),
        Some(Value::String(text)) => text
            .parse()
            .map_err(|_| format!("`{}` is not an RFC 3339 time with an offset", cut(text))),
        _ => Err("it is not a time".into()),
    }
}

/// The number of nanoseconds in a unit.
pub(super) fn unit(name: &str) -> Result<i64, String> {
    Ok(match name {
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "us" => 1_000,
        "ns" => 1,
        _ => {
            return Err(format!(
                "`{}` is not one of the units `s`, `ms`, `us` and `ns`",
                cut(name)
            ));
        }
    })
}

fn from_epoch(arguments: &[Value<'_>]) -> CallResult {
    let count = number(arguments)?;
    let (name, unit) = match arguments.get(1) {
        Some(Value::String(name)) => (name.as_ref(), unit(name)?),
        _ => ("s", unit("s")?),
    };
    let nanoseconds = count.mul(Number::from(unit));
    if nanoseconds.is_some_and(|nanoseconds| !nanoseconds.is_integral()) {
        return Err(format!("`{count}` has a fraction of a nanosecond").into());
    }
    let instant = nanoseconds.and_then(Number::truncated).map(Timestamp::from_nanosecond);
    match instant {
        Some(Ok(instant)) => Ok(Value::Time(instant)),
        _ if name == "s" => {
            Err(format!("`{count}` seconds are beyond the year 9999; for milliseconds write `from-epoch(…, \"ms\")`").into())
        }
        _ => Err(format!("`{count}` is beyond the year 9999").into()),
    }
}

fn age(arguments: &[Value<'_>], context: &CallContext) -> CallResult {
    Ok(Value::Duration(context.received.duration_since(instant(arguments)?)))
}
