//! The actions in the state folder, with the lists in which each one is.

use std::time::Duration;

use jiff::Timestamp;
use redb::{ReadableTable as _, WriteTransaction};

use super::change::ActionRef;
use super::read::ActionRow;
use super::transition::{self, DeadEntry, Lists, Transition};
use super::{ActionRecord, LedgerError, Observed, place_table, thread_table};
use crate::change::Origin;
use crate::event::EventKey;
use crate::store::{
    ACTIONS, DEAD, HELD, MEMBERS, RUNNING, STOPPING, StoreError, UNSETTLED, get_row, put_row,
};

/// Makes the action take this transition. Returns the revision of its record, or why it cannot.
pub(super) fn change(
    transaction: &WriteTransaction,
    action: &ActionRef,
    transition: &Transition,
    origin: Option<&Origin>,
) -> Result<Result<u64, LedgerError>, StoreError> {
    let Some(record) = action_of(transaction, &action.event, &action.id)? else {
        return Ok(Err(LedgerError::UnknownAction(action.id.clone())));
    };
    match changed(transaction, (&record, action), transition, origin)? {
        Ok(None) => Ok(Ok(record.revision)),
        Ok(Some(changed)) => {
            write_action(transaction, &action.event, &record, &changed)?;
            Ok(Ok(changed.revision))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// How long a replica that is not heard of counts as alive.
const TAKEN_FOR: Duration = Duration::from_secs(10);

/// The record after the transition. `None` if it is the same as before. If several replicas share the ledger, a replica
/// may change only the revision that it knows, and an intent of a replica that is alive is its own.
pub(super) fn changed(
    transaction: &WriteTransaction,
    (record, action): (&ActionRecord, &ActionRef),
    transition: &Transition,
    origin: Option<&Origin>,
) -> Result<Result<Option<ActionRecord>, LedgerError>, StoreError> {
    let changed = match transition::change(record, transition) {
        Ok(Some(changed)) => changed,
        unchanged => return Ok(unchanged),
    };
    let Some(origin) = origin else { return Ok(Ok(Some(changed))) };
    if action.revision.is_some_and(|revision| revision != record.revision) {
        return Ok(Err(LedgerError::Fenced(record.id.clone())));
    }
    let mut performed_by = None;
    if let Transition::Intend(attempt) = transition {
        if let Some(other) = record.performed_by.as_ref().filter(|other| **other != origin.replica)
            && transaction.open_table(MEMBERS)?.get(other.as_str())?.is_some()
        {
            let until = attempt.at.checked_add(TAKEN_FOR).unwrap_or(Timestamp::MAX);
            return Ok(Err(LedgerError::Taken { action: record.id.clone(), until }));
        }
        performed_by = Some(origin.replica.clone());
    }
    let revision = origin.position;
    Ok(Ok(Some(ActionRecord { revision, performed_by, ..changed })))
}

/// Records what was observed of the action's objects. Says whether that changes the record.
pub(super) fn observe(
    transaction: &WriteTransaction,
    ActionRef { event, id, .. }: &ActionRef,
    observed: &Observed,
) -> Result<Result<bool, LedgerError>, StoreError> {
    let Some(record) = action_of(transaction, event, id)? else {
        return Ok(Err(LedgerError::UnknownAction(id.clone())));
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
