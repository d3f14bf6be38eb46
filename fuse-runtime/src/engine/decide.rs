//! Deciding: the rules' decisions as the ledger's verdict, committed before anything is fired.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use bytes::Bytes;
use fuse_rules::{Decision, Evaluation, Fuses, Outcome, Plan};
use jiff::Timestamp;

use super::{DECIDED_AT_ONCE, Engine, Step};
use crate::bus::Delivery;
use crate::event::{Envelope, EventKey};
use crate::ledger::{DecisionRecord, EventRecord, LedgerError, OnceClaim, Verdict};
use crate::triggers::{ActionRequest, Triggers, action_id};

impl Engine {
    /// The event's record, without its body: the one on file, or a new one. The delivery's body is
    /// dropped, as actions may take long.
    pub(super) async fn decided(
        &self,
        delivery: &mut Delivery,
    ) -> Result<EventRecord, LedgerError> {
        let kibibytes = u32::try_from(delivery.event().body.len() >> 10).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let _room = self.deciding.acquire_many(kibibytes.min(DECIDED_AT_ONCE)).await.ok();
        let mut record = self.decide(delivery).await?;
        record.event.body = Bytes::new();
        delivery.drop_body();
        Ok(record)
    }

    async fn decide(&self, delivery: &Delivery) -> Result<EventRecord, LedgerError> {
        let event = delivery.event();
        if !delivery.is_new()
            && let Some(record) = self.ledger.event(&event.key()).await?
            && record.decided.is_some()
        {
            return Ok(record);
        }
        let start = Instant::now();
        // Off the async threads: a costly event must not hold up the others, nor the admin port.
        let (plan, hash, fuses) = (self.plan.clone(), self.plan_hash.clone(), self.fuses.clone());
        let (triggers, event) = (self.triggers.clone(), event.clone());
        let now = (self.clock.now(), self.clock.steady());
        let decided = tokio::task::spawn_blocking(move || {
            verdict(&plan, &hash, &fuses, &triggers, &event, now)
        });
        let (mut verdict, missing) = decided
            .await
            .map_err(|error| LedgerError::Invalid(format!("deciding was cut short: {error}")))?;
        for (_, action) in &verdict.actions {
            if let Some(required) = self.gate.required(&action.rule) {
                verdict.requires.insert(action.rule.clone(), required.clone());
            }
        }
        let record = self.ledger.decide(verdict).await?;
        self.metrics.deciding(start.elapsed());
        self.count(&record, &missing);
        (self.watcher)(Step::Decided);
        Ok(record)
    }

    fn count(&self, record: &EventRecord, missing: &[String]) {
        let (source, event) = (&record.event.source, &record.event.name);
        self.metrics.events_decided(source, event);
        for decision in &record.decisions {
            self.metrics.decided(&decision.rule, decision.outcome.as_str());
        }
        for path in missing {
            self.metrics.missing(source, event, path);
        }
        if record.mismatch.is_some() {
            self.metrics.mismatched(source, event);
        }
        // What was decided, never what was sent: payloads stay out of the log.
        let counted = |outcome| record.decisions.iter().filter(|d| d.outcome == outcome).count();
        tracing::info!(
            source = record.event.source,
            name = record.event.name,
            event = record.event.id,
            fired = counted(Outcome::Fired),
            gated = counted(Outcome::Gated),
            suppressed = counted(Outcome::Suppressed),
            rejected = counted(Outcome::Rejected),
            "decided"
        );
        if record.rejected.is_some() {
            tracing::warn!(
                source = record.event.source,
                event = record.event.id,
                "the event is refused; /decisions says why"
            );
        }
    }
}

/// Evaluates an event, has the actions rendered once, and puts the decisions in the ledger's form, beside
/// the paths that it lacks. What did not match is left out: it can be derived from the event and the
/// plan, and recording it would make the cost of an event follow the number of rules.
fn verdict(
    plan: &Plan,
    plan_hash: &str,
    fuses: &Fuses,
    triggers: &Triggers,
    event: &Envelope,
    (decided, steady): (Timestamp, Timestamp),
) -> (Verdict, Vec<String>) {
    let Evaluated { mut evaluation, mismatch, missing } = evaluate(plan, fuses, event);
    let key = event.key();
    for decision in &mut evaluation.decisions {
        reject_unrenderable(decision, triggers, &key);
    }
    let mut verdict = Verdict {
        event: key.clone(),
        plan: plan_hash.to_owned(),
        decided,
        steady,
        rejected: evaluation.refused,
        mismatch,
        decisions: Vec::new(),
        actions: Vec::new(),
        requires: BTreeMap::new(),
        once: Vec::new(),
    };
    for mut decision in evaluation.decisions {
        let id = decision.action.as_ref().map(|action| action_id(&key, action));
        if let (Some(id), Some(action)) = (&id, decision.action.take()) {
            verdict.actions.push((id.clone(), action));
        }
        verdict.once.extend(claim(event, &decision));
        let reason = match decision.outcome {
            Outcome::Fired => "every condition holds".to_owned(),
            _ => decision.reason,
        };
        verdict.decisions.push(DecisionRecord {
            rule: decision.rule,
            element: decision.element,
            outcome: decision.outcome,
            reason,
            action: id,
        });
    }
    // Several triggers of one rule and element claim its key once, together.
    verdict.once.dedup_by(|a, b| a.owner == b.owner);
    (verdict, missing)
}

/// What the rules say of an event, and what is counted of it.
struct Evaluated {
    evaluation: Evaluation,
    mismatch: Option<String>,
    missing: Vec<String>,
}

fn evaluate(plan: &Plan, fuses: &Fuses, event: &Envelope) -> Evaluated {
    let refused = |why: String| Evaluated {
        evaluation: Evaluation { refused: Some(why), mismatch: None, decisions: Vec::new() },
        mismatch: None,
        missing: Vec::new(),
    };
    if let Some(why) = &event.rejected {
        return refused(why.clone());
    }
    let view = match event.view() {
        Ok(view) => view,
        Err(invalid) => return refused(invalid.to_string()),
    };
    // A fault of ours must not take the other events down with it, nor lose this one.
    let evaluated = catch_unwind(AssertUnwindSafe(|| Evaluated {
        evaluation: plan.evaluate(&view, fuses),
        mismatch: plan.mismatch(&view),
        missing: plan.missing(&view),
    }));
    evaluated.unwrap_or_else(|_| {
        refused(
            "evaluating this event failed inside fuse; this is a bug of fuse, please report it"
                .into(),
        )
    })
}

/// Makes a decision whose action its backend cannot put into its form a rejected one, before the
/// action uses up a key of `once`.
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
    decision.once = None;
}

fn claim(event: &Envelope, decision: &Decision) -> Option<OnceClaim> {
    let once = decision.once.as_ref()?;
    let element = serde_json::to_string(&decision.element).unwrap_or_default();
    Some(OnceClaim {
        key: format!(
            "{} {}",
            decision.rule,
            serde_json::to_string(&once.values).unwrap_or_default()
        ),
        owner: format!("{} {} {element}", event.key().encode(), decision.rule),
        within_ms: once.within_ms,
        rule: decision.rule.clone(),
        element: decision.element.clone(),
    })
}
