//! The actions in the state folder, with the lists in which each one is.

use redb::WriteTransaction;

use super::read::ActionRow;
use super::transition::{self, DeadEntry, Lists, Transition};
use super::{ActionRecord, LedgerError, Observed, place_table, thread_table};
use crate::event::EventKey;
use crate::store::{
    ACTIONS, DEAD, HELD, RUNNING, STOPPING, StoreError, UNSETTLED, get_row, put_row,
};

/// Makes the action take this transition. Says why it cannot.
pub(super) fn change(
    transaction: &WriteTransaction,
    event: &EventKey,
    id: &str,
    transition: &Transition,
) -> Result<Result<(), LedgerError>, StoreError> {
    let Some(record) = action_of(transaction, event, id)? else {
        return Ok(Err(LedgerError::UnknownAction(id.to_owned())));
    };
    match transition::change(&record, transition) {
        Ok(None) => Ok(Ok(())),
        Ok(Some(changed)) => write_action(transaction, event, &record, &changed).map(Ok),
        Err(error) => Ok(Err(error)),
    }
}

/// Records what was observed of the action's objects. Says whether that changes the record.
pub(super) fn observe(
    transaction: &WriteTransaction,
    event: &EventKey,
    id: &str,
    observed: &Observed,
) -> Result<Result<bool, LedgerError>, StoreError> {
    let Some(record) = action_of(transaction, event, id)? else {
        return Ok(Err(LedgerError::UnknownAction(id.to_owned())));
    };
    let Some(changed) = transition::observe(&record, observed) else { return Ok(Ok(false)) };
    write_action(transaction, event, &record, &changed)?;
    Ok(Ok(true))
}

/// The record of the action, if the event has it.
pub(super) fn action_of(
    transaction: &WriteTransaction,
    event: &EventKey,
    id: &str,
) -> Result<Option<ActionRecord>, StoreError> {
    let row: Option<ActionRow> = get_row(&transaction.open_table(ACTIONS)?, id)?;
    Ok(row.filter(|row| row.event == *event).map(|row| row.with_id(id.to_owned()).action))
}

/// Writes the record of an action, and the lists in which it is.
pub(super) fn write_action(
    transaction: &WriteTransaction,
    event: &EventKey,
    before: &ActionRecord,
    after: &ActionRecord,
) -> Result<(), StoreError> {
    let id = after.id.as_str();
    let (old, new) = (transition::lists(before), transition::lists(after));
    if old != new {
        let list = |Lists { unsettled, held, running, stopping, .. }: Lists| {
            [(UNSETTLED, unsettled), (HELD, held), (RUNNING, running), (STOPPING, stopping)]
        };
        for ((table, was_listed), (_, is_listed)) in list(old).into_iter().zip(list(new)) {
            if is_listed && !was_listed {
                transaction.open_table(table)?.insert(id, ())?;
            } else if was_listed && !is_listed {
                transaction.open_table(table)?.remove(id)?;
            }
        }
        let (key, entry) = (event.encode(), DeadEntry::Action(id).encode());
        let mut dead = transaction.open_table(DEAD)?;
        if let Some(at) = old.dead_since {
            dead.remove((at.as_nanosecond(), key.as_str(), &*entry))?;
        }
        if let Some(at) = new.dead_since {
            dead.insert((at.as_nanosecond(), key.as_str(), &*entry), ())?;
        }
    }
    put_row(&mut transaction.open_table(ACTIONS)?, id, &ActionRow::new(event, after))?;
    thread_table::write(transaction, before, after)?;
    place_table::ended(transaction, event, before, after)
}
