//! Clauses of flow control.

use super::{Each, EventRef, Expr, Let, Text};
use crate::flow::Flow;
use crate::span::Span;

/// `limiter github-api { limit 5000 per 1h }`.
#[derive(Clone, Debug)]
pub(crate) struct Limiter {
    pub(crate) doc: Option<String>,
    pub(crate) name: Text,
    /// Its limit, without keys.
    pub(crate) limit: FlowClause,
    pub(crate) span: Span,
}

/// A clause of flow control.
#[derive(Clone, Debug)]
pub(crate) struct FlowClause {
    /// Its parameters, unless a limiter has them.
    pub(crate) flow: Flow,
    /// The limiter that it uses.
    pub(crate) limiter: Option<Text>,
    pub(crate) keys: Vec<Expr>,
    /// The hours of `during`.
    pub(crate) hours: Option<Box<HoursText>>,
    /// The events that end the wait of `still`.
    pub(crate) unless: Option<Box<Unless>>,
    /// The fuses of `requires … else hold`.
    pub(crate) fuses: Vec<Text>,
    /// The groups after `by` in `approval`.
    pub(crate) approvers: Vec<Text>,
    /// The span of its number, if it has one.
    pub(crate) count_span: Option<Span>,
    /// The span of its duration.
    pub(crate) duration_span: Span,
    /// The span of the duration after `max`, if it has one.
    pub(crate) max_span: Option<Span>,
    pub(crate) span: Span,
}

impl FlowClause {
    /// A clause without anything that only some clauses have.
    pub(crate) fn new(flow: Flow, duration_span: Span, span: Span) -> Self {
        Self {
            flow,
            limiter: None,
            keys: Vec::new(),
            hours: None,
            unless: None,
            fuses: Vec::new(),
            approvers: Vec::new(),
            count_span: None,
            duration_span,
            max_span: None,
            span,
        }
    }
}

/// `mon..fri 09:00..17:00 "Europe/Madrid" except "2026-12-25"`.
#[derive(Clone, Debug)]
pub(crate) struct HoursText {
    /// The days, if they are named, and the times of each window.
    pub(crate) windows: Vec<(Option<Text>, Text)>,
    pub(crate) zone: Option<Text>,
    pub(crate) except: Vec<Text>,
}

/// `unless alertmanager.slo-alerts each alert in body.alerts when alert.status == "resolved"`.
#[derive(Clone, Debug)]
pub(crate) struct Unless {
    pub(crate) event: EventRef,
    pub(crate) each: Vec<Each>,
    pub(crate) lets: Vec<Let>,
    pub(crate) when: Expr,
    pub(crate) span: Span,
}
