//! The metadata of Kubernetes objects: names that follow from the action's id, labels that select,
//! annotations that say in full where the object came from.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::event::EventKey;
use crate::triggers::{ActionRequest, short_id};

/// The prefix of our labels and annotations.
const DOMAIN: &str = "fuse.rules";
/// The annotation that says which action made the object.
pub(crate) const ACTION_ID: &str = "fuse.rules/action-id";
/// The annotation with the name of the action's event, as in `github.push`.
const EVENT: &str = "fuse.rules/event";
/// The annotation with the id of the action's event.
const EVENT_ID: &str = "fuse.rules/event-id";
/// The annotation that names the latest actions that changed an object, each by its start.
pub(crate) const ACTIONS: &str = "fuse.rules/actions";
/// The label that every object made by fuse carries.
pub(crate) const ACTION: &str = "fuse.rules/action";
/// The longest prefix that leaves room for the suffix in a 63-character name.
pub(super) const LONGEST_PREFIX: usize = 47;

/// Sixteen base32 characters of a hash: what names and label values can carry.
fn short(hash: &[u8]) -> String {
    let mut text = data_encoding::BASE32_NOPAD.encode(hash).to_ascii_lowercase();
    text.truncate(16);
    text
}

/// The object's name: the prefix and the action's part.
pub(super) fn name(prefix: &str, request: &ActionRequest) -> String {
    format!("{prefix}{}", short_id(&request.id))
}

/// The field manager of what a rule's trigger applies.
pub(super) fn manager(request: &ActionRequest) -> String {
    let rule = short(&Sha256::digest(request.action.rule.as_bytes()));
    format!("fuse-{rule}-{}", request.action.ordinal)
}

/// The object's metadata, with the rule's own labels and annotations under ours.
pub(super) fn metadata(
    name: &str,
    namespace: Option<&str>,
    request: &ActionRequest,
) -> Result<Value, String> {
    let fields = &request.action.fields;
    let mut metadata = Map::new();
    metadata.insert("name".into(), name.into());
    if let Some(namespace) = namespace {
        metadata.insert("namespace".into(), namespace.into());
    }
    let (labels, annotations) = (own(fields, "labels")?, own(fields, "annotations")?);
    metadata.insert("labels".into(), labels.into());
    metadata.insert("annotations".into(), annotations.into());
    sign(&mut metadata, request);
    Ok(metadata.into())
}

/// The event of the action that made the object with these annotations.
pub(crate) fn event_of(annotations: &BTreeMap<String, String>) -> Option<EventKey> {
    // Names have no dot: rules could not name the event otherwise.
    let (source, name) = annotations.get(EVENT)?.split_once('.')?;
    let id = annotations.get(EVENT_ID)?.clone();
    Some(EventKey { source: source.to_owned(), name: name.to_owned(), id })
}

/// Adds our labels and annotations to an object's metadata.
pub(super) fn sign(metadata: &mut Map<String, Value>, request: &ActionRequest) {
    let mut labels = record(metadata.remove("labels"));
    let mut annotations = record(metadata.remove("annotations"));
    let rule = &request.action.rule;
    labels.insert("app.kubernetes.io/managed-by".into(), "fuse".into());
    labels.insert(ACTION.into(), short_id(&request.id).into());
    labels.insert(format!("{DOMAIN}/rule"), short(&Sha256::digest(rule.as_bytes())).into());
    annotations.insert(ACTION_ID.into(), request.id.clone().into());
    annotations.insert(EVENT_ID.into(), request.event.id.clone().into());
    annotations.insert(EVENT.into(), request.event.full_name().into());
    annotations.insert(format!("{DOMAIN}/rule"), rule.clone().into());
    if let Some(element) = &request.action.element {
        annotations.insert(format!("{DOMAIN}/element"), json!(element).to_string().into());
    }
    metadata.insert("labels".into(), labels.into());
    metadata.insert("annotations".into(), annotations.into());
}

fn record(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Labels or annotations that the rule gives. Their values are checked by the schema.
pub(super) fn own(fields: &Map<String, Value>, field: &str) -> Result<Map<String, Value>, String> {
    let Some(Value::Object(own)) = fields.get(field) else {
        return Ok(Map::new());
    };
    match own.keys().find(|key| !is_key(key)) {
        Some(key) => Err(format!(
            "`{field}` has the key `{key}`; a key is a name of at most 63 letters, digits, `-`, `_` and `.`, with a domain and `/` before it if need be"
        )),
        None => Ok(own.clone()),
    }
}

/// Whether it is a name that an object may have: lower-case letters, digits, `-` and `.`.
pub(crate) fn is_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let edges = |label: &[u8]| edge(label.first()) && edge(label.last());
    bytes.split(|b| *b == b'.').all(edges) && bytes.len() <= 253 && bytes.iter().copied().all(inner)
}

/// Whether it is a name that a namespace may have.
pub(crate) fn is_namespace(name: &str) -> bool {
    is_name(name) && name.len() <= 63 && !name.contains('.')
}

fn is_key(key: &str) -> bool {
    let (domain, name) = match key.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, key),
    };
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let edges = |text: &str| {
        text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && text.bytes().last().is_some_and(|b| b.is_ascii_alphanumeric())
    };
    let named = name.len() <= 63 && name.bytes().all(inner) && edges(name);
    named
        && domain
            .is_none_or(|d| d.len() <= 253 && edges(d) && !d.contains('_') && d.bytes().all(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_kubernetes() {
        for good in ["a", "app.kubernetes.io/name", "A_b.c-1"] {
            assert!(is_key(good), "{good}");
        }
        for bad in ["", "/", "a/", "/a", "a/b/c", "-a", "a b", &"a".repeat(64), "_x/a"] {
            assert!(!is_key(bad), "{bad}");
        }
    }
}
