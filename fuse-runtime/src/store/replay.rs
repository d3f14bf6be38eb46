//! Applies the records of the journal that the database lacks.

use std::path::Path;

use redb::{Database, ReadableDatabase, WriteTransaction};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::faults::Faults;
use super::journal::{JOURNAL_FILE, Journal};
use super::{FILE_NAME, JOURNAL_ID, JOURNAL_POSITION, META, StoreError};
use crate::change::apply_record;

/// Opens the journal of a state folder, and brings the database up to date with it.
pub(super) fn open(database: &Database, mut journal: Journal) -> Result<Journal, StoreError> {
    let (id, position) = read(database)?;
    journal.identify(id, position);
    reopen(database, &mut journal)?;
    Ok(journal)
}

/// Brings a reopened database up to date on disk, and restarts the journal, because it is unknown whether all of the
/// journal is on disk.
pub(super) fn reopen(database: &Database, journal: &mut Journal) -> Result<(), StoreError> {
    if read(database)?.0 != journal.id() {
        return Err(StoreError::Damaged(format!(
            "`{FILE_NAME}` was replaced by another one while fuse used it"
        )));
    }
    let Replayed { transaction, position, is_changed } = replay(database, journal)?;
    if is_changed {
        write_position(&transaction, position)?;
        let mut transaction = transaction;
        transaction.set_quick_repair(true);
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    journal.continue_after(position);
    Ok(())
}

/// Applies again everything that was answered since the last commit.
pub(super) fn roll_forward(
    database: &Database,
    journal: &mut Journal,
) -> Result<WriteTransaction, StoreError> {
    Ok(replay(database, journal)?.transaction)
}

struct Replayed {
    transaction: WriteTransaction,
    /// The position of the last record.
    position: u64,
    /// Whether anything was applied.
    is_changed: bool,
}

/// Applies the records of the file that the database lacks, and then the answered changes that are not in the file yet.
fn replay(database: &Database, journal: &Journal) -> Result<Replayed, StoreError> {
    let (_, committed) = read(database)?;
    let bytes = journal.read().map_err(|problem| failed(&problem))?;
    let mut rest = bytes.as_slice();
    let mut position = match journal.first_position(rest) {
        Some(first) if first > committed.saturating_add(1) => {
            return Err(StoreError::Damaged(format!(
                "`{JOURNAL_FILE}` and `{FILE_NAME}` do not belong together: the journal begins with record {first}, and the database ends with record {committed}; restore both from the same time, or move `{JOURNAL_FILE}` away to continue without its changes"
            )));
        }
        Some(first) => first,
        None => committed.saturating_add(1),
    };
    let transaction = database.begin_write()?;
    let mut is_changed = false;
    while let Some(record) = journal.record(rest, position) {
        if position > committed {
            apply_record(record.content, &transaction)?;
            is_changed = true;
        }
        rest = rest.get(record.length()..).unwrap_or_default();
        position = position.saturating_add(1);
    }
    let last = position.saturating_sub(1).max(committed);
    // Only the last record can be incomplete. Older ones, which the database has, are of no interest.
    if journal.has_later(rest, last) {
        let damaged = last.saturating_add(1);
        return Err(StoreError::Damaged(format!(
            "record {damaged} of `{JOURNAL_FILE}` is damaged, and it is not the last one: restore a backup into another folder, or move `{JOURNAL_FILE}` away to continue without the events, decisions and results of actions of the last seconds before fuse was killed"
        )));
    }
    // If the last flush reported an error, and its record is in the file nevertheless, the record has them.
    if last <= journal.position() {
        apply_record(journal.unwritten(), &transaction)?;
        is_changed |= !journal.unwritten().is_empty();
    }
    Ok(Replayed { transaction, position: last, is_changed })
}

/// Whether the journal beside the file of a database has records that the database lacks.
pub(super) fn is_behind(database: &impl ReadableDatabase, file: &Path) -> Result<bool, StoreError> {
    let Some(folder) = file.parent() else { return Ok(false) };
    let (id, position) = read(database)?;
    let mut journal = Journal::new(folder, Faults::default());
    journal.identify(id, position);
    let bytes = journal.read().map_err(|problem| failed(&problem))?;
    Ok(journal.has_later(&bytes, position))
}

/// Gives a state a new journal, which has no records yet.
pub(super) fn assign_id(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let mut id = [0; 8];
    SystemRandom::new()
        .fill(&mut id)
        .map_err(|_| StoreError::Storage("the system has no random numbers".to_owned()))?;
    let mut meta = transaction.open_table(META)?;
    meta.insert(JOURNAL_ID, u64::from_be_bytes(id))?;
    meta.insert(JOURNAL_POSITION, 0)?;
    Ok(())
}

/// Records the position of the last record that the database has.
pub(super) fn write_position(
    transaction: &WriteTransaction,
    position: u64,
) -> Result<(), StoreError> {
    transaction.open_table(META)?.insert(JOURNAL_POSITION, position)?;
    Ok(())
}

/// The id of the journal, and the position of its last record that the database has.
fn read(database: &impl ReadableDatabase) -> Result<(u64, u64), StoreError> {
    let meta = database.begin_read()?.open_table(META)?;
    let number = |name| Ok::<_, StoreError>(meta.get(name)?.map_or(0, |number| number.value()));
    Ok((number(JOURNAL_ID)?, number(JOURNAL_POSITION)?))
}

fn failed(problem: &std::io::Error) -> StoreError {
    StoreError::Storage(format!("the journal cannot be read: {problem}"))
}
