//! An event as it arrived: who sent it, when, and the bytes of its body.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use fuse_rules::Element;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An event as a source accepted it. Nothing in it is interpreted yet.
///
/// In JSON, the body is base64 text: it keeps every byte and is a third larger, where an array of numbers would be
/// four times as large.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The sender's id; unique among the events of its source and name.
    pub id: String,
    /// The name of the source that it arrived at.
    pub source: String,
    /// The event's name, which sensors bind to.
    pub name: String,
    /// When the source accepted it, by the source's clock.
    pub received: Timestamp,
    /// The headers that came with it. Names are lower-case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The query parameters that came with it.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// The parameters of the path that it was sent to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub path: BTreeMap<String, String>,
    /// Why the source rejected it, if it did. Such an event is recorded and never decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    /// Which event it replays, if it is not from a sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// The body, byte for byte.
    #[serde(with = "base64_text")]
    pub body: Bytes,
}

impl Envelope {
    /// An event without headers and query parameters.
    ///
    /// ```
    /// use fuse_runtime::event::Envelope;
    /// use jiff::Timestamp;
    ///
    /// let event = Envelope::new("github", "push", "1", Timestamp::UNIX_EPOCH, "{}");
    /// assert_eq!(event.key().to_string(), "github.push/1");
    /// ```
    pub fn new(
        source: impl Into<String>,
        name: impl Into<String>,
        id: impl Into<String>,
        received: Timestamp,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            id: id.into(),
            source: source.into(),
            name: name.into(),
            received,
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
            path: BTreeMap::new(),
            rejected: None,
            replay: None,
            body: body.into(),
        }
    }

    /// The key that identifies this event: its source, name and id.
    pub fn key(&self) -> EventKey {
        EventKey { source: self.source.clone(), name: self.name.clone(), id: self.id.clone() }
    }

    /// The SHA-256 of the body, in lower-case hexadecimal (64 characters).
    pub fn body_hash(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(&self.body))
    }
}

/// Which event another one replays: it has the same content, and is decided again by the rules of its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The id that the sender gave, which rules see.
    pub of: String,
    /// When the sender's event was received, which rules see.
    pub received: Timestamp,
    /// Which attempt it is. The sender's event is the first.
    pub attempt: u32,
    /// The id of the event that was replayed: that of the sender's event, or of an earlier replay.
    pub from: String,
    /// Who replayed it: the name of a token.
    pub by: String,
    /// The id of the dead letter that is replayed. `None` if it is the whole event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<String>,
    /// The ids of the event's dead letters that are not replayed, although the whole event is: their rules do not fire.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keeps: BTreeSet<String>,
    /// The only decision that is made. `None` if all rules decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ReplayScope>,
    /// Whether rules fire without passing `once` and `after`. They claim no key and are not counted then.
    #[serde(default)]
    pub ignore_once: bool,
}

/// The decision that a replay of a dead letter makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayScope {
    /// The rule's full name.
    pub rule: String,
    /// The element that it is about, if it is about one.
    pub element: Element,
    /// The index of the trigger, if only one of several acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<u32>,
}

/// What an id ends with after the sender's id and ` (attempt `.
const ATTEMPT: &str = " (attempt ";

impl Replay {
    /// The id of an attempt at an event.
    pub(crate) fn attempt_id(of: &str, attempt: u32) -> String {
        format!("{of}{ATTEMPT}{attempt})")
    }

    /// Whether an id has the form of [`Replay::attempt_id`], so that no sender may use it.
    pub(crate) fn is_attempt_id(id: &str) -> bool {
        let number = id.strip_suffix(')').and_then(|id| id.rsplit_once(ATTEMPT));
        number.is_some_and(|(_, number)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    }
}

/// Identifies an event. Senders choose ids, which are unique only within one event of one source: an object that
/// is created and later deleted may have the same id in both events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventKey {
    /// The name of the source.
    pub source: String,
    /// The event's name, which sensors bind to.
    pub name: String,
    /// The sender's id of the event.
    pub id: String,
}

impl EventKey {
    /// The event as rules name it: `source.name`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.source, self.name)
    }

    /// Whether this is an event of a source, given as `SOURCE` or `SOURCE.EVENT`.
    pub fn is_from(&self, source: &str) -> bool {
        self.source == source || self.full_name() == source
    }

    /// The key as one text, `source.name/id`. Two different keys never give the same text: in the
    /// source and the name a `%` is written `%25`, a `/` `%2F` and a `.` `%2E`; the id is
    /// unchanged.
    ///
    /// ```
    /// use fuse_runtime::event::EventKey;
    ///
    /// let key = EventKey { source: "git/hub".into(), name: "push".into(), id: "a/b.c".into() };
    /// assert_eq!(key.encode(), "git%2Fhub.push/a/b.c");
    /// assert_eq!(EventKey::decode("git%2Fhub.push/a/b.c"), Some(key));
    /// ```
    pub fn encode(&self) -> String {
        format!("{}.{}/{}", escape(&self.source), escape(&self.name), self.id)
    }

    /// The key that [`EventKey::encode`] gave `text` for. `None` where `text` holds no `/`, or no
    /// `.` before it.
    pub fn decode(text: &str) -> Option<Self> {
        let (event, id) = text.split_once('/')?;
        let (source, name) = event.split_once('.')?;
        Some(Self { source: unescape(source), name: unescape(name), id: id.to_owned() })
    }
}

fn escape(part: &str) -> Cow<'_, str> {
    if part.contains(['%', '/', '.']) {
        Cow::Owned(part.replace('%', "%25").replace('/', "%2F").replace('.', "%2E"))
    } else {
        Cow::Borrowed(part)
    }
}

fn unescape(part: &str) -> String {
    // In this order: `%252F` stands for `%2F`, not for `/`.
    part.replace("%2E", ".").replace("%2F", "/").replace("%25", "%")
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encode())
    }
}

/// Bytes as base64 text.
mod base64_text {
    use std::borrow::Cow;

    use bytes::Bytes;
    use data_encoding::BASE64;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        match BASE64.decode(text.as_bytes()) {
            Ok(bytes) => Ok(Bytes::from(bytes)),
            Err(problem) => Err(D::Error::custom(format!("the body is not base64: {problem}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn envelope(body: Vec<u8>) -> Envelope {
        Envelope {
            id: "72d3162e".into(),
            source: "github".into(),
            name: "push".into(),
            received: "2026-08-01T10:00:00Z".parse().unwrap(),
            headers: BTreeMap::from([("x-github-event".into(), "push".into())]),
            query: BTreeMap::from([("dry".into(), "1".into())]),
            path: BTreeMap::from([("tenant".into(), "acme".into())]),
            rejected: None,
            replay: None,
            body: Bytes::from(body),
        }
    }

    #[test]
    fn a_big_body_stays_compact_as_json() {
        let event = envelope(vec![0xff; 1 << 20]);
        let text = serde_json::to_vec(&event).unwrap();
        assert!(text.len() < (1 << 20) * 3 / 2, "{} bytes", text.len());
        assert_eq!(serde_json::from_slice::<Envelope>(&text).unwrap(), event);
    }

    #[test]
    fn a_body_that_is_not_base64_is_refused() {
        let mut value = serde_json::to_value(envelope(vec![1, 2])).unwrap();
        value["body"] = "!".into();
        let problem = serde_json::from_value::<Envelope>(value).unwrap_err();
        assert!(problem.to_string().contains("not base64"), "{problem}");
    }

    #[test]
    fn the_hash_is_of_the_body_alone() {
        let event = envelope(b"{}".to_vec());
        let mut other = event.clone();
        other.id = "other".into();
        assert_eq!(
            event.body_hash(),
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        assert_eq!(event.body_hash(), other.body_hash());
        assert_ne!(event.body_hash(), envelope(b"{ }".to_vec()).body_hash());
    }

    #[test]
    fn ids_of_attempts_are_reserved() {
        assert!(Replay::is_attempt_id(&Replay::attempt_id("a", 2)));
        assert!(Replay::is_attempt_id(&Replay::attempt_id(&Replay::attempt_id("a", 2), 3)));
        for id in ["a", "a (attempt )", "a (attempt x)", "a (attempt 2", "a (attempt 2) "] {
            assert!(!Replay::is_attempt_id(id), "{id}");
        }
    }

    proptest! {
        #[test]
        fn any_body_survives_json(body: Vec<u8>) {
            let event = envelope(body);
            let text = serde_json::to_string(&event).unwrap();
            prop_assert_eq!(serde_json::from_str::<Envelope>(&text).unwrap(), event);
        }

        // Few letters, so that the troublesome ones meet.
        #[test]
        fn a_key_survives_its_text(
            source in "[a%/.25EF]{0,8}",
            name in "[a%/.25EF]{0,8}",
            id in "[a%/.25EF]{0,8}",
        ) {
            let key = EventKey { source, name, id };
            prop_assert_eq!(EventKey::decode(&key.encode()), Some(key));
        }
    }
}
