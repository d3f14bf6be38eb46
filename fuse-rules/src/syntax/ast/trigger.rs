//! Triggers in the syntax tree.

use jiff::SignedDuration;

use super::{Block, Text};
use crate::attempts::Retry;
use crate::span::Span;

/// `trigger http retry 5 backoff 1s..1m timeout 10s { … }`.
#[derive(Clone, Debug)]
pub(crate) struct Trigger {
    pub(crate) kind: Text,
    pub(crate) retry: Option<RetryClause>,
    pub(crate) timeout: Option<TimeoutClause>,
    pub(crate) block: Block,
}

/// `retry N backoff A..B`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryClause {
    pub(crate) retry: Retry,
    pub(crate) count_span: Span,
    pub(crate) backoff_span: Option<Span>,
}

/// `timeout D`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeoutClause {
    pub(crate) timeout: SignedDuration,
    /// The span of the whole clause.
    pub(crate) span: Span,
}
