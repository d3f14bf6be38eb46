//! Turns the panics of a trigger into failures, so that a fault in one backend stops nothing else.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use super::{ActionRequest, AttemptResult, Failure, Probe, Readiness, Trigger};
use crate::ledger::{StartedObject, ThreadKey};
use crate::metrics::Metrics;

/// Calls a trigger and catches its panics.
pub(crate) struct Guarded<'a> {
    pub(crate) trigger: &'a dyn Trigger,
    pub(crate) kind: &'a str,
    pub(crate) metrics: &'a Metrics,
}

impl Guarded<'_> {
    /// The result of a call, or the message about its panic.
    async fn call<T>(&self, what: &str, call: impl Future<Output = T>) -> Result<T, String> {
        AssertUnwindSafe(call).catch_unwind().await.map_err(|_| {
            self.metrics.panicked("trigger");
            let why = format!(
                "the trigger `{}` failed inside while it {what}; this is a bug, please report it",
                self.kind
            );
            tracing::error!(trigger = self.kind, what, "a trigger panicked");
            why
        })
    }

    pub(crate) async fn prepare(&self, request: &ActionRequest) -> Result<Option<String>, Failure> {
        let late = |why| Err(interrupted(why));
        let call = in_time(request, self.trigger.prepare(request), late);
        let called = self.call("prepared an action", call).await;
        called.unwrap_or_else(|reason| Err(interrupted(reason))).map_err(Failure::certain)
    }

    pub(crate) async fn attempt(&self, request: &ActionRequest) -> AttemptResult {
        let failed = |why| AttemptResult::from(Err(interrupted(why)));
        let call = async {
            match self.trigger.ends_in_time() {
                true => self.trigger.attempt(request).await,
                false => in_time(request, self.trigger.attempt(request), failed).await,
            }
        };
        let called = self.call("performed an action", call).await;
        called.unwrap_or_else(failed)
    }

    /// A trigger that panics here has no threads.
    pub(crate) async fn thread(&self, request: &ActionRequest) -> Option<ThreadKey> {
        let call = async { self.trigger.thread(request) };
        self.call("named the thread of a message", call).await.unwrap_or_default()
    }

    pub(crate) async fn probe(&self, request: &ActionRequest) -> Probe {
        let call = self.trigger.probe(request);
        self.call("checked whether an action was performed", call)
            .await
            .unwrap_or_else(Probe::Unavailable)
    }

    pub(crate) async fn readiness(&self) -> Readiness {
        let call = self.trigger.readiness();
        self.call("checked whether it is ready", call).await.unwrap_or_else(Readiness::NotReady)
    }

    pub(crate) async fn stop(
        &self,
        request: &ActionRequest,
        object: &StartedObject,
    ) -> Result<(), Failure> {
        let call = self.trigger.stop(request, object);
        let called = self.call("stopped what an action started", call).await;
        called.unwrap_or_else(|reason| Err(interrupted(reason)))
    }

    /// A trigger whose check panics counts as ready: the attempts that follow are limited.
    pub(crate) async fn readiness_for(&self, request: &ActionRequest) -> Readiness {
        let call = self.trigger.readiness_for(request);
        self.call("checked whether it is ready", call).await.unwrap_or(Readiness::Ready)
    }
}

/// The result of a step of an attempt, which ends once the timeout of its rule has passed. `late` is then the result.
async fn in_time<T>(
    request: &ActionRequest,
    step: impl Future<Output = T>,
    late: impl FnOnce(String) -> T,
) -> T {
    let Some(timeout) = request.timeout() else { return step.await };
    tokio::time::timeout(timeout, step).await.unwrap_or_else(|_elapsed| {
        late(format!("the attempt took longer than {} ms", timeout.as_millis()))
    })
}

/// The failure of an attempt of which nothing more is known.
fn interrupted(reason: String) -> Failure {
    Failure::Retryable { reason, maybe_applied: true, after: None }
}
