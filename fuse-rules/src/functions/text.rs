//! Text: `lower`, `upper`, `trim`, `replace`, `split`, `join`.

use super::{Context, Function, Outcome, string};
use crate::value::{Kinds, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "lower",
        params: &[("text", Kinds::STRING)],
        returns: Kinds::STRING,
        doc: "The text in lower case.",
        examples: &[
            (r#"lower("Pay-API")"#, Some(r#""pay-api""#)),
            (r#"lower("É")"#, Some(r#""é""#)),
        ],
        call: |arguments, _| Ok(Value::text(string(arguments, 0).to_lowercase())),
    },
    Function {
        name: "upper",
        params: &[("text", Kinds::STRING)],
        returns: Kinds::STRING,
        doc: "The text in upper case.",
        examples: &[(r#"upper("dev")"#, Some(r#""DEV""#)), (r#"upper("")"#, Some(r#""""#))],
        call: |arguments, _| Ok(Value::text(string(arguments, 0).to_uppercase())),
    },
    Function {
        name: "trim",
        params: &[("text", Kinds::STRING)],
        returns: Kinds::STRING,
        doc: "The text without the white space at both ends.",
        examples: &[(r#"trim("  x y ")"#, Some(r#""x y""#)), (r#"trim("\n")"#, Some(r#""""#))],
        call: |arguments, _| Ok(Value::text(string(arguments, 0).trim().to_owned())),
    },
    Function {
        name: "replace",
        params: &[("text", Kinds::STRING), ("from", Kinds::STRING), ("to", Kinds::STRING)],
        returns: Kinds::STRING,
        doc: "The text with every `from` replaced by `to`, from left to right; `from` is not empty.",
        examples: &[
            (r#"replace("a/b/c", "/", "-")"#, Some(r#""a-b-c""#)),
            (r#"replace("aaa", "aa", "b")"#, Some(r#""ba""#)),
            (r#"replace("abc", "", "-")"#, None),
        ],
        call: replace,
    },
    Function {
        name: "split",
        params: &[("text", Kinds::STRING), ("separator", Kinds::STRING)],
        returns: Kinds::LIST,
        doc: "The pieces of the text between separators; the separator is not empty.",
        examples: &[
            (r#"split("a,b,,c", ",")"#, Some(r#"["a","b","","c"]"#)),
            (r#"split("", ",")"#, Some(r#"[""]"#)),
            (r#"split("abc", "")"#, None),
        ],
        call: split,
    },
    Function {
        name: "join",
        params: &[("list", Kinds::LIST), ("separator", Kinds::STRING)],
        returns: Kinds::STRING,
        doc: "The elements' texts with the separator between them; elements are strings, numbers or booleans.",
        examples: &[
            (r#"join(["a", 1, true], "-")"#, Some(r#""a-1-true""#)),
            (r#"join([], ",")"#, Some(r#""""#)),
            (r#"join([["a"]], ",")"#, None),
        ],
        call: join,
    },
];

/// A result is never longer than this, so that `replace` cannot multiply a text without bound.
const LONGEST: usize = 4 << 20;

fn replace(arguments: &[Value<'_>], _: &Context) -> Outcome {
    let (text, from, to) = (string(arguments, 0), string(arguments, 1), string(arguments, 2));
    if from.is_empty() {
        return Err("there is nothing to replace: the second argument is empty".into());
    }
    let grown = text.matches(from).count().saturating_mul(to.len()).saturating_add(text.len());
    if grown > LONGEST {
        return Err(format!("the result would be longer than {LONGEST} bytes"));
    }
    Ok(Value::text(text.replace(from, to)))
}

fn split(arguments: &[Value<'_>], _: &Context) -> Outcome {
    let separator = string(arguments, 1);
    if separator.is_empty() {
        return Err("the separator is empty".into());
    }
    let pieces = string(arguments, 0).split(separator);
    Ok(Value::List(pieces.map(|piece| Value::text(piece.to_owned())).collect()))
}

fn join(arguments: &[Value<'_>], _: &Context) -> Outcome {
    let Some(Value::List(list)) = arguments.first() else {
        return Err("there is no list".into());
    };
    let mut texts = Vec::with_capacity(list.len());
    for value in list {
        let Some(text) = value.canonical() else {
            return Err(format!("an element is {}", value.kind()));
        };
        texts.push(text);
    }
    let separator = string(arguments, 1);
    let grown = texts.iter().fold(separator.len().saturating_mul(texts.len()), |sum, text| {
        sum.saturating_add(text.len())
    });
    if grown > LONGEST {
        return Err(format!("the result would be longer than {LONGEST} bytes"));
    }
    Ok(Value::text(texts.join(separator)))
}
