//! Firing: intent first, then the backend, then the record; again where that may help.

use std::time::Duration;

use super::{Engine, Interrupted, Step};
use crate::event::Envelope;
use crate::ledger::{ActionRecord, ActionState, DeadLetterKind};
use crate::sources::Stop;
use crate::triggers::{ActionRequest, Done, Failure, Probe, Trigger};

impl Engine {
    /// Performs an action: done, or a dead letter, when this returns.
    pub(super) async fn perform(
        &self,
        event: &Envelope,
        record: ActionRecord,
        stop: &Stop,
    ) -> Result<(), Interrupted> {
        let kind = record.action.trigger.clone();
        let request = ActionRequest { id: record.id, action: record.action, event: event.key() };
        let Some(trigger) = self.triggers.get(&kind) else {
            let why = format!("no trigger `{kind}` is part of this runtime");
            return self.settle(&request, dead(DeadLetterKind::Permanent, why)).await;
        };
        let mut intended = match record.state {
            ActionState::Intended { at } => Some(at),
            _ => None,
        };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let end = match self.attempt(trigger.as_ref(), &request, intended).await? {
                Ok(done) => End::Done(done),
                Err(Failure::Retryable { reason, perhaps_done, after })
                    if attempt < self.policy.attempts =>
                {
                    let wait = self.wait(attempt, after);
                    tracing::warn!(
                        action = request.id,
                        trigger = kind,
                        attempt,
                        ?wait,
                        "trying again"
                    );
                    tracing::debug!(action = request.id, reason, "why");
                    self.metrics.acted(&kind, "retried");
                    // What certainly did not happen leaves no intent behind that a later start
                    // would have to be uncertain about.
                    intended = if perhaps_done {
                        Some((self.clock)())
                    } else {
                        self.ledger.reopen(&request.id).await?;
                        None
                    };
                    self.pause(wait, stop).await;
                    if stop.is_requested() {
                        return Err(Interrupted::Stopping);
                    }
                    continue;
                }
                Err(Failure::Retryable { reason, .. }) => End::Dead(
                    DeadLetterKind::Exhausted,
                    format!("{reason} (tried {attempt} times)"),
                ),
                Err(Failure::Permanent(why)) => End::Dead(DeadLetterKind::Permanent, why),
                Err(Failure::Conflict(why)) => End::Dead(DeadLetterKind::Conflict, why),
                Err(Failure::Uncertain(why)) => End::Dead(DeadLetterKind::Uncertain, why),
            };
            return self.settle(&request, end).await;
        }
    }

    /// One attempt. Where an earlier one was cut short, what became of that is found out first.
    async fn attempt(
        &self,
        trigger: &dyn Trigger,
        request: &ActionRequest,
        intended: Option<jiff::Timestamp>,
    ) -> Result<Result<Done, Failure>, Interrupted> {
        // The semaphore is never closed.
        let _place = self.firing.acquire().await.ok();
        if let Some(at) = intended {
            match trigger.probe(request).await {
                Probe::Done(done) => return Ok(Ok(done)),
                Probe::Repeatable => {}
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
        }
        self.ledger.intend(&request.id, (self.clock)()).await?;
        (self.watcher)(Step::Intended);
        let result = trigger.fire(request).await;
        if result.is_ok() {
            (self.watcher)(Step::Fired);
        }
        Ok(result)
    }

    fn wait(&self, attempt: u32, after: Option<Duration>) -> Duration {
        let doubled = self.policy.backoff.saturating_mul(2_u32.saturating_pow(attempt - 1));
        doubled.min(self.policy.longest_backoff).max(after.unwrap_or_default())
    }

    async fn settle(&self, request: &ActionRequest, end: End) -> Result<(), Interrupted> {
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
        };
        self.ledger.settle(&request.id, state).await?;
        (self.watcher)(Step::Recorded);
        Ok(())
    }
}

/// How an action ends.
enum End {
    Done(Done),
    Dead(DeadLetterKind, String),
}

fn dead(kind: DeadLetterKind, reason: String) -> End {
    End::Dead(kind, reason)
}
