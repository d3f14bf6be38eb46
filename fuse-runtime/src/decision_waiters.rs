//! Sources that wait until an event is decided, to answer its sender with the decisions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use crate::event::EventKey;
use crate::ledger::{DecisionRecord, EventRecord, Ledger};

/// How many requests wait at the same time: a quarter of the requests that a process handles by default, so that
/// waiting senders leave room for the others.
const MAX_WAITING: usize = 256;

/// Who waits for the decisions about which events.
pub(crate) struct DecisionWaiters {
    ledger: Arc<dyn Ledger>,
    waiting: Mutex<HashMap<EventKey, Vec<oneshot::Sender<EventVerdict>>>>,
    places: Semaphore,
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
        Self { ledger, waiting: Mutex::default(), places: Semaphore::new(MAX_WAITING) }
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

    /// Whether anyone waits for the decisions about an event now.
    pub(crate) fn is_awaited(&self, event: &EventKey) -> bool {
        self.waiting().contains_key(event)
    }

    /// The decisions about an accepted event, as soon as there are any; `None` after this time, if too many others wait,
    /// or if the ledger cannot be read.
    pub(crate) async fn wait(&self, key: &EventKey, time: Duration) -> Option<EventVerdict> {
        let _place = self.places.try_acquire().ok()?;
        tokio::time::timeout(time, self.decided(key)).await.ok()?
    }

    async fn decided(&self, key: &EventKey) -> Option<EventVerdict> {
        // Before the channel, so that it is dropped after it.
        let _forgotten = Forget { waiters: self, key };
        let (sender, decided) = oneshot::channel();
        self.waiting().entry(key.clone()).or_default().push(sender);
        // It may be decided already: the engine was faster, or the event is a repetition.
        let known = self.ledger.event(key).await.ok()?;
        if let Some(record) = known.filter(|record| record.decided.is_some()) {
            return Some(EventVerdict::new(&record));
        }
        decided.await.ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Backend as _;
    use crate::testing::MemoryBackend;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn senders_wait_up_to_their_time_and_to_a_limit() {
        let waiters = Arc::new(DecisionWaiters::new(MemoryBackend::new().ledger()));
        let key = EventKey { source: "s".into(), name: "e".into(), id: "1".into() };
        let wait = || {
            let (waiters, key) = (Arc::clone(&waiters), key.clone());
            tokio::spawn(async move { waiters.wait(&key, SOON).await })
        };
        let start = tokio::time::Instant::now();
        let waiting: Vec<_> = (0..MAX_WAITING).map(|_| wait()).collect();
        while waiters.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        // One more is answered at once.
        assert!(wait().await.unwrap().is_none());
        assert_eq!(start.elapsed(), Duration::ZERO);
        for waiting in waiting {
            assert!(waiting.await.unwrap().is_none());
        }
        assert_eq!(start.elapsed().as_secs(), SOON.as_secs());
        assert_eq!(waiters.places.available_permits(), MAX_WAITING);
        assert!(waiters.waiting().is_empty());
        // Senders that hang up leave nothing behind.
        let gone = wait();
        while waiters.waiting().is_empty() {
            tokio::task::yield_now().await;
        }
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        assert_eq!(waiters.places.available_permits(), MAX_WAITING);
        assert!(waiters.waiting().is_empty());
    }
}
