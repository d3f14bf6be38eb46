//! Checked fuses.

use jiff::SignedDuration;

use super::Reaction;
use crate::flow::{BlowClause, BlowingFuse};
use crate::fuses::PendingActions;
use crate::span::Span;

#[derive(Clone, Debug)]
pub(crate) struct Fuse {
    pub(crate) name: String,
    pub(crate) doc: Option<String>,
    pub(crate) default_on: bool,
    pub(crate) pending: PendingActions,
    /// When it blows, with the span of each clause.
    pub(crate) blow: Vec<(BlowClause, Span)>,
    /// How long after it blew it closes by itself. `None` if a person has to close it.
    pub(crate) reset_after: Option<SignedDuration>,
    /// The span of `reset after D`.
    pub(crate) reset_span: Option<Span>,
    /// What it does when it blows: `on blown { … }`.
    pub(crate) reaction: Option<Reaction>,
}

impl Fuse {
    /// What makes it blow. `None` if nothing does.
    pub(crate) fn blowing(&self) -> Option<BlowingFuse> {
        blowing(&self.name, &self.blow, self.reset_after, self.pending)
    }
}

/// What makes a fuse with these clauses blow. `None` if there are none.
pub(crate) fn blowing(
    name: &str,
    blow: &[(BlowClause, Span)],
    reset_after: Option<SignedDuration>,
    pending: PendingActions,
) -> Option<BlowingFuse> {
    let clauses: Vec<BlowClause> = blow.iter().map(|(clause, _)| *clause).collect();
    let blows = !clauses.is_empty();
    let drops = pending == PendingActions::Drop;
    blows.then(|| BlowingFuse { name: name.to_owned(), clauses, reset_after, drops })
}
