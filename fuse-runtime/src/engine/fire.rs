//! Performing an action: check the gate, record the intent, fire, record the result. Each call makes one
//! attempt. An action that must be retried, or that lacks something, is parked.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fuse_rules::ActionResponse;
use jiff::Timestamp;

use super::end::{End, EndingAction, Fired, given_up};
use super::parked::with_state;
use super::slots::{Congested, MAX_SLOT_WAIT};
use super::threads::MAX_QUIET;
use super::{Engine, Interrupted, Step};
use crate::http::shorten;
use crate::ledger::{
    ActionRecord, ActionState, Attempt, DeadLetterKind, EventAction, LedgerError, Permit, Thread,
};
use crate::shutdown::Shutdown;
use crate::triggers::{ActionRequest, AttemptResult, Done, Failure, Guarded, Probe, Readiness};

/// Who performs an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// The delivery of its event, which occupies a slot for events meanwhile.
    Event,
    /// The retry of a parked action.
    Retry,
}

/// An action on its way through one attempt.
pub(super) struct Progress {
    pub(super) request: ActionRequest,
    /// The right to change its record.
    pub(super) permit: Permit,
    /// Its record in the ledger.
    pub(super) record: ActionRecord,
    /// The last attempt, if its result is unknown.
    pub(super) last_attempt: Option<Attempt>,
    /// How many attempts failed since it was decided, or last held.
    pub(super) attempts: u32,
    /// What is kept of the response to the attempt.
    pub(super) response: Option<ActionResponse>,
}

impl Progress {
    fn ending(&self) -> EndingAction<'_> {
        let Self { request, permit, record, response, .. } = self;
        let (response, in_progress) = (response.clone(), record.in_progress);
        EndingAction { request, permit, response, in_progress, thread: None }
    }
}

impl Engine {
    /// Makes one attempt at an action. When this returns, the action is done, a dead letter, or parked.
    pub(super) async fn perform(
        &self,
        action: EventAction,
        caller: Caller,
        stop: &Shutdown,
    ) -> Result<(), Interrupted> {
        match self.attempt_and_record(action, caller, stop).await {
            // A newer one replaced it meanwhile.
            Err(Interrupted::Ledger(LedgerError::Settled(id))) => {
                self.parked.forget(&id);
                Ok(())
            }
            performed => performed,
        }
    }

    async fn attempt_and_record(
        &self,
        action: EventAction,
        caller: Caller,
        stop: &Shutdown,
    ) -> Result<(), Interrupted> {
        let permit = action.permit();
        let EventAction { event, action } = action;
        let (kind, rule) = (action.action.trigger.clone(), action.action.rule.clone());
        let attempts = match &action.state {
            ActionState::Waiting { attempts, .. } => *attempts,
            _ => 0,
        };
        let mut progress = Progress {
            permit,
            last_attempt: action.state.last_attempt(),
            attempts,
            response: None,
            request: ActionRequest {
                id: action.id.clone(),
                action: action.action.clone(),
                event,
                checkpoint: action.state.checkpoint(),
                thread: None,
            },
            record: action,
        };
        let Some(trigger) = self.triggers.get(&kind) else {
            let why = format!("the trigger `{kind}` is not part of this runtime");
            let end = End::Dead(DeadLetterKind::Permanent, why);
            return self.settle(progress.ending(), end).await;
        };
        let trigger = Guarded { trigger: trigger.as_ref(), kind: &kind, metrics: &self.metrics };
        let max_wait = (caller == Caller::Event).then_some(MAX_SLOT_WAIT);
        // The turn lasts until the end is recorded: the next message of the thread must know this one.
        let thread = trigger.thread(&progress.request).await;
        let turn = async {
            let turn = match &thread {
                Some(key) => Some(self.threads.take(key, max_wait).await?),
                None => None,
            };
            Ok((turn, self.slots.acquire(&kind, &rule, max_wait).await?))
        };
        let turn: Result<_, Congested> = tokio::select! {
            biased;
            () = stop.requested() => return Err(Interrupted::Stopping),
            turn = turn => turn,
        };
        let (_turn, slot) = match turn {
            Ok((turn, slot)) => (turn, Ok(slot)),
            Err(congested) => (None, Err(congested)),
        };
        if let Some(key) = &thread {
            progress.request.thread = self.ledger.thread(key, self.clock.steady()).await?;
        }
        let end = match slot {
            Ok(_slot) => self.attempt(&trigger, &mut progress).await?,
            Err(Congested) => {
                let why = "it waits for its turn, because other actions of its rule are slow";
                self.waiting(&progress, progress.attempts, self.policy.backoff, why)
            }
        };
        match end {
            End::Done(_) | End::Dead(..) => {
                self.settle(EndingAction { thread, ..progress.ending() }, end).await
            }
            End::Parked(state) => self.park(&trigger, progress, state, caller).await,
        }
    }

    /// Makes one attempt, and decides what follows from its result.
    async fn attempt(
        &self,
        trigger: &Guarded<'_>,
        progress: &mut Progress,
    ) -> Result<End, Interrupted> {
        let off = self.fuses_off(progress);
        if !off.is_empty() {
            return self.gated(trigger, progress, off).await;
        }
        let failure = match self.fire(trigger, progress).await? {
            Fired::Done(done) => return Ok(End::Done(done)),
            Fired::Gated(off) => return self.gated(trigger, progress, off).await,
            Fired::Failed(failure) => failure,
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
            self.revert_intent(progress).await?;
        }
        let attempts = progress.attempts.saturating_add(1);
        let retries = self.retries_of(&progress.record.action);
        let wait = retries.wait(attempts, after);
        let end = match self.readiness_after(trigger, progress, attempts).await {
            Some(Readiness::NotReady(why)) => self.held(progress, why, Vec::new()),
            Some(Readiness::Ready) if attempts >= retries.attempts => {
                return Ok(self.exhausted(trigger, progress, &reason, attempts).await);
            }
            _ => {
                tracing::warn!(
                    action = progress.request.id,
                    trigger = trigger.kind,
                    attempts,
                    ?wait,
                    "retrying"
                );
                tracing::debug!(action = progress.request.id, reason, "why");
                self.metrics.acted(trigger.kind, "retried");
                self.waiting(progress, attempts, wait, &reason)
            }
        };
        let is_long = matches!(&end, End::Parked(state) if !matches!(state, ActionState::Waiting { .. }))
            || wait > self.policy.max_backoff;
        if is_long {
            return self.resolve_doubt(trigger, progress, end).await;
        }
        Ok(end)
    }

    /// The fuses that are off now and that the action needs.
    fn fuses_off(&self, progress: &Progress) -> Vec<String> {
        self.active.get().gate.off(&progress.record.action.rule, &progress.record.requires)
    }

    /// Asks the trigger whether it could perform the action at all, once enough attempts failed.
    async fn readiness_after(
        &self,
        trigger: &Guarded<'_>,
        progress: &Progress,
        attempts: u32,
    ) -> Option<Readiness> {
        let max = self.retries_of(&progress.record.action).attempts;
        if attempts < self.policy.hold_after.min(max) {
            return None;
        }
        Some(trigger.readiness_for(&progress.request).await)
    }

    /// Fires the action once. If an earlier attempt was interrupted, finds out first whether that took
    /// effect.
    async fn fire(
        &self,
        trigger: &Guarded<'_>,
        progress: &mut Progress,
    ) -> Result<Fired, Interrupted> {
        let request = &mut progress.request;
        if let Some(Attempt { at, checkpoint }) = progress.last_attempt.clone() {
            request.checkpoint = checkpoint;
            match trigger.probe(request).await {
                Probe::Done(done) => return Ok(Fired::Done(done)),
                Probe::Repeatable => {}
                Probe::Unknown(why) => return Ok(Fired::Failed(Failure::Uncertain(why))),
                Probe::Unavailable(reason) => {
                    return Ok(Fired::Failed(Failure::Retryable {
                        reason,
                        maybe_applied: true,
                        after: None,
                    }));
                }
                Probe::Absent if self.clock.age(at) > self.policy.uncertain_after => {
                    let why = format!(
                        "an attempt was about to be made at {at} and left no trace; it may have succeeded and been cleaned up since"
                    );
                    return Ok(Fired::Failed(Failure::Uncertain(why)));
                }
                Probe::Absent => {}
            }
        } else {
            match trigger.prepare(request).await {
                Ok(checkpoint) => request.checkpoint = checkpoint,
                Err(failure) => return Ok(Fired::Failed(failure.certain())),
            }
        }
        // Asking the trigger may have taken long.
        let off = self.fuses_off(progress);
        if !off.is_empty() {
            return Ok(Fired::Gated(off));
        }
        let request = &progress.request;
        let attempt = Attempt { at: self.clock.steady(), checkpoint: request.checkpoint.clone() };
        progress.permit = self.ledger.intend_from(&progress.permit, attempt.clone()).await?;
        progress.last_attempt = Some(attempt);
        if !progress.permit.may_fire() {
            return Err(LedgerError::Fenced(progress.request.id.clone()).into());
        }
        (self.watcher)(Step::Intended);
        let AttemptResult { result, response } = trigger.attempt(&progress.request).await;
        progress.response = response;
        match result {
            Ok(done) => {
                (self.watcher)(Step::Fired);
                Ok(Fired::Done(done))
            }
            Err(failure) => Ok(Fired::Failed(failure)),
        }
    }

    /// Parks an action, unless too many are parked or it has been held for too long.
    async fn park(
        &self,
        trigger: &Guarded<'_>,
        progress: Progress,
        state: ActionState,
        caller: Caller,
    ) -> Result<(), Interrupted> {
        let kind = trigger.kind;
        if let ActionState::Held { since, reason, .. } = &state
            && self.is_too_old(*since)
        {
            let end = given_up(reason, *since);
            return self.settle(progress.ending(), end).await;
        }
        // An action that left the bus earlier has a place already. The actions of one event arrive here
        // concurrently, and each reserves a place before any is recorded.
        let is_new = !progress.record.off_bus;
        if is_new && !self.parked.reserve(kind, &progress.request.id, self.policy.max_held) {
            return self.cannot_park(trigger, &progress, &state).await;
        }
        let was_held = matches!(progress.record.state, ActionState::Held { .. });
        let recorded = self.ledger.hold(&progress.permit, state.clone()).await;
        if is_new {
            self.parked.vacate(kind);
            if recorded.is_err() {
                self.parked.forget(&progress.request.id);
            }
        }
        let permit = recorded?;
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
                "held until the missing resource is there"
            );
        }
        let event = progress.request.event.clone();
        let action = EventAction { event: progress.request.event, action: progress.record };
        let held = matches!(state, ActionState::Held { .. });
        let step = if held { Step::Held } else { Step::Waiting };
        self.parked.add(with_state(action, state, permit.revision()));
        match caller {
            // A panic leads to a redelivery, which finds the action parked.
            Caller::Event => (self.watcher)(step),
            // From here on, another task may perform the action. A panic must not make this one do so too.
            Caller::Retry => {
                if catch_unwind(AssertUnwindSafe(|| (self.watcher)(step))).is_err() {
                    self.panicked("action", &event);
                }
            }
        }
        Ok(())
    }

    /// Handles an action that cannot be parked because too many are. If it lacks something of its own, it
    /// is given up, so that it does not block others. Otherwise (the backend as a whole is unavailable, a
    /// fuse is off, or the action only has to be retried) its event stays on the bus.
    async fn cannot_park(
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
                self.ledger.reopen(&progress.permit).await?;
            }
            return Err(Interrupted::Full);
        }
        let most = self.policy.max_held;
        let why =
            format!("{reason}; {most} actions of its trigger wait already, which is the limit");
        let end = End::Dead(DeadLetterKind::NotReady, why);
        self.settle(progress.ending(), end).await
    }

    pub(super) fn is_too_old(&self, since: Timestamp) -> bool {
        self.clock.age(since) > self.policy.held_for
    }

    pub(super) async fn settle(
        &self,
        ending: EndingAction<'_>,
        end: End,
    ) -> Result<(), Interrupted> {
        let EndingAction { request, permit, response, in_progress, thread } = ending;
        let (at, kind) = (self.clock.now(), &request.action.trigger);
        let (state, has_succeeded) = match end {
            End::Done(Done { detail, started, thread: first }) => {
                // What was started may fail, which is observed later.
                let has_succeeded = started.is_none();
                let started = started.filter(|_| in_progress).map(Box::new);
                let thread = thread.zip(first).map(|(key, first)| {
                    let until = self.clock.steady().checked_add(MAX_QUIET);
                    Box::new(Thread { key, first, until: until.unwrap_or(Timestamp::MAX) })
                });
                (ActionState::Done { at, detail, started, response, thread }, has_succeeded)
            }
            End::Dead(kind, reason) => {
                (ActionState::DeadLettered { at, kind, reason, response }, false)
            }
            // A parked action has not ended.
            End::Parked(_) => return Ok(()),
        };
        self.record_end(request, permit, (&state, has_succeeded)).await?;
        self.places_changed();
        self.parked.forget(&request.id);
        match &state {
            ActionState::DeadLettered { kind: why, reason, .. } => {
                self.metrics.acted(kind, why.as_str());
                tracing::warn!(
                    source = request.event.source,
                    name = request.event.name,
                    event = request.event.id,
                    action = request.id,
                    trigger = kind,
                    rule = request.action.rule,
                    place = self.active.get().gate.place(&request.action.rule),
                    kind = why.as_str(),
                    reason = shorten(reason),
                    "an action is given up: a dead letter"
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
