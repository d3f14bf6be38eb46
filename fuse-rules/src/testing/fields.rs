//! Compares the fields of an action with the expected ones. Objects may have further fields; lists must
//! have the same length.

use serde_json::{Map, Value as Json};

use crate::number::Number;

/// The most differences that are listed.
const MAX_DIFFERENCES: usize = 10;

/// Describes the differences, each with its path. Empty if the expectation is met.
pub(super) fn differences(expected: &Map<String, Json>, actual: &Map<String, Json>) -> Vec<String> {
    let mut found = Vec::new();
    object("", expected, actual, &mut found);
    if found.len() > MAX_DIFFERENCES {
        let more = found.len() - MAX_DIFFERENCES;
        found.truncate(MAX_DIFFERENCES);
        found.push(format!("and {more} more"));
    }
    found
}

fn object(
    path: &str,
    expected: &Map<String, Json>,
    actual: &Map<String, Json>,
    found: &mut Vec<String>,
) {
    for (key, expected) in expected {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match actual.get(key) {
            Some(actual) => value(&path, expected, actual, found),
            None => found.push(format!("`{path}` is missing, not {expected}")),
        }
    }
}

fn value(path: &str, expected: &Json, actual: &Json, found: &mut Vec<String>) {
    match (expected, actual) {
        (Json::Object(expected), Json::Object(actual)) => object(path, expected, actual, found),
        (Json::Array(expected), Json::Array(actual)) if expected.len() == actual.len() => {
            for (i, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                value(&format!("{path}[{i}]"), expected, actual, found);
            }
        }
        _ if same(expected, actual) => {}
        _ => found.push(format!("`{path}` is {actual}, not {expected}")),
    }
}

fn same(a: &Json, b: &Json) -> bool {
    let number = |json: &Json| Number::parse(&json.to_string()).ok();
    match (a, b) {
        (Json::Number(_), Json::Number(_)) => number(a) == number(b),
        _ => a == b,
    }
}
