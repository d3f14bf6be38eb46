//! CloudEvents in a body: the structured mode of the HTTP binding, as the binary mode has them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use data_encoding::BASE64;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Event, InvalidBody, Stage};
use crate::media_type::{self, CLOUD_EVENT};
use crate::span::Place;

/// The attributes that each event has.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

/// The members of an object, in order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Object)
    }
}

impl<'a> Event<'a> {
    /// Whether its content type is that of a cloud event in the structured mode.
    pub(crate) fn is_structured(&self) -> bool {
        let content_type = self.headers().get("content-type");
        content_type.is_some_and(|content_type| media_type::essence(content_type) == CLOUD_EVENT)
    }

    /// The event as its source would send it in the binary mode: attributes as headers `ce-…`, and the data as the
    /// body. Any other event is left as it is.
    pub(crate) fn unwrapped(self) -> Result<Self, InvalidBody> {
        if !self.is_structured() || self.stage != Stage::Received {
            return Ok(self);
        }
        let unwrapped = match &self.body {
            Cow::Borrowed(body) => unwrap(body),
            Cow::Owned(body) => unwrap(body).map(Unwrapped::into_owned),
        };
        let Unwrapped { attributes, content_type, data } = unwrapped.map_err(|why| {
            let place = Place { line: 1, column: 1 };
            InvalidBody { place, message: format!("the body is not a CloudEvent: {why}") }
        })?;
        let mut event = self.with_body(data).at(Stage::Unwrapped);
        // A header of the request must not pass for an attribute.
        let headers = &mut event.context_mut().headers;
        headers.retain(|name, _| !name.starts_with("ce-"));
        headers.extend(attributes);
        headers.insert("content-type".to_owned(), content_type);
        Ok(event)
    }
}

/// A cloud event as the binary mode has it.
struct Unwrapped<'a> {
    /// The attributes, by the names of their headers.
    attributes: BTreeMap<String, String>,
    content_type: String,
    data: Cow<'a, str>,
}

impl Unwrapped<'_> {
    fn into_owned<'b>(self) -> Unwrapped<'b> {
        let Self { attributes, content_type, data } = self;
        Unwrapped { attributes, content_type, data: Cow::Owned(data.into_owned()) }
    }
}

/// Reads an event in the structured mode.
fn unwrap(body: &str) -> Result<Unwrapped<'_>, String> {
    let Members(members) = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let mut attributes = BTreeMap::new();
    let (mut data, mut encoded, mut content_type) = (None, None, None);
    for (name, value) in members {
        match &*name {
            "data" if data.is_some() => return Err("`data` occurs twice".into()),
            "data" => data = Some(value.get()),
            "data_base64" if encoded.is_some() => return Err("`data_base64` occurs twice".into()),
            "data_base64" => encoded = text(&name, value)?,
            _ => {
                let header = format!("ce-{}", name.to_ascii_lowercase());
                let is_repeated = attributes.contains_key(&header);
                if is_repeated || name == "datacontenttype" && content_type.is_some() {
                    return Err(format!("`{name}` occurs twice"));
                }
                match text(&name, value)? {
                    Some(text) if name == "datacontenttype" => content_type = Some(text),
                    Some(text) => drop(attributes.insert(header, text)),
                    None => {}
                }
            }
        }
    }
    for name in REQUIRED {
        if attributes.get(&format!("ce-{name}")).is_none_or(String::is_empty) {
            return Err(format!("it has no `{name}`"));
        }
    }
    let content_type = content_type.unwrap_or_else(|| "application/json".to_owned());
    let data = match (data, encoded) {
        (Some(_), Some(_)) => return Err("it has both `data` and `data_base64`".into()),
        (Some(data), None) => Cow::Borrowed(data),
        (None, Some(encoded)) => Cow::Owned(decoded(&encoded, &content_type)?),
        (None, None) => Cow::Borrowed("null"),
    };
    Ok(Unwrapped { attributes, content_type, data })
}

/// The text of a member: its string, or a number or boolean as it is written. `None` for null, which is a member
/// without a value.
fn text(name: &str, value: &RawValue) -> Result<Option<String>, String> {
    let not_text = || format!("`{name}` is not a text");
    match value.get() {
        "null" => Ok(None),
        text if text.starts_with(['{', '[']) => Err(not_text()),
        text if text.starts_with('"') => {
            serde_json::from_str(text).map(Some).map_err(|_lone_surrogate| not_text())
        }
        text => Ok(Some(text.to_owned())),
    }
}

/// The data that a base64 text encodes: JSON, or else a text as a JSON string.
fn decoded(encoded: &str, content_type: &str) -> Result<String, String> {
    let bytes = BASE64
        .decode(encoded.as_bytes())
        .map_err(|_| "its `data_base64` is not base64".to_owned())?;
    let text = String::from_utf8(bytes)
        .map_err(|_| "the text in its `data_base64` is not UTF-8".to_owned())?;
    match media_type::is_json(content_type) {
        true => Ok(text),
        false => Ok(serde_json::Value::from(text).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use crate::Event;

    /// The body, and the attributes in the order of their names.
    fn unwrapped(body: &str) -> Result<(String, Vec<String>), String> {
        let event = Event::unread("s", "e", body.as_bytes()).unwrap();
        let event = event
            .header("Content-Type", "application/CloudEvents+json; charset=utf-8")
            .header("ce-subject", "of the request");
        let event = event.unwrapped().map_err(|why| why.message)?;
        let attributes = event.headers().iter().map(|(name, value)| format!("{name}: {value}"));
        Ok((event.body().to_owned(), attributes.collect()))
    }

    const HEAD: &str = r#""specversion": "1.0", "id": "7", "source": "/a b", "type": "t""#;

    #[test]
    fn attributes_become_headers_and_the_data_the_body() {
        let (body, headers) = unwrapped(&format!(
            r#"{{{HEAD}, "subject": "é", "sequence": 5, "sampled": true, "none": null, "data": {{"a": 1.0}}}}"#
        ))
        .unwrap();
        assert_eq!(body, r#"{"a": 1.0}"#);
        let expected = [
            "ce-id: 7",
            "ce-sampled: true",
            "ce-sequence: 5",
            "ce-source: /a b",
            "ce-specversion: 1.0",
            "ce-subject: é",
            "ce-type: t",
            "content-type: application/json",
        ];
        assert_eq!(headers, expected);
    }

    #[test]
    fn data_is_json_or_a_text() {
        for (data, body) in [
            (r#""data": "x""#, r#""x""#),
            (r#""data": null"#, "null"),
            (r#""data_base64": "eyJhIjoxfQ==""#, r#"{"a":1}"#),
            (r#""datacontenttype": "application/x+json; a=b", "data_base64": "WzFd""#, "[1]"),
            (r#""datacontenttype": "text/plain", "data_base64": "YSJi""#, r#""a\"b""#),
            (r#""data_base64": null"#, "null"),
        ] {
            assert_eq!(unwrapped(&format!("{{{HEAD}, {data}}}")).unwrap().0, body, "{data}");
        }
        assert_eq!(unwrapped(&format!("{{{HEAD}}}")).unwrap().0, "null");
    }

    #[test]
    fn what_is_not_a_cloud_event_is_refused() {
        let body = |rest: &str| format!("{{{HEAD}, {rest}}}");
        for (body, why) in [
            ("{}".to_owned(), "it has no `specversion`"),
            (
                r#"{"specversion": "1.0", "id": "", "source": "s", "type": "t"}"#.into(),
                "it has no `id`",
            ),
            (
                r#"{"specversion": "1.0", "id": "1", "source": {}, "type": "t"}"#.into(),
                "`source` is not a text",
            ),
            ("[]".into(), "invalid type: sequence, expected an object at line 1 column 0"),
            (body(r#""data": 1, "data_base64": "WzFd""#), "it has both `data` and `data_base64`"),
            (body(r#""data_base64": "WzF""#), "its `data_base64` is not base64"),
            (body(r#""data_base64": "/w==""#), "the text in its `data_base64` is not UTF-8"),
            (body(r#""data_base64": {}"#), "`data_base64` is not a text"),
            (body(r#""data_base64": ["WzFd"]"#), "`data_base64` is not a text"),
            (body(r#""subject": "\ud800""#), "`subject` is not a text"),
            (body(r#""id": "8""#), "`id` occurs twice"),
            (body(r#""data": 1, "data": 2"#), "`data` occurs twice"),
        ] {
            let expected = format!("the body is not a CloudEvent: {why}");
            assert_eq!(unwrapped(&body).unwrap_err(), expected, "{body}");
        }
    }

    #[test]
    fn other_content_types_are_left_alone() {
        let event =
            Event::unread("s", "e", b"{}").unwrap().header("content-type", "application/json");
        assert_eq!(event.unwrapped().unwrap().body(), "{}");
    }
}
