//! The places of `concurrency` in the state folder: they are free once all actions of their occurrence ended, and then
//! those that wait for them are due.

use fuse_rules::flow::{FlowStates, WaitName};
use redb::WriteTransaction;

use super::flow_table::{states, write_states};
use super::read::readable_row;
use super::{ActionRecord, WaitRecord, places, wake};
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
