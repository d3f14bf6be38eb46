//! Firing: the gate, then the intent, then the backend, then the record. Each call makes one attempt;
//! what has to be tried again, or lacks something, is set aside.

use std::time::Duration;

use jiff::Timestamp;

use super::pending::with_state;
use super::shares::{Crowded, PATIENCE};
use super::{Engine, Interrupted, Step, gate};
use crate::ledger::{ActionRecord, ActionState, Attempt, DeadLetterKind, EventAction};
use crate::shutdown::Shutdown;
use crate::triggers::{ActionRequest, Done, Failure, Guarded, Probe, Readiness};

/// Who waits for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// Its event, which holds a place of its own meanwhile.
    Event,
    /// Nobody: it is off the bus.
    Nobody,
}

/// An action on its way through one attempt.
struct Progress {
    request: ActionRequest,
    /// What is on record of it.
    record: ActionRecord,
    /// The attempt whose end is not known, where there is one.
    last_attempt: Option<Attempt>,
    /// How often it was tried before, since it was held last.
    attempts: u32,
}

impl Engine {
    /// Makes one attempt at an action: done, a dead letter, or set aside, when this returns.
    pub(super) async fn perform(
        &self,
        EventAction { event, action }: EventAction,
        waits: Waits,
        stop: &Shutdown,
    ) -> Result<(), Interrupted> {
        let (kind, rule) = (action.action.trigger.clone(), action.action.rule.clone());
        let attempts = match &action.state {
            ActionState::Waiting { attempts, .. } => *attempts,
            _ => 0,
        };
        let mut progress = Progress {
            last_attempt: action.state.last_attempt(),
            attempts,
            request: ActionRequest {
                id: action.id.clone(),
                action: action.action.clone(),
                event,
                checkpoint: action.state.checkpoint(),
            },
            record: action,
        };
        let Some(trigger) = self.triggers.get(&kind) else {
            let why = format!("no trigger `{kind}` is part of this runtime");
            return self.settle(&progress.request, End::Dead(DeadLetterKind::Permanent, why)).await;
        };
        let trigger = Guarded { trigger: trigger.as_ref(), kind: &kind, metrics: &self.metrics };
        let patience = (waits == Waits::Event).then_some(PATIENCE);
        let place = tokio::select! {
            biased;
            () = stop.requested() => return Err(Interrupted::Stopping),
            place = self.shares.place(&kind, &rule, patience) => place,
        };
        let end = match place {
            Ok(_place) => self.attempt(&trigger, &mut progress).await?,
            Err(Crowded) => {
                let why = "it waits for its turn, as other actions of its rule take long";
                self.later(&progress, progress.attempts, self.policy.backoff, why)
            }
        };
        match end {
            End::Done(_) | End::Dead(..) => self.settle(&progress.request, end).await,
            End::Aside(state) => self.set_aside(&trigger, progress, state).await,
        }
    }

    /// One attempt, and what follows from how it ends.
    async fn attempt(
        &self,
        trigger: &Guarded<'_>,
        progress: &mut Progress,
    ) -> Result<End, Interrupted> {
        let off = self.gate.off(&progress.record.action.rule, &progress.record.requires);
        if !off.is_empty() {
            return Ok(self.held(progress, gate::held_by(&off), off));
        }
        let failure = match self.fire(trigger, progress).await? {
            Ok(done) => return Ok(End::Done(done)),
            Err(failure) => failure,
        };
        let (reason, maybe_applied, after) = match failure {
            Failure::Retryable { reason, maybe_applied, after } => (reason, maybe_applied, after),
            Failure::NotReady(why) => {
                progress.last_attempt = None;
                return Ok(self.held(progress, why, Vec::new()));
            }
            Failure::Permanent(why) => return Ok(End::Dead(DeadLetterKind::Permanent, why)),
            Failure::Conflict(why) => return Ok(End::Dead(DeadLetterKind::Conflict, why)),
            Failure::Uncertain(why) => return Ok(End::Dead(DeadLetterKind::Uncertain, why)),
        };
        if !maybe_applied {
            self.undone(progress).await?;
        }
        let attempts = progress.attempts.saturating_add(1);
        let wait = self.wait(attempts, after);
        let end = match self.readiness_after(trigger, progress, attempts).await {
            Some(Readiness::NotReady(why)) => self.held(progress, why, Vec::new()),
            Some(Readiness::Ready) if attempts >= self.policy.attempts => {
                let why = format!("{reason} (tried {attempts} times)");
                return Ok(End::Dead(DeadLetterKind::Exhausted, why));
            }
            _ => {
                tracing::warn!(
                    action = progress.request.id,
                    trigger = trigger.kind,
                    attempts,
                    ?wait,
                    "trying again"
                );
                tracing::debug!(action = progress.request.id, reason, "why");
                self.metrics.acted(trigger.kind, "retried");
                self.later(progress, attempts, wait, &reason)
            }
        };
        let is_long = matches!(&end, End::Aside(state) if !matches!(state, ActionState::Waiting { .. }))
            || wait > self.policy.longest_backoff;
        if is_long {
            return self.settle_doubt(trigger, progress, end).await;
        }
        Ok(end)
    }

    /// After enough attempts, whether the backend could do the action at all.
    async fn readiness_after(
        &self,
        trigger: &Guarded<'_>,
        progress: &Progress,
        attempts: u32,
    ) -> Option<Readiness> {
        if attempts < self.policy.hold_after.min(self.policy.attempts) {
            return None;
        }
        Some(trigger.readiness_for(&progress.request).await)
    }

    /// Finds out now what became of an attempt before its action is put aside for long: later, nothing
    /// may be left to tell.
    async fn settle_doubt(
        &self,
        trigger: &Guarded<'_>,
        progress: &mut Progress,
        end: End,
    ) -> Result<End, Interrupted> {
        let End::Aside(mut state) = end else { return Ok(end) };
        if progress.last_attempt.is_some() {
            match trigger.probe(&progress.request).await {
                Probe::Done(done) => return Ok(End::Done(done)),
                Probe::Absent => {
                    self.undone(progress).await?;
                    if let ActionState::Held { last_attempt, .. }
                    | ActionState::Waiting { last_attempt, .. } = &mut state
                    {
                        *last_attempt = None;
                    }
                }
                Probe::Repeatable | Probe::Unknown(_) | Probe::Unavailable(_) => {}
            }
        }
        Ok(End::Aside(state))
    }

    /// Asks the backend once. Where an earlier attempt was cut short, what became of that is found out
    /// first.
    async fn fire(
        &self,
        trigger: &Guarded<'_>,
        progress: &mut Progress,
    ) -> Result<Result<Done, Failure>, Interrupted> {
        let request = &mut progress.request;
        if let Some(Attempt { at, checkpoint }) = progress.last_attempt.clone() {
            request.checkpoint = checkpoint;
            match trigger.probe(request).await {
                Probe::Done(done) => return Ok(Ok(done)),
                Probe::Repeatable => {}
                Probe::Unknown(why) => return Ok(Err(Failure::Uncertain(why))),
                Probe::Unavailable(reason) => {
                    return Ok(Err(Failure::Retryable {
                        reason,
                        maybe_applied: true,
                        after: None,
                    }));
                }
                Probe::Absent if self.clock.age(at) > self.policy.uncertain_after => {
                    let why = format!(
                        "firing was about to begin at {at} and left no trace; it may have been done and cleaned up since"
                    );
                    return Ok(Err(Failure::Uncertain(why)));
                }
                Probe::Absent => {}
            }
        } else {
            match trigger.prepare(request).await {
                Ok(checkpoint) => request.checkpoint = checkpoint,
                Err(failure) => return Ok(Err(failure.certain())),
            }
        }
        let attempt = Attempt { at: self.clock.steady(), checkpoint: request.checkpoint.clone() };
        self.ledger.intend(&request.id, attempt.clone()).await?;
        progress.last_attempt = Some(attempt);
        (self.watcher)(Step::Intended);
        let result = trigger.fire(&progress.request).await;
        if result.is_ok() {
            (self.watcher)(Step::Fired);
        }
        Ok(result)
    }

    /// What certainly did not happen leaves no intent behind that a later start would have to be
    /// uncertain about.
    async fn undone(&self, progress: &mut Progress) -> Result<(), Interrupted> {
        if progress.last_attempt.take().is_some() {
            self.ledger.reopen(&progress.request.id).await?;
        }
        Ok(())
    }

    fn wait(&self, attempts: u32, after: Option<Duration>) -> Duration {
        let doubled = self.policy.backoff.saturating_mul(2_u32.saturating_pow(attempts - 1));
        doubled.min(self.policy.longest_backoff).max(after.unwrap_or_default())
    }

    /// Held for what is missing, or by fuses.
    fn held(&self, progress: &Progress, reason: String, fuses: Vec<String>) -> End {
        let since = match &progress.record.state {
            ActionState::Held { since, .. } => *since,
            _ => self.clock.steady(),
        };
        let (last_attempt, checkpoint) =
            (progress.last_attempt.clone(), progress.request.checkpoint.clone());
        End::Aside(ActionState::Held { since, reason, last_attempt, checkpoint, fuses })
    }

    /// To be tried again once `wait` has passed.
    fn later(&self, progress: &Progress, attempts: u32, wait: Duration, reason: &str) -> End {
        let until = self.clock.steady().checked_add(wait).unwrap_or(Timestamp::MAX);
        End::Aside(ActionState::Waiting {
            until,
            attempts,
            reason: reason.to_owned(),
            last_attempt: progress.last_attempt.clone(),
            checkpoint: progress.request.checkpoint.clone(),
        })
    }

    /// Puts an action aside, unless too many are already or it was held for too long.
    async fn set_aside(
        &self,
        trigger: &Guarded<'_>,
        progress: Progress,
        state: ActionState,
    ) -> Result<(), Interrupted> {
        let kind = trigger.kind;
        if let ActionState::Held { since, reason, .. } = &state
            && self.is_too_old(*since)
        {
            return self.settle(&progress.request, given_up(reason, *since)).await;
        }
        // What is off the bus had its place before. Actions of one event get here at once: each with a
        // place before any is on record.
        let is_new = !progress.record.off_bus;
        if is_new && !self.pending.reserve(kind, &progress.request.id, self.policy.held_most) {
            return self.no_room(trigger, &progress, &state).await;
        }
        let was_held = matches!(progress.record.state, ActionState::Held { .. });
        let recorded = self.ledger.hold(&progress.request.id, state.clone()).await;
        if is_new {
            self.pending.vacate(kind);
            if recorded.is_err() {
                self.pending.forget(&progress.request.id);
            }
        }
        recorded?;
        if let ActionState::Held { reason, .. } = &state
            && !was_held
        {
            let (request, rule) = (&progress.request, &progress.record.action.rule);
            self.metrics.acted(kind, "held");
            tracing::warn!(
                source = request.event.source,
                name = request.event.name,
                event = request.event.id,
                action = request.id,
                trigger = kind,
                rule,
                missing = reason,
                "held until what it needs is there"
            );
        }
        let action = EventAction { event: progress.request.event, action: progress.record };
        let held = matches!(state, ActionState::Held { .. });
        self.pending.add(with_state(action, state));
        (self.watcher)(if held { Step::Held } else { Step::Waiting });
        Ok(())
    }

    /// As many actions are set aside as may be. Where something is missing, this one is given up, so
    /// that the others' way stays free. Otherwise (the backend as a whole is away, a fuse is off, or the
    /// action only has to be tried again) there is no way to keep free: the event stays on the bus.
    async fn no_room(
        &self,
        trigger: &Guarded<'_>,
        progress: &Progress,
        state: &ActionState,
    ) -> Result<(), Interrupted> {
        let reason = match state {
            ActionState::Held { reason, fuses, .. } if fuses.is_empty() => reason,
            _ => return Err(Interrupted::Full),
        };
        if let Readiness::NotReady(_) = trigger.readiness().await {
            if progress.last_attempt.is_none() {
                self.ledger.reopen(&progress.request.id).await?;
            }
            return Err(Interrupted::Full);
        }
        let most = self.policy.held_most;
        let why =
            format!("{reason}; {most} actions of its trigger wait already, which is the limit");
        self.settle(&progress.request, End::Dead(DeadLetterKind::NotReady, why)).await
    }

    pub(super) fn is_too_old(&self, since: Timestamp) -> bool {
        self.clock.age(since) > self.policy.held_for
    }

    pub(super) async fn settle(
        &self,
        request: &ActionRequest,
        end: End,
    ) -> Result<(), Interrupted> {
        let (at, kind) = (self.clock.now(), &request.action.trigger);
        let state = match end {
            End::Done(Done { detail }) => ActionState::Done { at, detail },
            End::Dead(kind, reason) => ActionState::DeadLettered { at, kind, reason },
            // What is set aside has not ended.
            End::Aside(_) => return Ok(()),
        };
        self.ledger.settle(&request.id, state.clone()).await?;
        self.pending.forget(&request.id);
        match &state {
            ActionState::DeadLettered { kind: why, .. } => {
                self.metrics.acted(kind, why.as_str());
                tracing::error!(
                    source = request.event.source,
                    name = request.event.name,
                    event = request.event.id,
                    action = request.id,
                    trigger = kind,
                    rule = request.action.rule,
                    kind = why.as_str(),
                    "dead letter; /decisions says why"
                );
            }
            ActionState::Done { detail, .. } => {
                self.metrics.acted(kind, "done");
                tracing::info!(
                    source = request.event.source,
                    name = request.event.name,
                    event = request.event.id,
                    action = request.id,
                    trigger = kind,
                    rule = request.action.rule,
                    detail,
                    "fired"
                );
            }
            _ => {}
        }
        (self.watcher)(Step::Recorded);
        Ok(())
    }
}

/// How an attempt at an action ends.
pub(super) enum End {
    Done(Done),
    Dead(DeadLetterKind, String),
    /// Set aside in this state.
    Aside(ActionState),
}

/// The end of an action that was held for too long.
pub(super) fn given_up(reason: &str, since: Timestamp) -> End {
    End::Dead(DeadLetterKind::NotReady, format!("{reason}; held since {since}"))
}
