//! Media types, as in the header `Content-Type`.

use std::borrow::Cow;

/// The type of one cloud event in the structured mode.
pub const CLOUD_EVENT: &str = "application/cloudevents+json";

/// A media type without its parameters, in lower case.
///
/// ```
/// use fuse_rules::media_type::essence;
///
/// assert_eq!(essence("Text/Plain ; charset=utf-8"), "text/plain");
/// ```
pub fn essence(media_type: &str) -> Cow<'_, str> {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    match essence.contains(|c: char| c.is_ascii_uppercase()) {
        true => Cow::Owned(essence.to_ascii_lowercase()),
        false => Cow::Borrowed(essence),
    }
}

/// Whether a media type is JSON.
///
/// ```
/// use fuse_rules::media_type::is_json;
///
/// assert!(is_json("application/json; charset=utf-8") && is_json("application/problem+JSON"));
/// assert!(!is_json("text/plain") && !is_json("json"));
/// ```
pub fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type);
    essence.ends_with("/json") || essence.ends_with("+json")
}
