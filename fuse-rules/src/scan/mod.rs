//! One pass over an event's bytes. It validates them, extracts the values that the rules read, and
//! skips the rest.

mod cursor;
mod extract;
mod keys;
mod pass;
mod text;
mod tree;
mod trie;

#[cfg(test)]
mod tests;

pub(crate) use extract::{Entry, EntryKind, Extract, ExtractError, find};
pub(crate) use keys::Keys;
pub(crate) use trie::{Trie, TrieNode};

use cursor::Cursor;

/// The maximum nesting of lists and objects in a body.
pub const MAX_DEPTH: usize = 128;

/// Whether a text is JSON (RFC 8259) and within the nesting limit.
pub(crate) fn is_valid(text: &str) -> bool {
    let mut cursor = Cursor::new(text);
    cursor.skip(0).is_some() && cursor.is_at_end()
}
