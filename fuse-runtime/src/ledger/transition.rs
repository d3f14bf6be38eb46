//! The transitions of the ledger: a record and a command give the next record. Everything in this
//! file is a pure function, so that every backend shares its meaning.

use std::collections::HashSet;

use fuse_rules::Outcome;
use fuse_rules::flow::{EndedWait, FlowStates};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::flow::{self, Applied};
use super::places::{self, PlacesInUse};
use super::waits::WaitRecord;
use super::{
    ActionRecord, ActionState, Attempt, DeadLetterKind, DecisionRecord, EventRecord, FuseHistories,
    LedgerError, Observed, ObservedResult, Replacement, Verdict,
};
use crate::event::EventKey;

/// What the ledger knows about an event from the moment it accepts it, without the event itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acceptance {
    /// [`Envelope::body_hash`](crate::event::Envelope::body_hash), which distinguishes a repeat from a conflict.
    pub(crate) hash: String,
    /// How many times its id came with another body.
    pub(crate) conflicts: u32,
    /// When that happened last.
    pub(crate) last_conflict: Option<Timestamp>,
}

/// What becomes of an event that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    /// It is new: this is recorded, and the event is queued.
    New(Acceptance),
    /// It was accepted before. Nothing changes.
    Known,
    /// Its id was accepted with another body: this is recorded, and nothing is queued.
    Conflict(Acceptance),
}

/// Accepts an event with this body, received at this time.
pub(crate) fn accept(on_record: Option<&Acceptance>, hash: &str, received: Timestamp) -> Accept {
    match on_record {
        None => {
            Accept::New(Acceptance { hash: hash.to_owned(), conflicts: 0, last_conflict: None })
        }
        Some(known) if known.hash == hash => Accept::Known,
        Some(known) => Accept::Conflict(Acceptance {
            hash: known.hash.clone(),
            conflicts: known.conflicts.saturating_add(1),
            last_conflict: Some(received),
        }),
    }
}

/// What is recorded about an event that is decided.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DecidedEvent {
    pub(crate) decisions: Vec<DecisionRecord>,
    pub(crate) actions: Vec<ActionRecord>,
    /// The occurrences that wait.
    pub(crate) waits: Vec<WaitRecord>,
    /// The occurrences that are in progress.
    pub(crate) places: Vec<PlacesInUse>,
    /// The waits of other events that end with the decision.
    pub(crate) ended: Vec<EndedWait>,
}

/// Decides an event that is accepted and undecided. `states` are those of flow control
/// for the keys that the verdict asks for, and `fuses` the last changes of the fuses that may blow; they change with the
/// decision.
pub(crate) fn decide(
    verdict: &Verdict,
    states: &mut FlowStates,
    fuses: &mut FuseHistories,
) -> Result<DecidedEvent, LedgerError> {
    if let Some(problem) = contradiction(verdict) {
        return Err(LedgerError::Invalid(problem));
    }
    let Applied { decisions, actions, waits, places, ended } = flow::apply(verdict, states, fuses);
    let actions = actions
        .into_iter()
        .map(|(id, action)| {
            let requires = verdict.requires.get(&action.rule).cloned().unwrap_or_default();
            let in_progress = places.iter().any(|held| held.has(&action));
            ActionRecord { in_progress, ..ActionRecord::new(id, action, requires) }
        })
        .collect();
    Ok(DecidedEvent { decisions, actions, waits, places, ended })
}

/// Why an action waits that never was on the bus.
const NEXT: &str = "it is about to be performed for the first time";

/// The action as one that left the bus before its first attempt, which is due now.
pub(crate) fn off_bus(action: ActionRecord, now: Timestamp) -> ActionRecord {
    let state = ActionState::Waiting {
        until: now,
        attempts: 0,
        reason: NEXT.to_owned(),
        last_attempt: None,
        checkpoint: None,
    };
    ActionRecord { off_bus: true, state, ..action }
}

/// Adds reactions to an event with these decisions, like [`decide`]. Those that are on record are left out.
pub(crate) fn react(
    on_record: &[DecisionRecord],
    verdict: &Verdict,
    states: &mut FlowStates,
) -> Result<DecidedEvent, LedgerError> {
    let key = |one: &DecisionRecord| (one.rule.clone(), one.element.clone(), one.reacts_to.clone());
    let known: HashSet<_> = on_record.iter().map(key).collect();
    let is_new = |reaction: &DecisionRecord| !known.contains(&key(reaction));
    let decisions: Vec<DecisionRecord> =
        verdict.decisions.iter().filter(|reaction| is_new(reaction)).cloned().collect();
    let named: HashSet<&str> =
        decisions.iter().filter_map(|decision| decision.action.as_deref()).collect();
    let actions = verdict.actions.iter().filter(|(id, _)| named.contains(id.as_str()));
    let actions = actions.cloned().collect();
    // Fuses do not count reactions.
    let verdict = Verdict { decisions, actions, blow: Vec::new(), ..verdict.clone() };
    let mut reactions = decide(&verdict, states, &mut FuseHistories::new())?;
    let actions = reactions.actions.into_iter();
    reactions.actions = actions.map(|action| off_bus(action, verdict.steady)).collect();
    Ok(reactions)
}

/// The error about reactions to an event that is not decided.
pub(crate) fn undecided(event: &EventKey) -> LedgerError {
    LedgerError::Invalid(format!("event `{event}` is not decided, so nothing can react to it"))
}

/// Why a verdict contradicts itself, if it does.
fn contradiction(verdict: &Verdict) -> Option<String> {
    if verdict.rejected.is_some() && !verdict.actions.is_empty() {
        return Some("an event that is refused cannot have actions".into());
    }
    let mut ids = HashSet::new();
    for (id, _) in &verdict.actions {
        if id.is_empty() {
            return Some("an action has no id".into());
        }
        if !ids.insert(id.as_str()) {
            return Some(two_actions(id));
        }
    }
    let mut named = verdict.decisions.iter().filter_map(|decision| decision.action.as_deref());
    named
        .find(|id| !ids.contains(id))
        .map(|id| format!("a decision names the action `{id}`, which the verdict does not contain"))
}

/// The message about an id that two actions have.
pub(crate) fn two_actions(id: &str) -> String {
    format!("two actions have the id `{id}`")
}

/// A change of an action's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Transition {
    /// An attempt is about to be made.
    Intend(Attempt),
    /// The action leaves the bus and is held or waits, in this state.
    Hold(ActionState),
    /// The action ends in this state.
    Settle(ActionState),
    /// The action is pending again.
    Reopen,
    /// The work of an action that is replaced was told to stop.
    Stop,
}

/// The record of the action after the transition. `None` if it is the same as before.
pub(crate) fn change(
    record: &ActionRecord,
    transition: &Transition,
) -> Result<Option<ActionRecord>, LedgerError> {
    if *transition == Transition::Stop {
        let replaced = record.replaced.clone().filter(|replaced| !replaced.is_stopped);
        return Ok(replaced.map(|replaced| {
            let replaced = Some(Replacement { is_stopped: true, ..replaced });
            ActionRecord { replaced, ..record.clone() }
        }));
    }
    let settled = || Err(LedgerError::Settled(record.id.clone()));
    let state = match transition {
        Transition::Hold(state) if !state.is_parked() => {
            return invalid(record, "held in a state that is neither held nor waiting");
        }
        Transition::Settle(state) if !state.is_settled() => {
            return invalid(record, "settled in a state that is not terminal");
        }
        Transition::Settle(state) if *state == record.state => return Ok(None),
        Transition::Intend(_) | Transition::Hold(_) | Transition::Settle(_)
            if record.state.is_settled() =>
        {
            return settled();
        }
        Transition::Reopen if matches!(record.state, ActionState::Done { .. }) => return settled(),
        Transition::Intend(Attempt { at, checkpoint }) => {
            ActionState::Intended { at: *at, checkpoint: checkpoint.clone() }
        }
        Transition::Hold(state) | Transition::Settle(state) => state.clone(),
        Transition::Reopen | Transition::Stop => ActionState::Pending,
    };
    // Its place belongs to a newer one, so it is not attempted again.
    let state = match &record.replaced {
        Some(replaced) if is_unattempted(&state) => not_performed(replaced),
        _ => state,
    };
    let off_bus = record.off_bus || state.is_parked();
    Ok(Some(places::ended(ActionRecord { state, off_bus, ..record.clone() })))
}

/// The record of an action in progress whose place a newer match takes. If no attempt was made yet, it is not performed any
/// more. Otherwise its work has to be stopped. `None` if nothing changes.
pub(crate) fn replace(record: &ActionRecord, by: &str, at: Timestamp) -> Option<ActionRecord> {
    if !record.in_progress || record.replaced.is_some() {
        return None;
    }
    let replaced = Replacement { by: by.to_owned(), at, is_stopped: false };
    let state = match is_unattempted(&record.state) {
        true => not_performed(&replaced),
        false => record.state.clone(),
    };
    Some(places::ended(ActionRecord { state, replaced: Some(replaced), ..record.clone() }))
}

/// Whether no attempt was made, or the last one certainly did not take effect.
fn is_unattempted(state: &ActionState) -> bool {
    match state {
        ActionState::Pending => true,
        ActionState::Held { last_attempt, .. } | ActionState::Waiting { last_attempt, .. } => {
            last_attempt.is_none()
        }
        _ => false,
    }
}

/// The state of an action that is replaced before it was performed.
fn not_performed(replaced: &Replacement) -> ActionState {
    let Replacement { by, at, .. } = replaced;
    let reason = format!("{by} took its place before it was performed");
    ActionState::DeadLettered { at: *at, kind: DeadLetterKind::Replaced, reason, response: None }
}

fn invalid<T>(record: &ActionRecord, why: &str) -> Result<T, LedgerError> {
    Err(LedgerError::Invalid(format!("action `{}` cannot be {why}", record.id)))
}

/// The record of the action after its object was observed. `None` if it is unchanged: the state was
/// observed before, or a terminal one was.
pub(crate) fn observe(record: &ActionRecord, observed: &Observed) -> Option<ActionRecord> {
    let is_changed = record.observed.as_ref().is_none_or(|before| {
        let is_same = before.result == observed.result
            && before.phase == observed.phase
            && before.message == observed.message;
        before.result == ObservedResult::Running && !is_same
    });
    is_changed
        .then(|| places::ended(ActionRecord { observed: Some(observed.clone()), ..record.clone() }))
}

/// The lists in which an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lists {
    /// It is not settled.
    pub(crate) unsettled: bool,
    /// It left the bus, and is not settled.
    pub(crate) held: bool,
    /// Its object was seen and is not in a terminal state, or the action is in progress until the object is seen.
    pub(crate) running: bool,
    /// It is replaced, and its work was not asked to stop, or nobody took note of its end.
    pub(crate) stopping: bool,
    /// Since when it is a dead letter.
    pub(crate) dead_since: Option<Timestamp>,
}

/// The lists in which an action with this record is.
pub(crate) fn lists(record: &ActionRecord) -> Lists {
    let unsettled = !record.state.is_settled();
    let observed = record.observed.as_ref().map(|observed| observed.result);
    let is_started = matches!(record.state, ActionState::Done { started: Some(_), .. });
    Lists {
        unsettled,
        held: unsettled && record.off_bus,
        running: observed == Some(ObservedResult::Running) || is_started && record.in_progress,
        stopping: (is_started && record.in_progress || record.state.is_replaced())
            && record.replaced.as_ref().is_some_and(|replaced| !replaced.is_stopped),
        dead_since: match &record.state {
            state if state.is_replaced() => None,
            ActionState::DeadLettered { at, .. } => Some(*at),
            _ => None,
        },
    }
}

/// The dead letters of an event from the moment it is decided: the event as a whole, or each rejected
/// decision.
pub(crate) fn dead_on_decision(
    rejected: Option<&str>,
    decisions: &[DecisionRecord],
) -> Vec<DeadEntry<'static>> {
    if rejected.is_some() {
        return vec![DeadEntry::Event];
    }
    let decisions = decisions.iter().enumerate();
    decisions
        .filter(|(_, decision)| decision.outcome == Outcome::Rejected)
        .map(|(index, _)| DeadEntry::Decision(index))
        .collect()
}

/// The dead letters that a record leads to, each with the time of its end, whether or not a person replayed or
/// discarded them.
pub(crate) fn dead_entries(record: &EventRecord) -> Vec<(Timestamp, DeadEntry<'_>)> {
    let decided = record.decided.map(|at| {
        let entries = dead_on_decision(record.rejected.as_deref(), &record.decisions);
        entries.into_iter().map(move |entry| (at, entry))
    });
    let actions = record.actions.iter();
    let actions = actions
        .filter_map(|action| Some((lists(action).dead_since?, DeadEntry::Action(&action.id))));
    decided.into_iter().flatten().chain(actions).collect()
}

/// A part of an event that is a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeadEntry<'a> {
    /// The event as a whole, which was refused.
    Event,
    /// The decision with this index, which was rejected.
    Decision(usize),
    /// The action with this id, which was given up.
    Action(&'a str),
}
