//! The bus in a store. Accepting an event and queueing it is one change here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::change::{BusAnswer, BusChange};
use super::fresh::FreshEvents;
use super::queue::{self, Ahead, NewEvent, Publication, Signal};
use super::{Bus, BusError, Delivery, Health, Published, Token};
use crate::change::{ChangeAnswer, Commit, StateChange, wrong_answer};
use crate::event::Envelope;
use crate::log_limit::LogLimit;
use crate::store::{Store, StoreError, WithoutDecisions, encode_envelope};

/// A [`Bus`] over a [`Store`]. A store has one bus: another one would deliver the same events, and
/// would not notice the events that this one accepts.
#[derive(Debug)]
pub(crate) struct StoreBus {
    store: Store,
    commits: Arc<dyn Commit>,
    max_backlog: u64,
    outbox: Mutex<Outbox>,
    signal: watch::Sender<Signal>,
    /// How many events of the queue cannot be read.
    damaged: AtomicU64,
    /// Events from this sequence number on were accepted by this process.
    first_new: u64,
    /// The events that were delivered and neither acknowledged nor nacked. Only used if several replicas share the queue: an
    /// event that comes back to this one may still be on its way here.
    delivered: std::sync::Mutex<BTreeSet<u64>>,
    /// The same: the events that this process accepted and did not fetch yet, which nobody else can have decided.
    accepted_here: Option<Arc<std::sync::Mutex<BTreeSet<u64>>>>,
    /// Accepted events in memory that were not fetched yet. Empty if several replicas share the queue.
    fresh: Arc<std::sync::Mutex<FreshEvents>>,
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<StoreError> for BusError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::Closed,
            StoreError::Storage(problem) => Self::Storage(problem),
            other => Self::Storage(other.to_string()),
        }
    }
}

/// The events to be delivered next. Locked while the queue is read, so that concurrent callers of
/// `next` do not fetch the same events.
#[derive(Debug, Default)]
struct Outbox {
    /// The events that were nacked and are due, by sequence number, each with the number of its nacks.
    /// The events themselves are read again, so that any number of them may wait.
    requeued: BTreeMap<u64, u32>,
    /// The events that were nacked and must not be delivered before a time.
    delayed: BTreeMap<(Instant, u64), u32>,
    /// The events that were fetched from the queue and not delivered yet.
    ahead: VecDeque<Delivery>,
    /// Everything in the queue below this sequence number was fetched.
    fetched: u64,
    /// Whether a requeued event is next. They take turns with new ones, so that events which are nacked
    /// again and again do not delay others.
    requeued_next: bool,
}

impl Outbox {
    /// Requeues the delayed events that are due. Returns when the next one is.
    fn requeue_due(&mut self, now: Instant) -> Option<Instant> {
        while let Some(first) = self.delayed.first_entry() {
            let (due, seq) = *first.key();
            if due > now {
                return Some(due);
            }
            self.requeued.insert(seq, first.remove());
        }
        None
    }
}

impl StoreBus {
    /// The bus of `store`. Up to `max_backlog` events may be accepted and not acknowledged.
    pub(crate) async fn new(
        store: Store,
        commits: Arc<dyn Commit>,
        max_backlog: u64,
    ) -> Result<Self, BusError> {
        let signal = store.read(queue::read_signal).await?;
        let accepted_here = commits.owner().map(|_| Arc::default());
        Ok(Self {
            store,
            commits,
            accepted_here,
            fresh: Arc::default(),
            max_backlog,
            outbox: Mutex::default(),
            signal: watch::Sender::new(signal),
            damaged: AtomicU64::new(0),
            first_new: signal.end,
            delivered: std::sync::Mutex::default(),
        })
    }

    /// Notes that an event was accepted, by whichever replica.
    #[cfg(feature = "jetstream")]
    pub(crate) fn accepted(&self, seq: u64, backlog: u64) {
        queue::note_accepted(&self.signal, seq, backlog);
    }

    /// Notes how many events wait.
    #[cfg(feature = "jetstream")]
    pub(crate) fn removed(&self, backlog: u64) {
        queue::note_removed(&self.signal, backlog);
    }

    /// Takes over events of other replicas.
    #[cfg(feature = "jetstream")]
    pub(crate) async fn take_over(&self, events: Vec<u64>) {
        let mut outbox = self.outbox.lock().await;
        let delivered = self.delivered().clone();
        let fetched = outbox.fetched;
        for seq in events {
            let is_known = delivered.contains(&seq)
                || outbox.delayed.keys().any(|(_, one)| *one == seq)
                || outbox.ahead.iter().any(|one| one.token().get() == Ok(&seq));
            // Those that follow are fetched by their owner.
            if seq < fetched && !is_known {
                outbox.requeued.entry(seq).or_insert(1);
            }
        }
        drop(outbox);
        self.signal.send_modify(|signal| signal.nacked = signal.nacked.wrapping_add(1));
    }

    fn delivered(&self) -> std::sync::MutexGuard<'_, BTreeSet<u64>> {
        lock(&self.delivered)
    }

    /// Marks an event as being on its way, if it can come back.
    fn deliver(&self, delivery: Delivery) -> Delivery {
        if self.commits.owner().is_some()
            && let Ok(seq) = delivery.token().get::<u64>()
        {
            self.delivered().insert(*seq);
        }
        delivery
    }

    async fn accept_all(
        &self,
        events: Vec<Envelope>,
    ) -> Result<Vec<Result<Published, BusError>>, StoreError> {
        let (limit, steady) = (self.max_backlog, self.store.steady());
        let mut prepared = Vec::with_capacity(events.len());
        for event in &events {
            let row = encode_envelope(event)?;
            let kept_from = steady.unwrap_or(event.received);
            let (hash, received) = (event.body_hash(), event.received);
            prepared.push(NewEvent { event: event.key(), hash, row, received, kept_from });
        }
        let capacity = Some(self.store.capacity());
        let accept = BusChange::Accept { events: prepared, limit, capacity };
        let (signal, accepted_here) = (self.signal.clone(), self.accepted_here.clone());
        let fresh = Arc::clone(&self.fresh);
        let then = move |answer: &ChangeAnswer| {
            let ChangeAnswer::Bus(BusAnswer::Accepted(publications)) = answer else { return };
            for (publication, event) in publications.iter().zip(events) {
                let Publication::New { seq, backlog } = *publication else { continue };
                // Before `note_accepted` wakes those who fetch it.
                match &accepted_here {
                    Some(accepted_here) => drop(lock(accepted_here).insert(seq)),
                    None => lock(&fresh).push(seq, event),
                }
                queue::note_accepted(&signal, seq, backlog);
            }
        };
        let answer = self.commits.commit(StateChange::Bus(accept), Box::new(then)).await?;
        let ChangeAnswer::Bus(BusAnswer::Accepted(publications)) = answer else {
            return Err(wrong_answer());
        };
        let published = publications.into_iter().map(|publication| match publication {
            Publication::New { .. } => Ok(Published::Accepted),
            Publication::Known => Ok(Published::Known),
            Publication::Conflict => Ok(Published::Conflict),
            Publication::Full => Err(BusError::Full { limit }),
            Publication::NoRoom(why) => Err(BusError::NoRoom(why)),
        });
        Ok(published.collect())
    }

    /// Removes an event from the queue. If a crash loses the removal, the bus delivers the event again, and its record shows
    /// what is left to do.
    async fn finish(&self, seq: u64, change: BusChange) -> Result<(), BusError> {
        let signal = self.signal.clone();
        let then = move |answer: &ChangeAnswer| {
            if let ChangeAnswer::Bus(BusAnswer::Removed { backlog }) = *answer {
                queue::note_removed(&signal, backlog);
            }
        };
        self.commits.commit_lazily(StateChange::Bus(change), Box::new(then)).await?;
        self.delivered().remove(&seq);
        Ok(())
    }

    /// Reads what was committed, after a failure that left that unknown.
    async fn catch_up(&self) -> Result<(), BusError> {
        let read = self.store.read(queue::read_signal).await?;
        self.signal.send_modify(|signal| {
            signal.end = signal.end.max(read.end);
            signal.backlog = read.backlog;
        });
        Ok(())
    }

    /// Fetches the next events of the queue, if there are more.
    async fn fetch(&self, outbox: &mut Outbox) -> Result<(), BusError> {
        if let Some(event) = lock(&self.fresh).take(outbox.fetched) {
            let seq = outbox.fetched;
            outbox.fetched = seq.saturating_add(1);
            outbox.ahead.push_back(Delivery::new(event, Token::new(seq)));
            return Ok(());
        }
        let (from, owner) = (outbox.fetched, self.commits.owner());
        let Ahead { events, fetched, damaged } = self
            .store
            .read(move |transaction| queue::read_ahead(transaction, from, owner.as_deref()))
            .await?;
        // All at once and after the wait, so that dropping the future changes nothing.
        outbox.ahead.extend(events.into_iter().map(|(seq, event)| {
            let delivery = Delivery::new(event, Token::new(seq));
            let is_new = match &self.accepted_here {
                Some(accepted_here) => lock(accepted_here).remove(&seq),
                None => seq >= self.first_new,
            };
            if is_new { delivery } else { delivery.redelivered(0) }
        }));
        outbox.fetched = fetched;
        for why in damaged {
            self.log_damaged(&why);
        }
        Ok(())
    }

    /// The next event that was nacked and is due.
    async fn fetch_requeued(&self, outbox: &mut Outbox) -> Result<Option<Delivery>, BusError> {
        while let Some((&seq, &nacks)) = outbox.requeued.first_key_value() {
            let read =
                self.store.read(move |transaction| queue::read_queued(transaction, seq)).await;
            // Removed after the wait, so that dropping the future loses nothing.
            match read {
                Ok(event) => {
                    outbox.requeued.remove(&seq);
                    if let Some(event) = event {
                        let delivery = Delivery::new(event, Token::new(seq));
                        return Ok(Some(delivery.redelivered(nacks)));
                    }
                }
                Err(StoreError::Damaged(why)) => {
                    outbox.requeued.remove(&seq);
                    self.log_damaged(&why);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// An event that cannot be read stays in the queue and delays no other.
    fn log_damaged(&self, why: &str) {
        static LIMIT: LogLimit = LogLimit::new();
        self.damaged.fetch_add(1, Ordering::Relaxed);
        if let Some(left_out) = LIMIT.pass() {
            tracing::error!(why, left_out, "an accepted event cannot be read and is not decided");
        }
    }
}

#[async_trait]
impl Bus for StoreBus {
    async fn publish_all(&self, events: Vec<Envelope>) -> Vec<Result<Published, BusError>> {
        let count = events.len();
        match self.accept_all(events).await {
            Ok(published) => published,
            // One commit: what failed for one failed for all of them.
            Err(error) => vec![Err(error.into()); count],
        }
    }

    async fn next(&self) -> Result<Delivery, BusError> {
        // Subscribed before the queue is read, so that no event slips in between reading and waiting.
        let mut signal = self.signal.subscribe();
        let mut reopened = self.store.reopened();
        loop {
            let end = signal.borrow_and_update().end;
            if self.store.is_closed() {
                return Err(BusError::Closed);
            }
            let due = {
                let mut outbox = self.outbox.lock().await;
                let due = outbox.requeue_due(Instant::now());
                if outbox.ahead.is_empty() && outbox.fetched < end {
                    self.fetch(&mut outbox).await?;
                }
                if outbox.requeued_next || outbox.ahead.is_empty() {
                    let requeued = self.fetch_requeued(&mut outbox).await?;
                    outbox.requeued_next = false;
                    if let Some(delivery) = requeued {
                        return Ok(self.deliver(delivery));
                    }
                }
                if let Some(delivery) = outbox.ahead.pop_front() {
                    outbox.requeued_next = true;
                    return Ok(self.deliver(delivery));
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
        let seq = *delivery.token().get::<u64>()?;
        self.finish(seq, BusChange::Remove(vec![seq])).await
    }

    async fn ack_without_decisions(
        &self,
        delivery: &Delivery,
        plan: &str,
        decided: Timestamp,
    ) -> Result<bool, BusError> {
        let seq = *delivery.token().get::<u64>()?;
        let nothing = WithoutDecisions { plan: plan.to_owned(), decided };
        self.finish(seq, BusChange::Finish { seq, nothing }).await?;
        Ok(true)
    }

    async fn nack(&self, delivery: Delivery, after: Duration) -> Result<(), BusError> {
        let seq = *delivery.token().get::<u64>()?;
        let nacks = delivery.nacks().saturating_add(1);
        let mut outbox = self.outbox.lock().await;
        self.delivered().remove(&seq);
        if after.is_zero() {
            outbox.requeued.insert(seq, nacks);
        } else {
            outbox.delayed.insert((Instant::now() + after, seq), nacks);
        }
        drop(outbox);
        self.signal.send_modify(|signal| signal.nacked = signal.nacked.wrapping_add(1));
        Ok(())
    }

    fn health(&self) -> Health {
        let backlog = self.backlog();
        if let Some(health) = self.commits.health() {
            return health;
        }
        if let Some(outage) = self.store.outage() {
            let problem = format!("the state cannot be written: {}", outage.problem);
            return Health { problem: Some(problem), failing_for: Some(outage.lasting) };
        }
        let problem = if backlog >= self.max_backlog {
            Some(format!("the queue is full: {} events wait", self.max_backlog))
        } else {
            self.store.capacity_problem()
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
