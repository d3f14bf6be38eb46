//! The tasks of a runtime. A reload adds some and ends others.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

/// A set of tasks that end together. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskSet {
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl TaskSet {
    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a task.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        // Nothing is kept of tasks that have ended.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }

    /// Waits until all tasks have ended. If this future is dropped, they go on.
    pub(crate) async fn finish(&self) {
        while poll_fn(|context| self.tasks().poll_join_next(context)).await.is_some() {}
    }

    /// Aborts all tasks, and waits until they have ended.
    pub(crate) async fn abort(&self) {
        self.tasks().abort_all();
        self.finish().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tasks_that_are_aborted_after_a_time_have_ended() {
        let tasks = TaskSet::default();
        let (held, mut dropped) = oneshot::channel::<()>();
        tasks.spawn(async move {
            let _held = held;
            std::future::pending().await
        });
        let finished = tokio::time::timeout(Duration::from_secs(1), tasks.finish()).await;
        assert!(finished.is_err());
        assert!(dropped.try_recv().is_err_and(|why| why == oneshot::error::TryRecvError::Empty));
        tasks.abort().await;
        assert!(dropped.try_recv().is_err_and(|why| why == oneshot::error::TryRecvError::Closed));
    }
}
