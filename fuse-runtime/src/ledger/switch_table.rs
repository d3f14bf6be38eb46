//! The changes of fuses at run time, in the state folder.

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
