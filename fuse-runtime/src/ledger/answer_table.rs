//! What people say about decisions that wait, in the state folder.

use fuse_rules::ReactionKind;
use fuse_rules::flow::{Approval, FlowTime, Occurrence};
use redb::{ReadTransaction, ReadableTable as _, WriteTransaction};

use super::answer::{self, WaitAnswer, WaitingDecision};
use super::flow_table::states;
use super::read::DecidedRow;
use super::{LedgerError, WaitRecord, place_table, wake};
use crate::event::EventKey;
use crate::store::{DECIDED, FLOW, StoreError, WAITING, WOKEN, get_row, put_row};

/// Records an answer about the wait with this action. Returns whether it is new.
pub(super) fn answer(
    transaction: &WriteTransaction,
    id: &str,
    said: (WaitAnswer, &Approval),
    time: FlowTime,
) -> Result<Result<bool, LedgerError>, StoreError> {
    let not_waiting = || Ok(Err(LedgerError::NotWaiting(id.to_owned())));
    let key = transaction.open_table(WAITING)?.get(id)?.map(|key| key.value().to_owned());
    let Some(key) = key else { return not_waiting() };
    let row: Option<DecidedRow> = get_row(&transaction.open_table(DECIDED)?, &key)?;
    let Some((mut row, event)) = row.zip(EventKey::decode(&key)) else { return not_waiting() };
    let waited = row.waits.clone();
    let asked = waited.iter().filter(|one| one.id() == Some(id));
    let keys = asked.flat_map(|one| Occurrence::keys(&one.wait.occurrence));
    let before = states(&transaction.open_table(FLOW)?, keys)?;
    let mut after = before.clone();
    let waiting = (row.decisions.as_mut_slice(), &mut row.waits);
    match answer::answer(waiting, &mut after, id, said, time) {
        Ok(true) => {}
        unchanged => return Ok(unchanged),
    }
    wake::write_due(transaction, &event, &waited, &row.waits)?;
    put_row(&mut transaction.open_table(DECIDED)?, &key, &row)?;
    place_table::write(transaction, &before, after)?;
    // The reactions follow.
    if row.decisions.iter().any(|one| ReactionKind::of(one.outcome).is_some()) {
        transaction.open_table(WOKEN)?.insert(key.as_str(), ())?;
    }
    Ok(Ok(true))
}

/// The wait with this action.
pub(super) fn find(
    transaction: &ReadTransaction,
    id: &str,
) -> Result<Option<WaitingDecision>, StoreError> {
    let key = transaction.open_table(WAITING)?.get(id)?.map(|key| key.value().to_owned());
    match key {
        Some(key) => of_event(transaction, id, &key),
        None => Ok(None),
    }
}

/// Up to `limit` waits whose ids come after `after`, and why records cannot be read.
pub(super) fn list(
    transaction: &ReadTransaction,
    after: Option<&str>,
    limit: usize,
) -> Result<(Vec<WaitingDecision>, Vec<String>), StoreError> {
    let (mut found, mut damaged) = (Vec::new(), Vec::new());
    let first = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
    let table = transaction.open_table(WAITING)?;
    for entry in table.range::<&str>((first, std::ops::Bound::Unbounded))? {
        if found.len() >= limit {
            break;
        }
        let (id, key) = entry?;
        match of_event(transaction, id.value(), key.value()) {
            Ok(wait) => found.extend(wait),
            Err(StoreError::Damaged(why)) => damaged.push(why),
            Err(error) => return Err(error),
        }
    }
    Ok((found, damaged))
}

fn of_event(
    transaction: &ReadTransaction,
    id: &str,
    key: &str,
) -> Result<Option<WaitingDecision>, StoreError> {
    let row: Option<DecidedRow> = get_row(&transaction.open_table(DECIDED)?, key)?;
    let Some((row, event)) = row.zip(EventKey::decode(key)) else { return Ok(None) };
    let is_it = |one: &WaitRecord| one.id() == Some(id);
    let record = row.waits.iter().find(|one| is_it(one)).cloned();
    Ok(record.map(|record| WaitingDecision::new(event, &row.decisions, record)))
}
