//! Prints a shape as the text of a type.

use super::{Object, Shape, Strings};
use crate::literals::quoted;
use crate::syntax::is_name;

/// More deeply nested values can be anything: nobody reads a type that deep.
const MAX_DEPTH: usize = 16;

/// The type, without a line end.
pub(super) fn text(shape: &Shape) -> String {
    at(shape, 0, 0)
}

/// The type at nesting depth `level`, on a line that is indented `indent` times.
fn at(shape: &Shape, level: usize, indent: usize) -> String {
    if shape.kinds() == 0 || level == MAX_DEPTH {
        return "any".into();
    }
    let mut kinds: Vec<String> = Vec::new();
    if let Some(strings) = &shape.strings {
        kinds.push(texts(strings));
    }
    if let Some(numbers) = shape.numbers {
        kinds.push(if numbers.whole { "int" } else { "float" }.into());
    }
    if shape.bool {
        kinds.push("bool".into());
    }
    if let Some(elements) = &shape.list {
        kinds.push(format!("list<{}>", at(elements, level + 1, indent)));
    }
    if let Some(object) = &shape.object {
        kinds.push(match object.as_map() {
            Some(values) => format!("map<{}>", at(&values, level + 1, indent)),
            None => record(object, level, indent),
        });
    }
    if shape.null {
        kinds.push("null".into());
    }
    kinds.join(" | ")
}

fn texts(strings: &Strings) -> String {
    if strings.times {
        return "timestamp".into();
    }
    match strings.choices() {
        Some(words) => words.map(quoted).collect::<Vec<_>>().join(" | "),
        None => "string".into(),
    }
}

fn record(object: &Object, level: usize, indent: usize) -> String {
    if object.fields.is_empty() {
        return "map<any>".into();
    }
    let mut fields: Vec<_> = object.fields.iter().collect();
    fields.sort_by_key(|(key, field)| (field.position, key.as_str()));
    let margin = "  ".repeat(indent);
    let mut text = "{\n".to_owned();
    for (key, field) in fields {
        let key = if is_name(key) { key.clone() } else { quoted(key) };
        let mark = if field.seen < object.seen { "?" } else { "" };
        text.push_str(&format!(
            "{margin}  {key}{mark}: {}\n",
            at(&field.shape, level + 1, indent + 1)
        ));
    }
    format!("{text}{margin}  ...\n{margin}}}")
}
