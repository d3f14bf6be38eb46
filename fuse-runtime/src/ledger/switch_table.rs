//! The changes of fuses at run time, in the state folder.

use fuse_rules::flow::BlowingFuse;
use redb::{ReadTransaction, ReadableTable as _, WriteTransaction};

use super::{FuseHistories, FuseHistory, FuseSwitch};
use crate::store::{FUSES, StoreError, get_row, put_row};

pub(super) fn record(
    transaction: &WriteTransaction,
    fuse: &str,
    switch: &FuseSwitch,
) -> Result<(), StoreError> {
    let mut table = transaction.open_table(FUSES)?;
    let mut history = readable(get_row(&table, fuse))?;
    match history.record(switch.clone()) {
        true => put_row(&mut table, fuse, &history),
        false => Ok(()),
    }
}

/// The last changes of these fuses.
pub(super) fn of(
    transaction: &WriteTransaction,
    blow: &[BlowingFuse],
) -> Result<FuseHistories, StoreError> {
    let mut histories = FuseHistories::new();
    if blow.is_empty() {
        return Ok(histories);
    }
    let table = transaction.open_table(FUSES)?;
    for fuse in blow {
        let history = readable(get_row(&table, fuse.name.as_str()))?;
        histories.insert(fuse.name.clone(), history);
    }
    Ok(histories)
}

/// Writes the changes of fuses that blew.
pub(super) fn write(
    transaction: &WriteTransaction,
    before: &FuseHistories,
    after: &FuseHistories,
) -> Result<(), StoreError> {
    for (fuse, history) in after {
        if before.get(fuse) != Some(history) {
            put_row(&mut transaction.open_table(FUSES)?, fuse.as_str(), history)?;
        }
    }
    Ok(())
}

pub(super) fn read(transaction: &ReadTransaction) -> Result<FuseHistories, StoreError> {
    let table = transaction.open_table(FUSES)?;
    let mut histories = FuseHistories::new();
    for row in table.iter()? {
        let fuse = row?.0.value().to_owned();
        let history = readable(get_row(&table, &fuse))?;
        histories.insert(fuse, history);
    }
    Ok(histories)
}

/// The history in a row. If it cannot be read, the fuse may have been switched off, so it is off until a person switches
/// it again.
fn readable(row: Result<Option<FuseHistory>, StoreError>) -> Result<FuseHistory, StoreError> {
    match row {
        Err(StoreError::Damaged(_)) => Ok(FuseHistory::damaged()),
        row => Ok(row?.unwrap_or_default()),
    }
}
