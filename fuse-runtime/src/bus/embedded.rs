//! The bus in the state folder.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::{Bus, BusError, Delivery, Health, Published};
use crate::event::{Envelope, EventKey};
use crate::log_limit::LogLimit;
use crate::store::{
    EVENT_BYTES, EVENTS, EventStatus, IDS, META, NEXT_SEQ, QUEUE, Room, STATUS, Store, StoreError,
    TIMES, decode_envelope, encode_envelope, get_row, id_place, put_row, seal,
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
    /// How many events of the queue cannot be read.
    damaged: AtomicU64,
    /// Events from this sequence number on were accepted by this process.
    first_new: u64,
}

/// What is to be handed out. Locked while the queue is read, so that concurrent callers of `next`
/// do not fetch the same events.
#[derive(Debug, Default)]
struct Out {
    /// Nacked and due, by sequence number, each with the number of times that it was. The events
    /// themselves are read again, so that any number may wait.
    returned: BTreeMap<u64, u32>,
    /// Nacked, and not to be handed out before a time.
    delayed: BTreeMap<(Instant, u64), u32>,
    /// Fetched from the queue and not handed out yet.
    ahead: VecDeque<Delivery>,
    /// Everything in the queue below this sequence number was fetched.
    fetched: u64,
    /// Whether what was nacked has the next turn. In turns, so that events which are nacked again and
    /// again hold up no others.
    returned_next: bool,
}

impl Out {
    /// Moves what is due; when the next one is.
    fn move_due(&mut self, now: Instant) -> Option<Instant> {
        while let Some(first) = self.delayed.first_entry() {
            let (due, seq) = *first.key();
            if due > now {
                return Some(due);
            }
            self.returned.insert(seq, first.remove());
        }
        None
    }
}

/// What waiters wait for. Kept by the writer's thread after each commit, so that an event whose
/// publisher went away meanwhile wakes them too.
#[derive(Clone, Copy, Debug, Default)]
struct Signal {
    /// Every accepted event has a sequence number below this.
    end: u64,
    backlog: u64,
    /// Counts up to wake waiters.
    nacked: u64,
}

impl EmbeddedBus {
    /// The bus of `store`, with room for `max_backlog` events that are accepted and not acked.
    ///
    /// # Errors
    ///
    /// [`BusError::Closed`] and [`BusError::Storage`].
    pub async fn new(store: Store, max_backlog: u64) -> Result<Self, BusError> {
        let signal = store.read(read_signal).await?;
        Ok(Self {
            store,
            max_backlog,
            out: Mutex::default(),
            signal: watch::Sender::new(signal),
            damaged: AtomicU64::new(0),
            first_new: signal.end,
        })
    }

    async fn accept_all(
        &self,
        events: Vec<Envelope>,
    ) -> Result<Vec<Result<Published, BusError>>, StoreError> {
        let prepare = |event: Envelope| {
            Ok((event.key(), event.body_hash(), encode_envelope(&event)?, event.received))
        };
        let prepared = events.into_iter().map(prepare);
        let mut prepared = prepared.collect::<Result<Vec<_>, StoreError>>()?;
        let (limit, room, steady) = (self.max_backlog, self.store.room(), self.store.steady());
        let signal = self.signal.clone();
        let bytes = prepared.iter().map(|(_, _, row, _)| row.len()).sum();
        let accept = move |transaction: &WriteTransaction| {
            let mut accepted = Vec::with_capacity(prepared.len());
            for (event, hash, row, received) in &mut prepared {
                let (received, kept_from) = (*received, steady.unwrap_or(*received));
                let new = New { event, hash, row, received, kept_from, limit, room: &room };
                accepted.push(accept(transaction, new)?);
            }
            Ok(accepted)
        };
        let after = move |accepted: &Vec<Acceptance>| {
            for acceptance in accepted {
                let Acceptance::New { seq, backlog } = *acceptance else { continue };
                signal.send_modify(|signal| {
                    signal.end = seq.saturating_add(1);
                    signal.backlog = backlog;
                });
            }
        };
        let accepted = self.store.write_then(bytes, accept, after).await?;
        let published = accepted.into_iter().map(|acceptance| match acceptance {
            Acceptance::New { .. } => Ok(Published::Accepted),
            Acceptance::Known => Ok(Published::Known),
            Acceptance::Conflict => Ok(Published::Conflict),
            Acceptance::Full => Err(BusError::Full { limit }),
            Acceptance::NoRoom(why) => Err(BusError::NoRoom(why)),
        });
        Ok(published.collect())
    }

    /// Reads what was committed, after a failure that left it unknown.
    async fn catch_up(&self) -> Result<(), BusError> {
        let read = self.store.read(read_signal).await?;
        self.signal.send_modify(|signal| {
            signal.end = signal.end.max(read.end);
            signal.backlog = read.backlog;
        });
        Ok(())
    }

    /// Fetches more of the queue into `out`, where there is more.
    async fn fetch(&self, out: &mut Out) -> Result<(), BusError> {
        let from = out.fetched;
        let Ahead { deliveries, fetched, damaged } =
            self.store.read(move |transaction| read_ahead(transaction, from)).await?;
        // Together and after the wait, so that dropping the future changes nothing.
        let is_new = |delivery: &Delivery| delivery.token() >= self.first_new;
        out.ahead.extend(deliveries.into_iter().map(|delivery| match is_new(&delivery) {
            true => delivery.as_new(),
            false => delivery,
        }));
        out.fetched = fetched;
        for why in damaged {
            self.tell_damaged(&why);
        }
        Ok(())
    }

    /// The next event that was nacked, where one is due.
    async fn fetch_returned(&self, out: &mut Out) -> Result<Option<Delivery>, BusError> {
        while let Some((&seq, &redelivered)) = out.returned.first_key_value() {
            let read = self.store.read(move |transaction| read_queued(transaction, seq)).await;
            // Taken out after the wait, so that dropping the future loses nothing.
            match read {
                Ok(event) => {
                    out.returned.remove(&seq);
                    if let Some(event) = event {
                        return Ok(Some(Delivery::new(event, seq).with_redelivered(redelivered)));
                    }
                }
                Err(StoreError::Damaged(why)) => {
                    out.returned.remove(&seq);
                    self.tell_damaged(&why);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// An event that cannot be read stays in the queue and holds up no other.
    fn tell_damaged(&self, why: &str) {
        static LIMIT: LogLimit = LogLimit::new();
        self.damaged.fetch_add(1, Ordering::Relaxed);
        if let Some(left_out) = LIMIT.pass() {
            tracing::error!(why, left_out, "an accepted event cannot be read and is not decided");
        }
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn publish_all(&self, events: Vec<Envelope>) -> Vec<Result<Published, BusError>> {
        let count = events.len();
        match self.accept_all(events).await {
            Ok(published) => published,
            // One commit: what failed for one failed for all of them.
            Err(error) => vec![Err(error.into()); count],
        }
    }

    async fn next(&self) -> Result<Delivery, BusError> {
        // Subscribed before looking, so that nothing slips in between looking and waiting.
        let mut signal = self.signal.subscribe();
        let mut reopened = self.store.reopened();
        loop {
            let end = signal.borrow_and_update().end;
            if self.store.is_closed() {
                return Err(BusError::Closed);
            }
            let due = {
                let mut out = self.out.lock().await;
                let due = out.move_due(Instant::now());
                if out.ahead.is_empty() && out.fetched < end {
                    self.fetch(&mut out).await?;
                }
                if out.returned_next || out.ahead.is_empty() {
                    let returned = self.fetch_returned(&mut out).await?;
                    out.returned_next = false;
                    if let Some(delivery) = returned {
                        return Ok(delivery);
                    }
                }
                if let Some(delivery) = out.ahead.pop_front() {
                    out.returned_next = true;
                    return Ok(delivery);
                }
                due
            };
            let until_due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = signal.changed() => changed.map_err(|_| BusError::Closed)?,
                changed = reopened.changed() => {
                    changed.map_err(|_| BusError::Closed)?;
                    self.catch_up().await?;
                }
                () = until_due => {}
                () = self.store.closed() => return Err(BusError::Closed),
            }
        }
    }

    async fn ack(&self, delivery: &Delivery) -> Result<(), BusError> {
        let seq = delivery.token();
        let signal = self.signal.clone();
        self.store
            .write_then(
                0,
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

    async fn nack(&self, delivery: Delivery, after: Duration) -> Result<(), BusError> {
        let mut out = self.out.lock().await;
        let times = delivery.redelivered().saturating_add(1);
        if after.is_zero() {
            out.returned.insert(delivery.token(), times);
        } else {
            out.delayed.insert((Instant::now() + after, delivery.token()), times);
        }
        drop(out);
        self.signal.send_modify(|signal| signal.nacked = signal.nacked.wrapping_add(1));
        Ok(())
    }

    fn health(&self) -> Health {
        let backlog = self.backlog();
        if let Some(trouble) = self.store.trouble() {
            let problem = format!("the state cannot be written: {}", trouble.problem);
            return Health { problem: Some(problem), failing_for: Some(trouble.lasting) };
        }
        let problem = if backlog >= self.max_backlog {
            Some(format!("the queue is full: {} events wait", self.max_backlog))
        } else {
            self.store.no_room()
        };
        Health { problem, failing_for: None }
    }

    fn backlog(&self) -> u64 {
        self.signal.borrow().backlog
    }

    fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }
}

enum Acceptance {
    New { seq: u64, backlog: u64 },
    Known,
    Conflict,
    Full,
    NoRoom(String),
}

/// An event that is to be accepted.
struct New<'a> {
    event: &'a EventKey,
    hash: &'a str,
    row: &'a mut [u8],
    received: Timestamp,
    /// The steady time from which it is kept.
    kept_from: Timestamp,
    /// How many events may wait.
    limit: u64,
    room: &'a Room,
}

fn accept(transaction: &WriteTransaction, new: New<'_>) -> Result<Acceptance, StoreError> {
    let New { event, hash, row, received, kept_from, limit, room } = new;
    let key = event.encode();
    let key = key.as_str();
    let mut statuses = transaction.open_table(STATUS)?;
    if let Some(mut status) = get_row::<EventStatus>(&statuses, key)? {
        if status.hash == hash {
            return Ok(Acceptance::Known);
        }
        status.conflicts = status.conflicts.saturating_add(1);
        status.last_conflict = Some(received);
        put_row(&mut statuses, key, &status)?;
        return Ok(Acceptance::Conflict);
    }
    let mut queue = transaction.open_table(QUEUE)?;
    if queue.len()? >= limit {
        return Ok(Acceptance::Full);
    }
    let mut meta = transaction.open_table(META)?;
    let bytes = meta.get(EVENT_BYTES)?.map_or(0, |bytes| bytes.value());
    if let Some(why) = room.refusal(bytes) {
        return Ok(Acceptance::NoRoom(why));
    }
    meta.insert(EVENT_BYTES, bytes.saturating_add(row.len() as u64))?;
    // Never reused, so that a late ack cannot hit another event.
    let seq = meta.get(NEXT_SEQ)?.map_or(0, |next| next.value());
    meta.insert(NEXT_SEQ, seq.saturating_add(1))?;
    let status =
        EventStatus { seq, hash: hash.to_owned(), acked: false, conflicts: 0, last_conflict: None };
    put_row(&mut statuses, key, &status)?;
    seal(&seq.to_be_bytes(), row);
    transaction.open_table(EVENTS)?.insert(seq, &*row)?;
    transaction.open_table(IDS)?.insert(id_place(event), ())?;
    transaction.open_table(TIMES)?.insert((kept_from.as_nanosecond(), seq), key)?;
    queue.insert(seq, key)?;
    let backlog = queue.len()?;
    Ok(Acceptance::New { seq, backlog })
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
        nacked: 0,
    })
}

/// The event of that sequence number, where it is still in the queue.
fn read_queued(transaction: &ReadTransaction, seq: u64) -> Result<Option<Envelope>, StoreError> {
    if transaction.open_table(QUEUE)?.get(seq)?.is_none() {
        return Ok(None);
    }
    let row = transaction.open_table(EVENTS)?.get(seq)?.ok_or_else(|| lost(seq))?;
    decode_envelope(seq, row.value()).map(Some)
}

fn lost(seq: u64) -> StoreError {
    StoreError::Damaged(format!("the queued event {seq} is missing"))
}

/// What one read of the queue gives.
struct Ahead {
    deliveries: Vec<Delivery>,
    /// From where to go on.
    fetched: u64,
    /// Why some events could not be read.
    damaged: Vec<String>,
}

/// The next events of the queue from the sequence number `from` on.
fn read_ahead(transaction: &ReadTransaction, from: u64) -> Result<Ahead, StoreError> {
    let queue = transaction.open_table(QUEUE)?;
    let events = transaction.open_table(EVENTS)?;
    let meta = transaction.open_table(META)?;
    let (mut deliveries, mut damaged) = (Vec::new(), Vec::new());
    let mut bytes = 0_usize;
    for entry in queue.range(from..)? {
        let (seq, _) = entry?;
        let seq = seq.value();
        let read = match events.get(seq)? {
            Some(row) => decode_envelope(seq, row.value()),
            None => Err(lost(seq)),
        };
        match read {
            Ok(event) => {
                bytes = bytes.saturating_add(event.body.len());
                deliveries.push(Delivery::new(event, seq));
            }
            Err(StoreError::Damaged(why)) => damaged.push(why),
            Err(error) => return Err(error),
        }
        let fetched = seq.saturating_add(1);
        if deliveries.len() >= AHEAD_EVENTS || bytes >= AHEAD_BYTES {
            return Ok(Ahead { deliveries, fetched, damaged });
        }
    }
    // The end as of this very snapshot: an event accepted meanwhile is at or past it.
    let end = meta.get(NEXT_SEQ)?.map_or(from, |next| next.value());
    Ok(Ahead { deliveries, fetched: end.max(from), damaged })
}
