//! Reactions: what rules do because they may not act, or because their actions failed or succeeded. Reactions to decisions
//! are recorded before the event is acknowledged, and those to a result in the commit that records it.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fuse_rules::{BlownCause, Decision, Element, Outcome, ReactionCause, ReactionKind};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::decide::{add_decision, complete, reject_unrenderable};
use super::parked::Parked;
use super::retry::request;
use super::{Engine, Interrupted};
use crate::clock::Clock;
use crate::event::{Envelope, EventKey};
use crate::generation::{ActiveGeneration, Generation};
use crate::http::shorten;
use crate::ledger::transition;
use crate::ledger::{
    ActionState, BlowRecord, DeadLetterKind, DecisionRecord, EventRecord, Ledger, LedgerError,
    Observed, ObservedResult, Permit, Reacted, Verdict, WaitRecord,
};
use crate::metrics::Metrics;
use crate::switchboard::Switchboard;
use crate::triggers::{ActionRequest, Triggers, blow_id};

/// How many reactions to its decisions one event may have. Each evaluates the event again.
const MAX_REACTIONS: usize = 250;

/// Why a reaction is rejected whose evaluation panicked.
const PANICKED: &str =
    "evaluating this reaction failed inside fuse; this is a bug of fuse, please report it";

/// Evaluates reactions by the rules in use, and records and starts them.
#[derive(Clone)]
pub(crate) struct Reactions {
    pub(crate) active: ActiveGeneration,
    pub(crate) switchboard: Arc<Switchboard>,
    pub(crate) triggers: Triggers,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) parked: Arc<Parked>,
    /// How many actions of one trigger may be held or wait.
    pub(crate) max_held: usize,
    /// Notified when waits may be due.
    pub(crate) waits_changed: Arc<Notify>,
    /// Notified when actions may have to be stopped.
    pub(crate) stops_changed: Arc<Notify>,
}

impl Reactions {
    /// An action ended, so that places of `concurrency` may be free. Without such a clause, nothing waits for one; if it
    /// was removed, what still waits for a place is found a little later.
    pub(super) fn places_changed(&self) {
        if self.active.get().limits_concurrency {
            self.waits_changed.notify_one();
            self.stops_changed.notify_one();
        }
    }

    /// The reactions to the decisions about an event that are not on record. `None` if there are none.
    pub(super) async fn to_decisions(
        &self,
        event: &Envelope,
        record: &EventRecord,
    ) -> Result<Option<Verdict>, LedgerError> {
        if record.rejected.is_some() {
            return Ok(None);
        }
        let (generation, key) = (self.active.get(), event.key());
        // A rule with several triggers has several decisions, but one reaction.
        let mut seen = HashSet::new();
        let mut causes = Vec::new();
        for DecisionRecord { rule, element, outcome, reason, .. } in &record.decisions {
            let Some(kind) = ReactionKind::of(*outcome) else { continue };
            let reacts = generation.plan.reacts((&key.source, &key.name), rule, kind);
            if reacts && seen.insert((kind, rule, element)) {
                causes.extend(ReactionCause::of_outcome(rule, element, *outcome, reason));
            }
        }
        for wait in &record.waits {
            let occurrence = &wait.wait.occurrence;
            let (rule, kind) = (&occurrence.rule, ReactionKind::Waiting);
            if let Some((_, id)) = wait.wait.open_approval().zip(wait.id())
                && generation.plan.reacts((&key.source, &key.name), rule, kind)
            {
                let reason = reason_of(wait, &record.decisions);
                causes.push(ReactionCause::of_wait(rule, &occurrence.element, reason, id));
            }
        }
        let blown = self.new_blows(record);
        let known: HashSet<_> =
            record.decisions.iter().map(|one| (one.rule.clone(), one.element.clone())).collect();
        let is_new = |cause: &ReactionCause| {
            !known.contains(&(cause.kind.name_for(&cause.rule), cause.element.clone()))
        };
        let reactions = known.iter().filter(|(rule, _)| ReactionKind::rule_of(rule).is_some());
        let room = MAX_REACTIONS.saturating_sub(reactions.count());
        causes.retain(is_new);
        if causes.is_empty() && blown.is_empty() {
            return Ok(None);
        }
        let left_out = causes.split_off(causes.len().min(room));
        let too_many = left_out.first().map(|cause| {
            let why = format!(
                "the event has {} more reactions than {MAX_REACTIONS}, which is the limit",
                left_out.len()
            );
            rejected(cause, why)
        });
        self.verdict(event, (causes, blown), too_many).await
    }

    /// The fuses that an event blew and that have a reaction which is not on record.
    fn new_blows(&self, record: &EventRecord) -> Vec<BlowRecord> {
        let (generation, key) = (self.active.get(), record.event.key());
        let is_new = |one: &&BlowRecord| {
            let id = blow_id(&key, &one.fuse, one.since);
            let of_it = |decision: &DecisionRecord| decision.reacts_to.as_ref() == Some(&id);
            !record.decisions.iter().any(of_it) && generation.plan.reacts_to_blown(&one.fuse)
        };
        record.blown.iter().filter(is_new).cloned().collect()
    }

    /// Records the reactions to the decisions about an event and to the fuses that it blew. After a crash, the next start
    /// does so.
    pub(super) async fn finish(&self, event: &EventKey) -> Result<(), LedgerError> {
        if let Some(record) = self.ledger.event(event).await?
            && let Some(verdict) = self.to_decisions(&record.event, &record).await?
        {
            let reacted = self.ledger.react(verdict).await;
            if !is_invalid(&reacted, "") {
                self.start(reacted?).await?;
            }
        }
        self.ledger.finish_waking(event).await
    }

    /// The reactions to an action that was given up, or that succeeded.
    pub(super) async fn to_result(
        &self,
        event: &EventKey,
        cause: ReactionCause,
    ) -> Result<Option<Verdict>, LedgerError> {
        let names = (event.source.as_str(), event.name.as_str());
        if !self.active.get().plan.reacts(names, &cause.rule, cause.kind) {
            return Ok(None);
        }
        let Some(record) = self.ledger.event(event).await? else { return Ok(None) };
        self.verdict(&record.event, (vec![cause], Vec::new()), None).await
    }

    /// The reactions to the failure or success of the object that an action created.
    pub(super) async fn to_observed(
        &self,
        event: &EventKey,
        id: &str,
        observed: &Observed,
    ) -> Result<Option<Verdict>, LedgerError> {
        let kind = match observed.result {
            ObservedResult::Failed => ReactionKind::Failure,
            ObservedResult::Succeeded => ReactionKind::Success,
            ObservedResult::Running | ObservedResult::Gone => return Ok(None),
        };
        let Some(action) = self.ledger.action(event, id).await? else { return Ok(None) };
        // One that was told to stop did not fail.
        if kind == ReactionKind::Failure && action.action.replaced.is_some()
            || transition::observe(&action.action, observed).is_none()
        {
            return Ok(None);
        }
        let Observed { kind: of_object, namespace, name, phase, message, result, .. } = observed;
        let object = match namespace {
            Some(namespace) => format!("{of_object} {namespace}/{name}"),
            None => format!("{of_object} {name}"),
        };
        let reason = match message {
            Some(message) => format!("{object} ended as {phase}: {message}"),
            None => format!("{object} ended as {phase}"),
        };
        let request = request(&action);
        let mut cause = cause(&request, kind, result.as_str(), &reason);
        cause.object = Some(object);
        cause.response = action.action.state.response().cloned();
        let verdict = self.to_result(&request.event, cause).await?;
        Ok(match kind {
            ReactionKind::Failure => self.counted(&request, verdict),
            _ => verdict,
        })
    }

    /// The verdict with the reactions to the failure of an action, to be counted by the fuses of its rule. `None` if
    /// there is nothing to react to or to count.
    fn counted(&self, request: &ActionRequest, verdict: Option<Verdict>) -> Option<Verdict> {
        let generation = self.active.get();
        let rule = &request.action.rule;
        // What counts is what rules do, not how they react.
        let is_reaction = ReactionKind::rule_of(rule).is_some();
        let blow = if is_reaction { Vec::new() } else { generation.counting_failures(rule) };
        if blow.is_empty() {
            return verdict;
        }
        let (event, plan) = (request.event.clone(), generation.plan_hash.clone());
        let new = || Verdict::empty(event, plan, (self.clock.now(), self.clock.steady()));
        Some(Verdict { blow, ..verdict.unwrap_or_else(new) })
    }

    /// The verdict with the reactions to these causes. `None` if there are none.
    async fn verdict(
        &self,
        event: &Envelope,
        (causes, blown): (Vec<ReactionCause>, Vec<BlowRecord>),
        more: Option<Decision>,
    ) -> Result<Option<Verdict>, LedgerError> {
        let (generation, triggers, event) =
            (self.active.get(), self.triggers.clone(), event.clone());
        let now = (self.clock.now(), self.clock.steady());
        // Not on the async threads: an expensive event must not delay others.
        let verdict = move || verdict(&generation, &triggers, &event, (&causes, &blown), more, now);
        let verdict = tokio::task::spawn_blocking(verdict).await;
        let interrupted =
            |error| LedgerError::Storage(format!("a reaction was interrupted: {error}"));
        let verdict = verdict.map_err(interrupted)?;
        Ok(Some(verdict).filter(|verdict| !verdict.decisions.is_empty()))
    }

    /// Counts, logs and starts reactions that were recorded, and puts fuses that blew into effect.
    pub(super) async fn start(&self, reacted: Reacted) -> Result<(), LedgerError> {
        if !reacted.blown.is_empty() {
            self.switchboard.blown().await;
        }
        for decision in &reacted.decisions {
            self.metrics.decided(decision);
            if decision.outcome == Outcome::Rejected {
                let (rule, reason) = (&decision.rule, shorten(&decision.reason));
                tracing::warn!(rule, reason, "a reaction is rejected: a dead letter");
            }
        }
        for action in reacted.actions {
            let kind = action.action.action.trigger.clone();
            if self.parked.has_room(&kind, self.max_held) {
                self.parked.adopt(action);
                continue;
            }
            let max = self.max_held;
            let reason = format!("{max} actions of its trigger wait already, which is the limit");
            let (rule, id) = (&action.action.action.rule, &action.action.id);
            tracing::warn!(action = id, rule, reason, "a reaction is given up: a dead letter");
            let kind = DeadLetterKind::NotReady;
            let at = self.clock.now();
            let state = ActionState::DeadLettered { at, kind, reason, response: None };
            self.ledger.settle(&action.permit(), state).await?;
        }
        Ok(())
    }
}

/// The cause of a reaction to the result of an action.
fn cause(request: &ActionRequest, kind: ReactionKind, state: &str, reason: &str) -> ReactionCause {
    let ActionRequest { id, action, .. } = request;
    ReactionCause::of_result(kind, (&action.rule, &action.element, id), state, reason)
}

/// Whether a reaction cannot be recorded although what it reacts to can be. That must not stop the latter.
pub(super) fn is_invalid<T>(reacted: &Result<T, LedgerError>, rule: &str) -> bool {
    let Err(LedgerError::Invalid(why)) = reacted else { return false };
    tracing::error!(rule, why, "a reaction cannot be recorded; please report it");
    true
}

/// Why an occurrence waits.
fn reason_of<'d>(wait: &WaitRecord, decisions: &'d [DecisionRecord]) -> &'d str {
    decisions.iter().find(|one| wait.governs(one)).map_or("", |one| one.reason.as_str())
}

/// The decision that a reaction is not made.
fn rejected(cause: &ReactionCause, reason: String) -> Decision {
    rejected_as(cause.kind.name_for(&cause.rule), cause.element.clone(), reason)
}

fn rejected_as(rule: String, element: Element, reason: String) -> Decision {
    Decision {
        rule,
        element,
        outcome: Outcome::Rejected,
        reason,
        missing: None,
        action: None,
        flow: Vec::new(),
    }
}

fn verdict(
    generation: &Generation,
    triggers: &Triggers,
    event: &Envelope,
    (causes, blown): (&[ReactionCause], &[BlowRecord]),
    more: Option<Decision>,
    (decided, steady): (Timestamp, Timestamp),
) -> Verdict {
    let key = event.key();
    let mut verdict = Verdict::empty(event.key(), generation.plan_hash.clone(), (decided, steady));
    for cause in causes {
        for mut decision in evaluate(generation, event, cause) {
            reject_unrenderable(&mut decision, triggers, &key);
            add_decision(&mut verdict, decision, cause.action.clone());
        }
    }
    for one in blown {
        let id = blow_id(&key, &one.fuse, one.since);
        for mut decision in react_to_blown(generation, &key, one, decided) {
            reject_unrenderable(&mut decision, triggers, &key);
            add_decision(&mut verdict, decision, Some(id.clone()));
        }
    }
    if let Some(decision) = more {
        add_decision(&mut verdict, decision, None);
    }
    complete(&mut verdict, generation);
    verdict
}

fn evaluate(generation: &Generation, event: &Envelope, cause: &ReactionCause) -> Vec<Decision> {
    let Ok(view) = event.unread_view() else { return Vec::new() };
    // A panic must not affect other work. The rule's own decision stays as it is.
    let decisions = catch_unwind(AssertUnwindSafe(|| generation.plan.react(&view, cause)));
    decisions.unwrap_or_else(|_| vec![rejected(cause, PANICKED.to_owned())])
}

/// The reaction of a fuse that blew.
fn react_to_blown(
    generation: &Generation,
    event: &EventKey,
    blown: &BlowRecord,
    now: Timestamp,
) -> Vec<Decision> {
    let BlowRecord { fuse, rule, reason, .. } = blown.clone();
    let cause = BlownCause { fuse, rule, reason, event: event.id.clone() };
    let decisions = catch_unwind(AssertUnwindSafe(|| generation.plan.react_to_blown(&cause, now)));
    decisions.unwrap_or_else(|_| vec![rejected_as(cause.reaction(), None, PANICKED.to_owned())])
}

impl Engine {
    pub(crate) fn reactions(&self) -> Reactions {
        Reactions {
            active: self.active.clone(),
            switchboard: Arc::clone(&self.switchboard),
            triggers: self.triggers.clone(),
            ledger: Arc::clone(&self.ledger),
            clock: self.clock.clone(),
            metrics: Arc::clone(&self.metrics),
            parked: Arc::clone(&self.parked),
            max_held: self.policy.max_held,
            waits_changed: Arc::clone(&self.waits_changed),
            stops_changed: Arc::clone(&self.stops_changed),
        }
    }

    /// An action ended, so that places of `concurrency` may be free.
    pub(super) fn places_changed(&self) {
        self.reactions().places_changed();
    }

    /// Records the reactions to the decisions about an event, unless they are on record.
    pub(super) async fn react_to_decisions(
        &self,
        event: &Envelope,
        record: &EventRecord,
    ) -> Result<(), LedgerError> {
        let reactions = self.reactions();
        let Some(verdict) = reactions.to_decisions(event, record).await? else { return Ok(()) };
        let reacted = self.ledger.react(verdict).await;
        if is_invalid(&reacted, "") {
            return Ok(());
        }
        reactions.start(reacted?).await
    }

    /// Records the end of an action in a state, together with the reactions to it. An action that is done has succeeded,
    /// unless it started work whose end is observed.
    pub(super) async fn record_end(
        &self,
        request: &ActionRequest,
        permit: &Permit,
        (state, has_succeeded): (&ActionState, bool),
    ) -> Result<(), Interrupted> {
        let reactions = self.reactions();
        let verdict = match state {
            // A person wanted that.
            ActionState::DeadLettered {
                kind: DeadLetterKind::Discarded | DeadLetterKind::Dropped | DeadLetterKind::Replaced,
                ..
            } => None,
            ActionState::DeadLettered { kind, reason, response, .. } => {
                let mut cause = cause(request, ReactionKind::Failure, kind.as_str(), reason);
                cause.response = response.clone();
                let verdict = reactions.to_result(&request.event, cause).await?;
                reactions.counted(request, verdict)
            }
            ActionState::Done { detail, response, .. } if has_succeeded => {
                let state = ObservedResult::Succeeded.as_str();
                let mut cause = cause(request, ReactionKind::Success, state, detail);
                cause.response = response.clone();
                reactions.to_result(&request.event, cause).await?
            }
            _ => None,
        };
        if let Some(verdict) = verdict {
            let reacted = self.ledger.settle_and_react(permit, state.clone(), verdict).await;
            if !is_invalid(&reacted, &request.action.rule) {
                let reacted = reacted?;
                let has_blown = !reacted.blown.is_empty();
                reactions.start(reacted).await?;
                if has_blown {
                    reactions.finish(&request.event).await?;
                }
                return Ok(());
            }
        }
        Ok(self.ledger.settle(permit, state.clone()).await?)
    }
}
