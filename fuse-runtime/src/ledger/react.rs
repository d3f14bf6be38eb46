//! Recording reactions in the state folder.

use fuse_rules::flow::FlowStates;
use redb::{ReadableTable as _, WriteTransaction};

use super::action_table::{self, action_of, write_action};
use super::change::ActionRef;
use super::flow_table::{asked, write_states};
use super::read::{ActionRow, DecidedRow, decided_row};
use super::transition::{self, DeadEntry, Transition};
use super::{
    ActionRecord, EventAction, FuseHistories, LedgerError, Observed, Reacted, Verdict, blow,
    place_table, switch_table, wake,
};
use crate::change::Origin;
use crate::event::EventKey;
use crate::store::{
    ACTIONS, DEAD, DECIDED, EventStatus, HELD, STATUS, StoreError, UNSETTLED, WOKEN, get_row,
    put_row,
};

/// Adds reactions to a decided event. If it fails, nothing was written.
pub(super) fn react(
    transaction: &WriteTransaction,
    verdict: &Verdict,
) -> Result<Result<Reacted, LedgerError>, StoreError> {
    let key = verdict.event.encode();
    let Some(status) = get_row::<EventStatus>(&transaction.open_table(STATUS)?, &key)? else {
        return Ok(Err(LedgerError::UnknownEvent(verdict.event.clone())));
    };
    let row = decided_row(&transaction.open_table(DECIDED)?, &key, &status)?;
    let Some(mut row) = row else { return Ok(Err(transition::undecided(&verdict.event))) };
    let before = asked(transaction, verdict)?;
    let mut states = before.clone();
    let reactions = match transition::react(&row.decisions, verdict, &mut states) {
        Ok(reactions) => reactions,
        Err(error) => return Ok(Err(error)),
    };
    for action in &reactions.actions {
        if transaction.open_table(ACTIONS)?.get(action.id.as_str())?.is_some() {
            return Ok(Err(LedgerError::Invalid(transition::two_actions(&action.id))));
        }
    }
    if reactions.decisions.is_empty() {
        return Ok(Ok(Reacted::default()));
    }
    wake::end_all(transaction, &reactions.ended)?;
    let waited = row.waits.clone();
    row.waits.extend(reactions.waits);
    wake::write_due(transaction, &verdict.event, &waited, &row.waits)?;
    row.places.extend(reactions.places);
    let added = add_actions(transaction, &verdict.event, &mut row, reactions.actions)?;
    let known = row.decisions.len();
    row.decisions.extend(reactions.decisions.iter().cloned());
    let mut dead = transaction.open_table(DEAD)?;
    for entry in transition::dead_on_decision(row.rejected.as_deref(), &row.decisions) {
        if matches!(entry, DeadEntry::Decision(index) if index >= known) {
            dead.insert((row.decided.as_nanosecond(), key.as_str(), &*entry.encode()), ())?;
        }
    }
    put_row(&mut transaction.open_table(DECIDED)?, &key, &row)?;
    place_table::write(transaction, &before, states)?;
    Ok(Ok(Reacted { decisions: reactions.decisions, actions: added, blown: Vec::new() }))
}

/// Adds actions that are off the bus to the record of an event.
pub(super) fn add_actions(
    transaction: &WriteTransaction,
    event: &EventKey,
    row: &mut DecidedRow,
    actions: Vec<ActionRecord>,
) -> Result<Vec<EventAction>, StoreError> {
    let (mut unsettled, mut held) =
        (transaction.open_table(UNSETTLED)?, transaction.open_table(HELD)?);
    let mut rows = transaction.open_table(ACTIONS)?;
    let mut added = Vec::new();
    for action in actions {
        unsettled.insert(action.id.as_str(), ())?;
        held.insert(action.id.as_str(), ())?;
        put_row(&mut rows, &action.id, &ActionRow::new(event, &action))?;
        row.actions.push(action.id.clone());
        added.push(EventAction { event: event.clone(), action });
    }
    Ok(added)
}

/// Records the end of an action with the reactions to it. If it fails, nothing was written.
pub(super) fn settle_and_react(
    transaction: &WriteTransaction,
    (action, origin): (&ActionRef, Option<&Origin>),
    settle: &Transition,
    verdict: &Verdict,
) -> Result<Result<Reacted, LedgerError>, StoreError> {
    let ActionRef { event, id, .. } = action;
    let Some(record) = action_of(transaction, event, id)? else {
        return Ok(Err(LedgerError::UnknownAction(id.clone())));
    };
    let changed = match action_table::changed(transaction, (&record, action), settle, origin)? {
        Ok(changed) => changed,
        Err(error) => return Ok(Err(error)),
    };
    let mut reacted = react(transaction, verdict)?;
    if let (Ok(reacted), Some(changed)) = (&mut reacted, changed) {
        write_action(transaction, event, &record, &changed)?;
        reacted.blown = count(transaction, verdict, |states, fuses| {
            blow::settled(verdict, &changed, &changed.state, states, fuses)
        })?;
    }
    Ok(reacted)
}

/// Counts a failure for the fuses of a verdict. Returns those that blow.
fn count(
    transaction: &WriteTransaction,
    verdict: &Verdict,
    count: impl FnOnce(&mut FlowStates, &mut FuseHistories) -> Vec<String>,
) -> Result<Vec<String>, StoreError> {
    if verdict.blow.is_empty() {
        return Ok(Vec::new());
    }
    let (states_before, fuses_before) =
        (asked(transaction, verdict)?, switch_table::of(transaction, &verdict.blow)?);
    let (mut states, mut fuses) = (states_before.clone(), fuses_before.clone());
    let blown = count(&mut states, &mut fuses);
    write_states(transaction, &states_before, &states)?;
    switch_table::write(transaction, &fuses_before, &fuses)?;
    let records = blow::records(&fuses_before, &fuses);
    let key = verdict.event.encode();
    let row: Option<DecidedRow> = get_row(&transaction.open_table(DECIDED)?, &key)?;
    if let Some(mut row) = row.filter(|_| !records.is_empty()) {
        row.blown.extend(records);
        put_row(&mut transaction.open_table(DECIDED)?, &key, &row)?;
        // The event may have left the bus: this is where the reactions of the fuses are resumed after a crash.
        transaction.open_table(WOKEN)?.insert(key.as_str(), ())?;
    }
    Ok(blown)
}

/// Records the state of an object with the reactions to it, if the state changed. If it fails, nothing was written.
pub(super) fn observe_and_react(
    transaction: &WriteTransaction,
    ActionRef { event, id, .. }: &ActionRef,
    observed: &Observed,
    verdict: &Verdict,
) -> Result<Result<(bool, Reacted), LedgerError>, StoreError> {
    let Some(record) = action_of(transaction, event, id)? else {
        return Ok(Err(LedgerError::UnknownAction(id.clone())));
    };
    let Some(changed) = transition::observe(&record, observed) else {
        return Ok(Ok((false, Reacted::default())));
    };
    let mut reacted = react(transaction, verdict)?;
    if let Ok(reacted) = &mut reacted {
        write_action(transaction, event, &record, &changed)?;
        reacted.blown = count(transaction, verdict, |states, fuses| {
            blow::observed(verdict, &changed, observed, states, fuses)
        })?;
    }
    Ok(reacted.map(|reacted| (true, reacted)))
}
