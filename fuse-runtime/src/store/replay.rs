//! Applying what the journal has and the database lacks.

use redb::{Database, ReadableDatabase as _, WriteTransaction};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::journal::{JOURNAL_FILE, Journal};
use super::{FILE_NAME, META, StoreError};
use crate::change::apply_record;

/// In [`META`]: the random id of the journal.
const ID: &str = "journal_id";
/// The same: the position of the last record that was applied.
const POSITION: &str = "journal_position";

/// The journal of a state folder, after the database has everything that is in it.
pub(super) fn open(database: &Database, mut journal: Journal) -> Result<Journal, StoreError> {
    let (id, position) = read(database)?;
    journal.identify(id.unwrap_or_default(), position);
    reopen(database, &mut journal)?;
    Ok(journal)
}

/// Brings a database that was opened again up to date, on disk. The journal begins from its start again: it is unknown
/// whether all of it is on disk.
pub(super) fn reopen(database: &Database, journal: &mut Journal) -> Result<(), StoreError> {
    let Some((mut transaction, position)) = apply(database, journal)? else { return Ok(()) };
    write_position(&transaction, position)?;
    transaction.set_quick_repair(true);
    transaction.commit()?;
    journal.continue_after(position);
    Ok(())
}

/// Applies again what was answered since the last commit.
pub(super) fn roll_forward(
    database: &Database,
    journal: &mut Journal,
) -> Result<Option<WriteTransaction>, StoreError> {
    Ok(apply(database, journal)?.map(|(transaction, _)| transaction))
}

/// Applies what the journal has and the database lacks: the records of the file, and what was answered and is not in the file
/// yet. Returns the transaction, if it has something, and the position of the last record.
fn apply(
    database: &Database,
    journal: &mut Journal,
) -> Result<Option<(WriteTransaction, u64)>, StoreError> {
    let (_, committed) = read(database)?;
    let bytes = journal.read().map_err(|problem| failed(&problem))?;
    let mut rest = bytes.as_slice();
    let mut position = match journal.first_position(rest) {
        Some(first) if first > committed.saturating_add(1) => {
            return Err(StoreError::Damaged(format!(
                "the journal begins with record {first}, and the state ends with record {committed}: `{JOURNAL_FILE}` and `{FILE_NAME}` are not of the same time; put both back from the same time, or remove `{JOURNAL_FILE}` to continue with `{FILE_NAME}` alone"
            )));
        }
        Some(first) => first,
        None => committed.saturating_add(1),
    };
    let transaction = database.begin_write()?;
    let mut has_more = false;
    while let Some(record) = journal.record(rest, position) {
        if position > committed {
            apply_record(record.content, &transaction)?;
            has_more = true;
        }
        rest = rest.get(record.length()..).unwrap_or_default();
        position = position.saturating_add(1);
    }
    if journal.has_later(rest, position) {
        return Err(StoreError::Damaged(format!(
            "record {position} of `{JOURNAL_FILE}` is damaged, and there are later ones: restore a backup, or remove the file to continue without the events and decisions of the last seconds before fuse was killed"
        )));
    }
    let last = position.saturating_sub(1).max(committed);
    if last > journal.position() {
        // The record that could not be flushed was written nevertheless.
        journal.clear();
    }
    apply_record(journal.unwritten(), &transaction)?;
    has_more |= !journal.unwritten().is_empty();
    match has_more {
        true => Ok(Some((transaction, last))),
        false => {
            transaction.abort()?;
            Ok(None)
        }
    }
}

/// Gives a state its journal.
pub(super) fn begin(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let mut id = [0; 8];
    SystemRandom::new()
        .fill(&mut id)
        .map_err(|_| StoreError::Storage("the system has no random numbers".to_owned()))?;
    transaction.open_table(META)?.insert(ID, u64::from_be_bytes(id))?;
    Ok(())
}

/// Records which part of the journal the database has.
pub(super) fn write_position(
    transaction: &WriteTransaction,
    position: u64,
) -> Result<(), StoreError> {
    transaction.open_table(META)?.insert(POSITION, position)?;
    Ok(())
}

fn read(database: &Database) -> Result<(Option<u64>, u64), StoreError> {
    let meta = database.begin_read()?.open_table(META)?;
    let id = meta.get(ID)?.map(|id| id.value());
    Ok((id, meta.get(POSITION)?.map_or(0, |position| position.value())))
}

fn failed(problem: &std::io::Error) -> StoreError {
    StoreError::Storage(format!("the journal cannot be read: {problem}"))
}
