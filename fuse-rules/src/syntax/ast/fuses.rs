//! Clauses of fuses in the syntax tree.

use jiff::SignedDuration;

use crate::flow::BlowClause;
use crate::span::Span;

/// `blow after N actions within D`.
#[derive(Clone, Debug)]
pub(crate) struct Blow {
    pub(crate) clause: BlowClause,
    pub(crate) count_span: Span,
    pub(crate) duration_span: Span,
    pub(crate) span: Span,
}

/// `reset after D`, or `reset manually`.
#[derive(Clone, Debug)]
pub(crate) struct Reset {
    /// `None` for `manually`.
    pub(crate) after: Option<SignedDuration>,
    pub(crate) span: Span,
}
