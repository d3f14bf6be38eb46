//! Replaced actions: their work is told to stop, because `concurrency … else replace` gave their places to newer matches. The
//! ledger lists them. Stopping twice does no harm, so a crash in between does none either.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::Engine;
use crate::http::shorten;
use crate::ledger::{ActionRecord, ActionState, EventAction, LedgerError, Replacement};
use crate::shutdown::Shutdown;
use crate::triggers::{ActionRequest, Failure, Guarded};

/// How many actions are read at once.
const PAGE_SIZE: usize = 64;

impl Engine {
    /// Stops the work of replaced actions until the shutdown is requested. At the start, of those that were replaced before.
    pub(crate) async fn stop_replaced(self: Arc<Self>, stop: Shutdown) {
        let mut failures = 0;
        while !stop.is_requested() {
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
            if all {
                failures = 0;
                tokio::select! {
                    () = stop.requested() => return,
                    () = self.stops_changed.notified() => {}
                }
            } else {
                self.pause(self.backoff(failures), &stop).await;
                failures = failures.saturating_add(1);
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

    /// Stops the work of an action. Returns whether that is done.
    async fn stop_one(&self, one: EventAction) -> Result<bool, LedgerError> {
        let EventAction {
            event,
            action: ActionRecord { id, action, state, replaced, requires, .. },
        } = one;
        let ActionState::Done { started: Some(object), .. } = state else { return Ok(true) };
        // A fuse that is off stops everything that the rule does to the cluster.
        if !self.active.get().gate.off(&action.rule, &requires).is_empty() {
            return Ok(false);
        }
        let (kind, rule) = (action.trigger.clone(), action.rule.clone());
        let Some(trigger) = self.triggers.get(&kind) else {
            self.ledger.stopped(&event, &id).await?;
            return Ok(true);
        };
        let trigger = Guarded { trigger: trigger.as_ref(), kind: &kind, metrics: &self.metrics };
        let request = ActionRequest { id, action, event, checkpoint: None, thread: None };
        let by = replaced.map(|Replacement { by, .. }| by).unwrap_or_default();
        let (id, event) = (&request.id, &request.event);
        let (source, name) = (&event.source, &event.name);
        if let Err(failure) = trigger.stop(&request, &object).await {
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
                retries,
                reason,
                "cannot stop what is replaced"
            );
            if retries {
                return Ok(false);
            }
            self.ledger.stopped(event, id).await?;
            return Ok(true);
        }
        self.ledger.stopped(event, id).await?;
        let object = &object.name;
        tracing::info!(
            source,
            name,
            event = event.id,
            action = id,
            rule,
            by,
            object,
            "told to stop, because it is replaced"
        );
        Ok(true)
    }
}
