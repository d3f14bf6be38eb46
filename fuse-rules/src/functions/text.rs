//! Text: `lower`, `upper`, `capitalize`, `trim`, `strip-prefix`, `strip-suffix`, `replace`, `split`,
//! `join`.

use super::{Call, CallResult, Function, ResultSize, Returns, fits, not_empty, string};
use crate::value::{Kinds, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "lower",
        params: &[("text", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Longer(3),
        doc: "The text in lower case.",
        examples: &[
            (r#"lower("Pay-API")"#, Some(r#""pay-api""#)),
            (r#"lower("É")"#, Some(r#""é""#)),
        ],
        call: Call::Pure(|arguments| Ok(Value::text(string(arguments, 0).to_lowercase()))),
    },
    Function {
        name: "upper",
        params: &[("text", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Longer(3),
        doc: "The text in upper case.",
        examples: &[(r#"upper("dev")"#, Some(r#""DEV""#)), (r#"upper("")"#, Some(r#""""#))],
        call: Call::Pure(|arguments| Ok(Value::text(string(arguments, 0).to_uppercase()))),
    },
    Function {
        name: "capitalize",
        params: &[("text", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Longer(3),
        doc: "The text with its first character in upper case. The other characters do not change.",
        examples: &[
            (r#"capitalize("firing")"#, Some(r#""Firing""#)),
            (r#"capitalize("ölKanne")"#, Some(r#""ÖlKanne""#)),
            (r#"capitalize("")"#, Some(r#""""#)),
        ],
        call: Call::Pure(|arguments| {
            let mut characters = string(arguments, 0).chars();
            let first = characters.next().map(char::to_uppercase);
            let mut text: String = first.into_iter().flatten().collect();
            text.push_str(characters.as_str());
            Ok(Value::text(text))
        }),
    },
    Function {
        name: "trim",
        params: &[("text", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Arguments,
        doc: "The text without white space at both ends.",
        examples: &[(r#"trim("  x y ")"#, Some(r#""x y""#)), (r#"trim("\n")"#, Some(r#""""#))],
        call: Call::Pure(|arguments| Ok(Value::text(string(arguments, 0).trim().to_owned()))),
    },
    Function {
        name: "strip-prefix",
        params: &[("text", Kinds::STRING), ("prefix", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Arguments,
        doc: "The text without this prefix, or the same text if it does not start with the prefix.",
        examples: &[
            (r#"strip-prefix("refs/heads/main", "refs/heads/")"#, Some(r#""main""#)),
            (r#"strip-prefix("main", "refs/heads/")"#, Some(r#""main""#)),
        ],
        call: Call::Pure(|arguments| {
            let text = string(arguments, 0);
            Ok(Value::text(text.strip_prefix(string(arguments, 1)).unwrap_or(text).to_owned()))
        }),
    },
    Function {
        name: "strip-suffix",
        params: &[("text", Kinds::STRING), ("suffix", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Arguments,
        doc: "The text without this suffix, or the same text if it does not end with the suffix.",
        examples: &[
            (r#"strip-suffix("app.git", ".git")"#, Some(r#""app""#)),
            (r#"strip-suffix("app", ".git")"#, Some(r#""app""#)),
        ],
        call: Call::Pure(|arguments| {
            let text = string(arguments, 0);
            Ok(Value::text(text.strip_suffix(string(arguments, 1)).unwrap_or(text).to_owned()))
        }),
    },
    Function {
        name: "replace",
        params: &[("text", Kinds::STRING), ("from", Kinds::STRING), ("to", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Product,
        doc: "The text with every `from` replaced by `to`, from left to right; `from` must not be empty.",
        examples: &[
            (r#"replace("a/b/c", "/", "-")"#, Some(r#""a-b-c""#)),
            (r#"replace("aaa", "aa", "b")"#, Some(r#""ba""#)),
            (r#"replace("abc", "", "-")"#, None),
        ],
        call: Call::Pure(replace),
    },
    Function {
        name: "split",
        params: &[("text", Kinds::STRING), ("separator", Kinds::STRING)],
        returns: Returns::ListOf(Kinds::STRING),
        size: ResultSize::Bytes,
        doc: "The parts of the text between separators; the separator must not be empty.",
        examples: &[
            (r#"split("a,b,,c", ",")"#, Some(r#"["a","b","","c"]"#)),
            (r#"split("", ",")"#, Some(r#"[""]"#)),
            (r#"split("abc", "")"#, None),
        ],
        call: Call::Pure(split),
    },
    Function {
        name: "join",
        params: &[("list", Kinds::LIST), ("separator", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Product,
        doc: "The texts of the elements, joined with the separator; elements must be strings, numbers or booleans.",
        examples: &[
            (r#"join(["a", 1, true], "-")"#, Some(r#""a-1-true""#)),
            (r#"join([], ",")"#, Some(r#""""#)),
            (r#"join([["a"]], ",")"#, None),
        ],
        call: Call::Pure(join),
    },
];

fn replace(arguments: &[Value<'_>]) -> CallResult {
    let (text, from, to) = (string(arguments, 0), string(arguments, 1), string(arguments, 2));
    not_empty("from", from)?;
    let grown = text.matches(from).count().saturating_mul(to.len()).saturating_add(text.len());
    fits(grown)?;
    Ok(Value::text(text.replace(from, to)))
}

fn split(arguments: &[Value<'_>]) -> CallResult {
    let separator = string(arguments, 1);
    not_empty("separator", separator)?;
    let pieces = string(arguments, 0).split(separator);
    Ok(Value::List(pieces.map(|piece| Value::text(piece.to_owned())).collect()))
}

fn join(arguments: &[Value<'_>]) -> CallResult {
    let Some(Value::List(list)) = arguments.first() else {
        return Err("there is no list".into());
    };
    let mut texts = Vec::with_capacity(list.len());
    for value in list {
        let Some(text) = value.canonical() else {
            return Err(format!("an element is {}", value.kind()).into());
        };
        texts.push(text);
    }
    let separator = string(arguments, 1);
    let grown = texts.iter().fold(separator.len().saturating_mul(texts.len()), |sum, text| {
        sum.saturating_add(text.len())
    });
    fits(grown)?;
    Ok(Value::text(texts.join(separator)))
}
