//! Reading pages of events and dead letters. A page examines a bounded number of rows and bytes, so that its time and
//! memory do not grow with the ledger.

use std::ops::Bound;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable};

use super::dead::letter_id;
use super::history::wrong_cursor;
use super::read::{self, DecidedRow, action_of, assemble_counted};
use super::transition::DeadEntry;
use super::{
    DeadLetter, DeadLetterPage, DeadLetterQuery, EventOverview, EventPage, EventQuery, LedgerError,
};
use crate::event::EventKey;
use crate::store::{
    ACTIONS, DEAD, DECIDED, EVENTS, STATUS, StoreError, TIMES, decode_head, get_row,
};

/// How many rows a page examines.
const MAX_EXAMINED: usize = 5_000;
/// How many bytes of rows a page reads, but for the last row.
const MAX_READ_BYTES: usize = 16 << 20;

/// What is left of the bounds of a page.
pub(super) struct Bounds {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

impl Bounds {
    pub(super) fn new() -> Self {
        Self { rows: MAX_EXAMINED, bytes: MAX_READ_BYTES }
    }

    /// Whether a further row may be examined.
    pub(super) fn pass(&mut self) -> bool {
        let has_room = self.rows > 0 && self.bytes > 0;
        self.rows = self.rows.saturating_sub(1);
        has_room
    }

    /// Subtracts the bytes of a row that is read.
    pub(super) fn spend(
        &mut self,
        table: &impl ReadableTable<&'static str, &'static [u8]>,
        key: &str,
    ) -> Result<(), StoreError> {
        let bytes = table.get(key)?.map_or(0, |row| row.value().len());
        self.bytes = self.bytes.saturating_sub(bytes);
        Ok(())
    }
}

/// An event in the table of times.
type TimePlace = (i128, u64);

/// Where a page of events ended.
pub(super) fn event_cursor(text: &str) -> Result<TimePlace, LedgerError> {
    let place =
        text.split_once('.').and_then(|(at, seq)| Some((at.parse().ok()?, seq.parse().ok()?)));
    place.ok_or_else(wrong_cursor)
}

pub(super) fn events(
    transaction: &ReadTransaction,
    query: &EventQuery,
    after: Option<TimePlace>,
    mut bounds: Bounds,
) -> Result<EventPage, StoreError> {
    let (events, statuses) = (transaction.open_table(EVENTS)?, transaction.open_table(STATUS)?);
    let (decided, actions) = (transaction.open_table(DECIDED)?, transaction.open_table(ACTIONS)?);
    let start = |at: Timestamp| (at.as_nanosecond(), 0);
    let from = query.since.map_or(Bound::Unbounded, |since| Bound::Included(start(since)));
    let end = [query.until.map(start), after].into_iter().flatten().min();
    let to = end.map_or(Bound::Unbounded, Bound::Excluded);
    let mut page = EventPage::default();
    let mut last = None;
    if is_empty(from, end) {
        return Ok(page);
    }
    for entry in transaction.open_table(TIMES)?.range::<TimePlace>((from, to))?.rev() {
        if page.events.len() >= query.limit || !bounds.pass() {
            page.next = last.map(|(at, seq): TimePlace| format!("{at}.{seq}"));
            break;
        }
        let (place, key) = entry?;
        last = Some(place.value());
        let key = key.value();
        if !EventKey::decode(key).is_some_and(|event| query.is_named(&event)) {
            continue;
        }
        let mut bytes = 0;
        let record =
            assemble_counted(&events, &statuses, &decided, &actions, key, decode_head, &mut bytes);
        bounds.bytes = bounds.bytes.saturating_sub(bytes);
        match record {
            Ok(Some(record)) if query.matches(&record) => {
                page.events.push(EventOverview::new(&record));
            }
            Ok(_) => {}
            Err(StoreError::Damaged(_)) => page.damaged += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}

/// Whether a range has no elements; redb panics if it ends before it starts.
fn is_empty<T: PartialOrd>(from: Bound<T>, end: Option<T>) -> bool {
    matches!((from, end), (Bound::Included(from), Some(end)) if from >= end)
}

/// A dead letter in its table.
type DeadPlace = (i128, String, String);

/// Where a page of dead letters ended.
pub(super) fn dead_cursor(text: &str) -> Result<DeadPlace, LedgerError> {
    let place = || {
        let json = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (at, key, entry): (String, String, String) = serde_json::from_slice(&json).ok()?;
        Some((at.parse().ok()?, key, entry))
    };
    place().ok_or_else(wrong_cursor)
}

pub(super) fn dead_letters(
    transaction: &ReadTransaction,
    query: &DeadLetterQuery,
    after: Option<&DeadPlace>,
    bounds: Bounds,
) -> Result<DeadLetterPage, StoreError> {
    let start = |at: Timestamp| (at.as_nanosecond(), "", "");
    let from = query.since.map_or(Bound::Unbounded, |since| Bound::Included(start(since)));
    let after = after.map(|(at, key, entry)| (*at, key.as_str(), entry.as_str()));
    let end = [query.until.map(start), after].into_iter().flatten().min();
    let to = end.map_or(Bound::Unbounded, Bound::Excluded);
    let mut page = DeadLetterPage::default();
    if is_empty(from, end) {
        return Ok(page);
    }
    let mut reader = DeadReader::new(transaction, bounds)?;
    let mut last: Option<DeadPlace> = None;
    for entry in transaction.open_table(DEAD)?.range((from, to))?.rev() {
        if page.letters.len() >= query.limit || !reader.bounds.pass() {
            page.next = last.map(|(at, key, entry)| {
                let place = serde_json::to_vec(&(at.to_string(), key, entry));
                BASE64URL_NOPAD.encode(&place.unwrap_or_default())
            });
            break;
        }
        let (place, _) = entry?;
        let (at, key, letter) = place.value();
        last = Some((at, key.to_owned(), letter.to_owned()));
        match reader.letter(query, key, letter) {
            Ok(Some(letter)) if query.matches(&letter) => page.letters.push(letter),
            Ok(_) => {}
            Err(StoreError::Damaged(_)) => page.damaged += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}

struct DeadReader {
    actions: redb::ReadOnlyTable<&'static str, &'static [u8]>,
    decided: redb::ReadOnlyTable<&'static str, &'static [u8]>,
    /// The last event that was read. The dead letters of one event are often adjacent.
    last: Option<(String, DecidedRow)>,
    bounds: Bounds,
}

impl DeadReader {
    fn new(transaction: &ReadTransaction, bounds: Bounds) -> Result<Self, StoreError> {
        let (actions, decided) =
            (transaction.open_table(ACTIONS)?, transaction.open_table(DECIDED)?);
        Ok(Self { actions, decided, last: None, bounds })
    }

    /// A dead letter, if its names are those that are asked for.
    fn letter(
        &mut self,
        query: &DeadLetterQuery,
        key: &str,
        letter: &str,
    ) -> Result<Option<DeadLetter>, StoreError> {
        let lost = || StoreError::Damaged(format!("the dead letter of event `{key}` is missing"));
        let entry = DeadEntry::decode(letter).ok_or_else(lost)?;
        let event = EventKey::decode(key).ok_or_else(lost)?;
        if !query.is_named(&letter_id(key, entry), &event) {
            return Ok(None);
        }
        let found = if let DeadEntry::Action(id) = entry {
            self.bounds.spend(&self.actions, id)?;
            read::dead_action(action_of(&self.actions, id.to_owned())?)
        } else {
            let row = match self.last.take().filter(|(other, _)| other == key) {
                Some((_, row)) => row,
                None => {
                    self.bounds.spend(&self.decided, key)?;
                    get_row(&self.decided, key)?.ok_or_else(lost)?
                }
            };
            let found = read::dead_decision(key, &row, entry);
            self.last = Some((key.to_owned(), row));
            found
        };
        found.map(Some).ok_or_else(lost)
    }
}
