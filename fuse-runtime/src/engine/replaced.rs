//! Replaced actions: fuse asks their work to stop, because `concurrency … else replace` gave their places to newer matches. The
//! ledger lists them. Stopping twice does no harm, so a crash in between does none either.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::Engine;
use super::retry::request;
use crate::http::shorten;
use crate::ledger::{
    ActionRecord, ActionState, DeadLetterKind, EventAction, LedgerError, Replacement,
};
use crate::shutdown::Shutdown;
use crate::triggers::{Failure, Guarded};

/// The longest sleep, in case a notification was missed.
const MAX_SLEEP: Duration = Duration::from_secs(10);
/// How many actions are read at once.
const PAGE_SIZE: usize = 64;

impl Engine {
    /// Stops the work of replaced actions until the shutdown is requested, including those that were replaced before the start.
    pub(crate) async fn stop_replaced(self: Arc<Self>, stop: Shutdown) {
        let mut failures = 0;
        while self.until_keeper(&stop).await {
            let stopping = AssertUnwindSafe(self.stop_all()).catch_unwind();
            let all = match stopping.await {
                Ok(Ok(all)) => all,
                Ok(Err(LedgerError::Closed)) => return,
                Ok(Err(error)) => {
                    self.log_error(&error.into(), None, "cannot read the replaced actions");
                    false
                }
                Err(_) => {
                    self.metrics.panicked("replaced actions");
                    false
                }
            };
            let wait = if all { MAX_SLEEP } else { self.backoff(failures) };
            failures = if all { 0 } else { failures.saturating_add(1) };
            tokio::select! {
                () = stop.requested() => return,
                () = self.stops_changed.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Returns whether all were stopped.
    async fn stop_all(&self) -> Result<bool, LedgerError> {
        let (mut last, mut all) = (None::<String>, true);
        loop {
            let page = self.ledger.stopping(last.as_deref(), PAGE_SIZE).await?;
            let Some(end) = page.last() else { return Ok(all) };
            last = Some(end.action.id.clone());
            for one in page {
                all &= self.stop_one(one).await?;
            }
        }
    }

    /// Stops the work of an action. Returns whether nothing has to be retried.
    async fn stop_one(&self, one: EventAction) -> Result<bool, LedgerError> {
        let request = request(&one);
        let EventAction {
            event,
            action: ActionRecord { id, action, state, replaced, requires, .. },
        } = one;
        let by = replaced.map(|Replacement { by, .. }| by).unwrap_or_default();
        let (source, name, rule, trigger) =
            (&event.source, &event.name, &action.rule, &action.trigger);
        if state.is_replaced() {
            self.parked.take(&id);
            self.parked.forget(&id);
            self.metrics.acted(trigger, DeadLetterKind::Replaced.as_str());
            tracing::info!(
                source,
                name,
                event = event.id,
                action = id,
                rule,
                by,
                "not performed, because a newer match replaces it"
            );
            self.ledger.stopped(&event, &id).await?;
            return Ok(true);
        }
        let ActionState::Done { started: Some(object), .. } = state else { return Ok(true) };
        // A fuse that is off stops everything that the rule does to the cluster.
        if !self.active.get().gate.off(rule, &requires).is_empty() {
            return Ok(true);
        }
        let stopped = match self.triggers.get(trigger) {
            Some(backend) => {
                let metrics = &self.metrics;
                Guarded { trigger: backend.as_ref(), kind: trigger, metrics }
                    .stop(&request, &object)
                    .await
            }
            None => Err(Failure::Permanent(format!(
                "the trigger `{trigger}` is not part of this runtime"
            ))),
        };
        let object = &object.name;
        match stopped {
            Ok(()) => {
                tracing::info!(
                    source,
                    name,
                    event = event.id,
                    action = id,
                    rule,
                    by,
                    object,
                    "asked the work to stop, because a newer match replaces it"
                );
            }
            Err(failure) => {
                // What cannot be stopped ends by itself.
                let retries = !matches!(failure, Failure::Permanent(_));
                let reason = failure.to_string();
                let reason = shorten(&reason);
                tracing::warn!(
                    source,
                    name,
                    event = event.id,
                    action = id,
                    rule,
                    by,
                    object,
                    retries,
                    reason,
                    "cannot stop replaced work"
                );
                if retries {
                    return Ok(false);
                }
            }
        }
        self.ledger.stopped(&event, &id).await?;
        Ok(true)
    }
}
