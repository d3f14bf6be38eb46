//! Firing: intent first, then the backend, then the record; again where that may help, and held
//! where something is missing.

use std::time::Duration;

use jiff::Timestamp;

use super::held::Held;
use super::{Engine, Interrupted, Step};
use crate::ledger::{ActionState, DeadLetterKind, EventAction, Tried};
use crate::sources::Stop;
use crate::triggers::{ActionRequest, Done, Failure, Probe, Readiness, Trigger};

impl Engine {
    /// Performs an action: done, a dead letter, or held, when this returns.
    pub(super) async fn perform(
        &self,
        EventAction { event, action }: EventAction,
        stop: &Stop,
    ) -> Result<(), Interrupted> {
        let kind = action.action.trigger.clone();
        let (mut tried, held) = (action.state.tried(), held_since(&action.state));
        let noted = action.state.noted();
        let mut request = ActionRequest { id: action.id, action: action.action, event, noted };
        let Some(trigger) = self.triggers.get(&kind) else {
            let why = format!("no trigger `{kind}` is part of this runtime");
            return self.settle(&request, End::Dead(DeadLetterKind::Permanent, why)).await;
        };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let end = match self.attempt(trigger.as_ref(), &mut request, &mut tried).await? {
                Ok(done) => End::Done(done),
                Err(Failure::Retryable { reason, perhaps_done, after }) => {
                    if !perhaps_done {
                        self.undone(&request, &mut tried).await?;
                    }
                    let wait = self.wait(attempt, after);
                    let why = self.aside(trigger.as_ref(), &request, attempt, wait, &reason).await;
                    if let Some(end) = why {
                        self.settle_doubt(trigger.as_ref(), &request, &mut tried, end).await?
                    } else {
                        tracing::warn!(
                            action = request.id,
                            trigger = kind,
                            attempt,
                            ?wait,
                            "trying again"
                        );
                        tracing::debug!(action = request.id, reason, "why");
                        self.metrics.acted(&kind, "retried");
                        self.pause(wait, stop).await;
                        if stop.is_requested() {
                            return Err(Interrupted::Stopping);
                        }
                        continue;
                    }
                }
                Err(Failure::NotReady(why)) => {
                    tried = None;
                    End::Held(why, None)
                }
                Err(Failure::Permanent(why)) => End::Dead(DeadLetterKind::Permanent, why),
                Err(Failure::Conflict(why)) => End::Dead(DeadLetterKind::Conflict, why),
                Err(Failure::Uncertain(why)) => End::Dead(DeadLetterKind::Uncertain, why),
            };
            return match end {
                End::Held(why, until) => self.hold(request, why, tried, held, until).await,
                end => self.settle(&request, end).await,
            };
        }
    }

    /// Whether an action that failed for now is better put aside, or given up: its place among those
    /// that are worked on is not for waiting.
    async fn aside(
        &self,
        trigger: &dyn Trigger,
        request: &ActionRequest,
        attempt: u32,
        wait: Duration,
        reason: &str,
    ) -> Option<End> {
        if wait > self.policy.longest_backoff {
            return Some(End::Held(reason.to_owned(), (self.clock)().checked_add(wait).ok()));
        }
        if attempt < self.policy.hold_after.min(self.policy.attempts) {
            return None;
        }
        match trigger.readiness_for(request).await {
            Readiness::NotReady(why) => Some(End::Held(why, None)),
            Readiness::Ready if attempt >= self.policy.attempts => {
                let why = format!("{reason} (tried {attempt} times)");
                Some(End::Dead(DeadLetterKind::Exhausted, why))
            }
            Readiness::Ready => None,
        }
    }

    /// Finds out now what became of an attempt before its action is put aside: later, nothing may be
    /// left to tell.
    async fn settle_doubt(
        &self,
        trigger: &dyn Trigger,
        request: &ActionRequest,
        tried: &mut Option<Tried>,
        end: End,
    ) -> Result<End, Interrupted> {
        if tried.is_none() || !matches!(end, End::Held(..)) {
            return Ok(end);
        }
        match trigger.probe(request).await {
            Probe::Done(done) => return Ok(End::Done(done)),
            Probe::Absent => self.undone(request, tried).await?,
            Probe::Repeatable | Probe::Unknown(_) | Probe::Unavailable(_) => {}
        }
        Ok(end)
    }

    /// One attempt. Where an earlier one was cut short, what became of that is found out first.
    async fn attempt(
        &self,
        trigger: &dyn Trigger,
        request: &mut ActionRequest,
        tried: &mut Option<Tried>,
    ) -> Result<Result<Done, Failure>, Interrupted> {
        // The semaphore is never closed.
        let _place = self.firing.acquire().await.ok();
        if let Some(Tried { at, noted }) = tried.clone() {
            request.noted = noted;
            match trigger.probe(request).await {
                Probe::Done(done) => return Ok(Ok(done)),
                Probe::Repeatable => {}
                Probe::Unknown(why) => return Ok(Err(Failure::Uncertain(why))),
                Probe::Unavailable(reason) => {
                    return Ok(Err(Failure::Retryable { reason, perhaps_done: true, after: None }));
                }
                Probe::Absent => {
                    let age: Duration =
                        (self.clock)().duration_since(at).try_into().unwrap_or_default();
                    if age > self.policy.uncertain_after {
                        let why = format!(
                            "firing was about to begin at {at} and left no trace; it may have been done and cleaned up since"
                        );
                        return Ok(Err(Failure::Uncertain(why)));
                    }
                }
            }
        } else {
            match trigger.prepare(request).await {
                Ok(noted) => request.noted = noted,
                Err(failure) => return Ok(Err(failure.certain())),
            }
        }
        let attempt = Tried { at: (self.clock)(), noted: request.noted.clone() };
        self.ledger.intend(&request.id, attempt.clone()).await?;
        *tried = Some(attempt);
        (self.watcher)(Step::Intended);
        let result = trigger.fire(request).await;
        if result.is_ok() {
            (self.watcher)(Step::Fired);
        }
        Ok(result)
    }

    /// What certainly did not happen leaves no intent behind that a later start would have to be
    /// uncertain about.
    async fn undone(
        &self,
        request: &ActionRequest,
        tried: &mut Option<Tried>,
    ) -> Result<(), Interrupted> {
        self.ledger.reopen(&request.id).await?;
        *tried = None;
        Ok(())
    }

    fn wait(&self, attempt: u32, after: Option<Duration>) -> Duration {
        let doubled = self.policy.backoff.saturating_mul(2_u32.saturating_pow(attempt - 1));
        doubled.min(self.policy.longest_backoff).max(after.unwrap_or_default())
    }

    /// Puts an action aside until what it needs is there, unless too many wait or it waits too long.
    async fn hold(
        &self,
        request: ActionRequest,
        reason: String,
        tried: Option<Tried>,
        held: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<(), Interrupted> {
        let (now, kind) = ((self.clock)(), request.action.trigger.clone());
        let since = held.unwrap_or(now);
        if self.is_too_old(since, now) {
            return self.settle(&request, given_up(&reason, since)).await;
        }
        // Actions of one event get here at once: each with a place before any is on record.
        if held.is_none() && !self.waiting.reserve(&kind, self.policy.held_most) {
            return self.no_room(&request, reason, tried).await;
        }
        let state = ActionState::Held {
            since,
            reason: reason.clone(),
            tried: tried.clone(),
            noted: request.noted.clone(),
        };
        let recorded = self.ledger.hold(&request.id, state).await;
        if recorded.is_ok() {
            let held = Held { since, request: request.clone(), tried, until };
            self.waiting.add(reason.clone(), held);
        }
        if held.is_none() {
            self.waiting.vacate(&kind);
        }
        recorded?;
        if held.is_none() {
            self.metrics.acted(&kind, "held");
            tracing::warn!(
                source = request.event.source,
                name = request.event.name,
                event = request.event.id,
                action = request.id,
                trigger = kind,
                rule = request.action.rule,
                missing = reason,
                "held until what it needs is there"
            );
        }
        (self.watcher)(Step::Held);
        Ok(())
    }

    /// As many actions wait as may. Where something is missing, this one is given up, so that the
    /// others' way stays free. Where the backend as a whole is away, there is no way to keep free:
    /// the event stays on the bus, which is kept for it.
    async fn no_room(
        &self,
        request: &ActionRequest,
        reason: String,
        tried: Option<Tried>,
    ) -> Result<(), Interrupted> {
        let trigger = self.triggers.get(&request.action.trigger);
        let readiness = match trigger {
            Some(trigger) => trigger.readiness().await,
            None => Readiness::Ready,
        };
        if let Readiness::NotReady(_) = readiness {
            if tried.is_none() {
                self.ledger.reopen(&request.id).await?;
            }
            return Err(Interrupted::Full);
        }
        let most = self.policy.held_most;
        let why = format!("{reason}; as many actions wait already as may: {most}");
        self.settle(request, End::Dead(DeadLetterKind::NotReady, why)).await
    }

    pub(super) fn is_too_old(&self, since: Timestamp, now: Timestamp) -> bool {
        let age: Duration = now.duration_since(since).try_into().unwrap_or_default();
        age > self.policy.held_for
    }

    pub(super) async fn settle(
        &self,
        request: &ActionRequest,
        end: End,
    ) -> Result<(), Interrupted> {
        let (at, kind) = ((self.clock)(), &request.action.trigger);
        let state = match end {
            End::Done(Done { detail }) => {
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
                ActionState::Done { at, detail }
            }
            End::Dead(why, reason) => {
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
                ActionState::DeadLettered { at, kind: why, reason }
            }
            // What is held has not ended.
            End::Held(..) => return Ok(()),
        };
        self.ledger.settle(&request.id, state).await?;
        (self.watcher)(Step::Recorded);
        Ok(())
    }
}

/// How an attempt at an action ends.
pub(super) enum End {
    Done(Done),
    Dead(DeadLetterKind, String),
    /// For what, and not to be tried before when.
    Held(String, Option<Timestamp>),
}

/// The end of an action that was held for too long.
pub(super) fn given_up(reason: &str, since: Timestamp) -> End {
    End::Dead(DeadLetterKind::NotReady, format!("{reason}; held since {since}"))
}

fn held_since(state: &ActionState) -> Option<Timestamp> {
    match state {
        ActionState::Held { since, .. } => Some(*since),
        _ => None,
    }
}
