//! The pass over a body, guided by the trie of the paths that rules read.

use std::hash::BuildHasher as _;

use rustc_hash::FxBuildHasher;

use super::cursor::{Cursor, ObjectKey, Seen};
use super::extract::{Entry, EntryKind, Extract, MaxElements, offset};
use super::text::unescape;
use super::{Trie, TrieNode};
use crate::value::position;

/// One pass. If a function returns `None`, the body is not JSON or nested too deeply.
pub(super) struct Pass<'p> {
    pub(super) trie: &'p Trie,
    pub(super) most: MaxElements<'p>,
    pub(super) out: &'p mut Extract,
}

impl Pass<'_> {
    /// Reads the next value, in a frame of that group, at this nesting depth.
    pub(super) fn value(
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
        let mut entry = Entry::new(slot, EntryKind::Null, start, end);
        (entry.len, entry.first) = (len, first);
        entry.kind = match seen {
            Seen::Null => EntryKind::Null,
            Seen::True => EntryKind::True,
            Seen::False => EntryKind::False,
            Seen::Number => EntryKind::Number,
            Seen::List => EntryKind::List,
            Seen::Map => EntryKind::Map,
            Seen::String { escaped: false } => {
                (entry.start, entry.end) = (offset(start + 1), offset(end - 1));
                EntryKind::Text
            }
            Seen::String { escaped: true } => {
                let from = self.out.decoded.len();
                if unescape(inner(cursor.since(start)), &mut self.out.decoded) {
                    (entry.start, entry.end) = (offset(from), offset(self.out.decoded.len()));
                    EntryKind::Decoded
                } else {
                    EntryKind::Surrogate
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
        node: &TrieNode,
        group: usize,
        depth: usize,
    ) -> Option<()> {
        self.out.objects = self.out.objects.wrapping_add(1);
        let object = self.out.objects;
        let mut more = cursor.open(b'}', depth)?;
        while more {
            let key = cursor.key()?;
            match self.child(node, &key) {
                None => drop(cursor.value(depth + 1)?),
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
    fn child(&mut self, node: &TrieNode, key: &ObjectKey<'_>) -> Option<usize> {
        if !key.escaped {
            return node.keys.get_by_head(key.head(), key.bytes());
        }
        // No path can name a key with half of a surrogate pair.
        let from = self.out.decoded.len();
        let decoded = unescape(key.text(), &mut self.out.decoded);
        let child = self.out.decoded.get(from..).and_then(|key| node.keys.get(key.as_bytes()));
        self.out.decoded.truncate(from);
        child.filter(|_| decoded)
    }

    fn twice(&mut self, key: &ObjectKey<'_>) {
        let mut name = String::new();
        unescape(key.text(), &mut name);
        self.out.duplicate.get_or_insert((name, key.at));
    }

    /// Reads a list. Returns its length, and its first row if the elements were extracted.
    fn list(
        &mut self,
        cursor: &mut Cursor<'_>,
        node: &TrieNode,
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
                        self.out.passed = true;
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

    /// Looks for duplicate keys in any object of the next value.
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

    /// Records a key with its hash and position.
    fn note(&mut self, key: &ObjectKey<'_>) {
        let plain = key.text();
        let hash = if key.escaped {
            let from = self.out.decoded.len();
            let decoded = unescape(plain, &mut self.out.decoded);
            let hash = self.out.decoded.get(from..).map(hash);
            self.out.decoded.truncate(from);
            hash.filter(|_| decoded)
        } else {
            Some(hash(plain))
        };
        // No path can name a key with half of a surrogate pair.
        self.out.keys.extend(hash.map(|hash| (hash, key.at)));
    }

    /// Compares the keys of one object, recorded from `outer` on.
    fn compare_keys(&mut self, cursor: &Cursor<'_>, outer: usize) {
        let keys = self.out.keys.get_mut(outer..).unwrap_or_default();
        keys.sort_unstable();
        for alike in keys.chunk_by(|(a, _), (b, _)| a == b).filter(|alike| alike.len() > 1) {
            // Different keys can have the same hash, and an attacker can cause that.
            let text = |(_, at): &(u64, usize)| {
                let mut text = String::new();
                if let Some(key) = cursor.back_to(*at).key() {
                    unescape(key.text(), &mut text);
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
