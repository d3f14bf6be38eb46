//! One pass over an event's bytes: it validates them, takes out what the rules ask for, and skips
//! the rest.

mod cursor;
mod extract;
mod pass;
mod text;
mod tree;
mod trie;

#[cfg(test)]
mod tests;

pub(crate) use extract::{Entry, Extract, Held, Refused, find};
pub(crate) use trie::{Node, Trie};

use cursor::Cursor;

/// How deeply lists and objects of a body may nest.
pub const MAX_DEPTH: usize = 128;

/// Whether a text is JSON (RFC 8259), nested no deeper than an event may be.
pub(crate) fn is_valid(text: &str) -> bool {
    let mut cursor = Cursor::new(text);
    cursor.skip(0).is_some() && cursor.is_at_end()
}
