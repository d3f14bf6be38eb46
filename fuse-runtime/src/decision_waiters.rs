//! Sources that wait until an event is decided, to answer its sender with the decisions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::event::EventKey;
use crate::ledger::{DecisionRecord, EventRecord, Ledger};

/// Who waits for the decisions about which events.
pub(crate) struct DecisionWaiters {
    ledger: Arc<dyn Ledger>,
    waiting: Mutex<HashMap<EventKey, Vec<oneshot::Sender<EventVerdict>>>>,
}

/// What was decided about an event.
#[derive(Clone, Debug)]
pub(crate) struct EventVerdict {
    /// Why the whole event was refused, if it was.
    pub(crate) rejected: Option<String>,
    pub(crate) decisions: Vec<DecisionRecord>,
}

impl EventVerdict {
    fn new(record: &EventRecord) -> Self {
        Self { rejected: record.rejected.clone(), decisions: record.decisions.clone() }
    }
}

impl DecisionWaiters {
    pub(crate) fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger, waiting: Mutex::default() }
    }

    /// Gives the decisions about an event to those that wait for them.
    pub(crate) fn notify(&self, record: &EventRecord) {
        let waiting = match self.waiting() {
            waiting if waiting.is_empty() => return,
            mut waiting => waiting.remove(&record.event.key()),
        };
        for waiter in waiting.into_iter().flatten() {
            // It may have given up.
            let _ended = waiter.send(EventVerdict::new(record));
        }
    }

    /// The decisions about an accepted event, as soon as there are any; `None` after this time, or if the ledger cannot
    /// be read.
    pub(crate) async fn wait(&self, key: &EventKey, time: Duration) -> Option<EventVerdict> {
        // Before the channel, so that it is dropped after it.
        let _forgotten = Forget { waiters: self, key };
        let (sender, decided) = oneshot::channel();
        self.waiting().entry(key.clone()).or_default().push(sender);
        // It may be decided already: the engine was faster, or the event is a repetition.
        let known = self.ledger.event(key).await.ok()?;
        if let Some(record) = known.filter(|record| record.decided.is_some()) {
            return Some(EventVerdict::new(&record));
        }
        tokio::time::timeout(time, decided).await.ok()?.ok()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<EventKey, Vec<oneshot::Sender<EventVerdict>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets those that gave up, however they did.
struct Forget<'w> {
    waiters: &'w DecisionWaiters,
    key: &'w EventKey,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiters.waiting();
        if let Some(waiters) = waiting.get_mut(self.key) {
            // That of the caller is dropped by now.
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                waiting.remove(self.key);
            }
        }
    }
}
