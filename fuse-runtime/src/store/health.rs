//! Whether the store works, and how long an outage has lasted.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::log_limit::LogLimit;

/// How long the store must have worked for a further failure to count as a new one.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// The first delay before the file is reopened. It doubles with each further attempt.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest delay before the file is reopened.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The store does not work now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The error of the operating system.
    pub problem: String,
    /// How long it has lasted.
    pub lasting: Duration,
}

#[derive(Debug)]
pub(super) struct StoreHealth {
    state: Mutex<State>,
    /// How many times the file was reopened.
    reopened: watch::Sender<u64>,
    failures: LogLimit,
    recoveries: LogLimit,
}

#[derive(Debug, Default)]
struct State {
    outage: Option<(Instant, String)>,
    recovered: Option<Instant>,
    wait: Duration,
}

impl StoreHealth {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            reopened: watch::Sender::new(0),
            failures: LogLimit::new(),
            recoveries: LogLimit::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn outage(&self) -> Option<Outage> {
        let state = self.state();
        let (since, problem) = state.outage.as_ref()?;
        Some(Outage { problem: problem.clone(), lasting: since.elapsed() })
    }

    pub(super) fn reopened(&self) -> watch::Receiver<u64> {
        self.reopened.subscribe()
    }

    /// Records a failure. Returns the delay before the file is reopened.
    pub(super) fn failed(&self, problem: &str) -> Duration {
        let mut state = self.state();
        let now = Instant::now();
        // A store that fails again soon has not recovered in between.
        let flapping = state.recovered.is_some_and(|at| now - at < STABLE_AFTER);
        if state.outage.is_none() && !flapping {
            state.wait = Duration::ZERO;
        }
        let since = state.outage.take().map_or(now, |(since, _)| since);
        state.outage = Some((since, problem.to_owned()));
        state.wait = state.wait.saturating_mul(2).clamp(FIRST_WAIT, MAX_WAIT);
        let wait = state.wait;
        drop(state);
        if let Some(left_out) = self.failures.pass() {
            tracing::error!(
                problem,
                left_out,
                "the state cannot be written; events are refused until the file is reopened"
            );
        }
        wait
    }

    pub(super) fn recovered(&self) {
        let mut state = self.state();
        let Some((since, _)) = state.outage.take() else { return };
        state.recovered = Some(Instant::now());
        drop(state);
        self.reopened.send_modify(|count| *count = count.wrapping_add(1));
        if let Some(left_out) = self.recoveries.pass() {
            tracing::warn!(outage = ?since.elapsed(), left_out, "the state can be written again");
        }
    }
}
