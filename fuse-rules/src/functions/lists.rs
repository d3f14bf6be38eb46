//! Sizes: `len`.

use super::Function;
use crate::number::Number;
use crate::value::{Kinds, Value};

pub(super) const FUNCTIONS: &[Function] = &[Function {
    name: "len",
    params: &[("value", Kinds::STRING.or(Kinds::LIST).or(Kinds::MAP))],
    returns: Kinds::NUMBER,
    doc: "How many characters a string, elements a list or entries a map has.",
    examples: &[
        (r#"len("é!")"#, Some("2")),
        ("len([1, 2, 3])", Some("3")),
        (r#"len("")"#, Some("0")),
    ],
    call: |arguments, _| {
        let count = match arguments.first() {
            Some(Value::String(text)) => text.chars().count(),
            Some(Value::List(list)) => list.len(),
            Some(Value::Map(map)) => map.len(),
            _ => 0,
        };
        Ok(Value::Number(Number::from(i64::try_from(count).unwrap_or(i64::MAX))))
    },
}];
