//! What fuse refuses of a request before any rule sees it. Tools that make up events call the same functions
//! as the webhook and the intake, so that they refuse the same events.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use fuse_rules::{Event, Plan};

use super::cloud_events::{HeaderError, decode_header};
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
