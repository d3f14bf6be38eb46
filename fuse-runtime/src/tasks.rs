//! The tasks of a runtime. A reload adds some and ends others.

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

    /// How many tasks there are that have not ended.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let mut tasks = self.tasks();
        while tasks.try_join_next().is_some() {}
        tasks.len()
    }

    /// Waits until all tasks have ended.
    pub(crate) async fn finish(&self) {
        loop {
            let mut tasks = std::mem::take(&mut *self.tasks());
            if tasks.is_empty() {
                return;
            }
            // If this future is dropped, so are the tasks.
            while tasks.join_next().await.is_some() {}
        }
    }

    /// Aborts all tasks.
    pub(crate) async fn abort(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks());
        tasks.shutdown().await;
    }
}
