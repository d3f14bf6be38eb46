//! The tables. Event keys are [`EventKey::encode`]'s text; times are nanoseconds since 1970; rows
//! are JSON unless said otherwise.
//!
//! Counts are the lengths of tables, which the database keeps, so that no counter can drift from what it
//! counts. Only [`WAIT_COUNTS`] is written; it is corrected when the state is opened.

use redb::{
    ReadTransaction, ReadableTable as _, TableDefinition as Table, TableError, WriteTransaction,
};

use super::StoreError;
use crate::event::EventKey;

/// Numbers about the store itself: [`SCHEMA`], [`NEXT_SEQ`] and those below it.
pub(crate) const META: Table<'static, &str, u64> = Table::new("meta");
/// The version of this layout.
pub(crate) const SCHEMA: &str = "schema";
/// The sequence number of the next accepted event.
pub(crate) const NEXT_SEQ: &str = "next_seq";
/// The size of the rows of [`EVENTS`], in bytes.
pub(crate) const EVENT_BYTES: &str = "event_bytes";
/// The random id of the journal, and the position of its last record that the database has.
pub(crate) const JOURNAL_ID: &str = "journal_id";
pub(crate) const JOURNAL_POSITION: &str = "journal_position";
/// The last reading of the clocks: the time of day and the steady time in milliseconds since 1970, the
/// id of the machine's boot, and the milliseconds since that boot.
pub(crate) const SEEN: [&str; 4] = ["seen_wall", "seen_steady", "seen_boot", "seen_up"];

/// Sequence number -> the event's envelope, framed. The key is a number, so that bodies are appended side
/// by side instead of being spread over the whole tree.
pub(crate) const EVENTS: Table<'static, u64, &[u8]> = Table::new("events");
/// Event key -> [`super::EventStatus`]. Separate from the envelope, because it changes and is small.
pub(crate) const STATUS: Table<'static, &str, &[u8]> = Table::new("status");
/// Sequence number -> event key of each event that is accepted and not acknowledged. Its length is the
/// backlog.
pub(crate) const QUEUE: Table<'static, u64, &str> = Table::new("queue");
/// [`id_place`]: the events that have an id.
pub(crate) const IDS: Table<'static, (&str, &str, &str), ()> = Table::new("ids");
/// (Received, sequence number) -> event key, for pruning.
pub(crate) const TIMES: Table<'static, (i128, u64), &str> = Table::new("times");

/// Event key -> what was decided about it.
pub(crate) const DECIDED: Table<'static, &str, &[u8]> = Table::new("decided");
/// Action id -> the action, its event and its state.
pub(crate) const ACTIONS: Table<'static, &str, &[u8]> = Table::new("actions");
/// The ids of the actions that are not settled. Its length is their count.
pub(crate) const UNSETTLED: Table<'static, &str, ()> = Table::new("unsettled");
/// The ids of the actions that left the bus and are not settled.
pub(crate) const HELD: Table<'static, &str, ()> = Table::new("held");
/// The ids of the actions whose objects are running.
pub(crate) const RUNNING: Table<'static, &str, ()> = Table::new("running");
/// The ids of the actions that are replaced, and whose work was not told to stop.
pub(crate) const STOPPING: Table<'static, &str, ()> = Table::new("stopping");
/// (Since, event key, `DeadEntry` as text). Its length is the count of dead letters.
pub(crate) const DEAD: Table<'static, (i128, &str, &str), ()> = Table::new("dead_letters");

/// Key of a clause of flow control -> its state.
pub(crate) const FLOW: Table<'static, &str, &[u8]> = Table::new("flow");
/// (End, key), for pruning.
pub(crate) const FLOW_ENDS: Table<'static, (i128, &str), ()> = Table::new("flow_ends");

/// Key of a clause of flow control -> what its state belongs to.
pub(crate) const FLOW_SUBJECTS: Table<'static, &str, &[u8]> = Table::new("flow_subjects");
/// Name -> random bytes that the store made. Version 2 of the layout has none.
pub(crate) const SECRETS: Table<'static, &str, &[u8]> = Table::new("secrets");
/// [`ThreadKey::encode`](crate::ledger::ThreadKey::encode) -> the thread.
pub(crate) const THREADS: Table<'static, &str, &[u8]> = Table::new("threads");
/// (End, encoded key), for pruning.
pub(crate) const THREAD_ENDS: Table<'static, (i128, &str), ()> = Table::new("thread_ends");

/// (Due in steady time, sequence number of the event, name of the wait) -> event key.
pub(crate) const DUE: Table<'static, (i128, u64, &str), &str> = Table::new("due");
/// The same for what waits for hours of the day: due in the time of day.
pub(crate) const DUE_HOURS: Table<'static, (i128, u64, &str), &str> = Table::new("due_hours");
/// The first word of a clause -> how many wait there.
pub(crate) const WAIT_COUNTS: Table<'static, &str, u64> = Table::new("wait_counts");
/// The id of the first action of each decision that waits -> event key.
pub(crate) const WAITING: Table<'static, &str, &str> = Table::new("waiting");
/// The keys of the events that were woken and whose reactions may not be recorded.
pub(crate) const WOKEN: Table<'static, &str, ()> = Table::new("woken");

/// Of a state that replicas share: the sequence number of each event of [`QUEUE`] -> the id of the replica that handles it.
pub(crate) const OWNERS: Table<'static, u64, &str> = Table::new("owners");
/// The same: the id of each replica that is alive -> what is known of it.
pub(crate) const MEMBERS: Table<'static, &str, &[u8]> = Table::new("members");
/// The same: what of the shared log was applied.
pub(crate) const LOG: Table<'static, &str, &[u8]> = Table::new("log");

/// Fuse -> the last changes that people made to it at run time.
pub(crate) const FUSES: Table<'static, &str, &[u8]> = Table::new("fuses");

/// The key of the event in [`IDS`]: id, source, name.
pub(crate) fn id_place(event: &EventKey) -> (&str, &str, &str) {
    (&event.id, &event.source, &event.name)
}

/// Does the same with every table.
macro_rules! with_every_table {
    ($each:ident) => {
        $each!(META);
        $each!(EVENTS);
        $each!(STATUS);
        $each!(QUEUE);
        $each!(IDS);
        $each!(TIMES);
        $each!(DECIDED);
        $each!(ACTIONS);
        $each!(UNSETTLED);
        $each!(HELD);
        $each!(RUNNING);
        $each!(STOPPING);
        $each!(DEAD);
        $each!(FLOW);
        $each!(FLOW_ENDS);
        $each!(FLOW_SUBJECTS);
        $each!(SECRETS);
        $each!(THREADS);
        $each!(THREAD_ENDS);
        $each!(DUE);
        $each!(DUE_HOURS);
        $each!(WAITING);
        $each!(WAIT_COUNTS);
        $each!(WOKEN);
        $each!(FUSES);
        $each!(OWNERS);
        $each!(MEMBERS);
        $each!(LOG);
    };
}

/// Creates every table, so that readers find them from the start.
pub(super) fn create_tables(transaction: &WriteTransaction) -> Result<(), StoreError> {
    macro_rules! create {
        ($table:expr) => {
            transaction.open_table($table)?;
        };
    }
    with_every_table!(create);
    Ok(())
}

/// Reads every row of every table that there is.
pub(super) fn read_tables(transaction: &ReadTransaction) -> Result<(), StoreError> {
    macro_rules! read {
        ($table:expr) => {
            match transaction.open_table($table) {
                Ok(table) => {
                    for row in table.iter()? {
                        let (key, value) = row?;
                        let _ = (key.value(), value.value());
                    }
                }
                Err(TableError::TableDoesNotExist(_)) => {}
                Err(problem) => return Err(problem.into()),
            }
        };
    }
    with_every_table!(read);
    Ok(())
}

/// Copies every table into another file, unless it has to stop.
pub(super) fn copy_tables(
    from: &ReadTransaction,
    to: &WriteTransaction,
    stops: impl Fn() -> bool,
) -> Result<(), StoreError> {
    macro_rules! copy {
        ($table:expr) => {
            let mut copied = to.open_table($table)?;
            for row in from.open_table($table)?.iter()? {
                let (key, value) = row?;
                if stops() {
                    return Err(StoreError::Closed);
                }
                copied.insert(key.value(), value.value())?;
            }
        };
    }
    with_every_table!(copy);
    Ok(())
}
