//! Tasks that run as long as the runtime does. When one of them fails, the others go on; the failure is
//! counted, logged and shown in `/readyz`.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::sources::{BoundSource, SourceContext, SourceHealth};

/// How long to wait before a task is restarted.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// How long to wait before a source that failed is restarted. The wait doubles with each failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    /// The longest wait. After a source has served for this long, the first wait applies again.
    pub(crate) longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(60) }
    }
}

/// Runs tasks, and restarts those that fail. Shared by all of them.
pub(crate) struct Supervisor {
    metrics: Arc<Metrics>,
    stop: Shutdown,
    down: Mutex<BTreeMap<&'static str, Down>>,
    sources: Mutex<Vec<SourceHealth>>,
}

/// Why a task does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    /// It is being restarted.
    Restarting,
    /// It ended, and cannot be restarted.
    Ended,
}

impl Supervisor {
    pub(crate) fn new(metrics: Arc<Metrics>, stop: Shutdown) -> Arc<Self> {
        Arc::new(Self { metrics, stop, down: Mutex::default(), sources: Mutex::default() })
    }

    fn down(&self) -> MutexGuard<'_, BTreeMap<&'static str, Down>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tasks that do not run now.
    pub(crate) fn problems(&self) -> Vec<(&'static str, Down)> {
        self.down().iter().map(|(name, down)| (*name, *down)).collect()
    }

    /// Runs a task until it returns, and restarts it when it panics.
    pub(crate) async fn keep<F>(self: Arc<Self>, name: &'static str, task: impl Fn() -> F)
    where
        F: Future<Output = ()>,
    {
        loop {
            // Only a task that does not panic while it is made is up again.
            let run = async {
                let running = task();
                self.down().remove(name);
                running.await;
            };
            if AssertUnwindSafe(run).catch_unwind().await.is_ok() {
                return;
            }
            self.panicked(name);
            self.down().insert(name, Down::Restarting);
            tokio::select! {
                () = self.stop.requested() => return,
                () = tokio::time::sleep(RESTART_AFTER) => {}
            }
        }
    }

    /// Runs a task that can be started only once, and that should not end before the stop.
    pub(crate) async fn watch(self: Arc<Self>, name: &'static str, task: impl Future<Output = ()>) {
        let ended = AssertUnwindSafe(task).catch_unwind().await;
        if ended.is_err() {
            self.panicked(name);
            self.down().insert(name, Down::Ended);
        }
    }

    /// Runs a source until it has finished, and restarts it when it fails.
    pub(crate) async fn serve(
        self: Arc<Self>,
        source: Box<dyn BoundSource>,
        context: SourceContext,
        backoff: Backoff,
    ) {
        let health = context.health();
        self.sources().push(health.clone());
        self.serve_and_restart(source, &context, backoff).await;
        // A reload may end a source long before the process ends.
        if context.shutdown().is_requested() {
            self.sources().retain(|other| !other.is_same(health));
        }
    }

    async fn serve_and_restart(
        &self,
        mut source: Box<dyn BoundSource>,
        context: &SourceContext,
        backoff: Backoff,
    ) {
        let health = context.health();
        let kind = health.kind().to_owned();
        let mut wait = backoff.first;
        loop {
            self.metrics.source_up(&kind, true);
            let started = Instant::now();
            let mut serving = pin!(AssertUnwindSafe(source.serve(context)).catch_unwind());
            // A source that fails again at once is shown as failed all the time.
            let served = tokio::select! {
                served = &mut serving => served,
                () = tokio::time::sleep(wait) => {
                    health.recovered();
                    serving.await
                }
            };
            if started.elapsed() >= backoff.longest {
                wait = backoff.first;
            }
            if !context.shutdown().is_requested() {
                self.metrics.source_up(&kind, false);
            }
            let problem = match served {
                Ok(Ok(())) => {
                    if !context.shutdown().is_requested() {
                        tracing::info!(kind, "a source has no more events");
                    }
                    return;
                }
                Ok(Err(error)) => error.chain(),
                Err(_) => {
                    self.panicked("a source");
                    "a fault inside it; please report it".to_owned()
                }
            };
            if context.shutdown().is_requested() {
                return;
            }
            health.failed(&problem);
            tracing::warn!(
                kind,
                error = problem,
                restart_after = ?wait,
                "a source failed and is restarted"
            );
            tokio::select! {
                () = context.shutdown().requested() => return,
                () = tokio::time::sleep(wait) => {}
            }
            self.metrics.source_restarted(&kind);
            wait = wait.saturating_mul(2).min(backoff.longest);
        }
    }

    fn sources(&self) -> MutexGuard<'_, Vec<SourceHealth>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with sources now, in sentences.
    pub(crate) fn source_problems(&self) -> Vec<String> {
        self.sources().iter().filter_map(SourceHealth::problem).collect()
    }

    /// What does not keep sources from working now, in sentences.
    pub(crate) fn source_warnings(&self) -> Vec<String> {
        self.sources().iter().flat_map(SourceHealth::warnings).collect()
    }

    fn panicked(&self, name: &'static str) {
        self.metrics.panicked(name);
        tracing::error!(task = name, "a fault inside fuse ended a task; please report it");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_started_again_and_said_to_be_down_meanwhile() {
        let (_stopper, stop) = Shutdown::new();
        let supervisor = Supervisor::new(Arc::new(Metrics::new()), stop);
        let runs = Arc::new(AtomicU32::new(0));
        let (ran, task) = (Arc::clone(&runs), Arc::clone(&supervisor));
        let kept = tokio::spawn(task.keep("pruning", move || {
            let ran = Arc::clone(&ran);
            async move {
                assert!(ran.fetch_add(1, Ordering::SeqCst) > 1, "a fault made on purpose");
            }
        }));
        tokio::time::sleep(RESTART_AFTER / 2).await;
        assert_eq!(supervisor.problems(), [("pruning", Down::Restarting)]);
        kept.await.unwrap();
        assert_eq!((runs.load(Ordering::SeqCst), supervisor.problems().len()), (3, 0));

        let faulty = async { panic!("a fault made on purpose") };
        Arc::clone(&supervisor).watch("source", faulty).await;
        assert_eq!(supervisor.problems(), [("source", Down::Ended)]);
    }
}
