//! Looking after the actions that are off the bus: those that are due are tried again, and now and
//! then the oldest of each group of held ones asks its trigger whether it could be performed. If so,
//! the whole group is.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::fire::{End, Waits, given_up};
use super::{Engine, Interrupted, gate};
use crate::ledger::{ActionState, DeadLetterKind, EventAction, LedgerError};
use crate::shutdown::Shutdown;
use crate::triggers::{ActionRequest, Guarded, Readiness};

/// How many actions are read from the ledger, or taken from the queue of those that are due, at once.
const PAGE: usize = 256;

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
    /// Reads from the ledger what left the bus and is not looked after: at the start, all of it.
    /// What was being tried is performed at once.
    async fn recall(self: &Arc<Self>, stop: &Shutdown) -> Result<(), LedgerError> {
        let mut last: Option<String> = None;
        loop {
            let page = self.ledger.held(last.as_deref(), PAGE).await?;
            let Some(end) = page.last() else { return Ok(()) };
            last = Some(end.action.id.clone());
            for action in page {
                self.look_after(action, stop);
            }
        }
    }

    /// Looks after an action that left the bus, unless somebody does.
    pub(super) fn look_after(self: &Arc<Self>, action: EventAction, stop: &Shutdown) {
        if self.pending.adopt(action.clone()) && !action.action.state.is_set_aside() {
            self.try_again(action, stop);
        }
    }

    /// Performs actions when they are due, until told to stop.
    pub(crate) async fn run_due(self: Arc<Self>, stop: Shutdown) {
        loop {
            // Asked anew after each change, as the clock may be set by a test.
            let now = self.clock.steady();
            for action in self.pending.take_due(now, PAGE) {
                self.try_again(action, &stop);
            }
            let due = self.pending.next_due();
            let wait =
                due.map(|due| Duration::try_from(due.duration_since(now)).unwrap_or_default());
            let until_due = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait.min(self.policy.longest_backoff)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.requested() => return,
                () = self.pending.changed() => {}
                () = until_due => {}
            }
        }
    }

    /// Looks after held actions until told to stop.
    pub(crate) async fn look_after_held(self: Arc<Self>, stop: Shutdown) {
        let mut recall = true;
        loop {
            if recall && let Err(error) = self.recall(&stop).await {
                self.tell_trouble(&error.into(), None, "cannot read the held actions");
            } else {
                recall = false;
            }
            self.pause(self.policy.recheck, &stop).await;
            if stop.is_requested() {
                return;
            }
            // What is in memory may be other than what was committed.
            recall |= self.in_doubt.swap(false, Ordering::Relaxed);
            self.give_up_old().await;
            for action in self.released(&stop).await {
                self.try_again(action, &stop);
            }
        }
    }

    /// Performs an action that is off the bus, in a task of its own.
    fn try_again(self: &Arc<Self>, action: EventAction, stop: &Shutdown) {
        let (engine, stop) = (Arc::clone(self), stop.clone());
        self.spawn(async move { engine.again(action, &stop).await });
    }

    /// Performs an action that left the bus, until it is settled or set aside again.
    async fn again(&self, mut action: EventAction, stop: &Shutdown) {
        let id = action.action.id.clone();
        let mut wait = self.policy.backoff;
        while !stop.is_requested() {
            let performed = AssertUnwindSafe(self.perform(action.clone(), Waits::Nobody, stop));
            match performed.catch_unwind().await {
                Ok(Ok(()) | Err(Interrupted::Stopping)) => return,
                Ok(Err(error)) => {
                    self.tell_trouble(&error, Some(&action.event), "cannot settle an action");
                }
                Err(_) => self.panicked("action", &action.event),
            }
            self.pause(wait, stop).await;
            wait = wait.saturating_mul(2).min(self.policy.longest_backoff);
            // From what is on record now: a part of it may have been done.
            match self.ledger.action(&id).await {
                Ok(Some(now)) if !now.action.state.is_settled() => action = now,
                Ok(_) => return self.pending.forget(&id),
                Err(error) => {
                    self.tell_trouble(&error.into(), Some(&action.event), "cannot read an action");
                }
            }
        }
    }

    async fn give_up_old(&self) {
        for action in self.pending.take_old(|since| self.is_too_old(since)) {
            let ActionState::Held { since, reason, .. } = action.action.state.clone() else {
                continue;
            };
            if let Err(error) = self.settle(&request(&action), given_up(&reason, since)).await {
                self.tell_trouble(&error, Some(&action.event), "cannot give an action up");
                self.pending.add(action);
            }
        }
    }

    /// Ends an action that is held or waits, because a person says so.
    pub(crate) async fn discard(&self, id: &str, reason: &str) -> Result<(), DiscardError> {
        let Some(action) = self.pending.take(id) else {
            return Err(match self.ledger.action(id).await? {
                None => DiscardError::Unknown(id.to_owned()),
                Some(action) if action.action.state.is_settled() => {
                    DiscardError::Settled(id.to_owned())
                }
                Some(_) => DiscardError::Busy(id.to_owned()),
            });
        };
        let why = discarded(reason);
        let settled =
            self.settle(&request(&action), End::Dead(DeadLetterKind::Discarded, why)).await;
        match settled {
            Ok(()) => Ok(()),
            Err(error) => {
                self.pending.add(action);
                Err(match error {
                    Interrupted::Ledger(error) => error.into(),
                    other => LedgerError::Storage(other.to_string()).into(),
                })
            }
        }
    }

    /// Asks about the groups whose turn it is; the actions that need wait no longer for what they
    /// waited for.
    async fn released(&self, stop: &Shutdown) -> Vec<EventAction> {
        let away = self.away().await;
        let away = &away;
        let asked = self.pending.next_groups().into_iter().map(|(reason, oldest)| async move {
            let record = &oldest.action;
            let off = self.gate.off(&record.action.rule, &record.requires);
            let readiness = if !off.is_empty() {
                Readiness::NotReady(gate::held_by(&off))
            } else if away.contains(&reason.0) {
                Readiness::NotReady(reason.1.clone())
            } else {
                match self.triggers.get(&reason.0) {
                    Some(trigger) => {
                        let metrics = &self.metrics;
                        let trigger =
                            Guarded { trigger: trigger.as_ref(), kind: &reason.0, metrics };
                        trigger.readiness_for(&request(&oldest)).await
                    }
                    // Performing it says what is wrong.
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
                // What this one waits for is there; the others find out what they lack, each for
                // itself, and not all at once.
                Readiness::NotReady(why) if *why != reason.1 => self.policy.events,
                Readiness::NotReady(_) => continue,
            };
            let group = self.pending.take_group(&reason, max);
            let (trigger, was_missing, count) = (&reason.0, &reason.1, group.len());
            tracing::info!(trigger, was_missing, count, "held actions are tried again");
            released.extend(group);
        }
        released
    }

    /// The triggers whose backend is away as a whole: what is held for them lacks what it lacked.
    async fn away(&self) -> BTreeSet<String> {
        let triggers: BTreeSet<String> =
            self.pending.groups().into_iter().map(|group| group.trigger).collect();
        let asked = triggers.into_iter().map(|kind| async move {
            let trigger = self.triggers.get(&kind)?.as_ref();
            let readiness =
                Guarded { trigger, kind: &kind, metrics: &self.metrics }.readiness().await;
            matches!(readiness, Readiness::NotReady(_)).then_some(kind)
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}

/// The reason of an action that a person ended.
pub fn discarded(reason: &str) -> String {
    match reason.trim() {
        "" => "discarded by hand".to_owned(),
        reason => format!("discarded by hand: {reason}"),
    }
}

fn request(action: &EventAction) -> ActionRequest {
    ActionRequest {
        id: action.action.id.clone(),
        action: action.action.action.clone(),
        event: action.event.clone(),
        checkpoint: action.action.state.checkpoint(),
    }
}
