//! Pruning old events in batches, so that the writer stays free for new events.

use std::ops::Bound;

use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::read::{ActionRow, DecidedRow};
use super::transition::{self, DeadEntry};
use crate::event::EventKey;
use crate::store::{
    ACTIONS, DEAD, DECIDED, EVENT_BYTES, EVENTS, EventStatus, FLOW, FLOW_ENDS, FLOW_SUBJECTS, IDS,
    META, RUNNING, STATUS, STOPPING, StoreError, THREAD_ENDS, THREADS, TIMES, UNSETTLED, WOKEN,
    get_row, id_place,
};

/// How many rows one transaction reads.
const BATCH: usize = 256;

/// What ends by itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Ending {
    /// States of flow control.
    States,
    /// Threads of messages.
    Threads,
}

impl Ending {
    pub(super) const ALL: [Self; 2] = [Self::States, Self::Threads];

    fn rows(self) -> EndingRows {
        match self {
            Self::States => (&[FLOW, FLOW_SUBJECTS], FLOW_ENDS),
            Self::Threads => (&[THREADS], THREAD_ENDS),
        }
    }
}

/// Prunes the next batch of events. Returns how many were removed, and the last one that was read if more
/// may follow.
pub(super) fn prune_events(
    transaction: &WriteTransaction,
    from: Bound<(i128, u64)>,
    before: i128,
) -> Result<(u64, Option<(i128, u64)>), StoreError> {
    let mut times = transaction.open_table(TIMES)?;
    let mut batch = Vec::new();
    for entry in times.range::<(i128, u64)>((from, Bound::Excluded((before, 0))))? {
        let (place, key) = entry?;
        batch.push((place.value(), key.value().to_owned()));
        if batch.len() == BATCH {
            break;
        }
    }
    let mut removed = 0_u64;
    for (place, key) in &batch {
        match remove(transaction, key) {
            Ok(false) => {}
            Ok(true) => {
                times.remove(place)?;
                removed = removed.saturating_add(1);
            }
            // It stays, and the others are removed.
            Err(StoreError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let last = batch.last().filter(|_| batch.len() == BATCH);
    Ok((removed, last.map(|(place, _)| *place)))
}

/// Removes the event and everything recorded about it, if it is settled. Returns whether it was.
fn remove(transaction: &WriteTransaction, key: &str) -> Result<bool, StoreError> {
    let mut statuses = transaction.open_table(STATUS)?;
    let status: Option<EventStatus> = get_row(&statuses, key)?;
    if status.as_ref().is_some_and(|status| !status.acked) {
        return Ok(false);
    }
    let mut all_decided = transaction.open_table(DECIDED)?;
    let decided: Option<DecidedRow> = get_row(&all_decided, key)?;
    let mut dead = transaction.open_table(DEAD)?;
    if let Some(decided) = &decided {
        // What is in progress has places that others wait for.
        let is_over = decided.waits.is_empty() && decided.places.is_empty();
        if !is_over || transaction.open_table(WOKEN)?.get(key)?.is_some() {
            return Ok(false);
        }
        let unsettled = transaction.open_table(UNSETTLED)?;
        for id in &decided.actions {
            if unsettled.get(id.as_str())?.is_some() {
                return Ok(false);
            }
        }
        let mut actions = transaction.open_table(ACTIONS)?;
        for id in &decided.actions {
            let row: Option<ActionRow> = get_row(&actions, id)?;
            let record = row.map(|row| row.with_id(id.clone()).action);
            if let Some(at) = record.and_then(|record| transition::lists(&record).dead_since) {
                dead.remove((at.as_nanosecond(), key, &*DeadEntry::Action(id).encode()))?;
            }
            actions.remove(id.as_str())?;
            transaction.open_table(RUNNING)?.remove(id.as_str())?;
            transaction.open_table(STOPPING)?.remove(id.as_str())?;
        }
        for letter in transition::dead_on_decision(decided.rejected.as_deref(), &decided.decisions)
        {
            dead.remove((decided.decided.as_nanosecond(), key, &*letter.encode()))?;
        }
        all_decided.remove(key)?;
    }
    if let Some(event) = EventKey::decode(key) {
        transaction.open_table(IDS)?.remove(id_place(&event))?;
    }
    if let Some(status) = status {
        let row = transaction.open_table(EVENTS)?.remove(status.seq)?.map(|row| row.value().len());
        let mut meta = transaction.open_table(META)?;
        let bytes = meta.get(EVENT_BYTES)?.map_or(0, |bytes| bytes.value());
        meta.insert(EVENT_BYTES, bytes.saturating_sub(row.unwrap_or_default() as u64))?;
    }
    statuses.remove(key)?;
    Ok(true)
}

/// Tables with rows that end, and the table of their ends.
type EndingRows = (
    &'static [TableDefinition<'static, &'static str, &'static [u8]>],
    TableDefinition<'static, (i128, &'static str), ()>,
);

/// Removes a batch of what ended. Returns whether more may follow.
pub(super) fn prune_ended(
    transaction: &WriteTransaction,
    of: Ending,
    before: i128,
) -> Result<bool, StoreError> {
    let (tables, ends) = of.rows();
    let mut ends = transaction.open_table(ends)?;
    let mut over = Vec::new();
    // A state that ends at this instant is over.
    let after = (before.saturating_add(1), "");
    for entry in ends.range::<(i128, &str)>(..after)? {
        let (place, _) = entry?;
        let (until, key) = place.value();
        over.push((until, key.to_owned()));
        if over.len() == BATCH {
            break;
        }
    }
    for (until, key) in &over {
        ends.remove((*until, key.as_str()))?;
    }
    for table in tables {
        let mut table = transaction.open_table(*table)?;
        for (_, key) in &over {
            table.remove(key.as_str())?;
        }
    }
    Ok(over.len() == BATCH)
}
