//! Finds a few names quickly, and many as well.

use rustc_hash::FxHashMap;

/// The maximum number of keys for a linear search.
const MAX_LINEAR_SEARCH: usize = 8;

/// A map from names to numbers, such as from the keys of an object to the nodes of a trie.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    all: Vec<Key>,
    /// The same, if there are many.
    by_name: FxHashMap<Box<[u8]>, usize>,
}

#[derive(Clone, Debug)]
struct Key {
    head: u64,
    name: Box<str>,
    number: usize,
}

/// The number of bytes of a key that are compared at once.
pub(super) const HEAD_BYTES: usize = 8;

/// The first bytes of a key as a number, without those from `len` on.
#[inline(always)]
pub(super) fn head(first: [u8; HEAD_BYTES], len: usize) -> u64 {
    let head = u64::from_le_bytes(first);
    match len {
        0..HEAD_BYTES => head & !(u64::MAX << (8 * len)),
        _ => head,
    }
}

/// The head of a key that may be short.
#[inline]
pub(super) fn head_of(key: &[u8]) -> u64 {
    match key.first_chunk() {
        Some(first) => u64::from_le_bytes(*first),
        None => key.iter().rev().fold(0, |head, byte| head << 8 | u64::from(*byte)),
    }
}

impl Keys {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<usize> {
        self.get_by_head(head_of(key), key)
    }

    /// The same for a key whose head is known. It differs from those of the map for most keys of an event.
    #[inline(always)]
    pub(super) fn get_by_head(&self, head: u64, key: &[u8]) -> Option<usize> {
        if self.by_name.is_empty() {
            let found = self.all.iter().find(|one| {
                one.head == head
                    && one.name.len() == key.len()
                    && (key.len() <= HEAD_BYTES
                        || one.name.as_bytes().get(HEAD_BYTES..) == key.get(HEAD_BYTES..))
            });
            return found.map(|found| found.number);
        }
        self.by_name.get(key).copied()
    }

    /// Adds a key that the map does not have.
    pub(crate) fn insert(&mut self, key: &str, number: usize) {
        self.all.push(Key { head: head_of(key.as_bytes()), name: key.into(), number });
        if self.all.len() > MAX_LINEAR_SEARCH {
            let by_name = |key: &Key| (key.name.as_bytes().into(), key.number);
            self.by_name = self.all.iter().map(by_name).collect();
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        self.all.iter().map(|key| (&*key.name, key.number))
    }
}
