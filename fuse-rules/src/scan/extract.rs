//! The values that one pass extracts from a body.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write as _;

use super::cursor::Cursor;
use super::pass::Pass;
use crate::number::Number;
use crate::scan::Trie;
use crate::value::{Unrepresentable, Value};

/// The values of an event that its rules read, by group: first the event itself, then the elements
/// of each list that rules iterate over.
///
/// It is reused for the next event: clearing it keeps its memory.
#[derive(Debug, Default)]
pub(crate) struct Extract {
    pub(super) groups: Vec<Rows>,
    /// The texts that are not in the body literally.
    pub(super) decoded: String,
    /// For each node of the trie, the last object that had it as a key.
    pub(super) stamps: Vec<u32>,
    pub(super) objects: u32,
    /// The keys of the open objects in which all keys are read: hashes and positions.
    pub(super) keys: Vec<(u64, usize)>,
    /// A duplicate key, and the position of the second one.
    pub(super) duplicate: Option<(String, usize)>,
    /// Whether elements are only validated, because there are more than are kept.
    pub(super) passing: bool,
    /// Whether there were elements that were only validated.
    pub(super) passed: bool,
}

/// The frames of one group, one per element.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(super) entries: Vec<Entry>,
    /// The range of entries of each row.
    pub(super) rows: Vec<(u32, u32)>,
}

/// The value of a slot.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) slot: u32,
    pub(crate) kind: EntryKind,
    /// The start of its text, for a string without the quotes.
    pub(super) start: u32,
    pub(super) end: u32,
    /// The length of a list that rules iterate over.
    pub(super) len: u32,
    /// The first row of its elements, if they were extracted.
    pub(super) first: Option<u32>,
    /// A list or map, after it was read.
    read: OnceCell<Box<Value<'static>>>,
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Null,
    True,
    False,
    Number,
    /// A string that is in the body literally.
    Text,
    /// A string whose text is stored separately.
    Decoded,
    /// A string with half of a surrogate pair.
    Surrogate,
    List,
    Map,
}

/// Why nothing can be read from a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ExtractError {
    /// It is not JSON, or nested too deeply.
    Invalid,
    /// A key that the rules read occurs twice in one object: the key, and the byte of the second
    /// one.
    Duplicate(String, usize),
}

/// The maximum number of elements to extract, by group.
pub(crate) type MaxElements<'m> = &'m dyn Fn(usize) -> usize;

impl Extract {
    /// Reads a body: validates it completely, and extracts the values that the trie asks for.
    pub(crate) fn read(
        &mut self,
        trie: &Trie,
        groups: usize,
        most: MaxElements<'_>,
        text: &str,
    ) -> Result<(), ExtractError> {
        self.clear(trie, groups);
        // Positions have 32 bits.
        if u32::try_from(text.len()).is_err() {
            return Err(ExtractError::Invalid);
        }
        let mut cursor = Cursor::new(text);
        let mut pass = Pass { trie, most, out: self };
        pass.out.begin(0);
        let read = pass.value(&mut cursor, Trie::BODY, 0, 0);
        if read.is_none() || !cursor.is_at_end() {
            return Err(ExtractError::Invalid);
        }
        self.end(0);
        match self.duplicate.take() {
            Some((key, at)) => Err(ExtractError::Duplicate(key, at)),
            None => Ok(()),
        }
    }

    fn clear(&mut self, trie: &Trie, groups: usize) {
        self.groups.resize_with(groups.max(1), Rows::default);
        self.forget();
        self.decoded.clear();
        self.keys.clear();
        self.duplicate = None;
        self.passing = false;
        self.passed = false;
        // Object numbers are unique across events until they wrap.
        if self.stamps.len() != trie.len() || self.objects > u32::MAX / 2 {
            self.stamps.clear();
            self.stamps.resize(trie.len(), 0);
            self.objects = 0;
        }
    }

    /// The number of elements in all lists that rules iterate over; `None` if some were not
    /// extracted.
    pub(crate) fn element_count(&self) -> Option<usize> {
        let elements = self.groups.iter().skip(1).map(|rows| rows.rows.len());
        (!self.passed).then(|| elements.sum())
    }

    /// The memory in use, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let rows = |rows: &Rows| {
            rows.entries.capacity() * size_of::<Entry>()
                + rows.rows.capacity() * size_of::<(u32, u32)>()
        };
        self.groups.iter().map(rows).sum::<usize>()
            + self.decoded.capacity()
            + self.keys.capacity() * size_of::<(u64, usize)>()
    }

    /// Adds a text that is not in the body to the event's frame.
    pub(crate) fn add_text(&mut self, slot: u32, text: impl std::fmt::Display) {
        let start = self.decoded.len();
        // Writing to a string cannot fail.
        let _ok = write!(self.decoded, "{text}");
        let entry = Entry::new(slot, EntryKind::Decoded, start, self.decoded.len());
        self.add(entry);
    }

    /// Adds a value that is not in the body to the event's frame.
    pub(crate) fn add_value(&mut self, slot: u32, value: Value<'static>) {
        let entry = Entry::new(slot, EntryKind::Map, 0, 0);
        let _first = entry.read.set(Box::new(value));
        self.add(entry);
    }

    fn add(&mut self, entry: Entry) {
        if let Some(rows) = self.groups.first_mut() {
            rows.entries.push(entry);
        }
    }

    /// Includes the entries that were added to the event's frame.
    pub(crate) fn added(&mut self) {
        self.end(0);
    }

    /// Clears the values and keeps the memory.
    pub(crate) fn forget(&mut self) {
        for rows in &mut self.groups {
            rows.entries.clear();
            rows.rows.clear();
        }
    }

    /// The entries of a row, sorted by slot.
    #[inline]
    pub(crate) fn row(&self, group: usize, row: usize) -> &[Entry] {
        let rows = self.groups.get(group).and_then(|rows| {
            let (start, end) = *rows.rows.get(row)?;
            rows.entries.get(start as usize..end as usize)
        });
        rows.unwrap_or_default()
    }

    /// The text of a string or number.
    #[inline]
    pub(crate) fn text<'e>(&'e self, entry: &Entry, body: &'e str) -> &'e str {
        let from = if entry.kind == EntryKind::Decoded { &self.decoded } else { body };
        from.get(entry.start as usize..entry.end as usize).unwrap_or("")
    }

    /// The value of an entry. Lists and maps are read on first use.
    pub(crate) fn value<'e>(&'e self, entry: &'e Entry, body: &'e str) -> Cow<'e, Value<'e>> {
        Cow::Owned(match entry.kind {
            EntryKind::Null => Value::Null,
            EntryKind::True => Value::Bool(true),
            EntryKind::False => Value::Bool(false),
            EntryKind::Number => Value::read_scalar(self.text(entry, body)),
            EntryKind::Text | EntryKind::Decoded => {
                Value::String(Cow::Borrowed(self.text(entry, body)))
            }
            EntryKind::Surrogate => Value::Unrepresentable(Unrepresentable::Surrogate),
            EntryKind::List | EntryKind::Map => {
                let read = || Box::new(Value::read_lenient(self.text(entry, body)).into_owned());
                return Cow::Borrowed(entry.read.get_or_init(read));
            }
        })
    }

    /// The number of an entry, if it is in range.
    pub(crate) fn number(&self, entry: &Entry, body: &str) -> Option<Number> {
        match entry.kind {
            EntryKind::Number => Number::parse(self.text(entry, body)).ok(),
            _ => None,
        }
    }

    pub(super) fn begin(&mut self, group: usize) {
        if let Some(rows) = self.groups.get_mut(group) {
            let at = offset(rows.entries.len());
            rows.rows.push((at, at));
        }
    }

    pub(super) fn end(&mut self, group: usize) {
        if let Some(Rows { entries, rows }) = self.groups.get_mut(group)
            && let Some((start, end)) = rows.last_mut()
        {
            *end = offset(entries.len());
            if let Some(row) = entries.get_mut(*start as usize..)
                && row.len() > MAX_LINEAR_SEARCH
            {
                row.sort_unstable_by_key(|entry| entry.slot);
            }
        }
    }
}

impl Entry {
    pub(super) fn new(slot: u32, kind: EntryKind, start: usize, end: usize) -> Self {
        let (start, end) = (offset(start), offset(end));
        Self { slot, kind, start, end, len: 0, first: None, read: OnceCell::new() }
    }

    /// The length of a list that rules iterate over.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// The rows of a list whose elements were extracted: the first one, and their number.
    pub(crate) fn elements(&self) -> Option<(usize, usize)> {
        Some((self.first? as usize, self.len()))
    }
}

/// The entry of a slot in a row.
#[inline]
pub(crate) fn find(row: &[Entry], slot: u32) -> Option<&Entry> {
    if row.len() <= MAX_LINEAR_SEARCH {
        return row.iter().find(|entry| entry.slot == slot);
    }
    let at = row.binary_search_by_key(&slot, |entry| entry.slot);
    at.ok().and_then(|at| row.get(at))
}

/// The maximum number of entries for a linear search; beyond that, a binary search.
const MAX_LINEAR_SEARCH: usize = 8;

/// A position in a body, whose length fits into 32 bits.
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
