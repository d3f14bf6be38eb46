//! Sources in memory, for their tests: rules in, accepted events out, and no state on disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::{Diagnostics, Registry, Ruleset};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::intake::{EventSink, IntakeRules};
use super::{Intake, Source, SourceContext, SourceError, SourceHealth, Sources};
use crate::bus::{BusError, Health, Published};
use crate::clock::Clock;
use crate::event::{Envelope, EventKey};
use crate::http::{Limits, Server};
use crate::metrics::Metrics;
use crate::secrets::Secrets;
use crate::shutdown::Shutdown;
use crate::supervise::{Backoff, Supervisor};

/// How long a test waits for something that a source should do.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a failed source waits for its restart in a test.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(5), longest: Duration::from_millis(20) };

/// A test of a source that is not started yet.
///
/// The source is checked, bound, supervised and restarted as in a runtime. Only the storage is replaced:
/// events are kept in memory. The [module of sources](super) has an example.
#[derive(Debug)]
pub struct SourceTest {
    rules: String,
    secrets: Secrets,
}

/// A source that runs in a test. Dropping it ends the source at once.
#[derive(Debug)]
pub struct RunningSource {
    events: Arc<Recorder>,
    health: SourceHealth,
    metrics: Arc<Metrics>,
    listening: Vec<String>,
    stopper: watch::Sender<bool>,
    task: JoinHandle<()>,
    read: usize,
}

/// Why the test of a source cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceTestError {
    /// The rules have problems.
    #[error("the rules have problems: {0}")]
    Rules(Diagnostics),
    /// The source cannot be bound.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl SourceTest {
    /// A test with these rules. They declare sources of the kind under test, and nothing else.
    pub fn new(rules: &str) -> Self {
        Self { rules: rules.to_owned(), secrets: Secrets::from_map(BTreeMap::new()) }
    }

    /// Sets the secrets that the source can read: none.
    #[must_use]
    pub fn secrets(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// Checks the rules by the source's schema, binds the source, and starts it.
    ///
    /// # Errors
    /// The rules have problems, or the source cannot be bound.
    pub async fn start(self, source: impl Source) -> Result<RunningSource, SourceTestError> {
        let schema = source.schema();
        let kind = schema.source().kind().to_owned();
        let registry = Registry::new().source(schema);
        let rules =
            Ruleset::parse("test.rules", &self.rules, &registry).map_err(SourceTestError::Rules)?;
        let metrics = Arc::new(Metrics::new());
        let (stopper, shutdown) = Shutdown::new();
        let events = Arc::new(Recorder::default());
        let health = SourceHealth::new(&kind);
        let context = SourceContext {
            intake: Intake::new(
                Arc::clone(&events),
                IntakeRules::Fixed(rules.plan()),
                Clock::system(),
                Arc::clone(&metrics),
            ),
            shutdown: shutdown.clone(),
            health: health.clone(),
            secrets: self.secrets,
            server: Server::new(Limits::default(), Vec::new(), Arc::clone(&metrics)),
            plan: None,
        };
        let bound = source.bind(Sources::bindings(&rules, &kind), &context).await?;
        let listening = bound.listening();
        let supervisor = Supervisor::new(Arc::clone(&metrics), shutdown);
        let task = tokio::spawn(supervisor.serve(bound, context, BACKOFF));
        Ok(RunningSource { events, health, metrics, listening, stopper, task, read: 0 })
    }
}

impl RunningSource {
    /// What the source listens on, as it says itself.
    pub fn listening(&self) -> &[String] {
        &self.listening
    }

    /// Waits for the next accepted event, in the order of acceptance. Duplicates are not among them, but
    /// rejected messages are, with their reason in [`Envelope::rejected`].
    ///
    /// # Panics
    /// Where no event arrives within 30 seconds.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub async fn next_event(&mut self) -> Envelope {
        let read = self.read;
        let mut count = self.events.count.subscribe();
        let arrived = count.wait_for(|count| *count > read);
        if !matches!(tokio::time::timeout(PATIENCE, arrived).await, Ok(Ok(_))) {
            panic!("no event within {} s; {:?}", PATIENCE.as_secs(), self.problem());
        }
        self.read += 1;
        let event = self.events.state().events.get(read).cloned();
        event.unwrap_or_else(|| panic!("event {read} is counted and not there"))
    }

    /// All events that are accepted until now.
    pub fn events(&self) -> Vec<Envelope> {
        self.events.state().events.clone()
    }

    /// How many events each commit had, in order, duplicates included.
    pub fn commits(&self) -> Vec<usize> {
        self.events.state().commits.clone()
    }

    /// Makes the next commits fail, as if the disk were full.
    pub fn fail_commits(&self, count: usize) {
        self.events.failing.store(count, Ordering::SeqCst);
    }

    /// With `true`, commits wait until `false` is sent; the second value counts those that waited.
    #[cfg(test)]
    pub(crate) fn held_commits(&self) -> watch::Sender<(bool, usize)> {
        self.events.held.clone()
    }

    /// What is wrong with the source now, as `/readyz` shows it.
    pub fn problem(&self) -> Option<String> {
        self.health.problem()
    }

    /// How often the source was restarted after a failure.
    pub fn restarts(&self) -> u64 {
        self.metrics.restarts(self.health.kind())
    }

    /// Requests the shutdown, and waits until the source has finished.
    ///
    /// # Panics
    /// Where it does not finish within 30 seconds.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub async fn stop(mut self) {
        // Nobody listens where the source has returned already.
        let _ended = self.stopper.send(true);
        if tokio::time::timeout(PATIENCE, &mut self.task).await.is_err() {
            panic!("the source does not stop within {} s", PATIENCE.as_secs());
        }
    }
}

impl Drop for RunningSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keeps events in memory.
#[derive(Debug, Default)]
struct Recorder {
    state: Mutex<Recorded>,
    /// How many events there are, for those who wait.
    count: watch::Sender<usize>,
    /// How many commits are still to fail.
    failing: AtomicUsize,
    /// Whether commits wait, and how many do.
    held: watch::Sender<(bool, usize)>,
}

#[derive(Debug, Default)]
struct Recorded {
    events: Vec<Envelope>,
    hashes: BTreeMap<EventKey, String>,
    commits: Vec<usize>,
}

impl Recorder {
    fn state(&self) -> MutexGuard<'_, Recorded> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn takes_a_failure(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }
}

#[async_trait]
impl EventSink for Arc<Recorder> {
    async fn publish_all(&self, events: Vec<Envelope>) -> Vec<Result<Published, BusError>> {
        if self.held.borrow().0 {
            self.held.send_modify(|(_, waiting)| *waiting += 1);
            // It never ends, because `self` has a sender.
            let _ended = self.held.subscribe().wait_for(|(is_held, _)| !is_held).await.is_err();
        }
        if self.takes_a_failure() {
            let failed = BusError::Storage("a failure that the test asked for".into());
            return vec![Err(failed); events.len()];
        }
        let mut state = self.state();
        state.commits.push(events.len());
        let publish = |event: Envelope| {
            let hash = event.body_hash();
            match state.hashes.get(&event.key()) {
                Some(first) if *first == hash => return Ok(Published::Known),
                Some(_) => return Ok(Published::Conflict),
                None => {}
            }
            state.hashes.insert(event.key(), hash);
            state.events.push(event);
            Ok(Published::Accepted)
        };
        let published = events.into_iter().map(publish).collect();
        let count = state.events.len();
        drop(state);
        self.count.send_replace(count);
        published
    }

    fn health(&self) -> Health {
        Health::default()
    }

    fn backlog(&self) -> u64 {
        0
    }
}
