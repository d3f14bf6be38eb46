//! Turns the panics of a trigger into failures, so that a fault in one backend stops nothing else.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use super::{ActionRequest, Done, Failure, Probe, Readiness, Trigger};
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
        let call = self.trigger.prepare(request);
        self.call("prepared an action", call).await.unwrap_or_else(|reason| {
            Err(Failure::Retryable { reason, maybe_applied: false, after: None })
        })
    }

    pub(crate) async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        let call = self.trigger.fire(request);
        self.call("performed an action", call).await.unwrap_or_else(|reason| {
            Err(Failure::Retryable { reason, maybe_applied: true, after: None })
        })
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

    /// A trigger whose check panics counts as ready: the attempts that follow are limited.
    pub(crate) async fn readiness_for(&self, request: &ActionRequest) -> Readiness {
        let call = self.trigger.readiness_for(request);
        self.call("checked whether it is ready", call).await.unwrap_or(Readiness::Ready)
    }
}
