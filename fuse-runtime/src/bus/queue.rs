//! The rows of the embedded queue: what the bus reads and writes inside a transaction.

use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::change::Origin;
use crate::event::{Envelope, EventKey};
use crate::ledger::transition::{self, Accept};
use crate::store::{
    Capacity, DECIDED, EVENT_BYTES, EVENTS, EventStatus, IDS, META, NEXT_SEQ, OWNERS, QUEUE,
    STATUS, StoreError, TIMES, WithoutDecisions, decode_envelope, get_row, id_place, put_row, seal,
};

/// How many events one read of the queue fetches.
const MAX_FETCHED_EVENTS: usize = 64;
/// How many bytes of bodies one read of the queue fetches. It fetches one event whatever its size.
const MAX_FETCHED_BYTES: usize = 4 << 20;

/// What callers of `next` wait for. The writer thread updates it after each batch, so that an event
/// whose publisher went away meanwhile wakes them too.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signal {
    /// Every accepted event has a sequence number below this.
    pub(crate) end: u64,
    pub(super) backlog: u64,
    /// Incremented to wake them.
    pub(super) nacked: u64,
}

/// Notes that an event was accepted, and wakes those who fetch it.
pub(super) fn note_accepted(signal: &watch::Sender<Signal>, seq: u64, backlog: u64) {
    signal.send_modify(|signal| {
        signal.end = signal.end.max(seq.saturating_add(1));
        signal.backlog = backlog;
    });
}

/// Notes how many events wait after one was removed.
pub(super) fn note_removed(signal: &watch::Sender<Signal>, backlog: u64) {
    // No caller waits for an ack.
    signal.send_if_modified(|signal| {
        signal.backlog = backlog;
        false
    });
}

/// What became of an event that was published.
#[derive(Debug)]
pub(crate) enum Publication {
    New { seq: u64, backlog: u64 },
    Known,
    Conflict,
    Full,
    NoRoom(String),
}

/// An event to be accepted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NewEvent {
    pub(crate) event: EventKey,
    pub(crate) hash: String,
    /// All of it, whose checksum is written when it has a sequence number.
    #[serde(skip)]
    pub(crate) row: Vec<u8>,
    pub(crate) received: Timestamp,
    /// The steady time from which it is kept.
    pub(crate) kept_from: Timestamp,
}

/// Accepts an event, unless `limit` events wait or there is no room. If several replicas share the queue, the event belongs to
/// the one that sent it.
pub(super) fn accept(
    transaction: &WriteTransaction,
    new: &mut NewEvent,
    (limit, capacity): (u64, Option<&Capacity>),
    origin: Option<&Origin>,
) -> Result<Publication, StoreError> {
    let NewEvent { event, hash, row, received, kept_from } = new;
    let (received, event) = (*received, &*event);
    let key = event.encode();
    let key = key.as_str();
    let mut statuses = transaction.open_table(STATUS)?;
    let on_record: Option<EventStatus> = get_row(&statuses, key)?;
    let known = on_record.as_ref().map(EventStatus::acceptance);
    let acceptance = match transition::accept(known.as_ref(), hash, received) {
        Accept::New(acceptance) => acceptance,
        Accept::Known => return Ok(Publication::Known),
        Accept::Conflict(acceptance) => {
            if let Some(status) = on_record {
                put_row(&mut statuses, key, &status.with_acceptance(acceptance))?;
            }
            return Ok(Publication::Conflict);
        }
    };
    let mut queue = transaction.open_table(QUEUE)?;
    if queue.len()? >= limit {
        return Ok(Publication::Full);
    }
    let mut meta = transaction.open_table(META)?;
    let bytes = meta.get(EVENT_BYTES)?.map_or(0, |bytes| bytes.value());
    // Each replica has its own disk, so the room on it must not decide what all of them apply.
    let capacity = capacity.filter(|_| origin.is_none());
    if let Some(why) = capacity.and_then(|capacity| capacity.refusal(bytes)) {
        return Ok(Publication::NoRoom(why));
    }
    meta.insert(EVENT_BYTES, bytes.saturating_add(row.len() as u64))?;
    // Never reused, so that a late ack cannot remove another event.
    let seq = meta.get(NEXT_SEQ)?.map_or(0, |next| next.value());
    meta.insert(NEXT_SEQ, seq.saturating_add(1))?;
    put_row(&mut statuses, key, &EventStatus::new(seq, acceptance))?;
    seal(&seq.to_be_bytes(), row);
    transaction.open_table(EVENTS)?.insert(seq, row.as_slice())?;
    transaction.open_table(IDS)?.insert(id_place(event), ())?;
    transaction.open_table(TIMES)?.insert((kept_from.as_nanosecond(), seq), key)?;
    queue.insert(seq, key)?;
    if let Some(origin) = origin {
        transaction.open_table(OWNERS)?.insert(seq, origin.replica.as_str())?;
    }
    let backlog = queue.len()?;
    Ok(Publication::New { seq, backlog })
}

/// Removes the event from the queue, if it is still there. With `nothing`, also records that no rule matches it; if
/// another replica has decided it meanwhile, it stays. Returns the remaining backlog.
pub(super) fn finish(
    transaction: &WriteTransaction,
    seq: u64,
    nothing: Option<&WithoutDecisions>,
) -> Result<u64, StoreError> {
    let mut queue = transaction.open_table(QUEUE)?;
    let key = queue.get(seq)?.map(|key| key.value().to_owned());
    if let Some(key) = key {
        if nothing.is_some() && transaction.open_table(DECIDED)?.get(key.as_str())?.is_some() {
            return Ok(queue.len()?);
        }
        queue.remove(seq)?;
        transaction.open_table(OWNERS)?.remove(seq)?;
        let mut statuses = transaction.open_table(STATUS)?;
        if let Some(mut status) = get_row::<EventStatus>(&statuses, &key)? {
            status.acked = true;
            status.nothing = nothing.cloned();
            put_row(&mut statuses, &key, &status)?;
        }
    }
    Ok(queue.len()?)
}

pub(crate) fn read_signal(transaction: &ReadTransaction) -> Result<Signal, StoreError> {
    let meta = transaction.open_table(META)?;
    Ok(Signal {
        end: meta.get(NEXT_SEQ)?.map_or(0, |next| next.value()),
        backlog: transaction.open_table(QUEUE)?.len()?,
        nacked: 0,
    })
}

/// The event with this sequence number, if it is still in the queue.
pub(super) fn read_queued(
    transaction: &ReadTransaction,
    seq: u64,
) -> Result<Option<Envelope>, StoreError> {
    if transaction.open_table(QUEUE)?.get(seq)?.is_none() {
        return Ok(None);
    }
    let row = transaction.open_table(EVENTS)?.get(seq)?.ok_or_else(|| lost(seq))?;
    decode_envelope(seq, row.value()).map(Some)
}

fn lost(seq: u64) -> StoreError {
    StoreError::Damaged(format!("the queued event {seq} is missing"))
}

/// The result of one read of the queue.
pub(super) struct Ahead {
    pub(super) events: Vec<(u64, Envelope)>,
    /// Where the next read starts.
    pub(super) fetched: u64,
    /// Why some events could not be read.
    pub(super) damaged: Vec<String>,
}

/// The next events of the queue from the sequence number `from` on: those of this owner, if several replicas share the
/// queue.
pub(super) fn read_ahead(
    transaction: &ReadTransaction,
    from: u64,
    owner: Option<&str>,
) -> Result<Ahead, StoreError> {
    let queue = transaction.open_table(QUEUE)?;
    let owners = transaction.open_table(OWNERS)?;
    let rows = transaction.open_table(EVENTS)?;
    let meta = transaction.open_table(META)?;
    let (mut events, mut damaged) = (Vec::new(), Vec::new());
    let mut bytes = 0_usize;
    for entry in queue.range(from..)? {
        let (seq, _) = entry?;
        let seq = seq.value();
        if let Some(owner) = owner
            && owners.get(seq)?.is_none_or(|other| other.value() != owner)
        {
            continue;
        }
        let read = match rows.get(seq)? {
            Some(row) => decode_envelope(seq, row.value()),
            None => Err(lost(seq)),
        };
        match read {
            Ok(event) => {
                bytes = bytes.saturating_add(event.body.len());
                events.push((seq, event));
            }
            Err(StoreError::Damaged(why)) => damaged.push(why),
            Err(error) => return Err(error),
        }
        let fetched = seq.saturating_add(1);
        if events.len() >= MAX_FETCHED_EVENTS || bytes >= MAX_FETCHED_BYTES {
            return Ok(Ahead { events, fetched, damaged });
        }
    }
    // The end in this snapshot: an event that is accepted later is at or past it.
    let end = meta.get(NEXT_SEQ)?.map_or(from, |next| next.value());
    Ok(Ahead { events, fetched: end.max(from), damaged })
}
