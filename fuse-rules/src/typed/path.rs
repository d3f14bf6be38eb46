//! How expressions refer to values of an event: by path, or in a plan by slot.

use std::convert::Infallible;
use std::sync::Arc;

use crate::path::{Root, Segment};
use crate::sensitive::root_is_sensitive;

/// A path to a value of the event: its root and its segments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    pub(crate) root: Root,
    pub(crate) segments: Vec<Segment>,
    /// As the author would write it.
    pub(crate) text: Arc<str>,
}

/// How an expression refers to values of the event.
pub(crate) trait Reference: Clone + std::fmt::Debug {
    /// The data that a binder has for the elements that it binds.
    type Frame: Clone + std::fmt::Debug;
    /// Where the value of a `let` is kept.
    type Memo: Clone + std::fmt::Debug;

    /// The path as an author would write it.
    fn text(&self) -> &Arc<str>;

    /// Whether it is, or is inside, the value of a header or parameter that usually contains a
    /// secret.
    fn is_sensitive(&self) -> bool;
}

impl Reference for Path {
    type Frame = ();
    /// Checked rules have the value itself in place of each use.
    type Memo = Infallible;

    fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// This does not consider elements of a sensitive value: only a plan knows the list of each
    /// element.
    fn is_sensitive(&self) -> bool {
        root_is_sensitive(self.root, &self.segments).unwrap_or(false)
    }
}
