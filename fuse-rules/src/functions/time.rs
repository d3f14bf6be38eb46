//! Instants: `time`, `age`. The only clock is the time at which the event was received.

use jiff::Timestamp;

use super::{Call, CallContext, CallResult, Function, Returns};
use crate::value::{Kinds, Value, cut};

/// The kinds that can represent an instant.
pub(super) const INSTANT: Kinds = Kinds::STRING.or(Kinds::TIME);

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "time",
        params: &[("value", INSTANT)],
        returns: Returns::Of(Kinds::TIME),
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
        name: "age",
        params: &[("value", INSTANT)],
        returns: Returns::Of(Kinds::DURATION),
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

fn age(arguments: &[Value<'_>], context: &CallContext) -> CallResult {
    Ok(Value::Duration(context.received.duration_since(instant(arguments)?)))
}
