//! Replaying: decides an event or a dead letter again, by the rules of today, as another event with its content.
//!
//! A replay is published like any other event, so it is decided once and each of its actions is performed once. Its id
//! has the number of the attempt, so its actions are not those of the first attempt. A replay that is interrupted
//! between publishing and recording it is completed by asking for it again: both times, it is the same event.

use std::collections::BTreeSet;

use fuse_rules::{Element, Outcome};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::decide::verdict;
use super::{Engine, Step};
use crate::bus::{BusError, Published};
use crate::event::{Envelope, EventKey, Replay, ReplayScope};
use crate::ledger::{
    DeadLetter, DeadLetterKind, DeadLetterQuery, DecisionRecord, EventOperation, EventRecord,
    LedgerError, OperationKind, Verdict,
};
use crate::triggers::ActionRequest;

/// How many numbers of attempts are tried.
const MAX_ATTEMPTS: u32 = 1_000;

/// What to replay.
#[derive(Clone, Debug)]
pub(crate) struct ReplayRequest {
    /// The id of an event, or the beginning of the id of a dead letter.
    pub(crate) id: String,
    /// The event's source, or its source and name, if several events have the id.
    pub(crate) source: Option<String>,
    pub(crate) ignore_once: bool,
    /// Who asks for it.
    pub(crate) by: String,
}

/// What a replay does, or did.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReplayReport {
    /// The event that is replayed.
    event: EventKey,
    /// The dead letter that is replayed, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    letter: Option<String>,
    /// The id of the event that replays it.
    replay: String,
    attempt: u32,
    /// Whether it was done, or only shown.
    done: bool,
    decisions: Vec<ReplayedDecision>,
    /// What a person should know before it is done.
    warnings: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct ReplayedDecision {
    rule: String,
    element: Element,
    outcome: Outcome,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<ReplayedAction>,
}

#[derive(Clone, Debug, Serialize)]
struct ReplayedAction {
    id: String,
    trigger: String,
    /// The rendered action.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Value>,
}

/// Why something cannot be replayed or discarded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error(
        "no event and no dead letter has the id `{0}`; `fuse events` and `fuse dead-letters` list them"
    )]
    Unknown(String),
    #[error("several dead letters have ids that start with `{0}`; give more of the id")]
    Ambiguous(String),
    #[error("several sources have an event `{id}`: {events}; select one with `--source`")]
    SeveralEvents { id: String, events: String },
    #[error("event `{0}` is not decided yet")]
    Undecided(String),
    #[error(
        "event `{0}` has actions that are not performed yet; wait until they are, or discard them, before all of the event is replayed"
    )]
    Unsettled(String),
    #[error(
        "event `{id}` never reached the rules, because its source rejected it: {why}; correct the source, and send the event again"
    )]
    RejectedBySource { id: String, why: String },
    #[error("nothing would be done, so nothing is replayed: {0}")]
    Nothing(String),
    #[error("the replay cannot be queued: {0}")]
    Bus(#[from] BusError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The event to replay, and the dead letter of it.
struct Target {
    record: EventRecord,
    letter: Option<DeadLetter>,
}

/// The event that replays a target.
enum NextReplay {
    New(Box<Envelope>),
    /// It was queued, and a crash prevented that this was recorded.
    Interrupted(Box<Envelope>),
}

impl Engine {
    /// What a replay would do now. Changes nothing.
    pub(crate) async fn preview_replay(
        &self,
        request: &ReplayRequest,
    ) -> Result<ReplayReport, ReplayError> {
        let target = self.target(request).await?;
        let (NextReplay::New(event) | NextReplay::Interrupted(event)) =
            self.next(request, &target).await?;
        self.report(&target, &event).await
    }

    /// Replays an event or a dead letter. Returns once the replay is durable.
    pub(crate) async fn replay(
        &self,
        request: &ReplayRequest,
    ) -> Result<ReplayReport, ReplayError> {
        let mut target = self.target(request).await?;
        let mut next = self.next(request, &target).await?;
        while let NextReplay::Interrupted(event) = next {
            // It is queued, and only its record is missing.
            let letter = event.replay.as_ref().and_then(|replay| replay.letter.clone());
            let is_same = letter == target.letter.as_ref().map(|letter| letter.id.clone());
            self.record_replay(&target.record, &event).await?;
            if is_same {
                let report = self.report(&target, &event).await?;
                return Ok(ReplayReport { done: true, ..report });
            }
            target = self.target(request).await?;
            next = self.next(request, &target).await?;
        }
        let NextReplay::New(event) = next else {
            return Err(LedgerError::Outdated(target.record.event.key()).into());
        };
        let report = self.report(&target, &event).await?;
        if !report.decisions.iter().any(|one| one.outcome == Outcome::Fired) {
            return Err(ReplayError::Nothing(nothing(&target, &report)));
        }
        if self.bus.publish((*event).clone()).await? != Published::Accepted {
            return Err(LedgerError::Outdated(target.record.event.key()).into());
        }
        (self.watcher)(Step::Replayed);
        self.record_replay(&target.record, &event).await?;
        Ok(ReplayReport { done: true, ..report })
    }

    /// Records a replay that is queued.
    async fn record_replay(
        &self,
        record: &EventRecord,
        event: &Envelope,
    ) -> Result<(), ReplayError> {
        let Some(replay) = &event.replay else { return Ok(()) };
        let key = record.event.key();
        let operation = EventOperation {
            number: replay.operation,
            at: self.clock.now(),
            by: replay.by.clone(),
            letter: replay.letter.clone(),
            kind: OperationKind::Replayed { event: event.id.clone() },
        };
        self.ledger.operate(&key, operation).await?;
        let (by, letter) = (&replay.by, replay.letter.as_deref().unwrap_or_default());
        tracing::info!(
            source = key.source,
            name = key.name,
            event = key.id,
            replay = event.id,
            letter,
            by,
            "replayed"
        );
        Ok(())
    }

    /// Discards a dead letter: it is no longer listed.
    pub(crate) async fn discard_letter(
        &self,
        id: &str,
        by: &str,
        reason: &str,
    ) -> Result<DeadLetter, ReplayError> {
        let letter = self.letter(id, None).await?;
        let letter = letter.ok_or_else(|| LedgerError::UnknownDeadLetter(id.to_owned()))?;
        let record = self.ledger.event(&letter.event).await?;
        let record = record.ok_or_else(|| LedgerError::UnknownEvent(letter.event.clone()))?;
        let operation = EventOperation {
            number: next_number(&record),
            at: self.clock.now(),
            by: by.to_owned(),
            letter: Some(letter.id.clone()),
            kind: OperationKind::Discarded { reason: reason.to_owned() },
        };
        self.ledger.operate(&letter.event, operation).await?;
        tracing::info!(event = letter.event.id, letter = letter.id, by, "dead letter discarded");
        Ok(letter)
    }

    /// The event with the id of a request, or the dead letter whose id starts with it.
    async fn target(&self, request: &ReplayRequest) -> Result<Target, ReplayError> {
        let (id, source) = (&request.id, request.source.as_deref());
        let is_asked = |key: &EventKey| {
            source.is_none_or(|asked| *asked == key.source || *asked == key.full_name())
        };
        let mut found = self.ledger.find(id).await?;
        found.retain(|record| is_asked(&record.event.key()));
        if found.len() > 1 {
            let events: Vec<_> = found.iter().map(|one| one.event.key().full_name()).collect();
            return Err(ReplayError::SeveralEvents { id: id.clone(), events: events.join(", ") });
        }
        let target = match found.pop() {
            Some(record) => Target { record, letter: None },
            None => {
                let letter = self.letter(id, source).await?;
                let letter = letter.ok_or_else(|| ReplayError::Unknown(id.clone()))?;
                let record = self.ledger.event(&letter.event).await?;
                let record = record.ok_or_else(|| ReplayError::Unknown(id.clone()))?;
                Target { record, letter: Some(letter) }
            }
        };
        let (record, event) = (&target.record, &target.record.event);
        if let Some(why) = &event.rejected {
            let (id, why) = (event.id.clone(), why.clone());
            return Err(ReplayError::RejectedBySource { id, why });
        }
        if record.decided.is_none() {
            return Err(ReplayError::Undecided(event.id.clone()));
        }
        if target.letter.is_none() && !record.is_settled() {
            return Err(ReplayError::Unsettled(event.id.clone()));
        }
        Ok(target)
    }

    /// The dead letter whose id starts like this.
    async fn letter(
        &self,
        id: &str,
        source: Option<&str>,
    ) -> Result<Option<DeadLetter>, ReplayError> {
        let mut query = DeadLetterQuery { id: Some(id.to_owned()), ..DeadLetterQuery::newest(2) };
        if let Some((source, name)) = source.map(|s| s.split_once('.').unwrap_or((s, ""))) {
            query.source = Some(source.to_owned());
            query.name = (!name.is_empty()).then(|| name.to_owned());
        }
        let mut found = Vec::new();
        loop {
            let page = self.ledger.dead_letters(&query).await?;
            found.extend(page.letters);
            if found.len() > 1 {
                return Err(ReplayError::Ambiguous(id.to_owned()));
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(found.pop()),
            }
        }
    }

    /// The event that replays the target next.
    async fn next(
        &self,
        request: &ReplayRequest,
        target: &Target,
    ) -> Result<NextReplay, ReplayError> {
        let Target { record, letter } = target;
        let event = &record.event;
        let before = event.replay.as_ref();
        let of = before.map_or(&event.id, |replay| &replay.of);
        let operation = next_number(record);
        let replays = record.operations.iter();
        let replays = replays.filter(|o| matches!(o.kind, OperationKind::Replayed { .. })).count();
        let first = before.map_or(1, |replay| replay.attempt).saturating_add(1);
        let first = first.saturating_add(u32::try_from(replays).unwrap_or(u32::MAX));
        for attempt in first..first.saturating_add(MAX_ATTEMPTS) {
            let id = Replay::attempt_id(of, attempt);
            match self.ledger.event(&EventKey { id: id.clone(), ..event.key() }).await? {
                None => {
                    let replay = Replay {
                        of: of.clone(),
                        received: before.map_or(event.received, |replay| replay.received),
                        attempt,
                        from: event.id.clone(),
                        operation,
                        by: request.by.clone(),
                        letter: letter.as_ref().map(|letter| letter.id.clone()),
                        scope: letter.as_ref().and_then(|letter| scope(letter, record)),
                        ignore_once: request.ignore_once,
                    };
                    let (received, replay) = (self.clock.now(), Some(replay));
                    let event = Envelope { id, received, replay, ..event.clone() };
                    return Ok(NextReplay::New(Box::new(event)));
                }
                Some(known) => {
                    let is_next = known.event.replay.as_ref().is_some_and(|replay| {
                        replay.from == event.id && replay.operation == operation
                    });
                    if is_next {
                        return Ok(NextReplay::Interrupted(Box::new(known.event)));
                    }
                }
            }
        }
        Err(LedgerError::Invalid(format!("`{of}` was replayed {MAX_ATTEMPTS} times")).into())
    }

    /// What the rules decide about the event that replays the target.
    async fn report(
        &self,
        target: &Target,
        envelope: &Envelope,
    ) -> Result<ReplayReport, ReplayError> {
        let verdict = self.verdict_of(envelope).await?;
        if let Some(why) = &verdict.rejected {
            return Err(ReplayError::Nothing(format!("the event is rejected: {why}")));
        }
        let decided = self.ledger.preview(&verdict).await?;
        let attempt = envelope.replay.as_ref().map_or(1, |replay| replay.attempt);
        Ok(ReplayReport {
            event: target.record.event.key(),
            letter: target.letter.as_ref().map(|letter| letter.id.clone()),
            replay: envelope.id.clone(),
            attempt,
            done: false,
            warnings: warnings(target),
            decisions: decided.into_iter().map(|one| self.replayed(one, &verdict)).collect(),
        })
    }

    async fn verdict_of(&self, envelope: &Envelope) -> Result<Verdict, LedgerError> {
        let (generation, triggers, event) =
            (self.active.get(), self.triggers.clone(), envelope.clone());
        let now: (Timestamp, Timestamp) = (self.clock.now(), self.clock.steady());
        let decided =
            tokio::task::spawn_blocking(move || verdict(&generation, &triggers, &event, now).0);
        let interrupted =
            |error| LedgerError::Invalid(format!("deciding was interrupted: {error}"));
        decided.await.map_err(interrupted)
    }

    fn replayed(&self, decision: DecisionRecord, verdict: &Verdict) -> ReplayedDecision {
        let action = decision.action.as_ref().and_then(|id| {
            let (_, action) = verdict.actions.iter().find(|(other, _)| other == id)?;
            let request = ActionRequest::new(action.clone(), verdict.event.clone());
            let trigger = self.triggers.get(&action.trigger);
            Some(ReplayedAction {
                id: id.clone(),
                trigger: action.trigger.clone(),
                object: trigger.and_then(|trigger| trigger.render(&request).ok()),
            })
        });
        let DecisionRecord { rule, element, outcome, reason, .. } = decision;
        ReplayedDecision { rule, element, outcome, reason, action }
    }
}

fn next_number(record: &EventRecord) -> u32 {
    u32::try_from(record.operations.len()).unwrap_or(u32::MAX).saturating_add(1)
}

/// The decision that the replay of a dead letter makes. `None` for an event that was refused as a whole.
fn scope(letter: &DeadLetter, record: &EventRecord) -> Option<ReplayScope> {
    let (rule, element) = (letter.rule.clone()?, letter.element.clone());
    let own = |one: &&DecisionRecord| one.rule == rule && one.element == element;
    let decisions: Vec<_> = record.decisions.iter().filter(own).collect();
    // One decision about a rule is about all of its triggers.
    let trigger = match (&letter.action, decisions.len() > 1) {
        (_, false) => None,
        (Some(action), true) => Some(action.action.ordinal),
        (None, true) => {
            let rejected = |one: &&DecisionRecord| one.outcome == Outcome::Rejected;
            let index =
                decisions.iter().position(|one| rejected(one) && one.reason == letter.reason);
            index.and_then(|index| u32::try_from(index).ok())
        }
    };
    Some(ReplayScope { rule, element, trigger })
}

fn warnings(target: &Target) -> Vec<String> {
    let mut warnings = Vec::new();
    let is_uncertain = |letter: &DeadLetter| letter.kind == DeadLetterKind::Uncertain;
    if target.letter.as_ref().is_some_and(is_uncertain) {
        warnings.push(
            "it is unknown whether the first attempt took effect; if it did, the action is performed twice".into(),
        );
    }
    if target.letter.is_none() {
        let fired = target.record.decisions.iter();
        let rules: BTreeSet<&str> = fired
            .filter(|one| one.outcome == Outcome::Fired)
            .map(|one| one.rule.as_str())
            .collect();
        if !rules.is_empty() {
            let rules = rules.into_iter().collect::<Vec<_>>().join("`, `");
            warnings.push(format!(
                "all rules decide again, also those that fired before, whose actions are performed again: `{rules}`"
            ));
        }
    }
    warnings
}

/// Why a replay does nothing.
fn nothing(target: &Target, report: &ReplayReport) -> String {
    let reasons: BTreeSet<String> = report
        .decisions
        .iter()
        .map(|one| format!("`{}` is {}: {}", one.rule, one.outcome.as_str(), one.reason))
        .collect();
    match (reasons.is_empty(), target.letter.as_ref().and_then(|letter| letter.rule.as_ref())) {
        (false, _) => reasons.into_iter().collect::<Vec<_>>().join("; "),
        (true, Some(rule)) => {
            format!("the rule `{rule}` does not match the event, or no longer exists")
        }
        (true, None) => "no rule matches the event".to_owned(),
    }
}
