//! The values of a response that a rule keeps: `keep { ticket = "data.id" }`.

use std::collections::BTreeMap;

use fuse_rules::ActionResponse;
use fuse_rules::schema::{Field, FieldType, Outline, OutlineField, TriggerInfo};
use serde_json::Value;

use super::answer::HttpAnswer;

/// The most values that are kept.
const MAX_KEPT: usize = 16;

/// The longest value that is kept, in bytes. Together, at most 16 KiB are kept.
const MAX_VALUE: usize = 1024;

pub(super) const KEEP: &str = "keep";

pub(super) fn keep_field() -> Field {
    let paths = FieldType::Map(Box::new(FieldType::String));
    let doc = "Values of the response to keep: the path of each in its JSON.";
    Field::optional(KEEP, paths, doc)
}

/// Checks the names and the paths of what is kept.
pub(super) fn check_keep(block: &TriggerInfo) -> Result<(), String> {
    let kept = block.get(KEEP).map(Outline::entries).unwrap_or_default();
    if kept.len() > MAX_KEPT {
        return Err(format!(
            "keeps at most {MAX_KEPT} values; remove some of the {} in `keep`",
            kept.len()
        ));
    }
    for OutlineField { key, value, .. } in &kept {
        let Outline::Constant(Value::String(path)) = value else {
            return Err(format!(
                "cannot read the path of `{key}` in `keep` from the event; write it in quotes"
            ));
        };
        if key == "status" {
            return Err("always keeps the `status`; remove it from `keep`".to_owned());
        }
        if steps(path).is_none() {
            return Err(format!(
                "cannot use \"{path}\" as the path of `{key}` in `keep`; write one such as \"data.items[0].id\""
            ));
        }
    }
    Ok(())
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum JsonStep {
    Key(String),
    Index(usize),
}

/// The steps of a path: `data.items[0]["a.b"]`. `None` if it is not a path.
fn steps(path: &str) -> Option<Vec<JsonStep>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let mut values = serde_json::Deserializer::from_str(inside).into_iter::<Value>();
            steps.push(match values.next()?.ok()? {
                Value::String(key) => JsonStep::Key(key),
                index => JsonStep::Index(usize::try_from(index.as_u64()?).ok()?),
            });
            rest = inside.get(values.byte_offset()..)?.strip_prefix(']')?;
            continue;
        }
        if !steps.is_empty() {
            rest = rest.strip_prefix('.')?;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (key, after) = rest.split_at_checked(end)?;
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@');
        if key.is_empty() || !key.chars().all(is_plain) {
            return None;
        }
        steps.push(JsonStep::Key(key.to_owned()));
        rest = after;
    }
    Some(steps).filter(|steps| !steps.is_empty())
}

/// What is kept of a response. A value that is missing, too long, or neither a string, a number nor a boolean is left
/// out: the action was performed all the same.
pub(super) fn kept(answer: &HttpAnswer, keep: &BTreeMap<String, String>) -> ActionResponse {
    let response = ActionResponse::new(answer.status.as_u16());
    if keep.is_empty() {
        return response;
    }
    let Some(json) = answer.json() else { return response };
    keep.iter().fold(response, |response, (name, path)| match value(&json, path) {
        // In JSON, a secret may be written with escapes.
        Some(Value::String(text)) => response.with(name, answer.hide(text)),
        Some(value) => response.with(name, value.clone()),
        None => response,
    })
}

fn value<'v>(json: &'v Value, path: &str) -> Option<&'v Value> {
    let found = steps(path)?.iter().try_fold(json, |value, step| match step {
        JsonStep::Key(key) => value.get(key),
        JsonStep::Index(index) => value.get(index),
    })?;
    match found {
        Value::String(text) => text.len() <= MAX_VALUE,
        // The rest of the digits is lost: it would be another number.
        Value::Number(number) => !number.is_f64() || number.as_f64()?.abs() < EXACT,
        Value::Bool(_) => true,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
    .then_some(found)
}

/// From here on, a number that is not an integer of 64 bits was rounded.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;

    fn kept_of(body: &str, keep: &[(&str, &str)]) -> Value {
        let answer = HttpAnswer::new(StatusCode::CREATED, HeaderMap::new(), body.as_bytes(), &[]);
        let keep = keep.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned()));
        serde_json::to_value(kept(&answer, &keep.collect())).unwrap()
    }

    #[test]
    fn a_secret_of_the_request_is_hidden_however_it_is_written() {
        let body = br#"{"a": "https://x/T/s", "b": "https:\/\/x\/T\/s", "c": "\u0054/s"}"#;
        let hidden = ["T/s".to_owned()];
        let answer = HttpAnswer::new(StatusCode::OK, HeaderMap::new(), body, &hidden);
        let keep = ["a", "b", "c"].map(|name| (name.to_owned(), name.to_owned()));
        let found = serde_json::to_value(kept(&answer, &keep.into())).unwrap();
        for name in ["a", "b", "c"] {
            let text = found[name].as_str().or(found["values"][name].as_str()).unwrap();
            assert!(text.ends_with("[hidden]"), "{found}");
        }
    }

    #[test]
    fn values_are_found_by_their_paths() {
        let body = r#"{"id": 7, "data": {"items": [{"a.b": "x"}, true]}, "n": 1.5, "": 1}"#;
        for (path, expected) in [
            ("id", json!(7)),
            ("n", json!(1.5)),
            ("data.items[0][\"a.b\"]", json!("x")),
            ("[\"data\"].items[1]", json!(true)),
            ("[\"\"]", json!(1)),
            // Absent, or not a single value.
            ("data", Value::Null),
            ("data.items", Value::Null),
            ("data.items[9]", Value::Null),
            ("id.x", Value::Null),
        ] {
            let found = kept_of(body, &[("v", path)]);
            assert_eq!(found["status"], 201);
            assert_eq!(found.get("v").cloned().unwrap_or_default(), expected, "{path}");
        }
        assert_eq!(kept_of(r#"["a"]"#, &[("v", "[0]")]), json!({ "status": 201, "v": "a" }));
    }

    #[test]
    fn what_cannot_be_kept_is_left_out() {
        let long = format!("{{\"v\": \"{}\", \"w\": 1}}", "x".repeat(MAX_VALUE + 1));
        let keep = [("v", "v"), ("w", "w")];
        assert_eq!(kept_of(&long, &keep), json!({ "status": 201, "w": 1 }));
        let longest = format!("{{\"v\": \"{}\"}}", "x".repeat(MAX_VALUE));
        assert_eq!(kept_of(&longest, &keep)["v"].as_str().map(str::len), Some(MAX_VALUE));
        for body in ["", "<html>", r#"{"v": null}"#, r#"{"v": {"x": 1}}"#, r#"{"v": 1"#] {
            assert_eq!(kept_of(body, &keep), json!({ "status": 201 }), "{body}");
        }
        let exact = r#"{"v": 18446744073709551615, "w": 123456789012345678901}"#;
        assert_eq!(kept_of(exact, &keep), json!({ "status": 201, "v": u64::MAX }));
    }

    #[test]
    fn a_path_has_one_form() {
        for bad in
            ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "a b", "a[0]b", "$.a[", "a[1.5]"]
        {
            assert_eq!(steps(bad), None, "{bad}");
        }
        let key = |key: &str| JsonStep::Key(key.to_owned());
        assert_eq!(steps("a-b.c[2]"), Some(vec![key("a-b"), key("c"), JsonStep::Index(2)]));
    }
}
