//! What an event contained when it arrived.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::event::Envelope;

/// The content of an event, for people who may read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventContent {
    /// The source.
    pub source: String,
    /// The event's name.
    pub name: String,
    /// The sender's id.
    pub id: String,
    /// When it was accepted.
    pub received: Timestamp,
    /// Its headers, without those that contain secrets of senders.
    pub headers: BTreeMap<String, String>,
    /// Its query parameters.
    pub query: BTreeMap<String, String>,
    /// The parameters of its path.
    pub path: BTreeMap<String, String>,
    /// The body as JSON, if it is JSON, byte for byte; otherwise as text, if it is UTF-8.
    pub body: Option<Box<RawValue>>,
    /// The body in base64, if it is neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

impl EventContent {
    /// The content of an event.
    pub fn new(event: &Envelope) -> Self {
        let text = std::str::from_utf8(&event.body).ok();
        let json = text.and_then(|text| RawValue::from_string(text.trim().to_owned()).ok());
        let quoted = || {
            let text = Value::String(text?.to_owned()).to_string();
            RawValue::from_string(text).ok()
        };
        let body = json.or_else(quoted);
        let base64 = body.is_none().then(|| BASE64.encode(&event.body));
        Self {
            source: event.source.clone(),
            name: event.name.clone(),
            id: event.id.clone(),
            received: event.received,
            headers: event.headers.clone(),
            query: event.query.clone(),
            path: event.path.clone(),
            body,
            base64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_text_or_base64() {
        let shown = |body: &'static [u8]| {
            let event = Envelope::new("q", "e", "1", Timestamp::UNIX_EPOCH, body);
            let content = EventContent::new(&event);
            (content.body.map(|body| body.get().to_owned()), content.base64)
        };
        assert_eq!(shown(b" {\"a\": 1.0} \n"), (Some("{\"a\": 1.0}".to_owned()), None));
        assert_eq!(shown(b"a=b \"c\""), (Some("\"a=b \\\"c\\\"\"".to_owned()), None));
        assert_eq!(shown(b""), (Some("\"\"".to_owned()), None));
        assert_eq!(shown(b"\xff\xfe"), (None, Some("//4=".to_owned())));
    }
}
