//! Waking: resumes the decisions that wait at a clause of flow control, once they are due. The ledger has the waits and
//! knows which are due. Memory has none of them, so a wait costs nothing until then.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use fuse_rules::flow::FlowTime;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;

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
        let mut rechecks = self.active.rechecks();
        rechecks.mark_changed();
        let mut former: Option<Arc<Generation>> = None;
        while self.until_keeper(&stop).await {
            let time = self.time();
            let due = match self.recheck(&mut rechecks, &mut former, time).await {
                Ok(()) => self.ledger.due(time, PAGE_SIZE).await,
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
                    // The sender lives as long as the engine.
                    _ = rechecks.changed() => rechecks.mark_changed(),
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

    /// Makes those due that may not have to wait any longer, because the rules or fuses changed.
    async fn recheck(
        &self,
        rechecks: &mut watch::Receiver<u64>,
        former: &mut Option<Arc<Generation>>,
        time: FlowTime,
    ) -> Result<(), LedgerError> {
        if !rechecks.has_changed().unwrap_or(false) {
            return Ok(());
        }
        rechecks.mark_unchanged();
        let generation = self.active.get();
        let rules = generation.rules_to_recheck(former.as_deref());
        if !rules.is_empty()
            && let Err(error) = self.ledger.recheck(&rules, time).await
        {
            rechecks.mark_changed();
            return Err(error);
        }
        *former = Some(generation);
        Ok(())
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
        if self.active.get().limits_concurrency {
            self.stops_changed.notify_one();
        }
        (self.watcher)(Step::Woken);
        for decision in &decisions {
            let (rule, outcome) = (&decision.rule, decision.outcome.as_str());
            self.metrics.decided(decision);
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
