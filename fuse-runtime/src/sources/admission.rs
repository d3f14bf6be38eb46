//! What fuse refuses of a request before any rule sees it. Tools that make up events call the same functions
//! as the webhook and the intake, so that they refuse the same events.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use fuse_rules::{Event, Plan};
use serde_json::{Map, Value};

use super::cloud_events::{HeaderError, decode_header};
use super::format::{FormatError, parameters};
use super::intake::{AcceptError, is_usable, sender_id, unreadable};

/// The id of an event: the given one, or else the sender's; none if the event has none.
///
/// # Errors
/// The intake refuses the event: its body is not JSON, or its id cannot be used.
pub fn admitted_id(
    plan: &Plan,
    event: &Event<'_>,
    given: Option<String>,
) -> Result<Option<String>, AcceptError> {
    let id = match given {
        Some(id) => Some(id),
        None => plan.arrived(event, |event| sender_id(plan, event?)).map_err(unreadable)?,
    };
    id.map(|id| is_usable(&id).map(|()| id)).transpose()
}

/// Checks the length of a JSON body against the `body-limit` of its source, where it has one. `fields` are those
/// of the event.
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

/// The headers of a request by name, as rules see them. Several values with one name are joined with `, `.
///
/// ```
/// use fuse_runtime::sources::read_headers;
///
/// let headers = read_headers([("X-Kind", "a"), ("ce-subject", "b%20c"), ("x-kind", "d")])?;
/// assert_eq!(headers["x-kind"], "a, d");
/// assert_eq!(headers["ce-subject"], "b c");
/// assert!(read_headers([("x kind", "a")]).is_err());
/// assert!(read_headers([("x-kind", "a\nb")]).is_err());
/// # Ok::<(), fuse_runtime::sources::HeaderError>(())
/// ```
///
/// # Errors
/// A name or value is not allowed in HTTP, or cannot be decoded.
pub fn read_headers<'a>(
    given: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<BTreeMap<String, String>, HeaderError> {
    let mut map = HeaderMap::new();
    for (name, value) in given {
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| HeaderError::Name { name: name.to_owned() })?;
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| HeaderError::Value { name: name.to_owned() })?;
        map.append(header, value);
    }
    by_name(&map)
}

/// The headers of a request by name.
pub(super) fn by_name(map: &HeaderMap) -> Result<BTreeMap<String, String>, HeaderError> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in map {
        let name = name.as_str();
        // Replacing bytes that are not UTF-8 could make two different ids equal.
        let Ok(value) = std::str::from_utf8(value.as_bytes()) else {
            return Err(HeaderError::Bytes { name: name.to_owned() });
        };
        let value = decode_header(name, value)?;
        headers
            .entry(name.to_owned())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    Ok(headers)
}

/// The parameters of a query, given as names and decoded values, as rules see them. Of several with one name, the
/// first one counts.
///
/// # Errors
/// There are too many.
pub fn read_query<'a>(
    given: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<BTreeMap<String, String>, FormatError> {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(given);
    parameters(encoded.finish().as_bytes(), "query")
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

    #[test]
    fn a_query_is_read_as_from_a_request() {
        let read = read_query([("a", "1 &2=é"), ("a", "3"), ("b c", "")]).unwrap();
        assert_eq!(
            read,
            BTreeMap::from([("a".into(), "1 &2=é".into()), ("b c".into(), String::new())])
        );
        assert!(read_query(std::iter::repeat_n(("a", "b"), 1_001)).is_err());
        assert_eq!(read_query([]).unwrap(), BTreeMap::new());
    }
}
