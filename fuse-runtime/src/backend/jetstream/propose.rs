//! Sends changes to the log, in batches: those that arrive while a batch is on its way are sent together by the next one.
//! A caller is answered once the batch came back in the log and was applied here.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use super::frame::{self, BatchHead, FORMAT, LogChange};
use super::shared::{InFlight, Shared, Waiting};
use crate::bus::Health;
use crate::bus::change::{BusAnswer, BusChange};
use crate::bus::queue::Publication;
use crate::change::{AfterCommit, ChangeAnswer, Commit, StateChange};
use crate::ledger::Sharing;
use crate::store::StoreError;

/// The most changes in one batch.
const MAX_BATCH: usize = 128;
/// The most bytes of the changes in one batch. A single change is sent regardless of its size.
const MAX_BATCH_BYTES: usize = 512 << 10;
/// How many changes may wait to be sent.
const MAX_WAITING: usize = 2 * MAX_BATCH;
/// How long a change is tried to be committed, while the broker elects a leader for example.
const TRIES_FOR: Duration = Duration::from_secs(10);
/// How long a replica tries to join.
const JOINS_FOR: Duration = Duration::from_secs(60);
/// How long one attempt to send may take until it is repeated, which is safe.
const ATTEMPT: Duration = Duration::from_secs(2);
/// The pause after a failed attempt.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a replica shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// The room of a message for its head and the headers of the broker.
const HEADROOM: usize = 4 << 10;

/// A change to be sent.
struct Proposal {
    change: LogChange,
    encoded: Vec<u8>,
    waiting: Option<Waiting>,
}

/// Sends changes to the log, for any number of callers.
pub(super) struct Proposer {
    shared: Arc<Shared>,
    proposals: mpsc::Sender<Proposal>,
    max_payload: usize,
}

impl std::fmt::Debug for Proposer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proposer").finish_non_exhaustive()
    }
}

#[async_trait]
impl Commit for Proposer {
    async fn commit(
        &self,
        mut change: StateChange,
        then: AfterCommit,
    ) -> Result<ChangeAnswer, StoreError> {
        if let Some(refusal) = refused(&mut change) {
            return Ok(refusal);
        }
        let (answer, answered) = oneshot::channel();
        let waiting = Some(Waiting { then, answer });
        self.propose(LogChange::State(change), waiting).await?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    fn owner(&self) -> Option<String> {
        Some(self.shared.id())
    }

    fn sharing(&self) -> Option<Sharing> {
        Some(self.shared.sharing())
    }

    fn health(&self) -> Option<Health> {
        self.shared.health()
    }
}

/// The answer to events for which the disk of this replica has no room.
fn refused(change: &mut StateChange) -> Option<ChangeAnswer> {
    let StateChange::Bus(BusChange::Accept { events, capacity, .. }) = change else { return None };
    let why = capacity.take()?.current()?;
    let refused = events.iter().map(|_| Publication::NoRoom(why.clone())).collect();
    Some(ChangeAnswer::Bus(BusAnswer::Accepted(refused)))
}

impl Proposer {
    /// A proposer, and what sends its proposals.
    pub(super) fn new(
        shared: Arc<Shared>,
        context: Context,
        subject: String,
        name: String,
    ) -> (Self, BatchSender) {
        let (proposals, queue) = mpsc::channel(MAX_WAITING);
        let max_payload = context.client().max_payload();
        let sender = BatchSender {
            shared: Arc::clone(&shared),
            context,
            subject,
            name,
            queue,
            left_over: None,
            number: 0,
        };
        (Self { shared, proposals, max_payload }, sender)
    }

    /// Sends a change. Returns once it waits to be sent.
    async fn propose(&self, change: LogChange, waiting: Option<Waiting>) -> Result<(), StoreError> {
        let encoded = frame::encode_change(&change);
        let encoded = encoded.map_err(|error| StoreError::Internal(error.to_string()))?;
        if encoded.len().saturating_add(HEADROOM) > self.max_payload {
            return Err(StoreError::TooLarge(format!(
                "a change of {} bytes is larger than the broker's `max_payload` of {} bytes: raise it",
                encoded.len(),
                self.max_payload
            )));
        }
        let proposal = Proposal { change, encoded, waiting };
        match tokio::time::timeout(TRIES_FOR, self.proposals.send(proposal)).await {
            Ok(sent) => sent.map_err(|_| StoreError::Closed),
            Err(_elapsed) => Err(StoreError::Storage("the broker does not answer".into())),
        }
    }

    /// Declares a replica dead that was not heard of since its batch `seen`.
    pub(super) async fn expire(&self, replica: String, seen: u64) -> Result<(), StoreError> {
        self.propose(LogChange::Expire { replica, seen }, None).await
    }

    /// Leaves: the others take over.
    pub(super) async fn leave(&self) -> Result<(), StoreError> {
        self.propose(LogChange::Leave, None).await
    }
}

/// Sends what was proposed, one batch after the other.
pub(super) struct BatchSender {
    shared: Arc<Shared>,
    context: Context,
    subject: String,
    name: String,
    queue: mpsc::Receiver<Proposal>,
    /// What did not fit into the last batch.
    left_over: Option<Proposal>,
    /// The number of the last batch. It grows even if the replica joins again.
    number: u64,
}

/// What became of an attempt to send a batch.
enum Sent {
    Applied,
    Refused,
    TimedOut(String),
    /// Sending it again does not help.
    Failed(String),
}

/// Why a batch is not applied although its replica joined with it.
const REFUSED: &str = "the log refuses this replica";
/// How often a replica joins again for one batch.
const MAX_REJOINS: u32 = 3;

impl BatchSender {
    /// Sends until every proposer is dropped, or the replica left.
    pub(super) async fn run(mut self) {
        loop {
            let first = match self.left_over.take() {
                Some(proposal) => Some(proposal),
                None => match tokio::time::timeout(HEARTBEAT, self.queue.recv()).await {
                    Ok(Some(proposal)) => Some(proposal),
                    Ok(None) => return,
                    // An empty batch shows that this replica is alive.
                    Err(_elapsed) => None,
                },
            };
            let mut bytes = first.as_ref().map_or(0, |one| one.encoded.len());
            let mut batch: Vec<Proposal> = first.into_iter().collect();
            while batch.len() < MAX_BATCH
                && let Ok(next) = self.queue.try_recv()
            {
                bytes = bytes.saturating_add(next.encoded.len());
                if bytes > MAX_BATCH_BYTES && !batch.is_empty() {
                    self.left_over = Some(next);
                    break;
                }
                batch.push(next);
            }
            let leaves = batch.iter().any(|one| matches!(one.change, LogChange::Leave));
            self.send(batch).await;
            if leaves {
                return;
            }
        }
    }

    /// Joins. `replaces` is the earlier replica with the same state folder.
    pub(super) async fn join(&mut self, replaces: Option<String>) -> Result<(), StoreError> {
        let encoded = self.encoded_join(replaces)?;
        let until = Instant::now() + JOINS_FOR;
        loop {
            self.number = self.number.saturating_add(1);
            let number = self.number;
            self.shared.send(InFlight { number, changes: None, waiting: Vec::new() });
            match self.publish(&[encoded.as_slice()]).await {
                Sent::Applied => return Ok(()),
                Sent::TimedOut(problem) if Instant::now() >= until => {
                    return Err(StoreError::Storage(problem));
                }
                Sent::TimedOut(_) => {}
                Sent::Failed(problem) => return Err(StoreError::Storage(problem)),
                Sent::Refused => return Err(StoreError::Storage(REFUSED.to_owned())),
            }
        }
    }

    fn encoded_join(&self, replaces: Option<String>) -> Result<Vec<u8>, StoreError> {
        let join = LogChange::Join { name: self.name.clone(), format: FORMAT, replaces };
        frame::encode_change(&join).map_err(|error| StoreError::Internal(error.to_string()))
    }

    /// Sends a batch until it is applied, or for as long as callers wait.
    async fn send(&mut self, batch: Vec<Proposal>) {
        let (mut changes, mut encoded, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for Proposal { change, encoded: bytes, waiting: caller } in batch {
            changes.push(change);
            encoded.push(bytes);
            waiting.extend(caller);
        }
        let mut changes = Some(changes);
        let mut rejoins = 0_u32;
        loop {
            self.number = self.number.saturating_add(1);
            let number = self.number;
            self.shared.send(InFlight { number, changes: changes.take(), waiting });
            let bytes: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
            let sent = self.publish(&bytes).await;
            // `None` once it was applied.
            let unanswered = self.shared.take_in_flight(number);
            waiting = unanswered.map(|batch| batch.waiting).unwrap_or_default();
            let problem = match sent {
                Sent::Applied => return,
                Sent::Refused if rejoins < MAX_REJOINS => {
                    rejoins += 1;
                    tracing::warn!("the other replicas took this one for dead; it joins again");
                    self.shared.counted.expirations.fetch_add(1, Ordering::Relaxed);
                    self.shared.set_id(new_id());
                    match self.encoded_join(None) {
                        // Only the first change of a batch can join.
                        Ok(join) => {
                            encoded.insert(0, join);
                            continue;
                        }
                        Err(error) => error.to_string(),
                    }
                }
                Sent::Refused => REFUSED.to_owned(),
                Sent::TimedOut(problem) | Sent::Failed(problem) => problem,
            };
            for caller in waiting {
                caller.answer(Err(StoreError::Storage(problem.clone())));
            }
            return;
        }
    }

    /// Publishes the batch that is in flight, again and again until it comes back in the log.
    async fn publish(&mut self, changes: &[&[u8]]) -> Sent {
        let (replica, number) = (self.shared.id(), self.number);
        // One that every replica reads.
        let format = self.shared.members.borrow().values().map(|member| member.format).min();
        let format = format.unwrap_or(FORMAT).min(FORMAT);
        let head = BatchHead { format, replica, number };
        let id = format!("{}.{number}", head.replica);
        let message = match frame::encode(&head, changes.iter().copied()) {
            Ok(message) => message,
            Err(error) => return Sent::Failed(error.to_string()),
        };
        let mut settled = self.shared.settled.subscribe();
        let until = Instant::now() + TRIES_FOR;
        let mut problem = "it does not answer".to_owned();
        loop {
            let attempt = tokio::time::timeout(ATTEMPT, async {
                if let Err(error) = self.publish_once(message.clone(), &id).await {
                    return error;
                }
                // It is in the log. Nothing but its return counts.
                std::future::pending().await
            });
            let returned = async {
                let settled = settled.wait_for(|one| one.number == number).await;
                settled.is_ok_and(|one| one.is_refused)
            };
            let failed = tokio::select! {
                biased;
                is_refused = returned => {
                    self.shared.works("sending");
                    return if is_refused { Sent::Refused } else { Sent::Applied };
                }
                problem = self.shared.until_fatal() => return Sent::Failed(problem),
                () = tokio::time::sleep_until(until) => None,
                failed = attempt => failed.ok(),
            };
            if let Some(error) = failed {
                problem = describe(&error);
                tokio::time::sleep(PAUSE).await;
            }
            self.shared.counted.retries.fetch_add(1, Ordering::Relaxed);
            self.shared.failed("sending", &problem);
            if Instant::now() >= until {
                return Sent::TimedOut(problem);
            }
        }
    }

    async fn publish_once(&self, message: Bytes, id: &str) -> Result<(), PublishError> {
        let message = PublishMessage::build().payload(message).message_id(id);
        self.context.send_publish(self.subject.clone(), message).await?.await?;
        Ok(())
    }
}

fn describe(error: &PublishError) -> String {
    match error.kind() {
        PublishErrorKind::StreamNotFound => "its stream is gone".to_owned(),
        PublishErrorKind::TimedOut => "it does not answer".to_owned(),
        _ => error.to_string(),
    }
}

/// The id of a new replica.
pub(super) fn new_id() -> String {
    Uuid::now_v7().simple().to_string()
}
