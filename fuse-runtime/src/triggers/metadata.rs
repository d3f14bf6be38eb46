//! The metadata of Kubernetes objects: names that follow from the action's id, labels that select,
//! annotations that say in full where the object came from.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::ActionRequest;

/// The prefix of our labels and annotations.
const DOMAIN: &str = "fuse.rules";
/// The annotation that says which action made the object.
pub(super) const ACTION_ID: &str = "fuse.rules/action-id";
/// The longest prefix that leaves room for the suffix in a 63-character name.
pub(super) const LONGEST_PREFIX: usize = 47;

/// Sixteen base32 characters of a hash: what names and label values can carry.
fn short(hash: &[u8]) -> String {
    let mut text = data_encoding::BASE32_NOPAD.encode(hash).to_ascii_lowercase();
    text.truncate(16);
    text
}

/// The object's name: the prefix and 16 characters of the action's id.
pub(super) fn name(prefix: &str, request: &ActionRequest) -> String {
    let id = data_encoding::HEXLOWER_PERMISSIVE.decode(request.id.as_bytes()).unwrap_or_default();
    format!("{prefix}{}", short(&id))
}

/// The object's metadata, with the rule's own labels and annotations under ours.
pub(super) fn metadata(prefix: &str, request: &ActionRequest) -> Result<Value, String> {
    let fields = &request.action.fields;
    let mut labels = own(fields, "labels")?;
    let mut annotations = own(fields, "annotations")?;
    let rule = &request.action.rule;
    let id = data_encoding::HEXLOWER_PERMISSIVE.decode(request.id.as_bytes()).unwrap_or_default();
    labels.insert("app.kubernetes.io/managed-by".into(), "fuse".into());
    labels.insert(format!("{DOMAIN}/action"), short(&id).into());
    labels.insert(format!("{DOMAIN}/rule"), short(&Sha256::digest(rule.as_bytes())).into());
    annotations.insert(ACTION_ID.into(), request.id.clone().into());
    annotations.insert(format!("{DOMAIN}/event-id"), request.event.id.clone().into());
    annotations.insert(format!("{DOMAIN}/event"), request.event.full_name().into());
    annotations.insert(format!("{DOMAIN}/rule"), rule.clone().into());
    if let Some(element) = &request.action.element {
        annotations.insert(format!("{DOMAIN}/element"), json!(element).to_string().into());
    }
    Ok(json!({
        "name": name(prefix, request),
        "namespace": fields.get("namespace"),
        "labels": labels,
        "annotations": annotations,
    }))
}

/// Labels or annotations that the rule gives. Their values are checked by the schema.
fn own(fields: &Map<String, Value>, field: &str) -> Result<Map<String, Value>, String> {
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
