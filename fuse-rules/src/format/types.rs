//! The layout of types.

use pest::iterators::Pair;

use super::doc::{Doc, group, if_broken, text};
use super::layout::{Layout, Separation, UnitBody};
use crate::syntax::Rule;

impl<'a> Layout<'a> {
    /// A type, with or without a space before it. A line can break there if it is part of a union.
    pub(super) fn type_expr(&mut self, pair: Pair<'a, Rule>, spaced: bool) -> Vec<Doc<'a>> {
        let mut terms = terms(pair);
        if terms.len() == 1 {
            let space = spaced.then_some(Doc::Space);
            let term = terms.pop().map(|term| group(self.type_term(term)));
            return space.into_iter().chain(term).collect();
        }
        // A record has its own lines: `{ … } | null`.
        if terms.iter().filter(|term| term.as_rule() == Rule::type_record).count() == 1 {
            let mut docs = Vec::new();
            for term in terms {
                if !docs.is_empty() {
                    docs.extend([Doc::Space, Doc::Nest(self.comments(term.as_span().start()))]);
                    docs.extend([text("|"), Doc::Space]);
                } else if spaced {
                    docs.push(Doc::Space);
                }
                docs.extend(self.type_term(term));
            }
            return docs;
        }
        let mut docs = Vec::new();
        for term in terms {
            let is_first = docs.is_empty();
            docs.push(if is_first && !spaced { Doc::Soft } else { Doc::Line });
            docs.extend(self.comments(term.as_span().start()));
            docs.push(if is_first { if_broken("| ") } else { text("| ") });
            docs.push(Doc::Nest(self.type_term(term)));
        }
        vec![group(vec![Doc::Nest(docs)])]
    }

    fn type_term(&mut self, pair: Pair<'a, Rule>) -> Vec<Doc<'a>> {
        match pair.as_rule() {
            Rule::type_generic => {
                let mut parts = pair.into_inner();
                let word = parts.next().map(|word| self.token(&word));
                let enclosed = self.enclosed_type(parts.flat_map(Pair::into_inner));
                word.into_iter().chain([enclosed]).collect()
            }
            Rule::type_paren => vec![self.enclosed_type(pair.into_inner())],
            Rule::type_record => vec![self.type_record(pair)],
            Rule::type_literal => self.touching(pair),
            _ => vec![self.token(&pair)],
        }
    }

    /// A type in brackets.
    fn enclosed_type(&mut self, parts: impl Iterator<Item = Pair<'a, Rule>>) -> Doc<'a> {
        let mut docs = Vec::new();
        let mut several = false;
        for part in parts {
            match part.as_rule() {
                Rule::type_expr => {
                    several = terms(part.clone()).len() > 1;
                    docs.extend(self.type_expr(part, false));
                }
                Rule::angle_close | Rule::paren_close if several => {
                    docs.push(Doc::Nest(self.comments(part.as_span().start())));
                    docs.extend([Doc::Soft, self.token(&part)]);
                }
                _ => docs.push(self.token(&part)),
            }
        }
        group(docs)
    }

    fn type_record(&mut self, pair: Pair<'a, Rule>) -> Doc<'a> {
        let mut parts = pair.into_inner();
        let open = parts.next().map_or(text(""), |open| self.token(&open));
        let units = self.units(parts, |layout, part| UnitBody::Plain(layout.type_field(part)));
        units.bracketed(vec![open], "}", Separation::Lines)
    }

    /// `name?: T`, or `...`.
    fn type_field(&mut self, pair: Pair<'a, Rule>) -> Vec<Doc<'a>> {
        if pair.as_rule() != Rule::type_field {
            return vec![self.token(&pair)];
        }
        self.typed_name(pair.into_inner())
    }

    /// A name with an optional type: `name: T`.
    pub(super) fn typed_name(
        &mut self,
        parts: impl Iterator<Item = Pair<'a, Rule>>,
    ) -> Vec<Doc<'a>> {
        let mut docs = Vec::new();
        for part in parts {
            match part.as_rule() {
                Rule::type_expr => docs.extend(self.type_expr(part, true)),
                _ => docs.push(self.token(&part)),
            }
        }
        docs
    }
}

/// The members of a union.
fn terms(pair: Pair<'_, Rule>) -> Vec<Pair<'_, Rule>> {
    pair.into_inner().filter(|part| part.as_rule() != Rule::bar).collect()
}
