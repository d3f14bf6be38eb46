//! Whether an action has the fields that are expected of it. Objects may have more, lists may not.

use serde_json::{Map, Value as Json};

use crate::number::Number;

/// How many differences are told.
const MOST: usize = 10;

/// What differs, each in a few words with its path; nothing where the expectation is met.
pub(super) fn differences(expected: &Map<String, Json>, actual: &Map<String, Json>) -> Vec<String> {
    let mut found = Vec::new();
    object("", expected, actual, &mut found);
    if found.len() > MOST {
        let more = found.len() - MOST;
        found.truncate(MOST);
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
            None => found.push(format!("`{path}` is left out, not {expected}")),
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
