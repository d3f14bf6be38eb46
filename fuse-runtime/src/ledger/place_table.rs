//! The places of `concurrency` in the state folder: they are free once all actions of their occurrence ended, and then
//! those that wait for them are due.

use fuse_rules::flow::{FlowStates, ReplacedOccurrence, WaitName};
use jiff::Timestamp;
use redb::WriteTransaction;

use super::action_table::{action_of, write_action};
use super::flow_table::{states, write_states};
use super::read::readable_row;
use super::{ActionRecord, WaitRecord, places, transition, wake};
use crate::event::EventKey;
use crate::store::{DECIDED, FLOW, StoreError, put_row};

/// Writes the states that changed, and makes those due for which there is a place.
pub(super) fn write(
    transaction: &WriteTransaction,
    before: &FlowStates,
    mut after: FlowStates,
) -> Result<(), StoreError> {
    loop {
        let ready = after.take_ready();
        if ready.is_empty() {
            return write_states(transaction, before, &after);
        }
        for one in &ready {
            if !wake::make_due(transaction, &one.wait)? {
                after.release_ready(one);
            }
        }
    }
}

/// Does the same, and replaces the occurrences whose places newer ones take.
pub(super) fn write_and_replace(
    transaction: &WriteTransaction,
    before: &FlowStates,
    mut after: FlowStates,
    at: Timestamp,
) -> Result<(), StoreError> {
    let stops = after.take_stops();
    write(transaction, before, after)?;
    for one in &stops {
        replace(transaction, one, at)?;
    }
    Ok(())
}

/// Replaces an occurrence in progress. The place is free once its actions have ended.
fn replace(
    transaction: &WriteTransaction,
    replaced: &ReplacedOccurrence,
    at: Timestamp,
) -> Result<(), StoreError> {
    let ReplacedOccurrence { key, occurrence, by } = replaced;
    let event = EventKey::decode(occurrence.event());
    let row = readable_row(transaction, occurrence.event())?;
    let Some((row, event)) = row.zip(event) else { return Ok(()) };
    let Some(held) = row.places.iter().find(|held| held.is(occurrence, key)) else {
        return Ok(());
    };
    for id in &row.actions {
        let record = match action_of(transaction, &event, id) {
            // The event that replaces it is not at fault.
            Err(StoreError::Damaged(_)) => continue,
            record => record?,
        };
        let Some(record) = record else { continue };
        if held.has(&record.action)
            && let Some(changed) = transition::replace(&record, by, at)
        {
            write_action(transaction, &event, &record, &changed)?;
        }
    }
    Ok(())
}

/// Frees the places of an occurrence if the last of its actions ended with this change.
pub(super) fn ended(
    transaction: &WriteTransaction,
    event: &EventKey,
    before: &ActionRecord,
    after: &ActionRecord,
) -> Result<(), StoreError> {
    if !before.in_progress || after.in_progress {
        return Ok(());
    }
    let key = event.encode();
    let Some(mut row) = readable_row(transaction, &key)? else { return Ok(()) };
    let free = places::end(&mut row.places, &after.action);
    put_row(&mut transaction.open_table(DECIDED)?, &key, &row)?;
    let Some(held) = free else { return Ok(()) };
    let before = states(&transaction.open_table(FLOW)?, held.keys.iter().cloned())?;
    let mut after = before.clone();
    held.vacate(&mut after);
    write(transaction, &before, after)
}

/// Frees the places of occurrences whose records are lost, so that nothing waits for them for ever. Looks at the places for
/// which these waits wait.
pub(super) fn correct(
    transaction: &WriteTransaction,
    waits: &[WaitRecord],
    states: &mut FlowStates,
) -> Result<(), StoreError> {
    for wait in waits.iter().map(|one| &one.wait).filter(|wait| wait.is_for_place()) {
        for key in wait.occurrence.place_keys() {
            for one in states.in_progress(&key) {
                if !is_in_progress(transaction, &one, &key)? {
                    states.vacate(&key, &one);
                }
            }
        }
    }
    Ok(())
}

fn is_in_progress(
    transaction: &WriteTransaction,
    name: &WaitName,
    key: &str,
) -> Result<bool, StoreError> {
    let row = readable_row(transaction, name.event())?;
    Ok(row.is_some_and(|row| row.places.iter().any(|held| held.is(name, key))))
}
