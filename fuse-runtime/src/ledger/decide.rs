//! Deciding an event in the state folder.

use redb::{ReadableTable as _, WriteTransaction};

use super::flow_table::asked;
use super::read::{ActionRow, DecidedRow, assemble};
use super::transition::{self, DecidedEvent};
use super::{EventRecord, LedgerError, Verdict, blow, place_table, switch_table, wake};
use crate::store::{
    ACTIONS, DEAD, DECIDED, EVENTS, STATUS, StoreError, UNSETTLED, decode_envelope, put_row,
};

/// Decides an event, unless it is decided. If it fails, nothing was written.
pub(super) fn decide(
    transaction: &WriteTransaction,
    verdict: &Verdict,
) -> Result<Result<EventRecord, LedgerError>, StoreError> {
    let key = verdict.event.encode();
    let on_record = assemble(
        &transaction.open_table(EVENTS)?,
        &transaction.open_table(STATUS)?,
        &transaction.open_table(DECIDED)?,
        &transaction.open_table(ACTIONS)?,
        &key,
        decode_envelope,
    )?;
    let Some(mut record) = on_record else {
        return Ok(Err(LedgerError::UnknownEvent(verdict.event.clone())));
    };
    if record.decided.is_some() {
        return Ok(Ok(record));
    }
    // Every check comes before the first write, so that there is nothing to undo.
    for (id, _) in &verdict.actions {
        if transaction.open_table(ACTIONS)?.get(id.as_str())?.is_some() {
            return Ok(Err(LedgerError::Invalid(transition::two_actions(id))));
        }
    }
    let before = asked(transaction, verdict)?;
    let mut states = before.clone();
    let fuses_before = switch_table::of(transaction, &verdict.blow)?;
    let mut fuses = fuses_before.clone();
    let decided = match transition::decide(verdict, &mut states, &mut fuses) {
        Ok(decided) => decided,
        Err(error) => return Ok(Err(error)),
    };
    let DecidedEvent { decisions, actions: fired, waits, places, ended } = decided;
    switch_table::write(transaction, &fuses_before, &fuses)?;
    wake::end_all(transaction, &ended)?;
    wake::write_due(transaction, &verdict.event, &[], &waits)?;
    {
        let mut unsettled = transaction.open_table(UNSETTLED)?;
        let mut actions = transaction.open_table(ACTIONS)?;
        for action in &fired {
            unsettled.insert(action.id.as_str(), ())?;
            put_row(&mut actions, &action.id, &ActionRow::new(&verdict.event, action))?;
        }
    }
    let row = DecidedRow {
        plan: verdict.plan.clone(),
        decided: verdict.decided,
        rejected: verdict.rejected.clone(),
        mismatch: verdict.mismatch.clone(),
        decisions,
        actions: fired.iter().map(|action| action.id.clone()).collect(),
        operations: Vec::new(),
        waits,
        places,
        blown: blow::records(&fuses_before, &fuses),
    };
    put_row(&mut transaction.open_table(DECIDED)?, &key, &row)?;
    place_table::write_and_replace(transaction, &before, states, verdict.decided)?;
    let mut dead = transaction.open_table(DEAD)?;
    for entry in transition::dead_on_decision(row.rejected.as_deref(), &row.decisions) {
        dead.insert((row.decided.as_nanosecond(), key.as_str(), &*entry.encode()), ())?;
    }
    record.decided = Some(row.decided);
    record.plan = Some(row.plan);
    record.rejected = row.rejected;
    record.mismatch = row.mismatch;
    record.decisions = row.decisions;
    record.actions = fired;
    record.waits = row.waits;
    record.blown = row.blown;
    Ok(Ok(record))
}
