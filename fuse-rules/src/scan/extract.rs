//! What one pass takes out of a body.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write as _;

use super::cursor::Cursor;
use super::pass::Pass;
use crate::number::Number;
use crate::scan::Trie;
use crate::value::{Unheld, Value};

/// The values of an event that its rules ask for, by group: the event itself first, then those of
/// the elements of each list that rules go through.
///
/// Made to be used again: clearing it keeps its memory.
#[derive(Debug, Default)]
pub(crate) struct Extract {
    pub(super) groups: Vec<Rows>,
    /// The texts that do not stand in the body as they are.
    pub(super) decoded: String,
    /// For each node of the trie, the last object that had it as a key.
    pub(super) stamps: Vec<u32>,
    pub(super) objects: u32,
    /// The keys of the objects around the place where all keys are read: hashes and places.
    pub(super) keys: Vec<(u64, usize)>,
    /// A key that stands twice, and where it does so again.
    pub(super) duplicate: Option<(String, usize)>,
    /// Whether elements are only looked at, as there are more than are kept.
    pub(super) passing: bool,
}

/// The frames of one group: one an element.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(super) entries: Vec<Entry>,
    /// Where the entries of each row start and end.
    pub(super) rows: Vec<(u32, u32)>,
}

/// The value of a slot.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) slot: u32,
    pub(crate) held: Held,
    /// Where its text is: for a string, without the quotes.
    pub(super) start: u32,
    pub(super) end: u32,
    /// How many elements a list has that rules go through.
    pub(super) len: u32,
    /// The first row of these elements, where they were taken out.
    pub(super) first: Option<u32>,
    /// A list or a map, once it was read.
    read: OnceCell<Box<Value<'static>>>,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Null,
    True,
    False,
    Number,
    /// A string as it stands in the body.
    Text,
    /// A string whose text is kept apart.
    Decoded,
    /// A string that no text can hold.
    Surrogate,
    List,
    Map,
}

/// Why a body gives nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is not JSON, or nested too deep.
    Invalid,
    /// A key that the rules read stands twice in one object: the key, and the byte where it does again.
    Duplicate(String, usize),
}

/// How many elements of each group are taken out at most.
pub(crate) type Most<'m> = &'m dyn Fn(usize) -> usize;

impl Extract {
    /// Reads a body: validates all of it, and takes out what the trie asks for.
    pub(crate) fn read(
        &mut self,
        trie: &Trie,
        groups: usize,
        most: Most<'_>,
        text: &str,
    ) -> Result<(), Refused> {
        self.clear(trie, groups);
        // Places are kept in 32 bits.
        if u32::try_from(text.len()).is_err() {
            return Err(Refused::Invalid);
        }
        let mut cursor = Cursor::new(text);
        let mut pass = Pass { trie, most, out: self };
        pass.out.begin(0);
        let read = pass.value(&mut cursor, Trie::BODY, 0, 0);
        if read.is_none() || !cursor.is_at_end() {
            return Err(Refused::Invalid);
        }
        self.end(0);
        match self.duplicate.take() {
            Some((key, at)) => Err(Refused::Duplicate(key, at)),
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
        // An object's number is told from those of other events, as long as it does not wrap.
        if self.stamps.len() != trie.len() || self.objects > u32::MAX / 2 {
            self.stamps.clear();
            self.stamps.resize(trie.len(), 0);
            self.objects = 0;
        }
    }

    /// How many bytes it keeps.
    pub(crate) fn memory(&self) -> usize {
        let rows = |rows: &Rows| {
            rows.entries.capacity() * size_of::<Entry>()
                + rows.rows.capacity() * size_of::<(u32, u32)>()
        };
        self.groups.iter().map(rows).sum::<usize>()
            + self.decoded.capacity()
            + self.keys.capacity() * size_of::<(u64, usize)>()
    }

    /// Adds a text that does not stand in the body to the event's frame.
    pub(crate) fn add_text(&mut self, slot: u32, text: impl std::fmt::Display) {
        let start = self.decoded.len();
        // Writing to a string cannot fail.
        let _ok = write!(self.decoded, "{text}");
        let entry = Entry::new(slot, Held::Decoded, start, self.decoded.len());
        self.add(entry);
    }

    /// Adds a value that does not stand in the body to the event's frame.
    pub(crate) fn add_value(&mut self, slot: u32, value: Value<'static>) {
        let entry = Entry::new(slot, Held::Map, 0, 0);
        let _first = entry.read.set(Box::new(value));
        self.add(entry);
    }

    fn add(&mut self, entry: Entry) {
        if let Some(rows) = self.groups.first_mut() {
            rows.entries.push(entry);
        }
    }

    /// Takes what was added to the event's frame in.
    pub(crate) fn added(&mut self) {
        self.end(0);
    }

    /// Forgets what was read, and keeps the memory.
    pub(crate) fn forget(&mut self) {
        for rows in &mut self.groups {
            rows.entries.clear();
            rows.rows.clear();
        }
    }

    /// The entries of a row, by their slots.
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
        let from = if entry.held == Held::Decoded { &self.decoded } else { body };
        from.get(entry.start as usize..entry.end as usize).unwrap_or("")
    }

    /// The value of an entry. Lists and maps are read the first time.
    pub(crate) fn value<'e>(&'e self, entry: &'e Entry, body: &'e str) -> Cow<'e, Value<'e>> {
        Cow::Owned(match entry.held {
            Held::Null => Value::Null,
            Held::True => Value::Bool(true),
            Held::False => Value::Bool(false),
            Held::Number => Value::read_scalar(self.text(entry, body)),
            Held::Text | Held::Decoded => Value::String(Cow::Borrowed(self.text(entry, body))),
            Held::Surrogate => Value::Unheld(Unheld::Surrogate),
            Held::List | Held::Map => {
                let read = || Box::new(Value::read_lenient(self.text(entry, body)).into_owned());
                return Cow::Borrowed(entry.read.get_or_init(read));
            }
        })
    }

    /// The number of an entry, where it is one that can be held.
    pub(crate) fn number(&self, entry: &Entry, body: &str) -> Option<Number> {
        match entry.held {
            Held::Number => Number::parse(self.text(entry, body)).ok(),
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
                && row.len() > FEW
            {
                row.sort_unstable_by_key(|entry| entry.slot);
            }
        }
    }
}

impl Entry {
    pub(super) fn new(slot: u32, held: Held, start: usize, end: usize) -> Self {
        let (start, end) = (offset(start), offset(end));
        Self { slot, held, start, end, len: 0, first: None, read: OnceCell::new() }
    }

    /// How many elements a list has that rules go through.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// The rows of a list whose elements were taken out: the first, and how many.
    pub(crate) fn elements(&self) -> Option<(usize, usize)> {
        Some((self.first? as usize, self.len()))
    }
}

/// The entry of a slot in a row.
#[inline]
pub(crate) fn find(row: &[Entry], slot: u32) -> Option<&Entry> {
    if row.len() <= FEW {
        return row.iter().find(|entry| entry.slot == slot);
    }
    let at = row.binary_search_by_key(&slot, |entry| entry.slot);
    at.ok().and_then(|at| row.get(at))
}

/// How many entries are looked at one after the other; more are in the order of their slots.
const FEW: usize = 8;

/// A place in a body, which is at most as long as 32 bits can say.
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
