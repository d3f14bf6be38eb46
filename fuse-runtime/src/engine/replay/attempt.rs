//! Which event replays another one, and which of its decisions that event makes.

use std::collections::BTreeSet;

use fuse_rules::Element;
use jiff::Timestamp;

use super::{ReplayError, ReplayRequest, Target};
use crate::engine::Engine;
use crate::event::{Envelope, EventKey, Replay, ReplayScope};
use crate::ledger::dead::letter_id;
use crate::ledger::transition::DeadEntry;
use crate::ledger::{DeadLetter, EventRecord, Ledger, OperationKind};

/// How many attempts at an event there may be.
const MAX_ATTEMPTS: u32 = 1_000;

/// The next replay of an event.
pub(super) enum NextAttempt {
    /// It is new, and has this number.
    New(u32),
    /// It is queued, but not on record: the request for it was interrupted.
    Interrupted(Box<Envelope>),
}

/// The next replay of an event. A replay that is queued and not on record comes first, so that it is not queued again
/// under another id.
pub(super) async fn next_attempt(
    ledger: &dyn Ledger,
    record: &EventRecord,
) -> Result<NextAttempt, ReplayError> {
    let event = &record.event;
    let (of, received) = origin(event);
    let first = event.replay.as_ref().map_or(1, |replay| replay.attempt).saturating_add(1);
    for attempt in first..first.saturating_add(MAX_ATTEMPTS) {
        let id = Replay::attempt_id(of, attempt);
        if is_recorded(record, &id) {
            continue;
        }
        let key = EventKey { id, ..event.key() };
        let Some(known) = ledger.event(&key).await? else {
            return Ok(NextAttempt::New(attempt));
        };
        // Not the replay of an earlier event with the same id, which was pruned, nor of another attempt.
        let is_own = known
            .event
            .replay
            .as_ref()
            .is_some_and(|replay| replay.from == event.id && replay.received == received);
        if is_own {
            return Ok(NextAttempt::Interrupted(Box::new(known.event)));
        }
    }
    Err(ReplayError::TooMany(of.to_owned()))
}

impl Engine {
    /// The event that replays the target as this attempt.
    pub(super) fn attempt_at(
        &self,
        request: &ReplayRequest,
        target: &Target,
        attempt: u32,
    ) -> Envelope {
        let Target { record, letter } = target;
        let (event, letter) = (&record.event, letter.as_ref());
        let (of, received) = origin(event);
        let replay = Replay {
            of: of.to_owned(),
            received,
            attempt,
            from: event.id.clone(),
            by: request.by.clone(),
            letter: letter.map(|letter| letter.id.clone()),
            keeps: BTreeSet::new(),
            scope: narrowed(event, letter.and_then(|letter| scope(letter, record))),
            ignore_once: request.ignore_once,
        };
        let (id, received) = (Replay::attempt_id(of, attempt), self.clock.now());
        Envelope { id, received, replay: Some(replay), ..event.clone() }
    }
}

/// The id of the sender's event, and when that was received.
fn origin(event: &Envelope) -> (&str, Timestamp) {
    match &event.replay {
        Some(replay) => (&replay.of, replay.received),
        None => (&event.id, event.received),
    }
}

/// Whether the record of an event has the replay with this id.
fn is_recorded(record: &EventRecord, id: &str) -> bool {
    record.operations.iter().any(
        |operation| matches!(&operation.kind, OperationKind::Replayed { event, .. } if event == id),
    )
}

/// The scope of a replay of `event`: never wider than that of `event`, if it is a replay itself.
fn narrowed(event: &Envelope, own: Option<ReplayScope>) -> Option<ReplayScope> {
    let before = event.replay.as_ref().and_then(|replay| replay.scope.clone());
    match (before, own) {
        (Some(before), Some(own)) => {
            let trigger = before.trigger.or(own.trigger);
            Some(ReplayScope { trigger, ..own })
        }
        (before, own) => before.or(own),
    }
}

/// The decision that the replay of a dead letter makes. `None` for an event that was refused as a whole.
fn scope(letter: &DeadLetter, record: &EventRecord) -> Option<ReplayScope> {
    let (rule, element) = (letter.rule.clone()?, letter.element.clone());
    let trigger = match &letter.action {
        Some(action) => Some(action.action.ordinal),
        None => rejected_trigger(letter, record, &rule, &element),
    };
    Some(ReplayScope { rule, element, trigger })
}

/// The trigger of a rejected decision: its index among the decisions of its rule and element. `None` if there is one
/// decision, which is about all triggers.
fn rejected_trigger(
    letter: &DeadLetter,
    record: &EventRecord,
    rule: &str,
    element: &Element,
) -> Option<u32> {
    let key = record.event.key().encode();
    let decisions = record.decisions.iter().enumerate();
    let own: Vec<usize> = decisions
        .filter(|(_, one)| one.rule == rule && one.element == *element)
        .map(|(index, _)| index)
        .collect();
    if own.len() < 2 {
        return None;
    }
    // The reason does not identify the decision: triggers may be rejected for the same one.
    let is_letter = |index: &usize| letter_id(&key, DeadEntry::Decision(*index)) == letter.id;
    u32::try_from(own.iter().position(is_letter)?).ok()
}
