//! Reactions: what rules do because they may not act, or because their actions failed. Reactions to decisions are
//! recorded before the event is acknowledged, and those to a failure in the commit that records it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fuse_rules::{Decision, ReactionCause, ReactionKind};
use jiff::Timestamp;

use super::decide::{add_decision, reject_unrenderable};
use super::retry::request;
use super::{Engine, Interrupted};
use crate::clock::Clock;
use crate::event::{Envelope, EventKey};
use crate::generation::{ActiveGeneration, Generation};
use crate::ledger::{
    ActionState, DeadLetterKind, EventAction, EventRecord, Ledger, LedgerError, Observed,
    ObservedResult, Permit, Verdict,
};
use crate::triggers::{ActionRequest, Triggers};

/// Evaluates reactions by the rules in use.
#[derive(Clone)]
pub(crate) struct Reactions {
    pub(crate) active: ActiveGeneration,
    pub(crate) triggers: Triggers,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) clock: Clock,
}

impl Reactions {
    /// The reactions to the decisions about an event. `None` if no rule reacts to them.
    pub(super) async fn to_decisions(
        &self,
        event: &Envelope,
        record: &EventRecord,
    ) -> Result<Option<Verdict>, LedgerError> {
        if record.rejected.is_some() {
            return Ok(None);
        }
        let mut causes: Vec<ReactionCause> = Vec::new();
        for decision in &record.decisions {
            let Some(kind) = ReactionKind::of(decision.outcome) else { continue };
            let cause = ReactionCause {
                kind,
                rule: decision.rule.clone(),
                element: decision.element.clone(),
                state: decision.outcome.to_string(),
                reason: decision.reason.clone(),
                ordinal: 0,
                action: None,
                object: None,
            };
            // A rule with several triggers has several decisions, but one reaction.
            let is_known = causes.last().is_some_and(|last| {
                (last.kind, &last.rule, &last.element) == (cause.kind, &cause.rule, &cause.element)
            });
            if !is_known {
                causes.push(cause);
            }
        }
        self.verdict(event, causes).await
    }

    /// The reactions to an action that was given up.
    pub(super) async fn to_failure(
        &self,
        request: &ActionRequest,
        state: &str,
        reason: &str,
        object: Option<String>,
    ) -> Result<Option<Verdict>, LedgerError> {
        let ActionRequest { id, action, event, .. } = request;
        let cause = ReactionCause {
            kind: ReactionKind::Failure,
            rule: action.rule.clone(),
            element: action.element.clone(),
            state: state.to_owned(),
            reason: reason.to_owned(),
            ordinal: action.ordinal,
            action: Some(id.clone()),
            object,
        };
        if !self.reacts(&self.active.get(), event, &cause) {
            return Ok(None);
        }
        let Some(record) = self.ledger.event(event).await? else { return Ok(None) };
        self.verdict(&record.event, vec![cause]).await
    }

    /// The reactions to the failure of the object that an action created.
    pub(super) async fn to_observed(
        &self,
        event: &EventKey,
        id: &str,
        observed: &Observed,
    ) -> Result<Option<Verdict>, LedgerError> {
        if observed.result != ObservedResult::Failed {
            return Ok(None);
        }
        let Some(action) = self.ledger.action(event, id).await? else { return Ok(None) };
        let Observed { kind, namespace, name, phase, message, result, .. } = observed;
        let object = match namespace {
            Some(namespace) => format!("{kind} {namespace}/{name}"),
            None => format!("{kind} {name}"),
        };
        let reason = match message {
            Some(message) => format!("{object} ended as {phase}: {message}"),
            None => format!("{object} ended as {phase}"),
        };
        let request = request(&action);
        self.to_failure(&request, result.as_str(), &reason, Some(object)).await
    }

    fn reacts(&self, generation: &Generation, event: &EventKey, cause: &ReactionCause) -> bool {
        generation.plan.reacts((&event.source, &event.name), &cause.rule, cause.kind)
    }

    /// The verdict with the reactions to these causes. `None` if there are none.
    async fn verdict(
        &self,
        event: &Envelope,
        mut causes: Vec<ReactionCause>,
    ) -> Result<Option<Verdict>, LedgerError> {
        let generation = self.active.get();
        let key = event.key();
        causes.retain(|cause| self.reacts(&generation, &key, cause));
        if causes.is_empty() {
            return Ok(None);
        }
        let (triggers, event) = (self.triggers.clone(), event.clone());
        let now = (self.clock.now(), self.clock.steady());
        // Not on the async threads: an expensive event must not delay others.
        let verdict = move || verdict(&generation, &triggers, &event, &causes, now);
        let verdict = tokio::task::spawn_blocking(verdict).await;
        let interrupted =
            |error| LedgerError::Invalid(format!("a reaction was interrupted: {error}"));
        let verdict = verdict.map_err(interrupted)?;
        Ok(Some(verdict).filter(|verdict| !verdict.decisions.is_empty()))
    }
}

fn verdict(
    generation: &Generation,
    triggers: &Triggers,
    event: &Envelope,
    causes: &[ReactionCause],
    (decided, steady): (Timestamp, Timestamp),
) -> Verdict {
    let key = event.key();
    let mut verdict = Verdict::empty(key.clone(), generation.plan_hash.clone(), decided, steady);
    for cause in causes {
        for mut decision in evaluate(generation, event, cause) {
            reject_unrenderable(&mut decision, triggers, &key);
            add_decision(&mut verdict, decision, cause.action.clone());
        }
    }
    for (_, action) in &verdict.actions {
        if let Some(required) = generation.gate.required(&action.rule) {
            verdict.requires.insert(action.rule.clone(), required.clone());
        }
    }
    verdict.flow.dedup_by(|a, b| a.rule == b.rule && a.owner == b.owner);
    verdict
}

fn evaluate(generation: &Generation, event: &Envelope, cause: &ReactionCause) -> Vec<Decision> {
    let Ok(view) = event.unread_view() else { return Vec::new() };
    // A panic must not affect other work. The rule's own decision stays as it is.
    let decisions = catch_unwind(AssertUnwindSafe(|| generation.plan.react(&view, cause)));
    decisions.unwrap_or_else(|_| {
        let rule = cause.kind.name_for(&cause.rule);
        tracing::error!(rule, event = event.id, "a reaction failed inside fuse; please report it");
        Vec::new()
    })
}

impl Engine {
    pub(crate) fn reactions(&self) -> Reactions {
        Reactions {
            active: self.active.clone(),
            triggers: self.triggers.clone(),
            ledger: Arc::clone(&self.ledger),
            clock: self.clock.clone(),
        }
    }

    /// Records the reactions to the decisions about an event, unless they are on record.
    pub(super) async fn react_to_decisions(
        &self,
        event: &Envelope,
        record: &EventRecord,
    ) -> Result<(), LedgerError> {
        if let Some(verdict) = self.reactions().to_decisions(event, record).await? {
            self.count_reactions(&verdict);
            let added = self.ledger.react(verdict).await?;
            self.perform_reactions(added);
        }
        Ok(())
    }

    /// Performs reactions that were recorded.
    pub(super) fn perform_reactions(&self, actions: Vec<EventAction>) {
        for action in actions {
            self.parked.adopt(action);
        }
    }

    /// Counts the outcomes of reactions.
    pub(super) fn count_reactions(&self, verdict: &Verdict) {
        for decision in &verdict.decisions {
            self.metrics.decided(&decision.rule, decision.outcome.as_str());
        }
    }

    /// Records the end of an action, together with the reactions to it.
    pub(super) async fn record_end(
        &self,
        request: &ActionRequest,
        permit: &Permit,
        state: &ActionState,
    ) -> Result<(), Interrupted> {
        let reactions = match state {
            // A person wanted that.
            ActionState::DeadLettered {
                kind: DeadLetterKind::Discarded | DeadLetterKind::Dropped,
                ..
            } => None,
            ActionState::DeadLettered { kind, reason, .. } => {
                self.reactions().to_failure(request, kind.as_str(), reason, None).await?
            }
            _ => None,
        };
        let Some(verdict) = reactions else {
            return Ok(self.ledger.settle(permit, state.clone()).await?);
        };
        self.count_reactions(&verdict);
        let added = self.ledger.settle_and_react(permit, state.clone(), verdict).await?;
        self.perform_reactions(added);
        Ok(())
    }
}
