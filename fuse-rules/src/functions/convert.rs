//! Conversions, all explicit: `int`, `float`, `string`, `text`, `duration`, `json`, `parse-json`,
//! `raw`.

use super::{Call, CallResult, Function, ResultSize, Returns, fits, string};
use crate::event::json_fault;
use crate::literals::parse_duration;
use crate::number::Number;
use crate::scan;
use crate::value::{DuplicateKey, Kinds, Value, cut};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "int",
        params: &[("value", Kinds::NUMBER.or(Kinds::STRING))],
        returns: Returns::Int,
        size: ResultSize::AtMost(1),
        doc: "A number or decimal text as a whole number; it is not rounded.",
        examples: &[
            (r#"int("42")"#, Some("42")),
            ("int(3.0)", Some("3")),
            ("int(3.5)", None),
            (r#"int("4 2")"#, None),
        ],
        call: Call::Pure(|arguments| {
            let number = number(arguments)?;
            if number.is_integral() {
                Ok(Value::Number(number))
            } else {
                Err(format!("`{number}` is not a whole number").into())
            }
        }),
    },
    Function {
        name: "float",
        params: &[("value", Kinds::NUMBER.or(Kinds::STRING))],
        returns: Returns::Of(Kinds::NUMBER),
        size: ResultSize::AtMost(1),
        doc: "A number or decimal text as a number.",
        examples: &[
            (r#"float("2.50")"#, Some("2.5")),
            (r#"float("1e3")"#, Some("1000")),
            (r#"float("x")"#, None),
        ],
        call: Call::Pure(|arguments| Ok(Value::Number(number(arguments)?))),
    },
    Function {
        name: "string",
        params: &[("value", Kinds::SCALAR)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Longer(6),
        doc: "The canonical text of a string, number, boolean, time, duration or version.",
        examples: &[
            ("string(1.50)", Some(r#""1.5""#)),
            ("string(true)", Some(r#""true""#)),
            ("string(90s)", Some(r#""1m30s""#)),
        ],
        call: Call::Pure(|arguments| match arguments.first().and_then(Value::canonical) {
            Some(text) => Ok(Value::text(text.into_owned())),
            None => Err("it has no text".into()),
        }),
    },
    Function {
        name: "text",
        params: &[("value", Kinds::SCALAR.or(Kinds::LIST).or(Kinds::MAP))],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Longer(6),
        doc: "The value as text: a list or a map as compact JSON, anything else as `string` gives it.",
        examples: &[
            (r#"text(["a", 1.50])"#, Some(r#""[\"a\",1.5]""#)),
            (r#"text("x")"#, Some(r#""x""#)),
            ("text(90s)", Some(r#""1m30s""#)),
            ("text(null)", None),
        ],
        call: Call::Pure(|arguments| match arguments.first().and_then(Value::canonical) {
            Some(text) => Ok(Value::text(text.into_owned())),
            None => json(arguments),
        }),
    },
    Function {
        name: "duration",
        params: &[("value", Kinds::STRING.or(Kinds::DURATION))],
        returns: Returns::Of(Kinds::DURATION),
        size: ResultSize::AtMost(1),
        doc: "A duration, or a text such as `1h30m`, as a duration.",
        examples: &[
            (r#"duration("1h30m") == 90m"#, Some("true")),
            (r#"string(duration("90s"))"#, Some(r#""1m30s""#)),
            (r#"duration("soon")"#, None),
            (r#"duration("1.5h")"#, None),
        ],
        call: Call::Pure(duration),
    },
    Function {
        name: "json",
        params: &[("value", Kinds::ANY)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Longer(6),
        doc: "The value as compact JSON text.",
        examples: &[
            (r#"json(["a", 1.0, null])"#, Some(r#""[\"a\",1,null]""#)),
            (r#"json("x")"#, Some(r#""\"x\"""#)),
        ],
        call: Call::Pure(json),
    },
    Function {
        name: "parse-json",
        params: &[("text", Kinds::STRING)],
        returns: Returns::Of(Kinds::JSON),
        size: ResultSize::Bytes,
        doc: "The value that a JSON text describes. There is no result if the text is not a valid JSON body, or if a key occurs twice in one object.",
        examples: &[
            (r#"parse-json("{\"percent\": 10}").percent"#, Some("10")),
            (r#"parse-json("[1.0, null]")"#, Some("[1,null]")),
            (r#"parse-json("{percent: 10}")"#, None),
            (r#"parse-json("")"#, None),
            (r#"parse-json("{\"a\": 1, \"a\": 2}")"#, None),
        ],
        call: Call::Pure(parse_json),
    },
    Function {
        name: "raw",
        params: &[("value", Kinds::ANY)],
        returns: Returns::Argument(0),
        size: ResultSize::Arguments,
        doc: "The value itself, marked as allowed to contain the templates that backends expand, `{{` and `$(`.",
        examples: &[(r#"raw("{{x}}")"#, Some(r#""{{x}}""#)), ("raw(1)", Some("1"))],
        call: Call::Pure(|arguments| {
            arguments
                .first()
                .cloned()
                .map(Value::into_owned)
                .ok_or_else(|| "there is no value".into())
        }),
    },
];

/// The first argument as a number, or parsed from a string in JSON's format.
pub(super) fn number(arguments: &[Value<'_>]) -> Result<Number, String> {
    match arguments.first() {
        Some(Value::Number(number)) => Ok(*number),
        Some(Value::String(text)) => {
            Number::parse(text).map_err(|_| format!("`{}` is not a number", cut(text)))
        }
        _ => Err("it is not a number".into()),
    }
}

fn duration(arguments: &[Value<'_>]) -> CallResult {
    match arguments.first() {
        Some(Value::Duration(duration)) => Ok(Value::Duration(*duration)),
        Some(Value::String(text)) => parse_duration(text)
            .map(Value::Duration)
            .ok_or_else(|| format!("`{}` is not a duration such as `1h30m`", cut(text)).into()),
        _ => Err("it is not a duration".into()),
    }
}

fn parse_json(arguments: &[Value<'_>]) -> CallResult {
    let text = string(arguments, 0);
    if fits(text.len()).is_err() {
        return Err("the text is too long".into());
    }
    if !scan::is_valid(text) {
        return Err(match json_fault(text) {
            Some((place, why)) => {
                format!("line {}, column {}: {why}", place.line, place.column).into()
            }
            None => "not JSON".into(),
        });
    }
    match Value::read(text) {
        Ok(value) => Ok(value.into_owned()),
        Err(DuplicateKey(key)) => {
            Err(format!("the key `{}` occurs twice in one object", cut(&key)).into())
        }
    }
}

fn json(arguments: &[Value<'_>]) -> CallResult {
    let Some(value) = arguments.first() else {
        return Err("there is no value".into());
    };
    value
        .to_json_text()
        .map(Value::text)
        .map_err(|unrepresentable| format!("it holds {unrepresentable}").into())
}
