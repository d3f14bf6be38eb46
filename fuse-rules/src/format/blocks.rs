//! The layout of blocks and records and their fields.

use pest::iterators::Pair;

use super::doc::{Doc, group, text};
use super::expressions::OperandPosition;
use super::layout::{Layout, Separation, UnitBody, lead};
use crate::syntax::Rule;

impl<'a> Layout<'a> {
    /// A block or record.
    pub(super) fn block(&mut self, pair: Pair<'a, Rule>, style: Separation) -> Doc<'a> {
        let mut parts = pair.into_inner();
        let open = parts.next().map_or(text(""), |open| self.token(&open));
        let units = self.units(parts, Self::item);
        units.bracketed(vec![open], "}", style)
    }

    /// A block that stays on one line if it has at most one field or condition.
    pub(super) fn small_block(&mut self, pair: Pair<'a, Rule>) -> Doc<'a> {
        let mut parts = pair.into_inner();
        let open = parts.next().map_or(text(""), |open| self.token(&open));
        let units = self.units(parts, Self::item);
        let style = if units.is_one_field() { Separation::Record } else { Separation::Lines };
        units.bracketed(vec![open], "}", style)
    }

    /// A field, nested block, `from`, condition, or clause of a fuse.
    pub(super) fn item(&mut self, pair: Pair<'a, Rule>) -> UnitBody<'a> {
        match pair.as_rule() {
            Rule::field => self.field(pair),
            Rule::from_pick => UnitBody::Plain(vec![self.picks(pair)]),
            Rule::when_clause | Rule::blow_clause | Rule::reset_clause | Rule::reaction_clause => {
                self.clause(pair)
            }
            _ => {
                let mut docs = Vec::new();
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::block => docs.extend([Doc::Space, self.small_block(part)]),
                        _ => docs.push(self.token(&part)),
                    }
                }
                UnitBody::Plain(docs)
            }
        }
    }

    fn field(&mut self, pair: Pair<'a, Rule>) -> UnitBody<'a> {
        let (mut key, mut width, mut rest) = (Vec::new(), 0, Vec::new());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::assign => rest.extend([Doc::Space, self.token(&part), Doc::Space]),
                Rule::value => rest.push(self.value(part, OperandPosition::Behind)),
                Rule::optional => {
                    width += 1;
                    key.push(self.token(&part));
                }
                _ => {
                    width += part.as_str().chars().count();
                    key.push(self.token(&part));
                }
            }
        }
        UnitBody::Field { key, width, rest }
    }

    /// `from body { a, b?, c = d }`: lines are filled with as many names as fit.
    fn picks(&mut self, pair: Pair<'a, Rule>) -> Doc<'a> {
        let mut docs = Vec::new();
        let mut parts = pair.into_inner();
        for part in parts.by_ref() {
            match part.as_rule() {
                Rule::kw_from => docs.extend([self.token(&part), Doc::Space]),
                Rule::term => docs.extend([self.term(part), Doc::Space]),
                _ => {
                    docs.push(self.token(&part));
                    break;
                }
            }
        }
        let units = self.units(parts, |layout, part| UnitBody::Plain(layout.pick(part)));
        if units.is_empty() {
            docs.push(text("}"));
            return group(docs);
        }
        let mut inner = vec![Doc::Line];
        let count = units.list.len();
        for (i, unit) in units.list.into_iter().enumerate() {
            let mut docs = Vec::new();
            if i > 0 {
                docs.push(Doc::Line);
            }
            docs.extend(lead(&unit.lead, false));
            if let UnitBody::Plain(pick) = unit.body {
                docs.extend(pick);
            }
            if i + 1 < count {
                docs.push(text(","));
            }
            inner.push(group(docs));
            inner.extend(unit.trailing.map(Doc::Trailing));
        }
        inner.extend(lead(&units.closing, false));
        docs.extend(units.opening.map(Doc::Trailing));
        docs.extend([Doc::Nest(inner), Doc::Line, text("}")]);
        group(docs)
    }

    fn pick(&mut self, pair: Pair<'a, Rule>) -> Vec<Doc<'a>> {
        let mut docs = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::assign => docs.extend([Doc::Space, self.token(&part), Doc::Space]),
                Rule::pick_path => docs.push(self.term(part)),
                _ => docs.push(self.token(&part)),
            }
        }
        docs
    }
}
