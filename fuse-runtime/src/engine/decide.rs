//! Deciding: evaluates an event, renders its actions, and commits both as a verdict before any action is
//! fired.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use fuse_rules::flow::FlowRequest;
use fuse_rules::{Decided, Decision, Evaluation, Outcome};
use jiff::Timestamp;

use super::{Engine, Interrupted, MAX_DECIDING_KIB, Step};
use crate::bus::Delivery;
use crate::event::{Envelope, EventKey, ReplayScope};
use crate::generation::Generation;
use crate::http::shorten;
use crate::ledger::{DecisionRecord, EventRecord, LedgerError, Verdict};
use crate::triggers::{ActionRequest, Triggers, action_id, reaction_id};

/// How many rejected decisions of one event are logged.
const MAX_LOGGED_REJECTED: usize = 10;

impl Engine {
    /// The record of the event, without its body: an earlier one, or a new one. The body of the delivery
    /// is dropped, because actions may take long.
    pub(super) async fn decided(
        &self,
        delivery: &mut Delivery,
    ) -> Result<EventRecord, Interrupted> {
        let kibibytes = u32::try_from(delivery.event().body.len() >> 10).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let _permit = self.deciding.acquire_many(kibibytes.min(MAX_DECIDING_KIB)).await.ok();
        let mut record = self.decide(delivery).await?;
        record.event.body = Bytes::new();
        delivery.drop_body();
        Ok(record)
    }

    async fn decide(&self, delivery: &Delivery) -> Result<EventRecord, Interrupted> {
        let event = delivery.event();
        if delivery.is_redelivered()
            && let Some(record) = self.ledger.event(&event.key()).await?
            && record.decided.is_some()
        {
            // The process may have ended before they were recorded.
            self.react_to_decisions(event, &record).await?;
            return Ok(record);
        }
        let start = Instant::now();
        // One generation for the whole decision, even if a reload replaces it meanwhile.
        let generation = self.active.get();
        let (deciding, triggers) = (Arc::clone(&generation), self.triggers.clone());
        let now = (self.clock.now(), self.clock.steady());
        let (verdict, missing) = if self.pace.is_fast(event) {
            let decided = verdict(&deciding, &triggers, event, now);
            self.pace.note(start.elapsed());
            decided
        } else {
            let event = event.clone();
            let decided =
                tokio::task::spawn_blocking(move || verdict(&deciding, &triggers, &event, now));
            let interrupted =
                |error| LedgerError::Invalid(format!("deciding was interrupted: {error}"));
            decided.await.map_err(interrupted)?
        };
        // A sender that waits for the decisions must not be told anything that a crash could change.
        if verdict.is_without_decisions()
            && !delivery.is_redelivered()
            && !self.waiters.is_awaited(&verdict.event)
            && self.bus.ack_without_decisions(delivery, &verdict.plan, verdict.decided).await?
        {
            let record = EventRecord {
                acked: true,
                decided: Some(verdict.decided),
                plan: Some(verdict.plan),
                ..EventRecord::undecided(event.clone())
            };
            self.decided_now(&record, &missing, &generation, start);
            return Ok(record);
        }
        let (may_blow, gated) = (!verdict.blow.is_empty(), gated(&verdict.decisions));
        let record = self.ledger.decide(verdict).await?;
        let now_off = record.waits.iter().any(|one| one.wait.is_for_fuses_now_off());
        // More than were evaluated as gated or held: a fuse blew, now or a short time ago.
        if may_blow && (now_off || self::gated(&record.decisions) > gated) {
            self.switchboard.blown().await;
        }
        let holds = record.waits.iter().any(|one| one.wait.is_for_fuses());
        // The fuse may be on since it was evaluated.
        if holds && !Arc::ptr_eq(&generation, &self.active.get()) {
            self.active.recheck();
        }
        self.decided_now(&record, &missing, &generation, start);
        if !record.waits.is_empty() {
            self.waits_changed.notify_one();
        }
        if record.waits.iter().any(|one| one.wait.is_for_place()) {
            self.stops_changed.notify_one();
        }
        self.react_to_decisions(delivery.event(), &record).await?;
        Ok(record)
    }

    /// Reports that an event is decided, since `start`.
    fn decided_now(
        &self,
        record: &EventRecord,
        missing: &[String],
        generation: &Generation,
        start: Instant,
    ) {
        self.waiters.notify(record);
        self.metrics.deciding(start.elapsed());
        self.count(record, missing, generation);
        (self.watcher)(Step::Decided);
    }

    fn count(&self, record: &EventRecord, missing: &[String], generation: &Generation) {
        let (source, event) = (&record.event.source, &record.event.name);
        self.metrics.events_decided(source, event);
        for decision in &record.decisions {
            self.metrics.decided(decision);
        }
        for path in missing {
            self.metrics.missing(source, event, path);
        }
        if record.mismatch.is_some() {
            self.metrics.mismatched(source, event);
        }
        // Events without decisions are only in the ledger: logging one costs more than deciding it.
        if record.decisions.is_empty() && record.rejected.is_none() {
            return;
        }
        let counted = |outcome| record.decisions.iter().filter(|d| d.outcome == outcome).count();
        // Payloads stay out of the log.
        tracing::info!(
            source = record.event.source,
            name = record.event.name,
            event = record.event.id,
            fired = counted(Outcome::Fired),
            gated = counted(Outcome::Gated),
            counted = counted(Outcome::Counted),
            suppressed = counted(Outcome::Suppressed),
            waiting = counted(Outcome::Waiting),
            cancelled = counted(Outcome::Cancelled),
            shadow = counted(Outcome::Shadow),
            rejected = counted(Outcome::Rejected),
            "decided"
        );
        Self::warn_of_rejected(record, generation);
    }

    /// Logs what was rejected. Reasons name paths and limits, and hide what is secret.
    /// `generation` is the one that decided.
    fn warn_of_rejected(record: &EventRecord, generation: &Generation) {
        let (source, name, event) = (&record.event.source, &record.event.name, &record.event.id);
        if let Some(reason) = &record.rejected {
            let reason = shorten(reason);
            tracing::warn!(source, name, event, reason, "the event is rejected: a dead letter");
        }
        let rejected = record.decisions.iter().filter(|one| one.outcome == Outcome::Rejected);
        let left_out = rejected.clone().count().saturating_sub(MAX_LOGGED_REJECTED);
        for decision in rejected.take(MAX_LOGGED_REJECTED) {
            let (rule, reason) = (&decision.rule, shorten(&decision.reason));
            let place = generation.gate.place(rule);
            tracing::warn!(
                source,
                name,
                event,
                rule,
                place,
                reason,
                "a decision is rejected: a dead letter"
            );
        }
        if left_out > 0 {
            tracing::warn!(source, name, event, left_out, "more decisions are rejected");
        }
    }
}

/// Evaluates an event and renders its actions. Returns the verdict for the ledger, and the paths that
/// the event lacks. Rules that did not match are left out: they can be derived from the event and the
/// plan, and recording them would make the cost of an event follow the number of rules.
pub(super) fn verdict(
    generation: &Generation,
    triggers: &Triggers,
    event: &Envelope,
    (decided, steady): (Timestamp, Timestamp),
) -> (Verdict, Vec<String>) {
    let Decided { mut evaluation, missing } = evaluate(generation, event);
    let key = event.key();
    let replay = event.replay.as_ref();
    if let Some(scope) = replay.and_then(|replay| replay.scope.as_ref()) {
        keep_scope(&mut evaluation.decisions, scope);
    }
    for decision in &mut evaluation.decisions {
        if replay.is_some_and(|replay| replay.ignore_once) {
            decision.flow.retain(|FlowRequest { flow, .. }| {
                // Nobody may do without the hours, the approval, the limits and the places of a rule.
                !(flow.is_once() || flow.counts_matches() || flow.always_waits())
            });
        }
        reject_unrenderable(decision, triggers, &key);
    }
    let mut verdict = Verdict::empty(key, generation.plan_hash.clone(), (decided, steady));
    verdict.received = replay.map_or(event.received, |replay| replay.received);
    // What an event of the past says about others may be over.
    if replay.is_none() {
        verdict.cancels = evaluation.cancels;
    }
    verdict.blow = generation.blowing.to_vec();
    verdict.rejected = evaluation.refused;
    verdict.mismatch = evaluation.mismatch;
    for decision in evaluation.decisions {
        add_decision(&mut verdict, decision, None);
    }
    complete(&mut verdict, generation);
    (verdict, missing)
}

/// Completes a verdict to which all decisions were added.
pub(super) fn complete(verdict: &mut Verdict, generation: &Generation) {
    for (_, action) in &verdict.actions {
        if let Some(required) = generation.gate.required(&action.rule) {
            verdict.requires.insert(action.rule.clone(), required.clone());
        }
    }
    // Several triggers of one rule and element are one occurrence.
    verdict.flow.dedup_by(|a, b| a.rule == b.rule && a.owner == b.owner);
    let required: HashSet<&String> = verdict.requires.values().flatten().collect();
    verdict.blow.retain(|fuse| required.contains(&fuse.name));
    if verdict.blow.is_empty() {
        verdict.flow.retain(|occurrence| !occurrence.requests.is_empty());
    }
}

/// How many of these decisions are gated.
fn gated(decisions: &[DecisionRecord]) -> usize {
    decisions.iter().filter(|decision| decision.outcome == Outcome::Gated).count()
}

/// Adds a decision to a verdict, with its action and what it asks of flow control.
pub(super) fn add_decision(
    verdict: &mut Verdict,
    mut decision: Decision,
    reacts_to: Option<String>,
) {
    let key = &verdict.event;
    let mut action = decision.action.take();
    // The ledger has no action of a rule in shadow: nothing can perform it.
    let shadow = action.take_if(|_| decision.outcome == Outcome::Shadow).map(Box::new);
    let id = action.as_ref().map(|action| match &reacts_to {
        Some(failed) => reaction_id(failed, action),
        None => action_id(key, action),
    });
    let (event, name) = (key.encode(), format!("event `{}`", key.id));
    let received = verdict.received;
    // A fuse may decide about what has no clause.
    verdict.flow.extend(match verdict.blow.is_empty() {
        true => decision.occurrence(&event, &name, received),
        false => decision.any_occurrence(&event, &name, received),
    });
    if let (Some(id), Some(action)) = (&id, action) {
        verdict.actions.push((id.clone(), action));
    }
    let reason = match decision.outcome {
        Outcome::Fired => "every condition holds".to_owned(),
        Outcome::Shadow => {
            "every condition holds, but the rule is in shadow: its action is not performed"
                .to_owned()
        }
        _ => decision.reason,
    };
    verdict.decisions.push(DecisionRecord {
        rule: decision.rule,
        element: decision.element,
        outcome: decision.outcome,
        reason,
        clause: None,
        action: id,
        reacts_to,
        shadow,
    });
}

/// Keeps only the decision that a replay makes. A rule has one decision per trigger, or one without an action for all of
/// them.
fn keep_scope(decisions: &mut Vec<Decision>, scope: &ReplayScope) {
    decisions.retain(|one| one.rule == scope.rule && one.element == scope.element);
    let is_about_all = matches!(decisions.as_slice(), [one] if one.action.is_none());
    if let Some(trigger) = scope.trigger
        && !is_about_all
    {
        let mut index = 0..;
        decisions.retain(|_| index.next() == Some(trigger));
    }
}

fn evaluate(generation: &Generation, event: &Envelope) -> Decided {
    let refused = |why: String| Decided {
        evaluation: Evaluation {
            refused: Some(why),
            mismatch: None,
            decisions: Vec::new(),
            cancels: Vec::new(),
        },
        missing: Vec::new(),
    };
    if let Some(why) = &event.rejected {
        return refused(why.clone());
    }
    if !generation.declares(&event.source, &event.name) {
        return refused(format!(
            "the rules no longer declare the event `{}.{}`; they did when it was accepted",
            event.source, event.name
        ));
    }
    // Validated by the pass that decides, as it was at intake.
    let view = match event.unread_view() {
        Ok(view) => view,
        Err(invalid) => return refused(invalid.to_string()),
    };
    // A panic must not affect other events, nor lose this one.
    let decided =
        catch_unwind(AssertUnwindSafe(|| generation.plan.decide(&view, &generation.fuses)));
    decided.unwrap_or_else(|_| {
        refused(
            "evaluating this event failed inside fuse; this is a bug of fuse, please report it"
                .into(),
        )
    })
}

/// Rejects a decision whose action the trigger cannot render, before the action takes a place in flow control.
pub fn reject_unrenderable(decision: &mut Decision, triggers: &Triggers, event: &EventKey) {
    let trigger = decision.action.as_ref().and_then(|action| triggers.get(&action.trigger));
    let Some((trigger, action)) = trigger.cloned().zip(decision.action.take()) else { return };
    let request = ActionRequest::new(action, event.clone());
    let rendered = catch_unwind(AssertUnwindSafe(|| trigger.render(&request)));
    let why = match rendered {
        Ok(Ok(_)) => {
            decision.action = Some(request.action);
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "rendering this action failed inside its trigger; please report it".into(),
    };
    decision.outcome = Outcome::Rejected;
    decision.reason = why;
    decision.flow.clear();
}
