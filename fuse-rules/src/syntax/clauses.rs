//! Converts pest's pairs to the tree: the clauses of sensors and rules.

use pest::iterators::Pair;

use super::Rule;
use super::ast::{Each, Expr, FlowClause, Let, Shared, Trigger};
use super::lower::Lower;
use crate::flow::Flow;
use crate::literals;
use crate::span::Span;

impl Lower<'_> {
    pub(super) fn shared_clause(&mut self, pair: Pair<'_, Rule>, shared: &mut Shared) {
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::requires_clause => {
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::alien_colon => self.alien_colon(&part),
                        Rule::fuse_name => shared.requires.push(self.text_of(&part)),
                        _ => {}
                    }
                }
            }
            Rule::each_clause => shared.each.extend(self.each(pair, span)),
            Rule::let_clause => shared.lets.extend(self.let_clause(pair, span)),
            Rule::when_clause => shared.when.extend(self.when_clause(pair)),
            Rule::once_clause => shared.flow.extend(self.once(pair)),
            _ => {}
        }
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

    fn once(&mut self, pair: Pair<'_, Rule>) -> Option<FlowClause> {
        let span = self.span(&pair);
        let mut keys = Vec::new();
        let mut within = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::expr => keys.push(self.expr(part, 0)),
                Rule::duration | Rule::alien_duration => {
                    let span = self.span(&part);
                    let text = match part.as_rule() {
                        Rule::alien_duration => self.alien_duration(span),
                        _ => part.as_str().to_owned(),
                    };
                    match literals::parse_duration(&text) {
                        Some(duration) => within = Some((duration, span)),
                        None => self.bad_duration(span),
                    }
                }
                _ => {}
            }
        }
        let (within, duration_span) = within?;
        Some(FlowClause { flow: Flow::Once { within }, keys, duration_span, span })
    }

    pub(super) fn trigger(&mut self, pair: Pair<'_, Rule>) -> Option<Trigger> {
        let (kind, block) = self.name_and_block(pair);
        Some(Trigger { kind: kind?, block: block? })
    }
}
