//! Tasks that run as long as the runtime does. A fault in one is counted and said, stops no other
//! task, and never hides: `/readyz` names what does not run.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;

use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// How long to wait before a task is started again.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Looks after tasks. Shared by all of them.
pub(crate) struct Supervisor {
    metrics: Arc<Metrics>,
    stop: Shutdown,
    down: Mutex<BTreeMap<&'static str, Down>>,
}

/// What does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    /// It is being started again.
    Restarting,
    /// It ended, and cannot be started again.
    Ended,
}

impl Supervisor {
    pub(crate) fn new(metrics: Arc<Metrics>, stop: Shutdown) -> Arc<Self> {
        Arc::new(Self { metrics, stop, down: Mutex::default() })
    }

    fn down(&self) -> MutexGuard<'_, BTreeMap<&'static str, Down>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What does not run now.
    pub(crate) fn problems(&self) -> Vec<(&'static str, Down)> {
        self.down().iter().map(|(name, down)| (*name, *down)).collect()
    }

    /// Runs a task until it ends of itself, and starts it again where it panics.
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
