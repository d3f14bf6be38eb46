//! Converts pest's pairs to the tree: the clauses of sensors and rules.

use jiff::SignedDuration;
use pest::iterators::Pair;

use super::Rule;
use super::ast::{Each, EventRef, Expr, FlowClause, HoursText, Let, Limiter, Shared, Text, Unless};
use super::lower::Lower;
use crate::flow::{Flow, Overflow, approval};
use crate::span::Span;

impl Lower<'_> {
    pub(super) fn shared_clause(&mut self, pair: Pair<'_, Rule>, shared: &mut Shared) {
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::requires_clause => self.requires(pair, span, shared),
            Rule::each_clause => shared.each.extend(self.each(pair, span)),
            Rule::let_clause => shared.lets.extend(self.let_clause(pair, span)),
            Rule::when_clause => shared.when.extend(self.when_clause(pair)),
            Rule::during_clause
            | Rule::after_clause
            | Rule::once_clause
            | Rule::quiet_clause
            | Rule::still_clause
            | Rule::limit_clause
            | Rule::approval_clause
            | Rule::concurrency_clause => shared.flow.extend(self.flow_clause(pair, span)),
            Rule::shadow_clause => shared.shadow.push(span),
            _ => {}
        }
    }

    fn requires(&mut self, pair: Pair<'_, Rule>, mut span: Span, shared: &mut Shared) {
        // Without the comments that may follow it.
        if let Some(last) = pair.clone().into_inner().last() {
            span.end = self.span(&last).end;
        }
        let (mut fuses, mut hold) = (Vec::new(), None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::alien_colon => self.alien_colon(&part),
                Rule::fuse_name => fuses.push(self.text_of(&part)),
                Rule::duration | Rule::alien_duration => hold = self.duration_of(&part),
                _ => {}
            }
        }
        let Some((within, duration_span)) = hold else { return shared.requires.extend(fuses) };
        let clause = FlowClause::new(Flow::Requires { within }, duration_span, span);
        shared.flow.push(FlowClause { fuses, ..clause });
    }

    pub(super) fn when_clause(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let mut condition = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::alien_colon => self.alien_colon(&part),
                Rule::expr => condition = Some(self.expr(part, 0)),
                _ => {}
            }
        }
        condition
    }

    fn each(&mut self, pair: Pair<'_, Rule>, span: Span) -> Option<Each> {
        let mut name = None;
        let mut list = None;
        let mut max = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = Some(self.name(&part)),
                Rule::expr => list = Some(self.expr(part, 0)),
                Rule::alien_colon => self.alien_colon(&part),
                Rule::integer => {
                    let span = self.span(&part);
                    // A number that is too long becomes 0, and the checker reports which values
                    // `max` accepts.
                    max = Some((part.as_str().parse().unwrap_or(0), span));
                }
                _ => {}
            }
        }
        Some(Each { name: name?, list: list?, max, span })
    }

    fn let_clause(&mut self, pair: Pair<'_, Rule>, span: Span) -> Option<Let> {
        let mut name = None;
        let mut value = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = Some(self.name(&part)),
                Rule::alien_colon => self.alien_colon(&part),
                Rule::value => value = part.into_inner().next().map(|part| self.value(part, 0)),
                _ => {}
            }
        }
        Some(Let { name: name?, value: value?, span })
    }

    pub(super) fn limiter(&mut self, pair: Pair<'_, Rule>) -> Option<Limiter> {
        let (doc, span) = (self.doc(&pair), self.span(&pair));
        let mut name = None;
        let mut limit = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = Some(self.name(&part)),
                Rule::limiter_limit | Rule::limiter_concurrency => {
                    let span = self.span(&part);
                    limit = self.flow_clause(part, span);
                }
                _ => {}
            }
        }
        Some(Limiter { doc, name: name?, limit: limit?, span })
    }

    fn during(&mut self, pair: Pair<'_, Rule>, span: Span) -> FlowClause {
        let mut hours = HoursText { windows: Vec::new(), zone: None, except: Vec::new() };
        let (mut waits, mut is_except) = (false, false);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::window => {
                    let (mut days, mut times) = (None, None);
                    for part in part.into_inner() {
                        match part.as_rule() {
                            Rule::window_days => days = Some(self.text_of(&part)),
                            Rule::window_times => times = Some(self.text_of(&part)),
                            _ => {}
                        }
                    }
                    hours.windows.extend(times.map(|times| (days, times)));
                }
                Rule::kw_except => is_except = true,
                Rule::plain_string => {
                    let span = self.span(&part);
                    let text = self.plain_string(part).map(|text| Text { text, span });
                    match is_except {
                        true => hours.except.extend(text),
                        false => hours.zone = text,
                    }
                }
                Rule::kw_wait => waits = true,
                _ => {}
            }
        }
        let clause = FlowClause::new(Flow::During { waits }, span, span);
        FlowClause { hours: Some(Box::new(hours)), ..clause }
    }

    fn flow_clause(&mut self, pair: Pair<'_, Rule>, mut span: Span) -> Option<FlowClause> {
        let clause = pair.as_rule();
        // Without the comments that may follow it.
        if let Some(last) = pair.clone().into_inner().last() {
            span.end = self.span(&last).end;
        }
        if clause == Rule::during_clause {
            return Some(self.during(pair, span));
        }
        let mut keys = Vec::new();
        let mut count = None;
        let mut duration = None;
        let mut max = None;
        let mut is_max = false;
        let mut limiter = None;
        let mut unless = None;
        let mut otherwise = Overflow::Queue;
        let mut waits = false;
        let mut approvers = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::kw_skip => otherwise = Overflow::Skip,
                Rule::kw_replace => otherwise = Overflow::Replace,
                Rule::kw_wait => waits = true,
                Rule::limiter_name => limiter = Some(self.text_of(&part)),
                Rule::expr => keys.push(self.expr(part, 0)),
                // A number that is too long becomes 0, and the checker reports which values the clause
                // accepts.
                Rule::integer => {
                    count = Some((part.as_str().parse().unwrap_or(0), self.span(&part)));
                }
                Rule::kw_max => is_max = true,
                Rule::duration | Rule::alien_duration if is_max => max = self.duration_of(&part),
                Rule::duration | Rule::alien_duration => duration = self.duration_of(&part),
                Rule::unless_part => unless = self.unless(part),
                Rule::plain_string => {
                    let span = self.span(&part);
                    let text = self.plain_string(part).map(|text| Text { text, span });
                    approvers.extend(text);
                }
                _ => {}
            }
        }
        if limiter.is_some() {
            // The checker finds the parameters.
            duration = Some((SignedDuration::ZERO, span));
            count = Some((1, span));
        }
        if matches!(clause, Rule::concurrency_clause | Rule::limiter_concurrency) {
            // It has no duration.
            duration = Some((SignedDuration::ZERO, span));
        }
        if clause == Rule::approval_clause {
            duration = duration.or(Some((approval::DEFAULT_WITHIN, span)));
        }
        let (duration, duration_span) = duration?;
        let (flow, count_span) = match (clause, count) {
            (Rule::after_clause, Some((count, span))) => {
                (Flow::After { count, within: duration }, Some(span))
            }
            (Rule::limit_clause | Rule::limiter_limit, Some((count, span))) => {
                (Flow::Limit { count, per: duration, waits }, Some(span))
            }
            (Rule::concurrency_clause | Rule::limiter_concurrency, Some((count, span))) => {
                (Flow::Concurrency { count, otherwise }, Some(span))
            }
            (Rule::quiet_clause, _) => {
                (Flow::Quiet { length: duration, max: max.map(|(max, _)| max) }, None)
            }
            (Rule::still_clause, _) => (Flow::Still { length: duration }, None),
            (Rule::approval_clause, _) => (Flow::Approval { within: duration }, None),
            _ => (Flow::Once { within: duration }, None),
        };
        Some(FlowClause {
            limiter,
            keys,
            unless: unless.map(Box::new),
            approvers,
            count_span,
            max_span: max.map(|(_, span)| span),
            ..FlowClause::new(flow, duration_span, span)
        })
    }

    fn unless(&mut self, pair: Pair<'_, Rule>) -> Option<Unless> {
        let span = self.span(&pair);
        let (mut event, mut when) = (None, None);
        let (mut each, mut lets) = (Vec::new(), Vec::new());
        for part in pair.into_inner() {
            let span = self.span(&part);
            match part.as_rule() {
                Rule::event_ref => event = self.event_ref(part),
                Rule::each_clause => each.extend(self.each(part, span)),
                Rule::let_clause => lets.extend(self.let_clause(part, span)),
                Rule::when_clause => when = self.when_clause(part),
                _ => {}
            }
        }
        Some(Unless { event: event?, each, lets, when: when?, span })
    }

    /// `alertmanager.slo-alerts`.
    pub(super) fn event_ref(&mut self, pair: Pair<'_, Rule>) -> Option<EventRef> {
        let span = self.span(&pair);
        let mut names = pair.into_inner().filter(|part| part.as_rule() == Rule::ident);
        let (source, event) = (names.next()?, names.next()?);
        Some(EventRef { source: self.text_of(&source), event: self.text_of(&event), span })
    }
}
