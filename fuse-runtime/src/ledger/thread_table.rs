//! The threads of messages, in the state folder.

use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::{ActionRecord, ActionState, Thread, ThreadKey};
use crate::store::{StoreError, THREAD_ENDS, THREADS, get_row, put_row};

/// Records the thread of an action that is done now.
pub(super) fn write(
    transaction: &WriteTransaction,
    before: &ActionRecord,
    after: &ActionRecord,
) -> Result<(), StoreError> {
    let ActionState::Done { thread: Some(thread), .. } = &after.state else { return Ok(()) };
    if before.state == after.state {
        return Ok(());
    }
    let key = thread.key.encode();
    let mut threads = transaction.open_table(THREADS)?;
    let mut ends = transaction.open_table(THREAD_ENDS)?;
    if let Some(old) = readable(&threads, &key)? {
        ends.remove((old.until.as_nanosecond(), key.as_str()))?;
    }
    ends.insert((thread.until.as_nanosecond(), key.as_str()), ())?;
    put_row(&mut threads, &key, thread)
}

pub(super) fn find(
    transaction: &ReadTransaction,
    key: &ThreadKey,
    now: Timestamp,
) -> Result<Option<Thread>, StoreError> {
    let thread = readable(&transaction.open_table(THREADS)?, &key.encode())?;
    Ok(thread.filter(|thread| thread.until > now))
}

/// A thread. If its row is damaged, the next message begins another one.
fn readable(
    threads: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<Thread>, StoreError> {
    match get_row(threads, key) {
        Err(StoreError::Damaged(_)) => Ok(None),
        thread => thread,
    }
}
