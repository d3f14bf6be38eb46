//! Reads the log, and applies its messages to the local copy of the state, in their order.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::consumer::{DeliverPolicy, ReplayPolicy};
use async_nats::jetstream::stream::Stream;
use futures_util::{FutureExt as _, StreamExt as _};
use redb::WriteTransaction;

use super::frame::{self, LogBatch};
use super::machine::{self, AppliedBatch, Fate, Position};
use super::others;
use super::shared::{Settled, Shared};
use crate::bus::change::BusAnswer;
use crate::bus::queue::Publication;
use crate::change::ChangeAnswer;
use crate::store::{Store, StoreError};

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
    Message { position: u64, problem: frame::FrameError },
    #[error(
        "the log begins after what was applied here, with message {first} instead of {expected}: restart this replica, which reads the last snapshot then"
    )]
    Gap { expected: u64, first: u64 },
}

/// Follows the log of a replica.
pub(super) struct LogFollower {
    pub(super) shared: Arc<Shared>,
    pub(super) stream: Stream,
    pub(super) store: Store,
    /// The id of the log.
    pub(super) log: String,
}

/// A message that was read.
struct Read {
    position: u64,
    batch: LogBatch,
}

impl LogFollower {
    /// Applies messages as they arrive, for ever.
    pub(super) async fn run(self) {
        loop {
            let Err(error) = self.follow().await;
            self.shared.failed("reading", &error.to_string());
            if matches!(error, FollowError::Store(StoreError::Closed)) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn follow(&self) -> Result<std::convert::Infallible, FollowError> {
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
        Ok(Read { position, batch: LogBatch { head, changes } })
    }

    /// Applies messages in one transaction. A change that fails is left out, and the others are applied again.
    async fn apply(&self, read: Vec<Read>) -> Result<(), FollowError> {
        let expected = self.shared.applied.borrow().saturating_add(1);
        if let Some(first) = read.first()
            && first.position != expected
        {
            return Err(FollowError::Gap { expected, first: first.position });
        }
        let read = Arc::new(Mutex::new(read));
        let mut failed: BTreeMap<(u64, usize), StoreError> = BTreeMap::new();
        let done = loop {
            let (messages, left_out, log) = (Arc::clone(&read), failed.clone(), self.log.clone());
            let found = Arc::new(Mutex::new(None));
            let failing = Arc::clone(&found);
            let work = move |transaction: &WriteTransaction| {
                let mut messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
                apply_all(transaction, &mut messages, &left_out, &log).map_err(|(at, problem)| {
                    *failing.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
                    problem
                })
            };
            match self.store.write(work).await {
                Ok(done) => break done,
                Err(problem @ (StoreError::Damaged(_) | StoreError::Internal(_))) => {
                    if let StoreError::Damaged(why) = &problem {
                        // The others applied it: this copy differs from now on.
                        let why = format!(
                            "{why}; stop this replica, remove its state folder, and start it again"
                        );
                        self.shared.failed("the local copy", &why);
                    }
                    let at = found.lock().unwrap_or_else(PoisonError::into_inner).take();
                    match at {
                        Some(at) if at.1 != usize::MAX => failed.insert(at, problem),
                        _ => return Err(problem.into()),
                    };
                }
                Err(problem) => return Err(problem.into()),
            }
        };
        let read = std::mem::take(&mut *read.lock().unwrap_or_else(PoisonError::into_inner));
        self.report(read, done).await
    }

    /// Tells those who wait what was applied.
    async fn report(&self, read: Vec<Read>, all: Vec<AppliedBatch>) -> Result<(), FollowError> {
        if let Some(last) = read.last() {
            self.shared.applied.send_replace(last.position);
        }
        if all.iter().any(|done| done.members_changed) {
            self.shared.set_members(self.store.read(machine::members).await?);
        }
        let id = self.shared.id();
        for (Read { batch, .. }, done) in read.into_iter().zip(all) {
            let LogBatch { head, changes } = batch;
            let is_own = head.replica == id;
            if let Fate::Applied(answers) = &done.fate {
                self.shared.hear(&head.replica, head.number);
                if !is_own {
                    self.report_queue(answers);
                    self.shared.tell(others::changes(&changes, answers));
                }
            }
            let mine: Vec<u64> =
                done.moved.iter().filter(|(_, to)| *to == id).map(|(seq, _)| *seq).collect();
            if let Some(bus) = self.shared.bus()
                && !mine.is_empty()
            {
                bus.take_over(mine).await;
            }
            if is_own {
                self.settle(head.number, done.fate);
            }
        }
        Ok(())
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
    fn settle(&self, number: u64, fate: Fate) {
        let is_refused = match fate {
            Fate::Applied(answers) => {
                let counted = &self.shared.counted;
                counted.batches.fetch_add(1, Ordering::Relaxed);
                counted.changes.fetch_add(answers.len() as u64, Ordering::Relaxed);
                if let Some(batch) = self.shared.take_in_flight(number) {
                    for (caller, answer) in batch.waiting.into_iter().zip(answers) {
                        caller.answer(answer);
                    }
                }
                false
            }
            Fate::Repeated => false,
            Fate::Refused => true,
        };
        self.shared.settled.send_replace(Settled { number, is_refused });
    }
}

/// Applies messages, and records the last of them. The error has the position of the message, and the index of the change.
fn apply_all(
    transaction: &WriteTransaction,
    messages: &mut [Read],
    failed: &BTreeMap<(u64, usize), StoreError>,
    log: &str,
) -> Result<Vec<AppliedBatch>, ((u64, usize), StoreError)> {
    let mut all = Vec::with_capacity(messages.len());
    let mut applied = 0;
    for Read { position, batch } in messages {
        let left_out = failed.range((*position, 0)..=(*position, usize::MAX));
        let left_out = left_out.map(|((_, index), problem)| (*index, problem.clone())).collect();
        let done = machine::apply(transaction, batch, *position, &left_out)
            .map_err(|failed| ((*position, failed.index), failed.problem))?;
        all.push(done);
        applied = *position;
    }
    let position = Position { log: log.to_owned(), applied };
    machine::set_position(transaction, &position).map_err(|error| ((0, usize::MAX), error))?;
    Ok(all)
}
