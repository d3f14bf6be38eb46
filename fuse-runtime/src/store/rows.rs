//! How rows are written as bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use redb::{ReadableTable, Table};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::event::Envelope;

/// What changes about an event while it is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventStatus {
    /// Its place in the order of acceptance.
    pub(crate) seq: u64,
    /// [`Envelope::body_hash`], to tell a repeat from a conflict.
    pub(crate) hash: String,
    /// Whether it has left the queue.
    pub(crate) acked: bool,
    /// How many times its id came with another body.
    pub(crate) conflicts: u32,
    /// When that was last.
    pub(crate) last_conflict: Option<Timestamp>,
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
}

/// The same, read.
#[derive(Deserialize)]
struct Head {
    id: String,
    source: String,
    name: String,
    received: Timestamp,
    headers: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
}

/// The envelope as a frame: the length of the head (4 bytes, big-endian), the head as JSON, and
/// the body as it is, so that a body costs its own size and no more.
pub(crate) fn encode_envelope(event: &Envelope) -> Result<Vec<u8>, StoreError> {
    let head = to_json(&HeadRef {
        id: &event.id,
        source: &event.source,
        name: &event.name,
        received: event.received,
        headers: &event.headers,
        query: &event.query,
    })?;
    let length = u32::try_from(head.len())
        .map_err(|_| StoreError::Storage("the event's headers are over 4 GiB".into()))?;
    let mut frame = Vec::with_capacity(4 + head.len() + event.body.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(&event.body);
    Ok(frame)
}

/// The envelope of a frame that [`encode_envelope`] made.
pub(crate) fn decode_envelope(frame: &[u8]) -> Result<Envelope, StoreError> {
    let cut = || StoreError::Storage("an event's record is cut short".into());
    let (length, rest) = frame.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| cut())?;
    let (head, body) = rest.split_at_checked(length).ok_or_else(cut)?;
    let head: Head = parse_row(head)?;
    Ok(Envelope {
        id: head.id,
        source: head.source,
        name: head.name,
        received: head.received,
        headers: head.headers,
        query: head.query,
        body: Bytes::copy_from_slice(body),
    })
}

/// The row of `key`, where there is one.
pub(crate) fn get_row<T: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<T>, StoreError> {
    match table.get(key)? {
        Some(row) => parse_row(row.value()).map(Some),
        None => Ok(None),
    }
}

/// Writes the row of `key`, in place of an earlier one.
pub(crate) fn put_row<T: Serialize>(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    key: &str,
    row: &T,
) -> Result<(), StoreError> {
    table.insert(key, to_json(row)?.as_slice())?;
    Ok(())
}

/// A row from its bytes.
fn parse_row<T: DeserializeOwned>(row: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(row)
        .map_err(|problem| StoreError::Storage(format!("a record can not be read: {problem}")))
}

fn to_json<T: Serialize>(row: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(row)
        .map_err(|problem| StoreError::Storage(format!("a record can not be written: {problem}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_frame_gives_the_envelope_back(id: String, value: String, body: Vec<u8>) {
            let event = Envelope {
                id,
                source: "s".into(),
                name: "n".into(),
                received: Timestamp::UNIX_EPOCH,
                headers: BTreeMap::from([("h".into(), value)]),
                query: BTreeMap::new(),
                body: Bytes::from(body),
            };
            let frame = encode_envelope(&event).unwrap();
            prop_assert!(frame.ends_with(&event.body));
            prop_assert_eq!(decode_envelope(&frame).unwrap(), event);
        }

        #[test]
        fn a_damaged_frame_is_an_error(frame in prop::collection::vec(any::<u8>(), 0..64)) {
            // Random bytes are no frame; what counts is that nothing panics.
            prop_assert!(decode_envelope(&frame).is_err());
        }
    }
}
