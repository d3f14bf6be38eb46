//! The layout of clauses and of test steps.

use pest::iterators::Pair;

use super::doc::{Doc, group, text};
use super::expressions::{OperandPosition, ends_in_bracket};
use super::layout::{Layout, Separation, UnitBody};
use crate::syntax::Rule;

impl<'a> Layout<'a> {
    /// A clause of a sensor or rule; a rule counts as a clause of its sensor, and a reaction as a clause of its rule.
    pub(super) fn clause(&mut self, pair: Pair<'a, Rule>) -> UnitBody<'a> {
        if matches!(pair.as_rule(), Rule::rule_decl | Rule::reaction_clause) {
            return UnitBody::Plain(self.with_body(pair, Self::clause));
        }
        UnitBody::Plain(vec![group(self.clause_parts(pair))])
    }

    /// The words and expressions of a clause. If they do not fit on one line, some words start a new one.
    fn clause_parts(&mut self, pair: Pair<'a, Rule>) -> Vec<Doc<'a>> {
        let mut docs = Vec::new();
        let mut after_comma = false;
        let mut bracketed = false;
        let is_during = pair.as_rule() == Rule::during_clause;
        for part in pair.into_inner() {
            let rule = part.as_rule();
            if rule == Rule::comma {
                docs.push(text(","));
            } else if after_comma && !is_during
                || matches!(rule, Rule::kw_within | Rule::kw_except | Rule::kw_else | Rule::kw_by)
                || rule == Rule::kw_max && !bracketed
            {
                let mut more = vec![Doc::Line];
                more.extend(self.comments(part.as_span().start()));
                more.push(self.clause_part(part));
                docs.push(Doc::Nest(more));
            } else if rule == Rule::unless_part {
                let mut more = vec![Doc::Hard];
                more.extend(self.comments(part.as_span().start()));
                more.push(self.unless(part));
                docs.push(Doc::Nest(more));
            } else {
                docs.extend((!docs.is_empty()).then_some(Doc::Space));
                bracketed = rule == Rule::expr && ends_in_bracket(&part);
                docs.push(self.clause_part(part));
            }
            after_comma = rule == Rule::comma;
        }
        docs
    }

    /// `unless SOURCE.EVENT each … when …`, on one line if it fits.
    fn unless(&mut self, pair: Pair<'a, Rule>) -> Doc<'a> {
        let mut docs = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::each_clause | Rule::let_clause | Rule::when_clause => {
                    let mut more = vec![Doc::Line];
                    more.extend(self.comments(part.as_span().start()));
                    more.push(group(self.clause_parts(part)));
                    docs.push(Doc::Nest(more));
                }
                _ => {
                    docs.extend((!docs.is_empty()).then_some(Doc::Space));
                    docs.push(self.token(&part));
                }
            }
        }
        group(docs)
    }

    /// A step of a test: its words on one line, followed by its blocks.
    pub(super) fn step(&mut self, pair: Pair<'a, Rule>) -> UnitBody<'a> {
        let mut docs = Vec::new();
        self.step_parts(pair, &mut docs);
        UnitBody::Plain(vec![group(docs)])
    }

    fn step_parts(&mut self, pair: Pair<'a, Rule>, docs: &mut Vec<Doc<'a>>) {
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::send_file
                | Rule::send_body
                | Rule::send_headers
                | Rule::send_query
                | Rule::send_path
                | Rule::expect_nothing
                | Rule::expect_fuse
                | Rule::expect_no
                | Rule::expect_rule
                | Rule::expect_reaction
                | Rule::expect_count
                | Rule::expect_element
                | Rule::expect_reason => {
                    self.step_parts(part, docs);
                    continue;
                }
                Rule::comma => {
                    docs.push(text(","));
                    continue;
                }
                _ => {}
            }
            docs.extend((!docs.is_empty()).then_some(Doc::Space));
            docs.push(match part.as_rule() {
                Rule::block => self.small_block(part),
                Rule::value => self.value(part, OperandPosition::Behind),
                _ => self.token(&part),
            });
        }
    }

    fn clause_part(&mut self, pair: Pair<'a, Rule>) -> Doc<'a> {
        match pair.as_rule() {
            Rule::expr => self.expr(pair, OperandPosition::Behind),
            Rule::value => self.value(pair, OperandPosition::Behind),
            Rule::block => self.block(pair, Separation::Lines),
            Rule::window | Rule::retry_part | Rule::timeout_part => self.words_on_line(pair),
            _ => self.token(&pair),
        }
    }

    /// `mon..fri 09:00..17:00`, `retry 5 backoff 1s..1m`.
    fn words_on_line(&mut self, pair: Pair<'a, Rule>) -> Doc<'a> {
        let mut docs = Vec::new();
        for part in pair.into_inner() {
            docs.extend((!docs.is_empty()).then_some(Doc::Space));
            docs.extend(self.comments(part.as_span().start()));
            docs.push(self.token(&part));
        }
        group(docs)
    }
}
