//! How rows are encoded, and checked when they are read.
//!
//! A row is a byte that identifies its layout, the CRC-32 of its key and content (4 bytes,
//! big-endian), and its content. The checksum includes the key, so that a row in the place of another row is
//! detected, too. Rows of version 1 of the layout have neither byte nor checksum: JSON begins with `{`, a
//! frame with 0. They are read as they are, and get a checksum when they are written next.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};
use redb::{ReadableTable, Table};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::deep_json;
use crate::event::{Envelope, Replay};
use crate::ledger::transition::Acceptance;

/// The part of the record of an event that changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventStatus {
    /// Its sequence number, in the order of acceptance.
    pub(crate) seq: u64,
    /// [`Envelope::body_hash`], which distinguishes a repeat from a conflict.
    pub(crate) hash: String,
    /// Whether it has left the queue.
    pub(crate) acked: bool,
    /// How many times its id came with another body.
    pub(crate) conflicts: u32,
    /// When that happened last.
    pub(crate) last_conflict: Option<Timestamp>,
    /// Set if no rule matched the event, which then has no row for its decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nothing: Option<WithoutDecisions>,
}

/// The record that no rule matched an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WithoutDecisions {
    /// The hash of these rules.
    pub(crate) plan: String,
    /// When that was decided.
    pub(crate) decided: Timestamp,
}

impl EventStatus {
    pub(crate) fn new(seq: u64, acceptance: Acceptance) -> Self {
        let Acceptance { hash, conflicts, last_conflict } = acceptance;
        Self { seq, hash, acked: false, conflicts, last_conflict, nothing: None }
    }

    pub(crate) fn acceptance(&self) -> Acceptance {
        let Self { hash, conflicts, last_conflict, .. } = self.clone();
        Acceptance { hash, conflicts, last_conflict }
    }

    pub(crate) fn with_acceptance(self, acceptance: Acceptance) -> Self {
        Self { acked: self.acked, nothing: self.nothing, ..Self::new(self.seq, acceptance) }
    }
}

/// The envelope without its body, to be written.
#[derive(Serialize)]
struct HeadRef<'a> {
    id: &'a str,
    source: &'a str,
    name: &'a str,
    received: Timestamp,
    headers: &'a BTreeMap<String, String>,
    query: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    path: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<&'a Replay>,
}

/// The same, to be read.
#[derive(Deserialize)]
struct Head {
    id: String,
    source: String,
    name: String,
    received: Timestamp,
    headers: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    #[serde(default)]
    path: BTreeMap<String, String>,
    #[serde(default)]
    rejected: Option<String>,
    #[serde(default)]
    replay: Option<Replay>,
}

/// The first byte of a row that carries its checksum.
const CHECKED: u8 = 2;
/// The first byte of a row that carries its checksum and has a compressed body.
const COMPRESSED: u8 = 3;
/// The smallest body that is compressed, in bytes.
const MIN_COMPRESSED: usize = 1024;
/// The length of the layout byte and the checksum.
const PREFIX: usize = 5;

/// The row of an event, without its checksum. The checksum includes the sequence number, which the event
/// gets when it is written; see [`seal`].
///
/// The content is the length of the head (4 bytes, big-endian), the head as JSON, and the bytes of the
/// body, so that a body takes no more than its own size. A body of at least [`MIN_COMPRESSED`] bytes is compressed with LZ4 if
/// that saves at least an eighth.
pub(crate) fn encode_envelope(event: &Envelope) -> Result<Vec<u8>, StoreError> {
    let head = to_json(&HeadRef {
        id: &event.id,
        source: &event.source,
        name: &event.name,
        received: event.received,
        headers: &event.headers,
        query: &event.query,
        path: &event.path,
        rejected: event.rejected.as_deref(),
        replay: event.replay.as_ref(),
    })?;
    let length = u32::try_from(head.len())
        .map_err(|_| StoreError::Storage("the event's headers are over 4 GiB".into()))?;
    let compressed = match event.body.len() {
        0..MIN_COMPRESSED => None,
        _ => Some(compress_prepend_size(&event.body)),
    };
    let compressed = compressed.filter(|less| less.len() <= event.body.len() / 8 * 7);
    let body = compressed.as_deref().unwrap_or(&event.body);
    let mut frame = Vec::with_capacity(PREFIX + 4 + head.len() + body.len());
    frame.extend_from_slice(&[if compressed.is_some() { COMPRESSED } else { CHECKED }, 0, 0, 0, 0]);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(body);
    Ok(frame)
}

/// Writes the checksum into a row that has room for it, after its layout.
pub(crate) fn seal(key: &[u8], row: &mut [u8]) {
    if let Some((prefix, content)) = row.split_first_chunk_mut::<PREFIX>() {
        let [layout, ..] = *prefix;
        let [a, b, c, d] = sum(layout, key, content).to_be_bytes();
        *prefix = [layout, a, b, c, d];
    }
}

fn sum(layout: u8, key: &[u8], content: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    // For compatibility: the checksum of such a row never included this byte.
    if layout != CHECKED {
        sum.update(&[layout]);
    }
    sum.update(key);
    sum.update(content);
    sum.finalize()
}

/// The content of a row, once its checksum is verified.
fn content<'r>(key: &[u8], row: &'r [u8]) -> Result<&'r [u8], StoreError> {
    match row.split_first_chunk::<PREFIX>() {
        Some(([layout @ (CHECKED | COMPRESSED), a, b, c, d], content)) => {
            if sum(*layout, key, content) == u32::from_be_bytes([*a, *b, *c, *d]) {
                Ok(content)
            } else {
                Err(damaged(key, "its checksum is wrong"))
            }
        }
        _ => Ok(row),
    }
}

fn damaged(key: &[u8], why: &str) -> StoreError {
    let key = match <[u8; 8]>::try_from(key) {
        // The keys of events are numbers, and no other key begins with a zero byte.
        Ok(number) if key.first() == Some(&0) => u64::from_be_bytes(number).to_string(),
        _ => String::from_utf8_lossy(key).into_owned(),
    };
    StoreError::Damaged(format!("the record of `{key}` is damaged: {why}"))
}

/// Checks a row of JSON.
pub(super) fn check_row(key: &str, row: &[u8]) -> Result<(), StoreError> {
    let content = content(key.as_bytes(), row)?;
    parse::<serde::de::IgnoredAny>(key.as_bytes(), content).map(drop)
}

/// Decodes a row that [`encode_envelope`] made for the event with this sequence number.
pub(crate) fn decode_envelope(seq: u64, row: &[u8]) -> Result<Envelope, StoreError> {
    let (event, body) = decode(seq, row)?;
    let body = match row.first() {
        Some(&COMPRESSED) => decompress_size_prepended(body)
            .map_err(|problem| damaged(&seq.to_be_bytes(), &problem.to_string()))?
            .into(),
        _ => Bytes::copy_from_slice(body),
    };
    Ok(Envelope { body, ..event })
}

/// The same without the body.
pub(crate) fn decode_head(seq: u64, row: &[u8]) -> Result<Envelope, StoreError> {
    decode(seq, row).map(|(event, _)| event)
}

/// The event without its body, and the body as it is in the row.
fn decode(seq: u64, row: &[u8]) -> Result<(Envelope, &[u8]), StoreError> {
    let key = seq.to_be_bytes();
    let frame = content(&key, row)?;
    let cut = || damaged(&key, "it is truncated");
    let (length, rest) = frame.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| cut())?;
    let (head, body) = rest.split_at_checked(length).ok_or_else(cut)?;
    let head: Head = parse(&key, head)?;
    let event = Envelope {
        id: head.id,
        source: head.source,
        name: head.name,
        received: head.received,
        headers: head.headers,
        query: head.query,
        path: head.path,
        rejected: head.rejected,
        replay: head.replay,
        body: Bytes::new(),
    };
    Ok((event, body))
}

/// The row of `key`, if there is one.
pub(crate) fn get_row<T: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<T>, StoreError> {
    match table.get(key)? {
        Some(row) => parse(key.as_bytes(), content(key.as_bytes(), row.value())?).map(Some),
        None => Ok(None),
    }
}

/// Writes the row of `key`, unless it is the same already.
pub(crate) fn put_row_if_changed<T: Serialize>(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    key: &str,
    row: &T,
) -> Result<(), StoreError> {
    let bytes = row_bytes(key, row)?;
    if table.get(key)?.is_none_or(|known| known.value() != bytes) {
        table.insert(key, bytes.as_slice())?;
    }
    Ok(())
}

/// Writes the row of `key`, and replaces an earlier one.
pub(crate) fn put_row<T: Serialize>(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    key: &str,
    row: &T,
) -> Result<(), StoreError> {
    table.insert(key, row_bytes(key, row)?.as_slice())?;
    Ok(())
}

fn row_bytes<T: Serialize>(key: &str, row: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![CHECKED, 0, 0, 0, 0];
    serde_json::to_writer(&mut bytes, row).map_err(|problem| unwritable(&problem))?;
    seal(key.as_bytes(), &mut bytes);
    Ok(bytes)
}

fn parse<T: DeserializeOwned>(key: &[u8], content: &[u8]) -> Result<T, StoreError> {
    deep_json::from_slice(content).map_err(|problem| damaged(key, &problem.to_string()))
}

fn to_json<T: Serialize>(row: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(row).map_err(|problem| unwritable(&problem))
}

fn unwritable(problem: &serde_json::Error) -> StoreError {
    StoreError::Damaged(format!("a record cannot be written: {problem}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealed(seq: u64, event: &Envelope) -> Vec<u8> {
        let mut row = encode_envelope(event).unwrap();
        seal(&seq.to_be_bytes(), &mut row);
        row
    }

    fn envelope(id: String, value: String, body: Vec<u8>) -> Envelope {
        Envelope {
            id,
            source: "s".into(),
            name: "n".into(),
            received: Timestamp::UNIX_EPOCH,
            headers: BTreeMap::from([("h".into(), value)]),
            query: BTreeMap::new(),
            path: BTreeMap::from([("tenant".into(), "acme".into())]),
            rejected: None,
            replay: None,
            body: Bytes::from(body),
        }
    }

    proptest! {
        #[test]
        fn a_row_gives_the_envelope_back(seq: u64, id: String, value: String, body: Vec<u8>) {
            let event = envelope(id, value, body);
            let row = sealed(seq, &event);
            prop_assert!(row.ends_with(&event.body));
            prop_assert_eq!(decode_envelope(seq, &row).unwrap(), event.clone());
            // A row of version 1 of the layout.
            prop_assert_eq!(decode_envelope(seq, row.get(PREFIX..).unwrap()).unwrap(), event);
        }

        #[test]
        fn a_large_body_comes_back_and_takes_no_more_than_its_size(
            seq: u64,
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..9), 1..40),
            repeat in 1_usize..200,
        ) {
            let body = words.concat().repeat(repeat);
            let event = envelope("1".into(), String::new(), body.clone());
            let row = sealed(seq, &event);
            prop_assert_eq!(decode_envelope(seq, &row).unwrap(), event);
            let rest = sealed(seq, &envelope("1".into(), String::new(), Vec::new())).len();
            prop_assert!(row.len() <= rest + body.len());
            if body.len() > 4_000 && repeat > 20 {
                prop_assert!(row.len() < rest + body.len() / 4);
            }
        }

        #[test]
        fn a_changed_byte_or_another_place_is_found(
            seq: u64, value: String, body: Vec<u8>, at: prop::sample::Index, to: u8, other: u64,
        ) {
            let event = envelope("1".into(), value, body);
            let mut row = sealed(seq, &event);
            prop_assume!(other != seq);
            prop_assert!(matches!(decode_envelope(other, &row), Err(StoreError::Damaged(_))));
            let byte = at.get_mut(&mut row);
            prop_assume!(*byte != to);
            *byte = to;
            prop_assert!(matches!(decode_envelope(seq, &row), Err(StoreError::Damaged(_))));
        }

        #[test]
        fn random_bytes_are_no_event(row in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(decode_envelope(1, &row).is_err());
        }
    }
}
