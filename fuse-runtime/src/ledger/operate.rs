//! Recording what people do about events, in the state folder.

use std::borrow::Cow;

use jiff::Timestamp;
use redb::{ReadableTable, WriteTransaction};

use super::dead::letter_id;
use super::read::{DecidedRow, action_of, decided_row};
use super::transition::{self, DeadEntry};
use super::{EventOperation, LedgerError, operation};
use crate::event::EventKey;
use crate::store::{ACTIONS, DEAD, DECIDED, EventStatus, STATUS, StoreError, get_row, put_row};

pub(super) fn operate(
    transaction: &WriteTransaction,
    event: &EventKey,
    operation: &EventOperation,
) -> Result<Result<(), LedgerError>, StoreError> {
    let key = event.encode();
    let Some(status) = get_row::<EventStatus>(&transaction.open_table(STATUS)?, &key)? else {
        return Ok(Err(LedgerError::UnknownEvent(event.clone())));
    };
    let mut decided = transaction.open_table(DECIDED)?;
    let Some(mut row) = decided_row(&decided, &key, &status)? else {
        return Ok(Err(operation::undecided(event)));
    };
    match operation::is_new(event, &row.operations, operation) {
        Ok(true) => {}
        Ok(false) => return Ok(Ok(())),
        Err(error) => return Ok(Err(error)),
    }
    let mut dead = transaction.open_table(DEAD)?;
    let (mut is_known, mut is_listed) = (false, false);
    for (at, entry) in dead_about(&transaction.open_table(ACTIONS)?, event, &row, operation)? {
        is_known = true;
        is_listed |= dead.remove((at.as_nanosecond(), key.as_str(), &*entry))?.is_some();
    }
    match &operation.letter {
        Some(id) if !(is_listed || is_known && operation.is_replay()) => {
            return Ok(Err(LedgerError::UnknownDeadLetter(id.clone())));
        }
        _ => row.operations.push(operation.clone()),
    }
    put_row(&mut decided, &key, &row)?;
    Ok(Ok(()))
}

/// The dead letters of an event that an operation is about, listed or not: when they were given up, and their entries.
/// Reads only the actions that it may be about, because an event may have many.
fn dead_about(
    actions: &impl ReadableTable<&'static str, &'static [u8]>,
    event: &EventKey,
    decided: &DecidedRow,
    operation: &EventOperation,
) -> Result<Vec<(Timestamp, Cow<'static, str>)>, StoreError> {
    let key = event.encode();
    let decisions = transition::dead_on_decision(decided.rejected.as_deref(), &decided.decisions);
    let mut about: Vec<_> = decisions
        .into_iter()
        .filter(|entry| operation.is_about(&letter_id(&key, *entry)))
        .map(|entry| (decided.decided, entry.encode()))
        .collect();
    for id in &decided.actions {
        let entry = DeadEntry::Action(id);
        if operation.is_about(&letter_id(&key, entry)) {
            let dead_since = transition::lists(&action_of(actions, id.clone())?.action).dead_since;
            about.extend(dead_since.map(|at| (at, entry.encode())));
        }
    }
    Ok(about)
}
