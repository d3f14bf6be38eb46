//! The tables. Event keys are [`EventKey::encode`]'s text; times are nanoseconds since 1970; rows
//! are JSON unless said otherwise.
//!
//! What is counted is counted by a table's length, which the database keeps, so that no counter
//! can drift from what it counts.

use redb::{TableDefinition as Table, WriteTransaction};

use super::StoreError;
use crate::event::EventKey;

/// Numbers about the store itself: [`SCHEMA`], [`NEXT_SEQ`] and those below it.
pub(crate) const META: Table<'static, &str, u64> = Table::new("meta");
/// The version of this layout.
pub(crate) const SCHEMA: &str = "schema";
/// The sequence number that the next accepted event gets.
pub(crate) const NEXT_SEQ: &str = "next_seq";
/// How many bytes the rows of [`EVENTS`] have.
pub(crate) const EVENT_BYTES: &str = "event_bytes";
/// The last reading of the clocks: milliseconds since 1970 of the time of day and of the steady time,
/// which start of the machine it was, and how many milliseconds that was ago.
pub(crate) const SEEN: [&str; 4] = ["seen_wall", "seen_steady", "seen_boot", "seen_up"];

/// Sequence number -> the event's envelope, framed. By number and not by key, so that bodies are
/// appended side by side instead of spread over the whole tree.
pub(crate) const EVENTS: Table<'static, u64, &[u8]> = Table::new("events");
/// Event key -> [`super::EventStatus`]; apart from the envelope as it changes and is small.
pub(crate) const STATUS: Table<'static, &str, &[u8]> = Table::new("status");
/// Sequence number -> event key, of the events accepted and not acked. Its length is the backlog.
pub(crate) const QUEUE: Table<'static, u64, &str> = Table::new("queue");
/// [`id_place`]: which events have an id.
pub(crate) const IDS: Table<'static, (&str, &str, &str), ()> = Table::new("ids");
/// (Received, sequence number) -> event key: what pruning walks.
pub(crate) const TIMES: Table<'static, (i128, u64), &str> = Table::new("times");

/// Event key -> what was decided about it.
pub(crate) const DECIDED: Table<'static, &str, &[u8]> = Table::new("decided");
/// Action id -> the action, its event and its state.
pub(crate) const ACTIONS: Table<'static, &str, &[u8]> = Table::new("actions");
/// The ids of actions that are not settled. Its length is their count.
pub(crate) const UNSETTLED: Table<'static, &str, ()> = Table::new("unsettled");
/// The ids of actions that left the bus unsettled: held, or tried again since.
pub(crate) const HELD: Table<'static, &str, ()> = Table::new("held");
/// The ids of actions whose objects are seen and not over.
pub(crate) const RUNNING: Table<'static, &str, ()> = Table::new("running");
/// (Since, event key, which of what came of the event, as the ledger writes it). Its length is the
/// count of dead letters.
pub(crate) const DEAD: Table<'static, (i128, &str, &str), ()> = Table::new("dead_letters");

/// Once key -> who holds it.
pub(crate) const ONCE: Table<'static, &str, &[u8]> = Table::new("once");
/// (Until, once key): what pruning walks.
pub(crate) const ONCE_ENDS: Table<'static, (i128, &str), ()> = Table::new("once_ends");

/// The event's place in [`IDS`]: id, source, name.
pub(crate) fn id_place(event: &EventKey) -> (&str, &str, &str) {
    (&event.id, &event.source, &event.name)
}

/// Makes every table, so that readers find them from the start.
pub(super) fn create_tables(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(META)?;
    transaction.open_table(EVENTS)?;
    transaction.open_table(STATUS)?;
    transaction.open_table(QUEUE)?;
    transaction.open_table(IDS)?;
    transaction.open_table(TIMES)?;
    transaction.open_table(DECIDED)?;
    transaction.open_table(ACTIONS)?;
    transaction.open_table(UNSETTLED)?;
    transaction.open_table(HELD)?;
    transaction.open_table(RUNNING)?;
    transaction.open_table(DEAD)?;
    transaction.open_table(ONCE)?;
    transaction.open_table(ONCE_ENDS)?;
    Ok(())
}
