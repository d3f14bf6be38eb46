//! The fields of `auth`, and their checks when the rules are loaded.

use fuse_rules::schema::{Field, FieldType, Outline, Schema, TriggerInfo};
use serde_json::{Map, Value as Json};

use super::sns::Topic;
use super::template::{SignedTemplate, TemplatePart};

/// The schemes, each of which is a field.
const SCHEMES: [&str; 8] =
    ["bearer", "basic", "header", "query", "hmac", "mtls", "sns", "allow-from"];

/// The field `auth` of a source.
pub(in super::super) fn auth_field() -> Field {
    let any =
        // With the alternatives of `defaults`, it would accept senders that the source does not list.
        schemes(Schema::new("any", "Alternatives, one of which must succeed.")).any_of(&SCHEMES).whole();
    let mut names = SCHEMES.to_vec();
    names.push("any");
    let auth = Schema::new("auth", "What a request must have.");
    let auth = schemes(auth)
        .field(block("any", "Alternatives, one of which must succeed.", any))
        .field(Field::optional(
            "verify-token",
            FieldType::Secrets,
            "What the sender sends to verify the URL, with `handshake = \"meta\"`.",
        ))
        .any_of(&names);
    block("auth", "How fuse authenticates senders; a request must pass every check.", auth)
}

fn block(name: &str, doc: &str, schema: Schema) -> Field {
    Field::optional(name, FieldType::Block(Box::new(schema)), doc)
}

fn schemes(schema: Schema) -> Schema {
    let one_of = |values: &[&str]| {
        FieldType::OneOf(values.iter().map(|value| (*value).to_owned()).collect())
    };
    let bearer =
        Schema::new("bearer", "").field(Field::required("token", FieldType::Secrets, "The token."));
    let basic = Schema::new("basic", "")
        .field(Field::required("username", FieldType::String, "The user's name."))
        .field(Field::required("password", FieldType::Secrets, "The user's password."))
        .verify(check_basic);
    let header = Schema::new("header", "")
        .field(Field::required("name", FieldType::HeaderName, "The header."))
        .field(Field::required("value", FieldType::Secrets, "Its value."));
    let query = Schema::new("query", "")
        .field(Field::required("name", FieldType::String, "The parameter."))
        .field(Field::required("value", FieldType::Secrets, "Its value."));
    let signed = "What is signed: `{body}`, `{timestamp}`, `{id}` and text.";
    let hmac = Schema::new("hmac", "")
        .field(Field::required(
            "secret",
            FieldType::Secrets,
            "The secret that the sender signs with.",
        ))
        .field(
            Field::optional(
                "secret-encoding",
                one_of(&["text", "base64"]),
                "How the secret is written; with `base64`, `whsec_` at the start is ignored.",
            )
            .default("text"),
        )
        .field(
            Field::optional(
                "algorithm",
                one_of(&["sha1", "sha256", "sha512"]),
                "The hash function.",
            )
            .default("sha256"),
        )
        .field(Field::required("header", FieldType::HeaderName, "The header with the signature."))
        .field(Field::optional(
            "separator",
            one_of(&[",", " "]),
            "What separates several items in the header.",
        ))
        .field(Field::optional("prefix", FieldType::String, "The text before each signature."))
        .field(
            Field::optional(
                "encoding",
                one_of(&["hex", "base64"]),
                "How the signature is written.",
            )
            .default("hex"),
        )
        .field(Field::optional("signed", FieldType::String, signed).default("{body}"))
        .field(Field::optional(
            "timestamp-header",
            FieldType::HeaderName,
            "The header with the time of the request, in seconds since 1970.",
        ))
        .field(Field::optional(
            "timestamp-prefix",
            FieldType::String,
            "The text before the time, if it is an item of the signature's header.",
        ))
        .field(Field::optional(
            "tolerance",
            FieldType::Duration,
            "The maximum difference between that time and the clock; 5 minutes if not set.",
        ))
        .field(Field::optional(
            "id-header",
            FieldType::HeaderName,
            "The header with the signed id.",
        ))
        .verify(check_hmac);
    let mtls = Schema::new("mtls", "").field(Field::optional(
        "subjects",
        FieldType::List(Box::new(FieldType::String)),
        "The names, one of which the certificate must have; any name if not set.",
    ));
    let sns = Schema::new("sns", "")
        .field(Field::required(
            "topics",
            FieldType::List(Box::new(FieldType::String)),
            "The ARNs of the topics whose messages are accepted.",
        ))
        .field(Field::optional(
            "tolerance",
            FieldType::Duration,
            "The maximum difference between the time of a message and the clock; 24 hours if not set.",
        ))
        .verify(check_sns);
    schema
        .field(block("bearer", "A token: `Authorization: Bearer TOKEN`.", bearer))
        .field(block("basic", "A user and a password: `Authorization: Basic …`.", basic))
        .field(block("header", "A header whose value is a secret.", header))
        .field(block("query", "A query parameter whose value is a secret.", query))
        .field(block("hmac", "A signature of the body.", hmac))
        .field(block("mtls", "A client certificate, which `client-ca` of `tls` has signed.", mtls))
        .field(block("sns", "The signature of Amazon SNS.", sns))
        .field(Field::optional(
            "allow-from",
            FieldType::List(Box::new(FieldType::Network)),
            "The networks from which requests may come.",
        ))
}

fn check_sns(block: &TriggerInfo) -> Result<(), String> {
    let Some(Outline::Constant(Json::Array(topics))) = block.get("topics") else { return Ok(()) };
    if topics.is_empty() {
        return Err("has no `topics`, so it would accept nothing".to_owned());
    }
    for topic in topics.iter().filter_map(Json::as_str) {
        Topic::try_from(topic.to_owned()).map_err(|why| why.to_string())?;
    }
    Ok(())
}

fn check_basic(block: &TriggerInfo) -> Result<(), String> {
    match block.text("username") {
        Some(name) if name.contains(':') => {
            Err("needs a `username` without `:`, because `:` separates it from the password"
                .to_owned())
        }
        _ => Ok(()),
    }
}

fn check_hmac(block: &TriggerInfo) -> Result<(), String> {
    let has = |name: &str| block.get(name).is_some();
    let signed = match block.get("signed") {
        Some(Outline::Constant(Json::String(text))) => text.as_str(),
        _ => return Ok(()),
    };
    let signed =
        SignedTemplate::parse(signed).map_err(|why| format!("cannot use `signed`: it {why}"))?;
    if has("timestamp-header") && has("timestamp-prefix") {
        return Err("has both `timestamp-prefix` and `timestamp-header`".to_owned());
    }
    if has("timestamp-prefix") && !has("separator") {
        return Err(
            "needs a `separator` between the items of `timestamp-prefix` and `prefix`".to_owned()
        );
    }
    let timestamp = ["timestamp-header", "timestamp-prefix"].into_iter().find(|name| has(name));
    match (timestamp, signed.has(&TemplatePart::Timestamp)) {
        (Some(name), false) => {
            return Err(format!(
                "does not use `{name}`: `signed` does not contain `{{timestamp}}`, so anyone could change the time; \
                 set `signed` to what the sender signs, such as \"{{timestamp}}.{{body}}\""
            ));
        }
        (None, true) => {
            return Err(
                "cannot use `signed`: it contains `{timestamp}`, but `timestamp-header` is not set; \
                 add `timestamp-header = …` or `timestamp-prefix = …`"
                    .to_owned(),
            );
        }
        (None, false) if has("tolerance") => {
            return Err(
                "does not use `tolerance`: `signed` does not contain `{timestamp}`".to_owned()
            );
        }
        _ => {}
    }
    match (has("id-header"), signed.has(&TemplatePart::Id)) {
        (true, false) => Err("does not use `id-header`: `signed` does not contain `{id}`".to_owned()),
        (false, true) => Err("cannot use `signed`: it contains `{id}`, but `id-header` is not set; add `id-header = …`".to_owned()),
        _ => Ok(()),
    }
}

/// Checks an event with the fields of its source.
pub(in super::super) fn verify_event(fields: &Map<String, Json>) -> Result<(), String> {
    let auth = fields.get("auth");
    let verifies = fields.get("handshake").and_then(Json::as_str) == Some("meta");
    let has_token = auth.is_some_and(|auth| auth.get("verify-token").is_some());
    if verifies && !has_token {
        return Err("has `handshake = \"meta\"`, which needs `verify-token` in `auth`".to_owned());
    }
    if has_token && !verifies {
        return Err("does not use `verify-token`, which needs `handshake = \"meta\"`".to_owned());
    }
    let has =
        |block: Option<&Json>, scheme: &str| block.is_some_and(|block| block.get(scheme).is_some());
    let is_sns = fields.get("handshake").and_then(Json::as_str) == Some("sns");
    if is_sns && !has(auth, "sns") {
        return Err(
            "has `handshake = \"sns\"`, which needs `sns` in `auth`: fuse confirms only the topics there"
                .to_owned(),
        );
    }
    let in_block = |block| has(block, "hmac") || has(block, "sns");
    let signs = in_block(auth) || in_block(auth.and_then(|auth| auth.get("any")));
    if signs && fields.get("method").and_then(Json::as_str) == Some("GET") {
        return Err(
            "has the method `GET`, whose query a signature does not protect; use another method, \
                    or another scheme such as `bearer`"
                .to_owned(),
        );
    }
    let is_graph = fields.get("handshake").and_then(Json::as_str) == Some("graph");
    if is_graph && in_block(auth) {
        return Err(
            "has `handshake = \"graph\"`, whose requests are not signed, so a signature would refuse all of them; \
             use another scheme, such as `query`"
                .to_owned(),
        );
    }
    Ok(())
}
