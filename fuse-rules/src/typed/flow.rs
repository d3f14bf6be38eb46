//! Checked clauses of flow control.

use super::{Expr, Path, Reference, Rule, Sensor};
use crate::flow::Flow;
use crate::span::Span;

/// A clause of flow control.
#[derive(Clone, Debug)]
pub(crate) struct FlowClause<P: Reference = Path> {
    pub(crate) flow: Flow,
    /// The name of the limiter that has its parameters and its state, if it uses one.
    pub(crate) limiter: Option<String>,
    pub(crate) keys: Vec<Expr<P>>,
    /// Identifies the clause among those of its rule; see [`FlowRequest::clause`](crate::flow::FlowRequest).
    pub(crate) identity: String,
    pub(crate) span: Span,
}

impl<P: Reference> FlowClause<P> {
    /// The clause as in rules, with these keys.
    pub(crate) fn text(&self, keys: &[String]) -> String {
        self.flow.text_with(self.limiter.as_deref(), keys)
    }

    /// Whether its key contains a sensitive value.
    pub(crate) fn is_sensitive(&self) -> bool {
        self.keys.iter().any(Expr::is_sensitive)
    }
}

/// Whether one of these clauses may count a match without acting.
pub(crate) fn may_be_counted<P: Reference>(clauses: &[FlowClause<P>]) -> bool {
    clauses.iter().any(|clause| clause.flow.counts_matches())
}

/// Whether one of these clauses may suppress a match.
pub(crate) fn may_be_suppressed<P: Reference>(clauses: &[FlowClause<P>]) -> bool {
    clauses.iter().any(|clause| !clause.flow.counts_matches())
}

impl Rule {
    /// The keys of all clauses of flow control.
    pub(crate) fn flow_keys(&self) -> impl Iterator<Item = &Expr> {
        self.flow.iter().flat_map(|clause| &clause.keys)
    }

    /// Whether a clause may count a match without acting.
    pub(crate) fn may_be_counted(&self) -> bool {
        may_be_counted(&self.flow)
    }

    /// Whether a clause may suppress a match.
    pub(crate) fn may_be_suppressed(&self) -> bool {
        may_be_suppressed(&self.flow)
    }
}

impl Sensor {
    /// Whether a clause of one of its rules is written in the sensor, so that all of its rules have it.
    pub(crate) fn shares(&self, clause: &FlowClause) -> bool {
        self.flow.iter().any(|own| own.span == clause.span)
    }
}
