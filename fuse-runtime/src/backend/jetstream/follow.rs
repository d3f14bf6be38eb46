//! Reads the log, and applies its messages to the local copy of the state, in their order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::consumer::{DeliverPolicy, ReplayPolicy};
use async_nats::jetstream::stream::Stream;
use futures_util::{FutureExt as _, StreamExt as _};
use redb::{ReadableTable as _, WriteTransaction};

use super::connect;
use super::frame::{self, LogBatch};
use super::machine::{self, AppliedBatch, Fate, Members, Position};
use super::others;
use super::shared::{InFlight, Settled, Shared};
use crate::bus::change::BusAnswer;
use crate::bus::queue::Publication;
use crate::change::ChangeAnswer;
use crate::change::frame::FrameError;
use crate::ledger::change::LedgerAnswer;
use crate::store::{EVENT_BYTES, META, Store, StoreError};

/// The most messages that one transaction applies.
const MAX_MESSAGES: usize = 64;
/// The most bytes of these messages.
const MAX_BYTES: usize = 4 << 20;
/// The longest silence of the log until it is read with a new consumer: every replica sends something more often.
const MAX_SILENCE: Duration = Duration::from_secs(5);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_millis(250);

/// Why the log cannot be followed now.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error("{0}")]
    Broker(String),
    #[error("the local copy of the state: {0}")]
    Store(#[from] StoreError),
    #[error("message {position} of the log: {problem}")]
    Message { position: u64, problem: FrameError },
    #[error("the local copy of the state is damaged: {0}; the next start makes a new one")]
    Damaged(String),
    #[error(
        "the log does not continue the local copy of the state: {0}; the next start makes a new copy"
    )]
    Lost(String),
}

impl FollowError {
    /// Whether trying again does not help, because the local copy cannot be continued.
    fn is_fatal(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Lost(_))
    }
}

/// Follows the log of a replica.
pub(super) struct LogFollower {
    pub(super) shared: Arc<Shared>,
    pub(super) stream: Stream,
    pub(super) store: Store,
    /// The id of the log.
    pub(super) log: String,
    /// Whether the copy is being made from the log and a snapshot, so that what is damaged is so for all replicas.
    pub(super) is_fresh: Arc<AtomicBool>,
    /// The file that says that the copy must not be used any more.
    pub(super) marker: PathBuf,
}

/// A message that was read.
struct Read {
    position: u64,
    published: i128,
    batch: LogBatch,
}

impl LogFollower {
    /// Applies messages as they arrive, for ever.
    pub(super) async fn run(self) {
        loop {
            let Err(error) = self.follow().await;
            if error.is_fatal() {
                self.shared.failed_for_good(&error.to_string());
                if let Err(error) = std::fs::write(&self.marker, error.to_string()) {
                    tracing::error!(%error, "cannot mark the local copy as unusable; remove the state folder");
                }
                return;
            }
            self.shared.failed("reading", &error.to_string());
            if matches!(error, FollowError::Store(StoreError::Closed)) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn follow(&self) -> Result<std::convert::Infallible, FollowError> {
        // After a failure of the disk, the copy may have less than before.
        let position = self.store.read(machine::position).await?.unwrap_or_default();
        self.shared.applied.send_replace(position.applied);
        let lost = connect::discontinuity(&self.stream, &position).await;
        if let Some(lost) = lost.map_err(|error| FollowError::Broker(error.to_string()))? {
            return Err(FollowError::Lost(lost));
        }
        let mut messages = self.messages().await?;
        loop {
            let next = tokio::time::timeout(MAX_SILENCE, messages.next()).await;
            let Ok(Some(next)) = next else {
                return Err(FollowError::Broker("the log is silent".into()));
            };
            let broker = |error: &dyn std::fmt::Display| FollowError::Broker(error.to_string());
            let first = next.map_err(|error| broker(&error))?;
            let mut bytes = first.payload.len();
            let mut read = vec![self.read(&first)?];
            while read.len() < MAX_MESSAGES
                && bytes < MAX_BYTES
                && let Some(Some(Ok(next))) = messages.next().now_or_never()
            {
                bytes = bytes.saturating_add(next.payload.len());
                read.push(self.read(&next)?);
            }
            self.apply(read).await?;
            self.shared.works("reading");
        }
    }

    async fn messages(&self) -> Result<Ordered, FollowError> {
        let start_sequence = self.shared.applied.borrow().saturating_add(1);
        let config = OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
            replay_policy: ReplayPolicy::Instant,
            ..OrderedConfig::default()
        };
        let broker = |error: &dyn std::fmt::Display| FollowError::Broker(error.to_string());
        let consumer = self.stream.create_consumer(config).await.map_err(|error| broker(&error))?;
        consumer.messages().await.map_err(|error| broker(&error))
    }

    fn read(&self, message: &Message) -> Result<Read, FollowError> {
        let info = message.info().map_err(|error| FollowError::Broker(error.to_string()))?;
        let position = info.stream_sequence;
        let unreadable = |problem| FollowError::Message { position, problem };
        let (head, rest) = frame::decode_head(&message.payload).map_err(unreadable)?;
        let own = (head.replica == self.shared.id())
            .then(|| self.shared.take_changes(head.number))
            .flatten();
        let changes = match own {
            Some(changes) => changes,
            None => frame::decode_changes(rest).map_err(unreadable)?,
        };
        let published = info.published.unix_timestamp_nanos();
        Ok(Read { position, published, batch: LogBatch { head, changes } })
    }

    /// Applies messages in one transaction. A change that fails is left out, and the others are applied again.
    async fn apply(&self, read: Vec<Read>) -> Result<(), FollowError> {
        let expected = self.shared.applied.borrow().saturating_add(1);
        match read.first().map_or(expected, |first| first.position) {
            first if first > expected => {
                let lost =
                    format!("message {first} follows message {}", expected.saturating_sub(1));
                return Err(FollowError::Lost(lost));
            }
            // The consumer was made again from its beginning.
            first if first < expected => {
                return Err(FollowError::Broker("the log was read from another place".into()));
            }
            _ => {}
        }
        let read = Arc::new(Mutex::new(read));
        let mut left_out: LeftOut = BTreeMap::new();
        let applied = loop {
            // Which change is being applied, even if it panics.
            let cursor: Arc<Mutex<Option<Place>>> = Arc::default();
            let work = {
                let (read, cursor, left_out) =
                    (Arc::clone(&read), Arc::clone(&cursor), left_out.clone());
                let log = self.log.clone();
                move |transaction: &WriteTransaction| {
                    apply_all(transaction, &mut lock(&read), &left_out, &log, &cursor)
                }
            };
            match self.store.write(work).await {
                Ok(applied) => break applied,
                // The others can apply it: this copy must not go on without it, unless it is being made.
                Err(StoreError::Damaged(why)) if !self.is_fresh.load(Ordering::Relaxed) => {
                    return Err(FollowError::Damaged(why));
                }
                Err(problem @ (StoreError::Damaged(_) | StoreError::Internal(_))) => {
                    let place = lock(&cursor).take();
                    match place {
                        Some(place) if !left_out.contains_key(&place) => {
                            let (position, index) = place;
                            tracing::error!(position, index, %problem, "a change is left out");
                            left_out.insert(place, problem);
                        }
                        _ => return Err(problem.into()),
                    }
                }
                Err(problem) => return Err(problem.into()),
            }
        };
        let read = std::mem::take(&mut *lock(&read));
        self.report(read, applied).await;
        Ok(())
    }

    /// Tells those who wait what was applied.
    async fn report(&self, read: Vec<Read>, applied: AppliedMessages) {
        if let Some(last) = read.last() {
            self.shared.applied.send_replace(last.position);
        }
        if let Some(members) = applied.members {
            self.shared.set_members(members);
        }
        self.store.capacity().note(applied.event_bytes);
        let id = self.shared.id();
        let mut has_pruned = false;
        for (Read { batch, .. }, done) in read.into_iter().zip(applied.batches) {
            let LogBatch { head, changes } = batch;
            let own = (head.replica == id).then(|| self.shared.take_in_flight(head.number));
            if let Fate::Applied(answers) = &done.fate {
                self.shared.note_batch(&head.replica, head.number);
                has_pruned |= answers.iter().flatten().any(|answer| {
                    matches!(answer, ChangeAnswer::Ledger(answer)
                        if matches!(**answer, LedgerAnswer::Pruned(1.., _)))
                });
                // Nobody waits for what came back too late.
                if !matches!(own, Some(Some(_))) {
                    self.report_queue(answers);
                    self.shared.announce(others::changes(&changes, answers));
                }
            }
            let mine: Vec<u64> =
                done.moved.iter().filter(|(_, to)| *to == id).map(|(seq, _)| *seq).collect();
            if let Some(bus) = self.shared.bus()
                && !mine.is_empty()
            {
                bus.take_over(mine).await;
            }
            if let Some(in_flight) = own {
                self.settle(head.number, in_flight, done.fate);
            }
        }
        if has_pruned {
            let store = self.store.clone();
            tokio::spawn(async move {
                if let Err(error) = store.compact().await {
                    tracing::warn!(%error, "cannot compact the local copy of the state");
                }
            });
        }
    }

    /// How long the queue is now.
    fn report_queue(&self, answers: &[Result<ChangeAnswer, StoreError>]) {
        let Some(bus) = self.shared.bus() else { return };
        for answer in answers.iter().flatten() {
            match answer {
                ChangeAnswer::Bus(BusAnswer::Accepted(publications)) => {
                    for publication in publications {
                        if let Publication::New { seq, backlog } = *publication {
                            bus.accepted(seq, backlog);
                        }
                    }
                }
                ChangeAnswer::Bus(BusAnswer::Removed { backlog }) => bus.removed(*backlog),
                ChangeAnswer::Ledger(_) => {}
            }
        }
    }

    /// Answers the callers of a batch of this replica.
    fn settle(&self, number: u64, in_flight: Option<InFlight>, fate: Fate) {
        let is_refused = match fate {
            Fate::Applied(answers) => {
                let counted = &self.shared.counted;
                counted.batches.fetch_add(1, Ordering::Relaxed);
                counted.changes.fetch_add(answers.len() as u64, Ordering::Relaxed);
                let waiting = in_flight.into_iter().flat_map(|batch| batch.waiting);
                for (caller, answer) in waiting.zip(answers) {
                    caller.answer(answer);
                }
                false
            }
            Fate::Repeated | Fate::Refused => {
                let is_refused = matches!(fate, Fate::Refused);
                // The sender sends it again, or gives up.
                in_flight.into_iter().for_each(|batch| self.shared.send(batch));
                is_refused
            }
        };
        self.shared.settled.send_replace(Settled { number, is_refused });
    }
}

/// The position of a message, and the index of a change in it.
type Place = (u64, usize);
/// The changes that are left out, with their errors.
type LeftOut = BTreeMap<Place, StoreError>;

/// What several messages did.
struct AppliedMessages {
    batches: Vec<AppliedBatch>,
    /// The members, if they changed.
    members: Option<Members>,
    /// The size of all events.
    event_bytes: u64,
}

/// Applies messages, and records the last of them. `cursor` is the change that is being applied.
fn apply_all(
    transaction: &WriteTransaction,
    messages: &mut [Read],
    left_out: &LeftOut,
    log: &str,
    cursor: &Mutex<Option<Place>>,
) -> Result<AppliedMessages, StoreError> {
    let mut batches = Vec::with_capacity(messages.len());
    let (mut applied, mut stored) = (0, 0);
    for Read { position, published, batch } in messages {
        let failed = left_out.range((*position, 0)..=(*position, usize::MAX));
        let failed = failed.map(|((_, index), problem)| (*index, problem.clone())).collect();
        let at = |index| *lock(cursor) = Some((*position, index));
        batches.push(machine::apply(transaction, batch, *position, &failed, &at)?);
        (applied, stored) = (*position, *published);
        *lock(cursor) = None;
    }
    machine::set_position(
        transaction,
        &Position { log: log.to_owned(), applied, published: stored },
    )?;
    let changed = batches.iter().any(|batch| batch.members_changed);
    let members = changed.then(|| machine::members_now(transaction)).transpose()?;
    let bytes = transaction.open_table(META)?.get(EVENT_BYTES)?.map(|bytes| bytes.value());
    Ok(AppliedMessages { batches, members, event_bytes: bytes.unwrap_or_default() })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
