//! The `reply` of an event: what fuse answers in place of `202` and the id of the event.

use std::str::FromStr as _;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use fuse_rules::BlockValues;
use fuse_rules::schema::{Field, FieldType, Outline, Schema, Templates, TriggerInfo};
use serde::{Deserialize as _, Deserializer};
use serde_json::Value as Json;

use crate::log_limit::LogLimit;
use crate::sources::{AcceptOutcome, Accepted, Incoming, Intake};

/// The headers that the HTTP server sets itself.
const RESERVED: [&str; 4] = ["connection", "content-length", "date", "transfer-encoding"];

/// The field `reply` of a source or an event.
pub(super) fn reply_field() -> Field {
    let computed = |ty| FieldType::Computed(Box::new(ty));
    let headers = FieldType::Map(Box::new(computed(FieldType::Text(Templates::Allowed))));
    let body = computed(FieldType::Any(Templates::Allowed));
    let reply = Schema::new("reply", "What fuse answers once the event is stored.")
        .field(Field::optional(
            "status",
            computed(FieldType::Int(200, 599)),
            "The status; 200 if not set.",
        ))
        .field(Field::optional("headers", headers, "The headers."))
        .field(Field::optional("body", body, "The body: a text as it is, anything else as JSON."))
        .verify(check);
    let doc =
        "What fuse answers once the event is stored, in place of 202 and the id of the event.";
    Field::optional("reply", FieldType::Block(Box::new(reply)), doc)
}

fn check(block: &TriggerInfo) -> Result<(), String> {
    let headers = block.get("headers").map(Outline::entries).unwrap_or_default();
    for field in headers {
        let name = field.key.as_str();
        if HeaderName::from_str(name).is_err() {
            return Err(format!("cannot use `headers`: `{name}` is not the name of a header"));
        }
        if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(format!("cannot use `headers`: fuse sets `{name}` itself"));
        }
    }
    Ok(())
}

/// Whether a block is present.
pub(super) fn is_present<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Json::deserialize(from).map(|block| block.is_object())
}

/// The reply to an accepted event; `None` if it has none, or if the reply cannot be computed.
pub(super) fn response(
    intake: &Intake,
    incoming: &Incoming,
    accepted: &Accepted,
) -> Option<Response<Body>> {
    if !matches!(accepted.outcome, AcceptOutcome::New | AcceptOutcome::Duplicate) {
        return None;
    }
    let (source, id) = (&incoming.source, &accepted.id);
    let reply = intake.reply_values(incoming, id).map_err(|why| why.to_string());
    match reply.and_then(|reply| reply.map(build).transpose()) {
        Ok(reply) => reply,
        Err(why) => {
            static LIMIT: LogLimit = LogLimit::new();
            if let Some(left_out) = LIMIT.pass() {
                tracing::warn!(
                    left_out,
                    source,
                    id,
                    why,
                    "the `reply` cannot be computed: fuse answers 202"
                );
            }
            None
        }
    }
}

fn build(values: BlockValues) -> Result<Response<Body>, String> {
    let mut response = Response::new(Body::empty());
    for (name, value) in values {
        let value = value.ok_or_else(|| format!("`{name}` has no value for this event"))?;
        match (name.as_str(), value) {
            ("status", value) => {
                let status = value.as_u64().and_then(|status| u16::try_from(status).ok());
                let status = status.filter(|status| (200..600).contains(status));
                *response.status_mut() = status
                    .and_then(|status| StatusCode::from_u16(status).ok())
                    .ok_or("`status` is not a whole number from 200 to 599")?;
            }
            ("body", value) => {
                let (ty, body) = match value {
                    Json::Null => return Err("`body` is null".to_owned()),
                    Json::String(text) => ("text/plain; charset=utf-8", text),
                    other => ("application/json", other.to_string()),
                };
                let ty = HeaderValue::from_static(ty);
                // `headers` can set another one.
                response.headers_mut().entry(header::CONTENT_TYPE).or_insert(ty);
                *response.body_mut() = Body::from(body);
            }
            (_, value) => {
                let key = name.strip_prefix("headers.").unwrap_or(&name);
                let text = match value {
                    Json::String(text) => text,
                    other => other.to_string(),
                };
                let unusable = || format!("the value of `{name}` is not allowed in HTTP");
                let key = HeaderName::from_str(key).map_err(|_| unusable())?;
                let text = HeaderValue::from_str(&text).map_err(|_| unusable())?;
                response.headers_mut().insert(key, text);
            }
        }
    }
    // A body that a sender chose must not become a page in a browser.
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(nosniff);
    Ok(response)
}
