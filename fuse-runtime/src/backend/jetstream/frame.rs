//! The messages of the shared log. Each is a batch of changes from one replica.
//!
//! A message is the head as JSON, and then the changes; see [`crate::change::frame`].

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::change::StateChange;
use crate::change::frame::{FrameError, put_change, put_json, take_change, take_part};

/// The version of the messages that this program writes, and of what changes do. It reads every version up to this one.
pub(super) const FORMAT: u32 = 1;

/// A change in the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum LogChange {
    State(StateChange),
    /// The replica joins. It is the first change of its first batch.
    Join {
        /// What people call it.
        name: String,
        /// The newest [`FORMAT`] that it reads.
        format: u32,
        /// The earlier replica with the same state folder, which has ended.
        replaces: Option<String>,
    },
    /// The replica ends.
    Leave,
    /// Another replica was not heard of for too long, since its batch `seen`.
    Expire {
        replica: String,
        seen: u64,
    },
}

/// The changes that one replica sends at once.
#[derive(Debug)]
pub(super) struct LogBatch {
    pub(super) head: BatchHead,
    pub(super) changes: Vec<LogChange>,
}

/// Which batch it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BatchHead {
    pub(super) format: u32,
    pub(super) replica: String,
    /// The batches of a replica are numbered from 1.
    pub(super) number: u64,
}

/// A change as it is in a message.
pub(super) fn encode_change(change: &LogChange) -> Result<Vec<u8>, FrameError> {
    let rows = match change {
        LogChange::State(change) => change.rows(),
        _ => Vec::new(),
    };
    let mut bytes = Vec::new();
    put_change(&mut bytes, change, &rows)?;
    Ok(bytes)
}

/// A message with these encoded changes.
pub(super) fn encode<'c>(
    head: &BatchHead,
    changes: impl IntoIterator<Item = &'c [u8]>,
) -> Result<Bytes, FrameError> {
    let mut bytes = Vec::new();
    put_json(&mut bytes, head)?;
    for change in changes {
        bytes.extend_from_slice(change);
    }
    Ok(Bytes::from(bytes))
}

/// The head of a message, and the rest of it.
pub(super) fn decode_head(mut message: &[u8]) -> Result<(BatchHead, &[u8]), FrameError> {
    let head: BatchHead = serde_json::from_slice(take_part(&mut message)?)?;
    match head.format {
        1..=FORMAT => Ok((head, message)),
        found => Err(FrameError::Newer { found, known: FORMAT }),
    }
}

/// The changes after the head of a message.
pub(super) fn decode_changes(mut rest: &[u8]) -> Result<Vec<LogChange>, FrameError> {
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let (mut change, rows) = take_change(&mut rest)?;
        if let LogChange::State(change) = &mut change {
            change.put_rows(rows)?;
        }
        changes.push(change);
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::bus::change::BusChange;
    use crate::bus::queue::NewEvent;
    use crate::event::EventKey;

    fn accept(rows: Vec<Vec<u8>>) -> LogChange {
        let event = |row| NewEvent {
            event: EventKey { source: "s".into(), name: "n".into(), id: "1".into() },
            hash: "h".into(),
            row,
            received: Timestamp::UNIX_EPOCH,
            kept_from: Timestamp::UNIX_EPOCH,
        };
        let events = rows.into_iter().map(event).collect();
        LogChange::State(StateChange::Bus(BusChange::Accept { events, limit: 7, capacity: None }))
    }

    fn rows_of(change: &LogChange) -> Vec<Vec<u8>> {
        let LogChange::State(change) = change else { return Vec::new() };
        change.rows().into_iter().map(<[u8]>::to_vec).collect()
    }

    fn message(changes: &[LogChange]) -> Bytes {
        let head = BatchHead { format: FORMAT, replica: "r".into(), number: 3 };
        let encoded: Vec<Vec<u8>> =
            changes.iter().map(|change| encode_change(change).unwrap()).collect();
        encode(&head, encoded.iter().map(Vec::as_slice)).unwrap()
    }

    proptest! {
        #[test]
        fn a_message_gives_its_changes_back(all: Vec<Vec<Vec<u8>>>) {
            let mut changes: Vec<LogChange> = all.iter().cloned().map(accept).collect();
            changes.push(LogChange::Expire { replica: "x".into(), seen: 9 });
            let message = message(&changes);
            let (head, rest) = decode_head(&message).unwrap();
            prop_assert_eq!((head.replica.as_str(), head.number), ("r", 3));
            let read = decode_changes(rest).unwrap();
            prop_assert_eq!(read.len(), changes.len());
            for (change, rows) in read.iter().zip(&all) {
                prop_assert_eq!(&rows_of(change), rows);
            }
        }

        #[test]
        fn what_is_cut_is_refused(rows: Vec<Vec<u8>>, at: prop::sample::Index) {
            let message = message(&[accept(rows)]);
            let cut = &message[..at.index(message.len())];
            let read = decode_head(cut).and_then(|(_, rest)| decode_changes(rest));
            // What is cut after the head has no changes.
            prop_assert!(read.is_err() || read.is_ok_and(|changes| changes.is_empty()));
        }

        #[test]
        fn random_bytes_are_no_message(bytes: Vec<u8>) {
            prop_assert!(decode_head(&bytes).is_err());
        }
    }

    #[test]
    fn a_newer_message_is_refused() {
        let head = BatchHead { format: FORMAT + 1, replica: "r".into(), number: 1 };
        let message = encode(&head, []).unwrap();
        let problem = decode_head(&message).unwrap_err().to_string();
        assert!(problem.starts_with("a newer fuse wrote it"), "{problem}");
    }
}
