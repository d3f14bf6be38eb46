//! Whether the store works, and since when it does not.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::log_limit::LogLimit;

/// How long the store must have worked before a further failure counts as a new one.
const SETTLED_AFTER: Duration = Duration::from_secs(10);
/// The first wait before the file is opened again; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Why the store does not work now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// What the system says.
    pub problem: String,
    /// For how long already.
    pub lasting: Duration,
}

#[derive(Debug)]
pub(super) struct StoreHealth {
    state: Mutex<State>,
    /// Counts how often the file was opened again.
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

    /// Records a failure; how long to wait before the file is opened again.
    pub(super) fn failed(&self, problem: &str) -> Duration {
        let mut state = self.state();
        let now = Instant::now();
        // A store that fails again at once has not worked in between.
        let flapping = state.recovered.is_some_and(|at| now - at < SETTLED_AFTER);
        if state.outage.is_none() && !flapping {
            state.wait = Duration::ZERO;
        }
        let since = state.outage.take().map_or(now, |(since, _)| since);
        state.outage = Some((since, problem.to_owned()));
        state.wait = state.wait.saturating_mul(2).clamp(FIRST_WAIT, LONGEST_WAIT);
        let wait = state.wait;
        drop(state);
        if let Some(left_out) = self.failures.pass() {
            tracing::error!(
                problem,
                left_out,
                "the state cannot be written; events are refused until it can, and the file is opened again"
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
