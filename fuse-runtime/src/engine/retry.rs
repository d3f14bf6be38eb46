//! Retrying parked actions. Waiting actions are retried when they are due. The engine periodically asks
//! the trigger of the oldest action of each held group whether it could be performed; if so, it
//! retries the whole group.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::end::{End, EndingAction, given_up};
use super::fire::Caller;
use super::{Engine, Interrupted, gate};
use crate::ledger::{ActionState, DeadLetterKind, EventAction, LedgerError};
use crate::shutdown::Shutdown;
use crate::triggers::{ActionRequest, Guarded, Readiness};

/// How many actions are read from the ledger, or taken from those that are due, at once.
const PAGE_SIZE: usize = 256;

/// Why an action cannot be discarded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscardError {
    #[error("there is no action `{0}`")]
    Unknown(String),
    #[error("action `{0}` is settled already")]
    Settled(String),
    #[error(
        "action `{0}` is being performed, or its event is; only what is held or waits can be discarded"
    )]
    Busy(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Engine {
    /// Resumes every action that left the bus according to the ledger and is not known: at the start, all
    /// of them. Those whose attempt was interrupted are performed at once.
    async fn resume_all(self: &Arc<Self>, stop: &Shutdown) -> Result<(), LedgerError> {
        let mut last: Option<String> = None;
        loop {
            let page = self.ledger.held(last.as_deref(), PAGE_SIZE).await?;
            let Some(end) = page.last() else { return Ok(()) };
            last = Some(end.action.id.clone());
            for action in page {
                self.resume(action, stop);
            }
        }
    }

    /// Resumes an action that left the bus, unless it is known.
    pub(super) fn resume(self: &Arc<Self>, action: EventAction, stop: &Shutdown) {
        if self.parked.adopt(action.clone()) && !action.action.state.is_parked() {
            self.spawn_retry(action, stop);
        }
    }

    /// Retries actions when they are due, until the shutdown is requested.
    pub(crate) async fn run_due(self: Arc<Self>, stop: Shutdown) {
        loop {
            // Read again after each change, because a test may set the clock.
            let now = self.clock.steady();
            for action in self.parked.take_due(now, PAGE_SIZE) {
                self.spawn_retry(action, &stop);
            }
            let due = self.parked.next_due();
            let wait =
                due.map(|due| Duration::try_from(due.duration_since(now)).unwrap_or_default());
            let until_due = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait.min(self.policy.max_backoff)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.requested() => return,
                () = self.parked.changed() => {}
                () = until_due => {}
            }
        }
    }

    /// Checks held actions until the shutdown is requested.
    pub(crate) async fn recheck_held(self: Arc<Self>, stop: Shutdown) {
        let mut resume = true;
        loop {
            if !self.is_keeper() {
                // What others left.
                resume = true;
            }
            if !self.until_keeper(&stop).await {
                return;
            }
            if resume && let Err(error) = self.resume_all(&stop).await {
                self.log_error(&error.into(), None, "cannot read the held actions");
            } else {
                resume = false;
            }
            self.pause(self.policy.recheck, &stop).await;
            if stop.is_requested() {
                return;
            }
            // Memory may differ from what was committed.
            resume |= self.in_doubt.swap(false, Ordering::Relaxed);
            self.expire_held().await;
            for action in self.dropped() {
                self.spawn_retry(action, &stop);
            }
            for action in self.retryable(&stop).await {
                self.spawn_retry(action, &stop);
            }
        }
    }

    /// Retries a parked action in a task of its own.
    fn spawn_retry(self: &Arc<Self>, action: EventAction, stop: &Shutdown) {
        let (engine, stop) = (Arc::clone(self), stop.clone());
        self.spawn(async move { engine.retry(action, &stop).await });
    }

    /// Retries a parked action until it is settled or parked again.
    async fn retry(&self, mut action: EventAction, stop: &Shutdown) {
        let id = action.action.id.clone();
        let mut wait = self.policy.backoff;
        while !stop.is_requested() {
            let performed = AssertUnwindSafe(self.perform(action.clone(), Caller::Retry, stop));
            match performed.catch_unwind().await {
                Ok(Ok(()) | Err(Interrupted::Stopping)) => return,
                Ok(Err(error)) => {
                    self.log_error(&error, Some(&action.event), "cannot settle an action");
                }
                Err(_) => self.panicked("action", &action.event),
            }
            self.pause(wait, stop).await;
            wait = wait.saturating_mul(2).min(self.policy.max_backoff);
            if !self.is_keeper() {
                // The keeper goes on.
                return self.parked.forget(&id);
            }
            // Continue from the record: a part of the attempt may have been committed.
            match self.ledger.action(&action.event, &id).await {
                Ok(Some(now)) if !now.action.state.is_settled() => action = now,
                Ok(_) => return self.parked.forget(&id),
                Err(error) => {
                    self.log_error(&error.into(), Some(&action.event), "cannot read an action");
                }
            }
        }
    }

    /// Removes the parked actions that a fuse drops. The attempt gives them up.
    fn dropped(&self) -> Vec<EventAction> {
        let generation = self.active.get();
        let gate = &generation.gate;
        if !gate.is_dropping() {
            return Vec::new();
        }
        let is_dropped = |action: &EventAction| {
            let record = &action.action;
            gate.dropping(&gate.off(&record.action.rule, &record.requires)).is_some()
        };
        let dropped = self.parked.take_where(is_dropped);
        if !dropped.is_empty() {
            tracing::warn!(count = dropped.len(), "a fuse that is off drops pending actions");
        }
        dropped
    }

    async fn expire_held(&self) {
        for action in self.parked.take_old(|since| self.is_too_old(since)) {
            let ActionState::Held { since, reason, .. } = action.action.state.clone() else {
                continue;
            };
            let (request, permit) = (request(&action), action.permit());
            let ending = EndingAction::new(&request, &permit);
            if let Err(error) = self.settle(ending, given_up(&reason, since)).await {
                self.log_error(&error, Some(&action.event), "cannot give up an action");
                self.put_back(action, &error);
            }
        }
    }

    /// Gives up an action that is held or waits, at the request of a person.
    pub(crate) async fn discard(
        &self,
        id: &str,
        by: &str,
        reason: &str,
    ) -> Result<(), DiscardError> {
        let taken = match self.parked.take(id) {
            // Another replica has it in memory, and notices.
            None if !self.is_keeper() => self
                .ledger
                .find_action(id)
                .await?
                .filter(|one| one.action.off_bus && one.action.state.is_parked()),
            taken => taken,
        };
        let Some(action) = taken else {
            return Err(match self.ledger.find_action(id).await? {
                None => DiscardError::Unknown(id.to_owned()),
                Some(action) if action.action.state.is_settled() => {
                    DiscardError::Settled(id.to_owned())
                }
                Some(_) => DiscardError::Busy(id.to_owned()),
            });
        };
        let why = discarded(by, reason);
        let end = End::Dead(DeadLetterKind::Discarded, why);
        let (request, permit) = (request(&action), action.permit());
        let settled = self.settle(EndingAction::new(&request, &permit), end).await;
        match settled {
            Ok(()) => Ok(()),
            Err(error) => {
                self.put_back(action, &error);
                Err(match error {
                    error if error.is_superseded() => DiscardError::Busy(id.to_owned()),
                    Interrupted::Ledger(error) => error.into(),
                    other => LedgerError::Storage(other.to_string()).into(),
                })
            }
        }
    }

    /// Parks an action again that could not be settled. If its record changed meanwhile, it is read again.
    fn put_back(&self, action: EventAction, error: &Interrupted) {
        if let Interrupted::Ledger(LedgerError::Settled(id)) = error {
            self.parked.forget(id);
        } else if error.is_superseded() {
            self.parked.forget(&action.action.id);
            self.in_doubt.store(true, Ordering::Relaxed);
        } else {
            self.parked.add(action);
        }
    }

    /// Checks the next groups, and returns the held actions to retry.
    async fn retryable(&self, stop: &Shutdown) -> Vec<EventAction> {
        let unavailable = self.unavailable_triggers().await;
        let unavailable = &unavailable;
        let asked = self.parked.next_groups().into_iter().map(|(reason, oldest)| async move {
            let record = &oldest.action;
            let off = self.active.get().gate.off(&record.action.rule, &record.requires);
            let readiness = if !off.is_empty() {
                Readiness::NotReady(gate::held_by(&off))
            } else if unavailable.contains(&reason.0) {
                Readiness::NotReady(reason.1.clone())
            } else {
                match self.triggers.get(&reason.0) {
                    Some(trigger) => {
                        let metrics = &self.metrics;
                        let trigger =
                            Guarded { trigger: trigger.as_ref(), kind: &reason.0, metrics };
                        trigger.readiness_for(&request(&oldest)).await
                    }
                    // The attempt reports the problem.
                    None => Readiness::Ready,
                }
            };
            (reason, readiness)
        });
        let mut released = Vec::new();
        for (reason, readiness) in join_all(asked).await {
            if stop.is_requested() {
                break;
            }
            let max = match &readiness {
                Readiness::Ready => usize::MAX,
                // This one lacks something else now. The others find out for themselves, not all at once.
                Readiness::NotReady(why) if *why != reason.1 => self.policy.events,
                Readiness::NotReady(_) => continue,
            };
            let group = self.parked.take_group(&reason, max);
            let (trigger, was_missing, count) = (&reason.0, &reason.1, group.len());
            tracing::info!(trigger, was_missing, count, "retrying held actions");
            released.extend(group);
        }
        released
    }

    /// The triggers whose backend is unavailable as a whole. Their held actions stay held.
    async fn unavailable_triggers(&self) -> BTreeSet<String> {
        let triggers: BTreeSet<String> =
            self.parked.groups().into_iter().map(|group| group.trigger).collect();
        let asked = triggers.into_iter().map(|kind| async move {
            let trigger = self.triggers.get(&kind)?.as_ref();
            let readiness =
                Guarded { trigger, kind: &kind, metrics: &self.metrics }.readiness().await;
            matches!(readiness, Readiness::NotReady(_)).then_some(kind)
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}

/// The reason on record for an action that a person gave up.
pub fn discarded(by: &str, reason: &str) -> String {
    match reason.trim() {
        "" => format!("discarded by `{by}`"),
        reason => format!("discarded by `{by}`: {reason}"),
    }
}

/// The request to perform an action again.
pub(super) fn request(action: &EventAction) -> ActionRequest {
    ActionRequest {
        id: action.action.id.clone(),
        action: action.action.action.clone(),
        event: action.event.clone(),
        checkpoint: action.action.state.checkpoint(),
        thread: None,
    }
}
