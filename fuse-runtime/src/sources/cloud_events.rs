//! CloudEvents over HTTP: the headers of the binary mode, and batches.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use fuse_rules::media_type::{self, CLOUD_EVENT};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{BodyFormat, Incoming};

/// Why a header cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// A name that HTTP does not allow.
    #[error("`{name}` is not the name of a header")]
    Name {
        /// The name.
        name: String,
    },
    /// A value that HTTP does not allow, such as one of two lines.
    #[error("the header `{name}` contains a control character, which HTTP does not allow")]
    Value {
        /// The header's name.
        name: String,
    },
    /// The bytes are not UTF-8.
    #[error("the header `{name}` is not UTF-8")]
    Bytes {
        /// The header's name.
        name: String,
    },
    /// A `%` has no two hexadecimal digits after it.
    #[error(
        "the header `{name}` has a `%` without two hexadecimal digits after it; \
         CloudEvents writes a percent sign as `%25`"
    )]
    Percent {
        /// The header's name.
        name: String,
    },
    /// The decoded bytes are not UTF-8.
    #[error("the header `{name}` is not UTF-8 once it is percent-decoded")]
    NotUtf8 {
        /// The header's name.
        name: String,
    },
}

/// A header's value as rules see it. Values of `ce-…` are percent-decoded, as the HTTP binding of CloudEvents
/// (3.1.3.2) asks; all others are unchanged.
///
/// ```
/// use fuse_runtime::sources::decode_header;
///
/// assert_eq!(decode_header("ce-subject", "a%20b")?, "a b");
/// assert_eq!(decode_header("x-subject", "a%20b")?, "a%20b");
/// assert!(decode_header("ce-subject", "100%").is_err());
/// # Ok::<(), fuse_runtime::sources::HeaderError>(())
/// ```
///
/// # Errors
/// A `%` has no two hexadecimal digits after it, or the decoded value is not UTF-8.
pub fn decode_header<'a>(name: &str, value: &'a str) -> Result<Cow<'a, str>, HeaderError> {
    let is_attribute = name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("ce-"));
    if !is_attribute || !value.contains(['%', '"']) {
        return Ok(Cow::Borrowed(value));
    }
    let text = unquote(value);
    let is_escape = |after: &str| {
        after.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return Err(HeaderError::Percent { name: name.to_owned() });
    }
    match percent_decode_str(&text).decode_utf8() {
        Ok(decoded) => Ok(Cow::Owned(decoded.into_owned())),
        Err(_) => Err(HeaderError::NotUtf8 { name: name.to_owned() }),
    }
}

/// Removes quotes and escapes from a value that is one quoted string.
fn unquote(value: &str) -> Cow<'_, str> {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else { return Cow::Borrowed(value) };
    let mut text = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next()),
            // A quote in the middle: this is not one quoted string.
            '"' => return Cow::Borrowed(value),
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

/// The content type of a batch.
const BATCH: &str = "application/cloudevents-batch+json";
/// The maximum number of events in a batch.
const MAX_BATCH_EVENTS: usize = 1_000;

/// A batch that cannot be accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchError {
    /// The body is not a list.
    #[error("the body is not a batch of CloudEvents: {0}")]
    NotAList(serde_json::Error),
    /// It has too many events.
    #[error(
        "the batch has {count} events, which is more than {MAX_BATCH_EVENTS}; send it in parts"
    )]
    TooMany {
        /// The number of events.
        count: usize,
    },
}

/// The JSON text of each event of a batch.
pub(super) struct Batch(Vec<Bytes>);

/// The events of a batch up to [`MAX_BATCH_EVENTS`], and the number of all of them.
struct Elements<'a> {
    first: Vec<&'a RawValue>,
    count: usize,
}

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut first = Vec::new();
                while first.len() < MAX_BATCH_EVENTS {
                    let Some(event) = list.next_element()? else { break };
                    first.push(event);
                }
                let mut count = first.len();
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Elements { first, count })
            }
        }
        from.deserialize_seq(List)
    }
}

/// The events of a batch in JSON; `None` for any other request.
///
/// # Errors
/// The body is not a list, or has too many events.
pub(super) fn batch(format: BodyFormat, incoming: &Incoming) -> Result<Option<Batch>, BatchError> {
    let content_type = incoming.headers.get("content-type").map_or("", String::as_str);
    if format != BodyFormat::Json || media_type::essence(content_type) != BATCH {
        return Ok(None);
    }
    let body = fuse_rules::without_bom(&incoming.body);
    let Elements { first, count } = serde_json::from_slice(body).map_err(BatchError::NotAList)?;
    if count > MAX_BATCH_EVENTS {
        return Err(BatchError::TooMany { count });
    }
    let text = |event: &RawValue| incoming.body.slice_ref(event.get().as_bytes());
    Ok(Some(Batch(first.into_iter().map(text).collect())))
}

impl Batch {
    /// An estimate of the memory, in bytes, that its events take beyond the body.
    pub(super) fn size(&self, incoming: &Incoming) -> usize {
        let Incoming { source, name, id: _, headers, query, path, body: _ } = incoming;
        let texts = headers.iter().chain(query).chain(path);
        let texts = texts.map(|(name, value)| 2 * size_of::<String>() + name.len() + value.len());
        let one = size_of::<Incoming>() + source.len() + name.len() + texts.sum::<usize>();
        self.0.len().saturating_mul(one)
    }

    /// Its events, each in the structured mode, with everything but the body from the request.
    pub(super) fn into_events(self, request: Incoming) -> Vec<Incoming> {
        let mut request = Incoming { body: Bytes::new(), ..request };
        request.headers.insert("content-type".to_owned(), CLOUD_EVENT.to_owned());
        self.0.into_iter().map(|body| Incoming { body, ..request.clone() }).collect()
    }
}

/// The id of a cloud event: its source, in which `%`, spaces and control characters are percent-encoded, a space,
/// and its id. Both are decoded first. Since the encoded source has no space, different pairs give different
/// ids.
pub(super) fn event_id(source: &str, id: &str) -> String {
    const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
    // Letter by letter, since an `AsciiSet` encodes everything that is not ASCII.
    let mut all = String::with_capacity(source.len() + 1 + id.len());
    for letter in source.chars() {
        match letter.is_ascii() {
            true => all.extend(utf8_percent_encode(letter.encode_utf8(&mut [0; 4]), ENCODED)),
            false => all.push(letter),
        }
    }
    all.push(' ');
    all.push_str(id);
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attributes_are_decoded_once() {
        let decoded = |value| decode_header("ce-x", value).map(Cow::into_owned);
        for (value, expected) in [
            ("plain", "plain"),
            ("a%20b", "a b"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("%2520", "%20"),
            ("\"a b\"", "a b"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("\"a\" and \"b\"", "\"a\" and \"b\""),
            ("\"", "\""),
        ] {
            assert_eq!(decoded(value).unwrap(), expected, "{value}");
        }
        for value in ["100%", "%zz", "%2", "%+1", "%ff", "%C3%28"] {
            assert!(decoded(value).is_err(), "{value}");
        }
        assert_eq!(decode_header("CE-X", "a%20b").unwrap(), "a b");
        assert_eq!(decode_header("é", "a%20b").unwrap(), "a%20b");
    }

    #[test]
    fn a_normal_form_of_ids() {
        assert_eq!(event_id("/prober", "7"), "/prober 7");
        assert_eq!(event_id("a b", "c"), "a%20b c");
        assert_eq!(event_id("a", "b c"), "a b c");
        assert_eq!(event_id("50%\té", "x"), "50%25%09é x");
    }

    proptest! {
        // Few letters, so that the troublesome ones meet.
        #[test]
        fn two_pairs_never_give_one_id(
            one in ("[ab %20\t]{0,4}", "[ab %20\t]{0,4}"),
            other in ("[ab %20\t]{0,4}", "[ab %20\t]{0,4}"),
        ) {
            let same = event_id(&one.0, &one.1) == event_id(&other.0, &other.1);
            prop_assert_eq!(same, one == other);
        }

        #[test]
        fn what_is_encoded_decodes_to_itself(text: String) {
            let encoded = utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(decode_header("ce-id", &encoded).unwrap(), text);
        }
    }
}
