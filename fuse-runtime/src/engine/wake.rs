//! Waking: resumes the decisions that wait at a clause of flow control, once they are due. The ledger has the waits and
//! knows which are due. Memory has none of them, so a wait costs nothing until then.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use fuse_rules::flow::FlowTime;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use jiff::Timestamp;

use super::{Engine, Interrupted, Step};
use crate::event::EventKey;
use crate::generation::Generation;
use crate::ledger::{LedgerError, Woken};
use crate::shutdown::Shutdown;

/// How many events are woken at once.
const PAGE_SIZE: usize = 64;

/// The longest sleep. Another process may have added a wait, or the machine may have slept.
const MAX_SLEEP: Duration = Duration::from_secs(10);

impl Engine {
    /// Wakes the decisions that are due until the shutdown is requested. At the start, those that became due while no
    /// process ran.
    pub(crate) async fn wake_waiting(self: Arc<Self>, stop: Shutdown) {
        let mut failures = 0;
        let mut rechecked: Option<Arc<Generation>> = None;
        while !stop.is_requested() {
            let time = self.time();
            let generation = self.active.get();
            let due = match self.recheck_limits(&generation, &rechecked, time).await {
                Ok(()) => {
                    rechecked = Some(generation);
                    self.ledger.due(time, PAGE_SIZE).await
                }
                Err(error) => Err(error),
            };
            let due = match due {
                Ok(due) => due,
                Err(LedgerError::Closed) => return,
                Err(error) => {
                    self.log_error(&error.into(), None, "cannot read what is due");
                    self.pause(self.backoff(failures), &stop).await;
                    failures = failures.saturating_add(1);
                    continue;
                }
            };
            if due.events.is_empty() {
                let wait = |next: Timestamp| Duration::try_from(next.duration_since(time.steady));
                let next = due.next.map(|next| wait(next).unwrap_or_default());
                let sleep = next.unwrap_or(MAX_SLEEP).min(MAX_SLEEP);
                tokio::select! {
                    () = stop.requested() => return,
                    () = self.waits_changed.notified() => {}
                    () = tokio::time::sleep(sleep) => {}
                }
                continue;
            }
            // Their commits are in the order of the list.
            let woken = join_all(due.events.iter().map(|event| self.wake(event))).await;
            if woken.into_iter().all(|is_woken| is_woken) {
                failures = 0;
            } else {
                self.pause(self.backoff(failures), &stop).await;
                failures = failures.saturating_add(1);
            }
        }
    }

    /// Makes those due that may not have to wait any longer, because the rules changed.
    async fn recheck_limits(
        &self,
        generation: &Arc<Generation>,
        former: &Option<Arc<Generation>>,
        time: FlowTime,
    ) -> Result<(), LedgerError> {
        if former.as_ref().is_some_and(|former| Arc::ptr_eq(former, generation)) {
            return Ok(());
        }
        let rules = generation.rules_with_changed_limits(former.as_deref());
        if rules.is_empty() { Ok(()) } else { self.ledger.recheck_limits(&rules, time).await }
    }

    pub(super) fn time(&self) -> FlowTime {
        FlowTime { steady: self.clock.steady(), wall: self.clock.now() }
    }

    /// Wakes the decisions about an event. Returns whether that worked.
    async fn wake(&self, event: &EventKey) -> bool {
        match AssertUnwindSafe(self.resume_waits(event)).catch_unwind().await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                self.log_error(&error, Some(event), "cannot resume what waited");
                false
            }
            Err(_) => {
                self.panicked("wait", event);
                false
            }
        }
    }

    async fn resume_waits(&self, event: &EventKey) -> Result<(), Interrupted> {
        let time = self.time();
        let rules = self.active.get().current_rules();
        let woken = self.ledger.wake(event, time, &rules).await?;
        let Woken { decisions, actions, blown, is_unfinished } = woken;
        if !blown.is_empty() {
            self.switchboard.blown().await;
        }
        (self.watcher)(Step::Woken);
        for decision in &decisions {
            let (rule, outcome) = (&decision.rule, decision.outcome.as_str());
            self.metrics.decided(rule, outcome);
            let (source, name, event) = (&event.source, &event.name, &event.id);
            tracing::info!(source, name, event, rule, outcome, "a wait is over");
        }
        for action in actions {
            // However many are held: what waited must not be lost.
            self.parked.adopt(action);
        }
        if is_unfinished {
            self.reactions().finish(event).await?;
        }
        Ok(())
    }
}
