//! What one pass takes out of a body.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write as _;
use std::hash::BuildHasher as _;

use rustc_hash::FxBuildHasher;

use super::cursor::{Cursor, Key, Seen};
use super::text::unescape;
use crate::number::Number;
use crate::plan::{Node, Trie};
use crate::value::{Unheld, Value, position};

/// The values of an event that its rules ask for, by group: the event itself first, then those of
/// the elements of each list that rules go through.
///
/// Made to be used again: clearing it keeps its memory.
#[derive(Debug, Default)]
pub(crate) struct Extract {
    groups: Vec<Rows>,
    /// The texts that do not stand in the body as they are.
    decoded: String,
    /// For each node of the trie, the last object that had it as a key.
    stamps: Vec<u32>,
    objects: u32,
    /// The keys of the objects around the place where all keys are read: hashes and places.
    keys: Vec<(u64, usize)>,
    /// A key that stands twice, and where it does so again.
    duplicate: Option<(String, usize)>,
    /// Whether elements are only looked at, as there are more than are kept.
    passing: bool,
}

/// The frames of one group: one an element.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    entries: Vec<Entry>,
    /// Where the entries of each row start and end.
    rows: Vec<(u32, u32)>,
}

/// The value of a slot.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) slot: u32,
    pub(crate) held: Held,
    /// Where its text is: for a string, without the quotes.
    start: u32,
    end: u32,
    /// How many elements a list has that rules go through.
    len: u32,
    /// The first row of these elements, where they were taken out.
    first: Option<u32>,
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

    fn begin(&mut self, group: usize) {
        if let Some(rows) = self.groups.get_mut(group) {
            let at = offset(rows.entries.len());
            rows.rows.push((at, at));
        }
    }

    fn end(&mut self, group: usize) {
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
    fn new(slot: u32, held: Held, start: usize, end: usize) -> Self {
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
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

struct Pass<'p> {
    trie: &'p Trie,
    most: Most<'p>,
    out: &'p mut Extract,
}

impl Pass<'_> {
    /// Reads the value here, in a frame of that group, with so many brackets open around it.
    fn value(
        &mut self,
        cursor: &mut Cursor<'_>,
        node: usize,
        group: usize,
        depth: usize,
    ) -> Option<()> {
        let node = self.trie.node(node)?;
        let opens = cursor.opens()?;
        let start = cursor.at();
        let mut rows = (0, None);
        let seen = match opens {
            b'{' if !node.keys.is_empty() => {
                self.object(cursor, node, group, depth)?;
                Seen::Map
            }
            b'[' if node.elements.is_some() || !node.indices.is_empty() => {
                rows = self.list(cursor, node, group, depth)?;
                Seen::List
            }
            _ => cursor.value(depth)?,
        };
        if node.whole && matches!(seen, Seen::Map | Seen::List) {
            let mut again = cursor.back_to(start);
            self.keys_of(&mut again, depth)?;
        }
        if let Some(slot) = node.slot
            && !self.out.passing
        {
            self.put(slot, seen, start, cursor, group, rows);
        }
        Some(())
    }

    fn put(
        &mut self,
        slot: u32,
        seen: Seen,
        start: usize,
        cursor: &Cursor<'_>,
        group: usize,
        (len, first): (u32, Option<u32>),
    ) {
        let end = cursor.at();
        let mut entry = Entry::new(slot, Held::Null, start, end);
        (entry.len, entry.first) = (len, first);
        entry.held = match seen {
            Seen::Null => Held::Null,
            Seen::True => Held::True,
            Seen::False => Held::False,
            Seen::Number => Held::Number,
            Seen::List => Held::List,
            Seen::Map => Held::Map,
            Seen::String { escaped: false } => {
                (entry.start, entry.end) = (offset(start + 1), offset(end - 1));
                Held::Text
            }
            Seen::String { escaped: true } => {
                let from = self.out.decoded.len();
                if unescape(inner(cursor.since(start)), &mut self.out.decoded) {
                    (entry.start, entry.end) = (offset(from), offset(self.out.decoded.len()));
                    Held::Decoded
                } else {
                    Held::Surrogate
                }
            }
        };
        if let Some(rows) = self.out.groups.get_mut(group) {
            rows.entries.push(entry);
        }
    }

    fn object(
        &mut self,
        cursor: &mut Cursor<'_>,
        node: &Node,
        group: usize,
        depth: usize,
    ) -> Option<()> {
        self.out.objects = self.out.objects.wrapping_add(1);
        let object = self.out.objects;
        let mut more = cursor.open(b'}', depth)?;
        while more {
            let key = cursor.key()?;
            match self.child(node, &key) {
                None => cursor.skip(depth + 1)?,
                Some(child) => {
                    if let Some(stamp) = self.out.stamps.get_mut(child) {
                        if *stamp == object {
                            self.twice(&key);
                        } else {
                            *stamp = object;
                        }
                    }
                    self.value(cursor, child, group, depth + 1)?;
                }
            }
            more = cursor.more(b'}')?;
        }
        Some(())
    }

    #[inline]
    fn child(&mut self, node: &Node, key: &Key<'_>) -> Option<usize> {
        if !key.escaped {
            return node.keys.get(inner(key.text));
        }
        // A key with half of a surrogate pair can be named by nothing.
        let from = self.out.decoded.len();
        let decoded = unescape(inner(key.text), &mut self.out.decoded);
        let child = self.out.decoded.get(from..).and_then(|key| node.keys.get(key));
        self.out.decoded.truncate(from);
        child.filter(|_| decoded)
    }

    fn twice(&mut self, key: &Key<'_>) {
        let mut name = String::new();
        unescape(inner(key.text), &mut name);
        self.out.duplicate.get_or_insert((name, key.at));
    }

    /// Reads a list; gives how many elements it has, and their first row, where they were taken out.
    fn list(
        &mut self,
        cursor: &mut Cursor<'_>,
        node: &Node,
        group: usize,
        depth: usize,
    ) -> Option<(u32, Option<u32>)> {
        let list = cursor.at();
        let was_passing = self.out.passing;
        let most = node.elements.map_or(0, |(group, _)| (self.most)(group));
        let first = node.elements.and_then(|(group, _)| self.out.groups.get(group));
        let first = first.map_or(0, |rows| rows.rows.len());
        let mut count = 0;
        let mut more = cursor.open(b']', depth)?;
        while more {
            cursor.opens()?;
            let start = cursor.at();
            match node.elements {
                Some((elements, child)) => {
                    self.out.passing = was_passing || count >= most;
                    if self.out.passing {
                        self.value(cursor, child, elements, depth + 1)?;
                    } else {
                        self.out.begin(elements);
                        self.value(cursor, child, elements, depth + 1)?;
                        self.out.end(elements);
                    }
                }
                None => cursor.skip(depth + 1)?,
            }
            self.out.passing = was_passing;
            let here = i64::try_from(count).ok()?;
            if let Some(child) = node.indices.get(&here) {
                self.value(&mut cursor.back_to(start), *child, group, depth + 1)?;
            }
            count += 1;
            more = cursor.more(b']')?;
        }
        for (index, child) in node.indices.range(..0) {
            if let Some(at) = position(*index, count) {
                let mut again = cursor.back_to(list);
                again.open(b']', depth)?;
                for _ in 0..at {
                    again.skip(depth + 1)?;
                    again.more(b']')?;
                }
                self.value(&mut again, *child, group, depth + 1)?;
            }
        }
        let taken = node.elements.is_some() && count <= most && !was_passing;
        Some((offset(count), taken.then_some(offset(first))))
    }

    /// Looks for keys that stand twice in one object, anywhere in the value here.
    fn keys_of(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Option<()> {
        let close = match cursor.opens()? {
            b'{' => b'}',
            b'[' => b']',
            _ => return cursor.value(depth).map(drop),
        };
        let outer = self.out.keys.len();
        let mut more = cursor.open(close, depth)?;
        while more {
            if close == b'}' {
                let key = cursor.key()?;
                self.note(&key);
            }
            self.keys_of(cursor, depth + 1)?;
            more = cursor.more(close)?;
        }
        self.compare_keys(cursor, outer);
        self.out.keys.truncate(outer);
        Some(())
    }

    /// Notes a key by its hash and place.
    fn note(&mut self, key: &Key<'_>) {
        let plain = inner(key.text);
        let hash = if key.escaped {
            let from = self.out.decoded.len();
            let decoded = unescape(plain, &mut self.out.decoded);
            let hash = self.out.decoded.get(from..).map(hash);
            self.out.decoded.truncate(from);
            hash.filter(|_| decoded)
        } else {
            Some(hash(plain))
        };
        // A key with half of a surrogate pair can be named by nothing.
        self.out.keys.extend(hash.map(|hash| (hash, key.at)));
    }

    /// Compares the keys of one object, noted from `outer` on.
    fn compare_keys(&mut self, cursor: &Cursor<'_>, outer: usize) {
        let keys = self.out.keys.get_mut(outer..).unwrap_or_default();
        keys.sort_unstable();
        for alike in keys.chunk_by(|(a, _), (b, _)| a == b).filter(|alike| alike.len() > 1) {
            // Different keys may have one hash, and somebody may have seen to it.
            let text = |(_, at): &(u64, usize)| {
                let mut text = String::new();
                if let Some(key) = cursor.back_to(*at).key() {
                    unescape(inner(key.text), &mut text);
                }
                (text, *at)
            };
            let mut texts: Vec<(String, usize)> = alike.iter().map(text).collect();
            texts.sort_unstable();
            let twice = texts.windows(2).find_map(|pair| match pair {
                [(a, _), (b, at)] if a == b => Some((a.clone(), *at)),
                _ => None,
            });
            if let Some(twice) = twice {
                self.out.duplicate.get_or_insert(twice);
                return;
            }
        }
    }
}

fn hash(text: &str) -> u64 {
    FxBuildHasher.hash_one(text)
}

/// A string without its quotes.
fn inner(string: &str) -> &str {
    string.get(1..string.len().saturating_sub(1)).unwrap_or("")
}
