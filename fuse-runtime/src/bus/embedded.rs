//! The bus in the state folder.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;
use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};
use tokio::sync::{Mutex, watch};

use super::{Bus, BusError, Delivery, Published};
use crate::event::{Envelope, EventKey};
use crate::store::{
    EVENTS, EventStatus, IDS, META, NEXT_SEQ, QUEUE, STATUS, Store, StoreError, TIMES,
    decode_envelope, encode_envelope, get_row, id_place, put_row,
};

/// How many events one read of the queue fetches ahead.
const AHEAD_EVENTS: usize = 64;
/// How many bytes of bodies one read fetches ahead; one event is fetched whatever its size.
const AHEAD_BYTES: usize = 4 << 20;

/// A [`Bus`] over a [`Store`]. Make one per store: another one would hand the same events out
/// and not wake up for what this one takes in.
#[derive(Debug)]
pub struct EmbeddedBus {
    store: Store,
    max_backlog: u64,
    out: Mutex<Out>,
    signal: watch::Sender<Signal>,
}

/// What is to be handed out. Locked while the queue is read, so that concurrent callers of `next`
/// do not fetch the same events.
#[derive(Debug, Default)]
struct Out {
    /// Given back, by sequence number; all of them are older than what is ahead.
    returned: BTreeMap<u64, Delivery>,
    /// Fetched from the queue and not handed out yet.
    ahead: VecDeque<Delivery>,
    /// Everything in the queue below this sequence number was fetched.
    fetched: u64,
}

/// What waiters wait for. Kept by the writer's thread after each commit, so that an event whose
/// publisher went away meanwhile wakes them too.
#[derive(Clone, Copy, Debug, Default)]
struct Signal {
    /// Every accepted event has a sequence number below this.
    end: u64,
    backlog: u64,
    /// Counts up to wake waiters.
    given_back: u64,
}

impl EmbeddedBus {
    /// The bus of `store`, with room for `max_backlog` events that are accepted and not acked.
    ///
    /// # Errors
    ///
    /// [`BusError::Closed`] and [`BusError::Storage`].
    pub async fn new(store: Store, max_backlog: u64) -> Result<Self, BusError> {
        let signal = store.read(read_signal).await?;
        Ok(Self { store, max_backlog, out: Mutex::default(), signal: watch::Sender::new(signal) })
    }

    /// Fetches more of the queue into `out`, where there is more.
    async fn fetch(&self, out: &mut Out) -> Result<(), BusError> {
        let from = out.fetched;
        let (ahead, fetched) =
            self.store.read(move |transaction| read_ahead(transaction, from)).await?;
        // Together and after the wait, so that dropping the future changes nothing.
        out.ahead.extend(ahead);
        out.fetched = fetched;
        Ok(())
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn publish(&self, event: Envelope) -> Result<Published, BusError> {
        let key = event.key();
        let hash = event.body_hash();
        let frame = encode_envelope(&event)?;
        let limit = self.max_backlog;
        let signal = self.signal.clone();
        let received = event.received;
        self.store
            .write_then(
                move |transaction| accept(transaction, &key, &hash, &frame, received, limit),
                move |accepted| {
                    if let Some(Acceptance::New { seq, backlog }) = *accepted {
                        signal.send_modify(|signal| {
                            signal.end = seq.saturating_add(1);
                            signal.backlog = backlog;
                        });
                    }
                },
            )
            .await?
            .map(|acceptance| match acceptance {
                Acceptance::New { .. } => Published::Accepted,
                Acceptance::Known => Published::Known,
                Acceptance::Conflict => Published::Conflict,
            })
            .ok_or(BusError::Full { limit })
    }

    async fn next(&self) -> Result<Delivery, BusError> {
        // Subscribed before looking, so that nothing slips in between looking and waiting.
        let mut signal = self.signal.subscribe();
        loop {
            let end = signal.borrow_and_update().end;
            if self.store.is_closed() {
                return Err(BusError::Closed);
            }
            {
                let mut out = self.out.lock().await;
                if out.returned.is_empty() && out.ahead.is_empty() && out.fetched < end {
                    self.fetch(&mut out).await?;
                }
                if let Some((_, delivery)) = out.returned.pop_first() {
                    return Ok(delivery);
                }
                if let Some(delivery) = out.ahead.pop_front() {
                    return Ok(delivery);
                }
            }
            tokio::select! {
                changed = signal.changed() => changed.map_err(|_| BusError::Closed)?,
                () = self.store.closed() => return Err(BusError::Closed),
            }
        }
    }

    async fn ack(&self, delivery: &Delivery) -> Result<(), BusError> {
        let seq = delivery.token();
        let signal = self.signal.clone();
        self.store
            .write_then(
                move |transaction| remove(transaction, seq),
                move |&backlog| {
                    // Nobody waits for an ack.
                    signal.send_if_modified(|signal| {
                        signal.backlog = backlog;
                        false
                    });
                },
            )
            .await?;
        Ok(())
    }

    async fn give_back(&self, delivery: Delivery) -> Result<(), BusError> {
        let mut out = self.out.lock().await;
        out.returned.insert(delivery.token(), delivery);
        drop(out);
        self.signal.send_modify(|signal| signal.given_back = signal.given_back.wrapping_add(1));
        Ok(())
    }

    fn backlog(&self) -> u64 {
        self.signal.borrow().backlog
    }
}

enum Acceptance {
    New { seq: u64, backlog: u64 },
    Known,
    Conflict,
}

/// `None` when the queue is full.
fn accept(
    transaction: &WriteTransaction,
    event: &EventKey,
    hash: &str,
    frame: &[u8],
    received: Timestamp,
    limit: u64,
) -> Result<Option<Acceptance>, StoreError> {
    let key = event.encode();
    let key = key.as_str();
    let mut statuses = transaction.open_table(STATUS)?;
    if let Some(mut status) = get_row::<EventStatus>(&statuses, key)? {
        if status.hash == hash {
            return Ok(Some(Acceptance::Known));
        }
        status.conflicts = status.conflicts.saturating_add(1);
        status.last_conflict = Some(received);
        put_row(&mut statuses, key, &status)?;
        return Ok(Some(Acceptance::Conflict));
    }
    let mut queue = transaction.open_table(QUEUE)?;
    if queue.len()? >= limit {
        return Ok(None);
    }
    let mut meta = transaction.open_table(META)?;
    // Never reused, so that a late ack cannot hit another event.
    let seq = meta.get(NEXT_SEQ)?.map_or(0, |next| next.value());
    meta.insert(NEXT_SEQ, seq.saturating_add(1))?;
    let status =
        EventStatus { seq, hash: hash.to_owned(), acked: false, conflicts: 0, last_conflict: None };
    put_row(&mut statuses, key, &status)?;
    transaction.open_table(EVENTS)?.insert(seq, frame)?;
    transaction.open_table(IDS)?.insert(id_place(event), ())?;
    transaction.open_table(TIMES)?.insert((received.as_nanosecond(), seq), key)?;
    queue.insert(seq, key)?;
    let backlog = queue.len()?;
    Ok(Some(Acceptance::New { seq, backlog }))
}

/// Takes the event out of the queue, where it still is. The backlog that is left.
fn remove(transaction: &WriteTransaction, seq: u64) -> Result<u64, StoreError> {
    let mut queue = transaction.open_table(QUEUE)?;
    let key = queue.remove(seq)?.map(|key| key.value().to_owned());
    if let Some(key) = key {
        let mut statuses = transaction.open_table(STATUS)?;
        if let Some(mut status) = get_row::<EventStatus>(&statuses, &key)? {
            status.acked = true;
            put_row(&mut statuses, &key, &status)?;
        }
    }
    Ok(queue.len()?)
}

fn read_signal(transaction: &ReadTransaction) -> Result<Signal, StoreError> {
    let meta = transaction.open_table(META)?;
    Ok(Signal {
        end: meta.get(NEXT_SEQ)?.map_or(0, |next| next.value()),
        backlog: transaction.open_table(QUEUE)?.len()?,
        given_back: 0,
    })
}

/// The next events of the queue from the sequence number `from` on, and from where to go on.
fn read_ahead(
    transaction: &ReadTransaction,
    from: u64,
) -> Result<(Vec<Delivery>, u64), StoreError> {
    let queue = transaction.open_table(QUEUE)?;
    let events = transaction.open_table(EVENTS)?;
    let meta = transaction.open_table(META)?;
    let mut ahead = Vec::new();
    let mut bytes = 0_usize;
    for entry in queue.range(from..)? {
        let (seq, key) = entry?;
        let seq = seq.value();
        let frame = events.get(seq)?.ok_or_else(|| {
            StoreError::Storage(format!("the queued event `{}` is missing", key.value()))
        })?;
        let event = decode_envelope(frame.value())?;
        bytes = bytes.saturating_add(event.body.len());
        ahead.push(Delivery::new(event, seq));
        if ahead.len() >= AHEAD_EVENTS || bytes >= AHEAD_BYTES {
            return Ok((ahead, seq.saturating_add(1)));
        }
    }
    // The end as of this very snapshot: an event accepted meanwhile is at or past it.
    let end = meta.get(NEXT_SEQ)?.map_or(from, |next| next.value());
    Ok((ahead, end.max(from)))
}
