//! What the parts of one replica share: who it is, the batch that it sent, and what it knows of the others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, oneshot, watch};

use super::frame::LogChange;
use super::machine::{self, Members};
use crate::bus::{Health, StoreBus};
use crate::change::{AfterCommit, ChangeAnswer};
use crate::ledger::{OthersChanges, Sharing, SharingStats};
use crate::store::StoreError;

/// How many changes of others may be unread. A reader that lags further reads everything again.
const MAX_UNREAD: usize = 1024;

/// A caller that waits for the answer to its change.
pub(super) struct Waiting {
    pub(super) then: AfterCommit,
    pub(super) answer: oneshot::Sender<Result<ChangeAnswer, StoreError>>,
}

impl Waiting {
    pub(super) fn answer(self, answer: Result<ChangeAnswer, StoreError>) {
        if let Ok(answer) = &answer {
            (self.then)(answer);
        }
        // Sending fails if the caller no longer waits. The work is done nevertheless.
        let _ = self.answer.send(answer);
    }
}

/// The batch that was sent and is not applied yet.
pub(super) struct InFlight {
    pub(super) number: u64,
    /// Its changes, until they are applied.
    pub(super) changes: Option<Vec<LogChange>>,
    /// The callers, one for each change of the state.
    pub(super) waiting: Vec<Waiting>,
}

/// What became of the last batch of this replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) number: u64,
    /// Whether the replica is not a member any more, so that it was not applied.
    pub(super) is_refused: bool,
}

/// What the parts of one replica share.
pub(super) struct Shared {
    id: Mutex<String>,
    id_file: OnceLock<PathBuf>,
    in_flight: Mutex<Option<InFlight>>,
    pub(super) settled: watch::Sender<Settled>,
    /// The position of the last message that was applied.
    pub(super) applied: watch::Sender<u64>,
    pub(super) members: watch::Sender<Members>,
    is_keeper: watch::Sender<bool>,
    others: broadcast::Sender<Arc<OthersChanges>>,
    /// The last batch of each replica, and when it was applied here.
    heard: Mutex<BTreeMap<String, (u64, Instant)>>,
    bus: OnceLock<Weak<StoreBus>>,
    problem: Mutex<BTreeMap<&'static str, (Instant, String)>>,
    /// Why only a restart helps, and since when.
    fatal: watch::Sender<Option<(Instant, String)>>,
    pub(super) counted: LogCounters,
}

/// What is counted for metrics.
#[derive(Debug, Default)]
pub(super) struct LogCounters {
    pub(super) batches: AtomicU64,
    pub(super) changes: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) expirations: AtomicU64,
}

impl Shared {
    pub(super) fn new(id: String, applied: u64) -> Self {
        Self {
            id: Mutex::new(id),
            id_file: OnceLock::new(),
            in_flight: Mutex::default(),
            settled: watch::Sender::default(),
            applied: watch::Sender::new(applied),
            members: watch::Sender::default(),
            is_keeper: watch::Sender::new(false),
            others: broadcast::Sender::new(MAX_UNREAD),
            heard: Mutex::default(),
            bus: OnceLock::new(),
            problem: Mutex::default(),
            fatal: watch::Sender::default(),
            counted: LogCounters::default(),
        }
    }

    /// The id of this replica. It gets another one if the others took it for dead.
    pub(super) fn id(&self) -> String {
        lock(&self.id).clone()
    }

    /// Keeps the id in this file from now on. The next replica with the same folder replaces this one.
    pub(super) fn keep_id(&self, file: PathBuf) {
        self.write_id(&file);
        let _ = self.id_file.set(file);
    }

    pub(super) fn set_id(&self, id: String) {
        *lock(&self.id) = id;
        self.id_file.get().into_iter().for_each(|file| self.write_id(file));
    }

    fn write_id(&self, file: &Path) {
        // Without it, the others notice after ten seconds that the former replica ended.
        if let Err(error) = std::fs::write(file, self.id()) {
            tracing::warn!(%error, "the id of this replica cannot be kept");
        }
    }

    pub(super) fn send(&self, batch: InFlight) {
        *lock(&self.in_flight) = Some(batch);
    }

    /// The batch that was sent, if it has this number.
    pub(super) fn take_in_flight(&self, number: u64) -> Option<InFlight> {
        lock(&self.in_flight).take_if(|batch| batch.number == number)
    }

    /// The changes of the batch that was sent, if it has this number.
    pub(super) fn take_changes(&self, number: u64) -> Option<Vec<LogChange>> {
        let mut in_flight = lock(&self.in_flight);
        in_flight.as_mut().filter(|batch| batch.number == number)?.changes.take()
    }

    /// Notes that a batch of a replica was applied.
    pub(super) fn note_batch(&self, replica: &str, number: u64) {
        lock(&self.heard).insert(replica.to_owned(), (number, Instant::now()));
    }

    /// The last batch of this replica, and when it was applied here.
    pub(super) fn last_batch_of(&self, replica: &str) -> Option<(u64, Instant)> {
        lock(&self.heard).get(replica).copied()
    }

    /// Puts the members into effect.
    pub(super) fn set_members(&self, members: Members) {
        lock(&self.heard).retain(|id, _| members.contains_key(id));
        for (id, member) in &members {
            lock(&self.heard).entry(id.clone()).or_insert((member.batch, Instant::now()));
        }
        let id = self.id();
        let is_keeper = machine::keeper(&members) == Some(id.as_str());
        self.members.send_replace(members);
        self.is_keeper.send_if_modified(|before| std::mem::replace(before, is_keeper) != is_keeper);
    }

    pub(super) fn sharing(&self) -> Sharing {
        let LogCounters { batches, changes, retries, expirations } = &self.counted;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let stats = SharingStats {
            replicas: self.members.borrow().len() as u64,
            position: *self.applied.borrow(),
            batches: read(batches),
            changes: read(changes),
            retries: read(retries),
            expirations: read(expirations),
        };
        let (is_keeper, changes) = (self.is_keeper.subscribe(), self.others.subscribe());
        Sharing { is_keeper, changes, stats }
    }

    /// Tells the engine what another replica changed.
    pub(super) fn announce(&self, changes: OthersChanges) {
        if !changes.is_empty() {
            // Sending fails if nobody listens.
            let _ = self.others.send(Arc::new(changes));
        }
    }

    pub(super) fn set_bus(&self, bus: &Arc<StoreBus>) {
        let _ = self.bus.set(Arc::downgrade(bus));
    }

    pub(super) fn bus(&self) -> Option<Arc<StoreBus>> {
        self.bus.get().and_then(Weak::upgrade)
    }

    /// Notes a problem of a part of the replica, for readiness.
    pub(super) fn failed(&self, part: &'static str, problem: &str) {
        let mut problems = lock(&self.problem);
        let (_, text) = problems.entry(part).or_insert_with(|| {
            tracing::error!(part, problem, "the broker cannot be used; retrying");
            (Instant::now(), String::new())
        });
        problem.clone_into(text);
    }

    /// Notes that only a restart helps.
    pub(super) fn failed_for_good(&self, problem: &str) {
        tracing::error!(problem, "this replica must be restarted");
        self.fatal.send_replace(Some((Instant::now(), problem.to_owned())));
    }

    /// Waits until only a restart helps, and says why.
    pub(super) async fn until_fatal(&self) -> String {
        let mut fatal = self.fatal.subscribe();
        // The sender lives as long as this.
        let fatal = fatal.wait_for(Option::is_some).await;
        fatal.ok().and_then(|fatal| Some(fatal.as_ref()?.1.clone())).unwrap_or_default()
    }

    /// Notes that a part works.
    pub(super) fn works(&self, part: &'static str) {
        if let Some((since, _)) = lock(&self.problem).remove(part) {
            let for_ms = since.elapsed().as_millis();
            tracing::info!(part, for_ms, "the broker can be used again");
        }
    }

    /// Why nothing can be committed now, if so.
    pub(super) fn health(&self) -> Option<Health> {
        if let Some((since, problem)) = &*self.fatal.borrow() {
            let failing_for = Some(since.elapsed());
            return Some(Health { problem: Some(problem.clone()), failing_for });
        }
        let problems = lock(&self.problem);
        let (_, problem) = problems.values().min_by_key(|(since, _)| *since)?;
        let problem = Some(format!("the broker cannot be used: {problem}"));
        // A restart of this process does not help.
        Some(Health { problem, failing_for: None })
    }
}

/// How long a replica that is not heard of counts as alive.
pub(super) const ALIVE_FOR: Duration = Duration::from_secs(10);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
