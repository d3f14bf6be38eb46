//! Fields that several triggers have: credentials, certificates, and headers.

use fuse_rules::schema::{Field, FieldType, Outline, OutlineField, Schema, Templates, TriggerInfo};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::requirements::Requirement;
use crate::secrets::SecretRef;
use crate::triggers::RenderError;

/// `auth { … }` of a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct AuthFields {
    pub(super) bearer: Option<BearerFields>,
    pub(super) basic: Option<BasicFields>,
    pub(super) header: Option<HeaderFields>,
}

/// `bearer { … }` of `auth`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct BearerFields {
    pub(super) token: SecretRef,
}

/// `basic { … }` of `auth`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct BasicFields {
    pub(super) username: String,
    pub(super) password: SecretRef,
}

/// `header { … }` of `auth`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct HeaderFields {
    pub(super) name: String,
    pub(super) value: SecretRef,
}

/// `tls { … }` of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct TlsFields {
    /// The authorities that are trusted, instead of those of the system.
    pub(super) ca: Option<SecretRef>,
    pub(super) cert: Option<SecretRef>,
    pub(super) key: Option<SecretRef>,
}

pub(super) fn text() -> FieldType {
    FieldType::Text(Templates::Allowed)
}

pub(super) fn texts() -> FieldType {
    FieldType::Map(Box::new(text()))
}

pub(super) fn auth_field() -> Field {
    let block = |schema| FieldType::Block(Box::new(schema));
    let bearer =
        Schema::new("bearer", "").field(Field::required("token", FieldType::Secret, "The token."));
    let basic = Schema::new("basic", "")
        .field(Field::required("username", FieldType::String, "The user's name.").fixed())
        .field(Field::required("password", FieldType::Secret, "The user's password."));
    let header = Schema::new("header", "")
        .field(Field::required("name", FieldType::HeaderName, "The header.").fixed())
        .field(Field::required("value", FieldType::Secret, "Its value."));
    let auth = Schema::new("auth", "")
        .field(Field::optional("bearer", block(bearer), "A token: `Authorization: Bearer TOKEN`."))
        .field(Field::optional(
            "basic",
            block(basic),
            "A user and a password: `Authorization: Basic …`.",
        ))
        .field(Field::optional("header", block(header), "A header whose value is a secret."))
        .one_of(&["bearer", "basic", "header"]);
    Field::optional("auth", block(auth), "The credentials of the request.")
}

pub(super) fn tls_field() -> Field {
    let tls = Schema::new("tls", "")
        .field(Field::optional(
            "ca",
            FieldType::Secret,
            "The certificate authorities of the server, in PEM, instead of those of the system.",
        ))
        .field(Field::optional("cert", FieldType::Secret, "The client's certificate, in PEM."))
        .field(Field::optional("key", FieldType::Secret, "The key of the client's certificate."))
        .any_of(&["ca", "cert"])
        .verify(check_tls);
    Field::optional("tls", FieldType::Block(Box::new(tls)), "Certificates, for `https` URLs.")
}

fn check_tls(block: &TriggerInfo) -> Result<(), String> {
    match (block.get("cert").is_some(), block.get("key").is_some()) {
        (true, false) => Err("has `cert` without `key`".to_owned()),
        (false, true) => Err("has `key` without `cert`".to_owned()),
        _ => Ok(()),
    }
}

/// The secrets in these fields of a block.
pub(super) fn secrets(block: &TriggerInfo, fields: &[&str]) -> Vec<Requirement> {
    fn find(outline: &Outline, found: &mut Vec<Requirement>) {
        if let Outline::Constant(value) = outline
            && let Ok(reference) = SecretRef::deserialize(value)
        {
            found.push(Requirement::Secret(reference));
            return;
        }
        for OutlineField { value, .. } in outline.entries() {
            find(&value, found);
        }
    }
    let mut found = Vec::new();
    for outline in fields.iter().filter_map(|field| block.get(field)) {
        find(outline, &mut found);
    }
    found
}

/// Headers that fuse sets itself.
const OWN_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "idempotency-key",
    "te",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "x-fuse-action",
];

/// Checks the names of headers that are known before any event.
pub(super) fn check_headers(block: &TriggerInfo) -> Result<(), String> {
    let Some(headers) = block.get("headers") else { return Ok(()) };
    for OutlineField { key, .. } in headers.entries() {
        let name = key.to_ascii_lowercase();
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(format!("has `headers` with `{key}`, which is not the name of a header"));
        }
        if OWN_HEADERS.contains(&name.as_str()) {
            return Err(format!("has `headers` with `{key}`, which fuse sets itself; remove it"));
        }
        if name == "authorization" {
            return Err(format!(
                "has `headers` with `{key}`; write `auth {{ bearer {{ token = secret(…) }} }}`, since rules contain no secrets"
            ));
        }
    }
    Ok(())
}

/// The headers of a request.
pub(super) fn headers(fields: &Map<String, Value>) -> Result<HeaderMap, RenderError> {
    let mut headers = HeaderMap::new();
    for (key, value) in fields {
        let name = HeaderName::from_bytes(key.as_bytes())
            .map_err(|_| RenderError::new(format!("`{key}` is not the name of a header")))?;
        let value = value.as_str().unwrap_or_default();
        // Text outside of ASCII has no form that all servers read.
        let is_plain = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let value = HeaderValue::from_str(value).ok().filter(|_| is_plain).ok_or_else(|| {
            RenderError::new(format!(
                "the header `{key}` has a character that headers cannot contain"
            ))
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}
