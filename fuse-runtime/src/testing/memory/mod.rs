//! A backend in memory.

mod bus;
mod history;
mod ledger;
mod lists;
mod prune;
mod states;
mod wake;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use fuse_rules::flow::FlowStates;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::backend::{Backend, BackendError, Embedded};
use crate::bus::Bus;
use crate::clock::Clock;
use crate::event::{Envelope, EventKey};
use crate::ledger::conceal::KeySecret;
use crate::ledger::places::PlacesInUse;
use crate::ledger::transition::Acceptance;
use crate::ledger::{
    ActionRecord, BlowRecord, DecisionRecord, EventOperation, FuseHistories, Ledger, Thread,
    ThreadKey, WaitRecord,
};
use bus::MemoryOutbox;

/// A [`Backend`] that keeps everything in memory, for tests. Clones are handles to the same backend.
///
/// Its state survives [`MemoryBackend::restarted`], so that a test can restart a runtime. Unlike the
/// embedded backend, it refuses permits whose record changed meanwhile, as a backend that several
/// processes share does.
///
/// ```
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use fuse_runtime::backend::Backend;
/// use fuse_runtime::bus::Published;
/// use fuse_runtime::event::Envelope;
/// use fuse_runtime::testing::MemoryBackend;
/// use jiff::Timestamp;
///
/// let backend = MemoryBackend::new();
/// let event = Envelope::new("github", "push", "1", Timestamp::UNIX_EPOCH, "{}");
/// assert_eq!(backend.bus().publish(event).await?, Published::Accepted);
///
/// let restarted = backend.restarted();
/// assert_eq!(restarted.bus().next().await?.event().id, "1");
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct MemoryBackend {
    process: Arc<Process>,
    max_backlog: u64,
}

/// The backend as one process opened it.
#[derive(Debug)]
struct Process {
    durable: Arc<Durable>,
    max_backlog: u64,
    outbox: Mutex<MemoryOutbox>,
    closed: watch::Sender<bool>,
    clock: Mutex<Option<Clock>>,
}

/// What survives a restart.
#[derive(Debug, Default)]
struct Durable {
    state: Mutex<State>,
    /// Changes whenever there may be something to deliver.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    events: BTreeMap<EventKey, StoredEvent>,
    /// The events that are accepted and not acknowledged, in the order of acceptance.
    queue: BTreeMap<u64, EventKey>,
    next_seq: u64,
    actions: BTreeMap<String, (EventKey, ActionRecord)>,
    flow: FlowStates,
    fuses: FuseHistories,
    key_secret: KeySecret,
    threads: BTreeMap<ThreadKey, Thread>,
}

#[derive(Debug)]
struct StoredEvent {
    /// Its number in the order of acceptance.
    seq: u64,
    event: Envelope,
    /// The steady time from which it is kept.
    kept_from: Timestamp,
    acceptance: Acceptance,
    acked: bool,
    decision: Option<StoredDecision>,
}

#[derive(Debug)]
struct StoredDecision {
    plan: String,
    decided: Timestamp,
    rejected: Option<String>,
    mismatch: Option<String>,
    decisions: Vec<DecisionRecord>,
    /// The ids of the actions.
    actions: Vec<String>,
    operations: Vec<EventOperation>,
    waits: Vec<WaitRecord>,
    places: Vec<PlacesInUse>,
    blown: Vec<BlowRecord>,
    /// Whether it was woken, and its reactions may not be recorded.
    is_woken: bool,
    /// The ids of the dead letters that were replayed or discarded.
    resolved: BTreeSet<String>,
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryBackend {
    /// An empty backend.
    pub fn new() -> Self {
        Self::with_max_backlog(Embedded::DEFAULT_MAX_BACKLOG)
    }

    /// An empty backend whose bus refuses new events while `max_backlog` events are accepted and not
    /// acknowledged.
    pub fn with_max_backlog(max_backlog: u64) -> Self {
        Self::open(Arc::default(), max_backlog)
    }

    /// The backend as another process opens it after this one crashed: what was answered is there, and
    /// what was delivered and not acknowledged is delivered again. Works on a closed backend, too.
    #[must_use]
    pub fn restarted(&self) -> Self {
        Self::open(Arc::clone(&self.process.durable), self.max_backlog)
    }

    fn open(durable: Arc<Durable>, max_backlog: u64) -> Self {
        let first_new = lock(&durable.state).next_seq;
        let process = Process {
            durable,
            max_backlog,
            outbox: Mutex::new(MemoryOutbox::new(first_new)),
            closed: watch::Sender::new(false),
            clock: Mutex::default(),
        };
        Self { process: Arc::new(process), max_backlog }
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn bus(&self) -> Arc<dyn Bus> {
        Arc::<Process>::clone(&self.process)
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::<Process>::clone(&self.process)
    }

    async fn resume_clock(&self, clock: &Clock) -> Result<Clock, BackendError> {
        *lock(&self.process.clock) = Some(clock.clone());
        Ok(clock.clone())
    }

    async fn close(&self) -> Result<(), BackendError> {
        self.process.closed.send_replace(true);
        Ok(())
    }
}

impl Process {
    /// The state. `None` once this process closed the backend.
    fn state(&self) -> Option<MutexGuard<'_, State>> {
        (!*self.closed.borrow()).then(|| lock(&self.durable.state))
    }

    /// Wakes the callers of [`Bus::next`].
    fn notify(&self) {
        self.durable.changed.send_modify(|changed| *changed = changed.wrapping_add(1));
    }
}

/// The lock's value even if a thread panicked while it held it: no update here is left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::LedgerError;
    use crate::testing::backend_laws::support::{
        OpenBackend, Violation, attempt, done, held, push,
    };

    #[tokio::test]
    async fn a_stale_permit_is_refused() -> Result<(), Violation> {
        let opened = OpenBackend::from_backend(Arc::new(MemoryBackend::new()));
        let event = opened.decided("a", 0).await?;
        let fenced = LedgerError::Fenced("a".into());
        let read = opened.permit("a").await?;
        let intended = opened.ledger.intend(&event, "a", attempt(1)).await?;
        assert_eq!(opened.ledger.hold(&read, held(None)).await, Err(fenced.clone()));
        let reopened = opened.ledger.reopen(&intended).await?;
        assert_eq!(opened.ledger.settle(&intended, done(2)).await, Err(fenced));
        opened.ledger.settle(&reopened, done(2)).await?;
        // The answer may have been lost.
        opened.ledger.settle(&reopened, done(2)).await?;
        assert_eq!(opened.ledger.event(&push("a")).await?.map(|one| one.is_settled()), Some(true));
        Ok(())
    }
}
