//! What fuse refuses of a request before any rule sees it. Tools that make up events call the same functions
//! as the webhook and the intake, so that they refuse the same events.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use fuse_rules::{ArrivedEvent, Event, Plan, UnreadableBody};

use super::accepted::AcceptError;
use super::cloud_events::{self, HeaderError, decode_header};
use super::intake::{is_usable, unreadable};

/// Admits an event: unwraps and routes it, and sets its id, which is the given one or else the sender's. The id is
/// empty if there is none. `None` if the request matches no event. The intake also refuses an event whose body is not
/// valid, for which [`ArrivedEvent::seen`] gives the reason.
///
/// # Errors
/// The intake refuses the event.
pub fn admit<'e>(
    plan: &'e Plan,
    event: Event<'e>,
    given: Option<String>,
) -> Result<Option<ArrivedEvent<'e>>, AcceptError> {
    let Some(mut arrived) = plan.arrive(event).map_err(unreadable)? else { return Ok(None) };
    let id = match given {
        Some(id) => Some(id),
        None => sender_id(&mut arrived).map_err(unreadable)?,
    };
    if let Some(id) = &id {
        is_usable(id)?;
    }
    Ok(Some(arrived.with_id(id.unwrap_or_default())))
}

/// The sender's id of an event: by the `id` of its source, else by the headers that GitHub
/// (`X-GitHub-Delivery`) and CloudEvents (`ce-source` and `ce-id`) send. The id of a cloud event is
/// its source, in which `%`, spaces and control characters are percent-encoded, a space, and its id;
/// the event's headers are [decoded](super::decode_header).
///
/// # Errors
/// The body is not JSON, or a key that the `id` reads is in one object twice, so that there are two ids.
fn sender_id(arrived: &mut ArrivedEvent<'_>) -> Result<Option<String>, UnreadableBody> {
    let id = arrived.source_field("id")?.filter(|id| !id.is_empty());
    let event = arrived.event();
    let header = |name: &str| event.header_value(name).filter(|value| !value.is_empty());
    let cloud_event = || Some(cloud_events::event_id(header("ce-source")?, header("ce-id")?));
    Ok(id.or_else(|| header("x-github-delivery").map(str::to_owned)).or_else(cloud_event))
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
