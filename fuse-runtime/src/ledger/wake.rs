//! The waits in the state folder: which are due, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};

use fuse_rules::flow::{BlowingFuse, EndedWait, FlowTime, Occurrence, WaitName};
use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable as _, TableHandle as _, WriteTransaction};

use super::flow_table::states;
use super::react::add_actions;
use super::read::{self, DecidedRow, readable_row};
use super::waits::{self, Resumed, WaitRecord};
use super::{CurrentRules, Due, Woken, blow, place_table, switch_table};
use crate::event::EventKey;
use crate::store::{
    DECIDED, DUE, DUE_HOURS, EventStatus, FLOW, STATUS, StoreError, WAIT_COUNTS, WAITING, WOKEN,
    get_row, put_row,
};

/// The events whose waits are due.
pub(super) fn due(
    transaction: &ReadTransaction,
    time: FlowTime,
    limit: usize,
) -> Result<Due, StoreError> {
    let mut found = Due::default();
    let mut seen = BTreeSet::new();
    for entry in transaction.open_table(WOKEN)?.iter()?.take(limit) {
        let (key, _) = entry?;
        found.events.extend(EventKey::decode(key.value()));
        seen.insert(key.value().to_owned());
    }
    // Each table is sorted by its own clock.
    let mut entries: Vec<(Timestamp, u64, String)> = Vec::new();
    for table in [DUE, DUE_HOURS] {
        let is_for_hours = table.name() == DUE_HOURS.name();
        for entry in transaction.open_table(table)?.iter()? {
            let (place, key) = entry?;
            let (until, seq, _) = place.value();
            let until = Timestamp::from_nanosecond(until).unwrap_or(Timestamp::MAX);
            let until = if is_for_hours { time.to_steady(until) } else { until };
            let is_due = until <= time.steady;
            // What is not due says only when to come again.
            if !is_due || seen.insert(key.value().to_owned()) {
                entries.push((until, seq, key.value().to_owned()));
            }
            // One more than needed shows when to come again.
            if !is_due || entries.len() > limit.saturating_mul(2) {
                break;
            }
        }
    }
    entries.sort_unstable();
    for (until, _, key) in entries {
        if until > time.steady || found.events.len() >= limit {
            found.next = Some(until.max(time.steady));
            break;
        }
        found.events.extend(EventKey::decode(&key));
    }
    Ok(found)
}

/// Resumes the waits of an event that are due.
pub(super) fn wake(
    transaction: &WriteTransaction,
    event: &EventKey,
    rules: &CurrentRules,
    time: FlowTime,
) -> Result<Woken, StoreError> {
    let key = event.encode();
    let is_unfinished = transaction.open_table(WOKEN)?.get(key.as_str())?.is_some();
    let row: Option<DecidedRow> = get_row(&transaction.open_table(DECIDED)?, &key)?;
    let Some(mut row) = row.filter(|row| waits::is_due(&row.waits, time)) else {
        return Ok(Woken { is_unfinished, ..Woken::default() });
    };
    let due = row.waits.iter().filter(|one| one.wait.is_due(time));
    let keys = due.flat_map(|one| Occurrence::keys(&one.wait.occurrence));
    let keys = keys.chain(rules.blow.iter().flat_map(BlowingFuse::keys));
    let before = states(&transaction.open_table(FLOW)?, keys)?;
    let mut after = before.clone();
    let waited = row.waits.clone();
    let fuses_before = switch_table::of(transaction, &rules.blow)?;
    let mut fuses = fuses_before.clone();
    let waiting = (row.decisions.as_mut_slice(), &mut row.waits);
    let Resumed { decisions, actions, places, ended } =
        waits::resume(waiting, &mut after, &mut fuses, (rules, time));
    row.places.extend(places);
    switch_table::write(transaction, &fuses_before, &fuses)?;
    row.blown.extend(blow::records(&fuses_before, &fuses));
    write_due(transaction, event, &waited, &row.waits)?;
    let released = add_actions(transaction, event, &mut row, actions)?;
    put_row(&mut transaction.open_table(DECIDED)?, &key, &row)?;
    end_all(transaction, &ended)?;
    place_table::correct(transaction, &row.waits, &mut after)?;
    place_table::write_and_replace(transaction, &before, after, time.wall)?;
    let may_react = waits::may_react(&decisions, &row.waits);
    if may_react {
        transaction.open_table(WOKEN)?.insert(key.as_str(), ())?;
    }
    let is_unfinished = is_unfinished || may_react;
    let blown = blow::changed(&fuses_before, &fuses);
    Ok(Woken { decisions, actions: released, blown, is_unfinished })
}

/// Makes the waits of these rules due now that may not have to go on.
pub(super) fn recheck(
    transaction: &WriteTransaction,
    rules: &BTreeSet<String>,
    time: FlowTime,
) -> Result<(), StoreError> {
    let mut events = BTreeSet::new();
    for table in [DUE, DUE_HOURS] {
        for entry in transaction.open_table(table)?.iter()? {
            let (place, key) = entry?;
            // The name of a wait begins with that of its rule.
            let name = place.value().2.split_once(' ').map_or("", |(rule, _)| rule);
            if rules.contains(name) {
                events.insert(key.value().to_owned());
            }
        }
    }
    for key in events {
        let row = readable_row(transaction, &key)?;
        let Some((mut row, event)) = row.zip(EventKey::decode(&key)) else { continue };
        let before = row.waits.clone();
        if waits::recheck(&mut row.waits, rules, time) {
            write_due(transaction, &event, &before, &row.waits)?;
            put_row(&mut transaction.open_table(DECIDED)?, &key, &row)?;
        }
    }
    Ok(())
}

/// Forgets that an event has something to do, because its record cannot be read.
pub(super) fn forget(transaction: &WriteTransaction, event: &EventKey) -> Result<(), StoreError> {
    let key = event.encode();
    transaction.open_table(WOKEN)?.remove(key.as_str())?;
    for table in [DUE, DUE_HOURS] {
        transaction.open_table(table)?.retain(|_, of| of != key)?;
    }
    transaction.open_table(WAITING)?.retain(|_, of| of != key)?;
    Ok(())
}

/// The reactions to the decisions of an event that was woken are on record.
pub(super) fn finish(transaction: &WriteTransaction, event: &EventKey) -> Result<(), StoreError> {
    transaction.open_table(WOKEN)?.remove(event.encode().as_str())?;
    Ok(())
}

/// Ends waits before they are due.
pub(super) fn end_all(
    transaction: &WriteTransaction,
    ended: &[EndedWait],
) -> Result<(), StoreError> {
    let mut by_event: BTreeMap<&str, Vec<&EndedWait>> = BTreeMap::new();
    for one in ended {
        by_event.entry(one.wait.event()).or_default().push(one);
    }
    for (key, ended) in by_event {
        let row = readable_row(transaction, key)?;
        let Some((mut row, event)) = row.zip(EventKey::decode(key)) else { continue };
        let waited = row.waits.clone();
        for one in ended {
            waits::end(&mut row.decisions, &mut row.waits, one);
        }
        if row.waits != waited {
            write_due(transaction, &event, &waited, &row.waits)?;
            put_row(&mut transaction.open_table(DECIDED)?, key, &row)?;
        }
    }
    Ok(())
}

/// Makes a wait due for which there is a place. Returns whether there is such a wait.
pub(super) fn make_due(
    transaction: &WriteTransaction,
    name: &WaitName,
) -> Result<bool, StoreError> {
    let key = name.event();
    let row = readable_row(transaction, key)?;
    let Some((mut row, event)) = row.zip(EventKey::decode(key)) else { return Ok(false) };
    let waited = row.waits.clone();
    if !waits::make_due(&mut row.waits, name) {
        return Ok(false);
    }
    if row.waits != waited {
        write_due(transaction, &event, &waited, &row.waits)?;
        put_row(&mut transaction.open_table(DECIDED)?, key, &row)?;
    }
    Ok(true)
}

/// Whether the numbers of those that wait by clause do not add up, because a record was damaged, or an older fuse wrote the
/// state.
pub(super) fn has_wrong_counts(transaction: &ReadTransaction) -> Result<bool, StoreError> {
    let counts = read::counts(transaction)?;
    Ok(counts.waiting_at.values().sum::<u64>() != counts.waiting)
}

/// Counts those that wait by clause again.
pub(super) fn recount(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let mut events = BTreeSet::new();
    for table in [DUE, DUE_HOURS] {
        for entry in transaction.open_table(table)?.iter()? {
            events.insert(entry?.1.value().to_owned());
        }
    }
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    for key in events {
        let row = readable_row(transaction, &key)?;
        for (word, number) in row.iter().flat_map(|row| waits::by_clause(&row.waits)) {
            let count = all.entry(word).or_default();
            *count = count.saturating_add(number);
        }
    }
    transaction.open_table(WAIT_COUNTS)?.retain(|_, _| false)?;
    count(transaction, &BTreeMap::new(), &all)
}

/// Changes how many wait, by the first word of the clause.
fn count(
    transaction: &WriteTransaction,
    before: &BTreeMap<&str, u64>,
    after: &BTreeMap<&str, u64>,
) -> Result<(), StoreError> {
    let words: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    for word in words {
        let of = |counts: &BTreeMap<&str, u64>| counts.get(word).copied().unwrap_or_default();
        let (before, after) = (of(before), of(after));
        if before == after {
            continue;
        }
        let mut counts = transaction.open_table(WAIT_COUNTS)?;
        let count = counts.get(word)?.map_or(0, |count| count.value());
        counts.insert(word, count.saturating_add(after).saturating_sub(before))?;
    }
    Ok(())
}

/// Writes when the waits of an event are due.
pub(super) fn write_due(
    transaction: &WriteTransaction,
    event: &EventKey,
    before: &[WaitRecord],
    after: &[WaitRecord],
) -> Result<(), StoreError> {
    if before.is_empty() && after.is_empty() {
        return Ok(());
    }
    count(transaction, &waits::by_clause(before), &waits::by_clause(after))?;
    let key = event.encode();
    let status: Option<EventStatus> = get_row(&transaction.open_table(STATUS)?, &key)?;
    let seq = status.map_or(0, |status| status.seq);
    for table in [DUE, DUE_HOURS] {
        let is_for_hours = table.name() == DUE_HOURS.name();
        let places = |waits: &[WaitRecord]| -> BTreeSet<(i128, String)> {
            let waits = waits.iter().map(|one| &one.wait);
            let waits = waits.filter(|wait| wait.is_for_hours() == is_for_hours);
            waits
                .map(|wait| {
                    let name = wait.name();
                    (wait.until.as_nanosecond(), format!("{} {}", name.rule, name.owner))
                })
                .collect()
        };
        let (before, after) = (places(before), places(after));
        if before == after {
            continue;
        }
        let mut due = transaction.open_table(table)?;
        for (until, name) in before.difference(&after) {
            due.remove((*until, seq, name.as_str()))?;
        }
        for (until, name) in after.difference(&before) {
            due.insert((*until, seq, name.as_str()), key.as_str())?;
        }
    }
    let ids = |waits: &[WaitRecord]| -> BTreeSet<String> {
        waits.iter().filter_map(WaitRecord::id).map(str::to_owned).collect()
    };
    let (before, after) = (ids(before), ids(after));
    if before != after {
        let mut waiting = transaction.open_table(WAITING)?;
        for id in before.difference(&after) {
            waiting.remove(id.as_str())?;
        }
        for id in after.difference(&before) {
            waiting.insert(id.as_str(), key.as_str())?;
        }
    }
    Ok(())
}
