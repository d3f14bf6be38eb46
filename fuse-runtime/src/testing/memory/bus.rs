//! The bus in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Process, State, StoredEvent, lock};
use crate::bus::{Bus, BusError, Delivery, Health, Published, Token};
use crate::event::Envelope;
use crate::ledger::transition::{Accept, accept};

/// What one process has to deliver.
#[derive(Debug)]
pub(super) struct MemoryOutbox {
    /// The events that were nacked and are due, each with the number of its nacks.
    requeued: BTreeMap<u64, u32>,
    /// The events that were nacked and must not be delivered before a time.
    delayed: BTreeMap<(Instant, u64), u32>,
    /// Everything in the queue below this sequence number was delivered.
    delivered: u64,
    /// Events from this sequence number on were accepted by this process.
    first_new: u64,
    /// Whether a requeued event is next.
    requeued_next: bool,
}

impl MemoryOutbox {
    pub(super) fn new(first_new: u64) -> Self {
        Self {
            requeued: BTreeMap::new(),
            delayed: BTreeMap::new(),
            delivered: 0,
            first_new,
            requeued_next: false,
        }
    }

    /// The next delivery. If there is none, the time when the next delayed event is due.
    fn next(&mut self, state: &State, now: Instant) -> Result<Delivery, Option<Instant>> {
        let mut due = None;
        while let Some(first) = self.delayed.first_entry() {
            let (at, seq) = *first.key();
            if at > now {
                due = Some(at);
                break;
            }
            self.requeued.insert(seq, first.remove());
        }
        let new = state.queue.range(self.delivered..).next().map(|(seq, _)| *seq);
        if self.requeued_next || new.is_none() {
            self.requeued_next = false;
            while let Some((seq, nacks)) = self.requeued.pop_first() {
                if let Some(event) = state.queued(seq) {
                    return Ok(Delivery::new(event, Token::new(seq)).redelivered(nacks));
                }
            }
        }
        let Some((seq, event)) = new.and_then(|seq| Some((seq, state.queued(seq)?))) else {
            return Err(due);
        };
        self.requeued_next = true;
        self.delivered = seq.saturating_add(1);
        let delivery = Delivery::new(event, Token::new(seq));
        Ok(if seq < self.first_new { delivery.redelivered(0) } else { delivery })
    }
}

impl State {
    fn queued(&self, seq: u64) -> Option<Envelope> {
        Some(self.events.get(self.queue.get(&seq)?)?.event.clone())
    }

    fn publish(
        &mut self,
        event: Envelope,
        kept_from: jiff::Timestamp,
        limit: u64,
    ) -> Result<Published, BusError> {
        let (key, hash) = (event.key(), event.body_hash());
        let known = self.events.get_mut(&key);
        let on_record = known.as_ref().map(|known| &known.acceptance);
        match (accept(on_record, &hash, event.received), known) {
            (Accept::Known, _) => Ok(Published::Known),
            (Accept::Conflict(acceptance), known) => {
                if let Some(known) = known {
                    known.acceptance = acceptance;
                }
                Ok(Published::Conflict)
            }
            (Accept::New(_), _) if self.queue.len() as u64 >= limit => {
                Err(BusError::Full { limit })
            }
            (Accept::New(acceptance), _) => {
                let seq = self.next_seq;
                self.queue.insert(seq, key.clone());
                self.next_seq = self.next_seq.saturating_add(1);
                let decision = None;
                let stored =
                    StoredEvent { seq, event, kept_from, acceptance, acked: false, decision };
                self.events.insert(key, stored);
                Ok(Published::Accepted)
            }
        }
    }
}

#[async_trait]
impl Bus for Process {
    async fn publish_all(&self, events: Vec<Envelope>) -> Vec<Result<Published, BusError>> {
        let steady = lock(&self.clock).as_ref().map(crate::clock::Clock::steady);
        let Some(mut state) = self.state() else {
            return events.iter().map(|_| Err(BusError::Closed)).collect();
        };
        let publish = |event: Envelope| {
            let kept_from = steady.unwrap_or(event.received);
            state.publish(event, kept_from, self.max_backlog)
        };
        let published = events.into_iter().map(publish).collect();
        drop(state);
        self.notify();
        published
    }

    async fn next(&self) -> Result<Delivery, BusError> {
        let mut changed = self.durable.changed.subscribe();
        let mut closed = self.closed.subscribe();
        loop {
            // Before the state is read, so that no change slips in between reading and waiting.
            changed.mark_unchanged();
            let next = {
                let state = self.state().ok_or(BusError::Closed)?;
                lock(&self.outbox).next(&state, Instant::now())
            };
            let due = match next {
                Ok(delivery) => return Ok(delivery),
                Err(due) => due,
            };
            let until_due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = changed.changed() => changed.map_err(|_| BusError::Closed)?,
                closed = closed.changed() => closed.map_err(|_| BusError::Closed)?,
                () = until_due => {}
            }
        }
    }

    async fn ack(&self, delivery: &Delivery) -> Result<(), BusError> {
        let seq = *delivery.token().get::<u64>()?;
        let mut state = self.state().ok_or(BusError::Closed)?;
        if let Some(key) = state.queue.remove(&seq)
            && let Some(stored) = state.events.get_mut(&key)
        {
            stored.acked = true;
        }
        Ok(())
    }

    async fn nack(&self, delivery: Delivery, after: Duration) -> Result<(), BusError> {
        let seq = *delivery.token().get::<u64>()?;
        let nacks = delivery.nacks().saturating_add(1);
        let due = (Instant::now() + after, seq);
        lock(&self.outbox).delayed.insert(due, nacks);
        self.notify();
        Ok(())
    }

    fn health(&self) -> Health {
        let is_full = self.backlog() >= self.max_backlog;
        let problem =
            is_full.then(|| format!("the queue is full: {} events wait", self.max_backlog));
        Health { problem, failing_for: None }
    }

    fn backlog(&self) -> u64 {
        lock(&self.durable.state).queue.len() as u64
    }
}
