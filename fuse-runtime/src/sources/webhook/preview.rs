//! What a webhook does to a request before the rules see it, for tools that create requests.

use serde_json::{Map, Value};

use super::auth::AuthConfig;
use crate::sources::FormatError;

/// Checks the length of a JSON body against the `body-limit` of its webhook. `fields` are those of the event; an event
/// of another kind of source has no `body-limit`.
///
/// # Errors
/// The webhook refuses the body.
pub fn within_body_limit(fields: &Map<String, Value>, body: &[u8]) -> Result<(), FormatError> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    // Other formats arrive as other bytes.
    if text("format") != Some("json") || text("method") == Some("GET") {
        return Ok(());
    }
    let limit = fields.get("body-limit").and_then(Value::as_u64);
    match limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)) {
        Some(limit) if body.len() > limit => Err(FormatError::TooLarge { limit }),
        _ => Ok(()),
    }
}

/// The names of the headers that `auth` hides from rules, in lower case. `fields` are those of the event.
pub fn hidden_headers(fields: &Map<String, Value>) -> Vec<String> {
    auth(fields).map(|auth| auth.secret_headers()).unwrap_or_default()
}

/// The names of the query parameters that `auth` hides from rules. `fields` are those of the event.
pub fn hidden_parameters(fields: &Map<String, Value>) -> Vec<String> {
    auth(fields).map(|auth| auth.secret_parameters()).unwrap_or_default()
}

fn auth(fields: &Map<String, Value>) -> Option<AuthConfig> {
    // Rules whose `auth` is not valid are not loaded.
    serde_json::from_value(fields.get("auth")?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_measured_where_its_bytes_are_those_of_the_request() {
        let refused = |fields: Value| {
            within_body_limit(fields.as_object().unwrap(), b"[1, 2]").map_err(|why| why.to_string())
        };
        let limited = |format: &str, method: &str| {
            refused(json!({ "format": format, "method": method, "body-limit": 5 }))
        };
        assert_eq!(
            limited("json", "POST").unwrap_err(),
            "the body is larger than 5 bytes, which is this source's `body-limit`"
        );
        assert!(limited("form", "POST").is_ok() && limited("json", "GET").is_ok());
        assert!(refused(json!({ "format": "json", "body-limit": 6 })).is_ok());
        assert!(refused(json!({})).is_ok(), "a source of another kind");
    }
}
