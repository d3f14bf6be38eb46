//! Converts tokens to a layout: the part that all constructs share. Every token is printed after
//! the comments before it.

use std::borrow::Cow;

use pest::iterators::Pair;

use super::doc::{Doc, group, if_broken, text};
use super::gap::{Gap, GapComment};
use super::order::ranks;
use crate::syntax::Rule;

/// Visits the tokens of a file in order.
pub(super) struct Layout<'a> {
    text: &'a str,
    /// The byte after the last token.
    at: usize,
}

/// A part that gets its own lines if the construct around it is broken: a clause, field or element.
pub(super) struct Unit<'a> {
    /// The comments above it.
    pub(super) lead: Vec<GapComment<'a>>,
    pub(super) rule: Rule,
    rank: u8,
    pub(super) body: UnitBody<'a>,
    /// The comment after it, on the same line.
    pub(super) trailing: Option<&'a str>,
}

pub(super) enum UnitBody<'a> {
    Plain(Vec<Doc<'a>>),
    /// A field, whose `=` is aligned with its neighbours.
    Field {
        key: Vec<Doc<'a>>,
        width: usize,
        rest: Vec<Doc<'a>>,
    },
}

/// The units in brackets, or of a complete file.
pub(super) struct Units<'a> {
    /// The comment after the opening bracket.
    pub(super) opening: Option<&'a str>,
    pub(super) list: Vec<Unit<'a>>,
    /// The comments before the closing bracket.
    pub(super) closing: Vec<GapComment<'a>>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Continues at byte `to`.
    pub(super) fn skip(&mut self, to: usize) {
        self.at = to;
    }

    /// A token, after the comments before it.
    pub(super) fn token(&mut self, pair: &Pair<'a, Rule>) -> Doc<'a> {
        let piece = spelling(pair);
        let start = pair.as_span().start();
        let comments = self.comments(start);
        self.at = start + piece.len();
        if comments.is_empty() {
            return text(piece);
        }
        // Comments in the middle of a line: the text after them is indented.
        Doc::Nest(comments.into_iter().chain([text(piece)]).collect())
    }

    /// Tokens with spaces between them.
    pub(super) fn words(&mut self, pairs: impl Iterator<Item = Pair<'a, Rule>>) -> Vec<Doc<'a>> {
        let mut docs = Vec::new();
        for pair in pairs {
            if !docs.is_empty() {
                docs.push(Doc::Space);
            }
            docs.push(self.token(&pair));
        }
        docs
    }

    /// The comments up to byte `to`. Other tokens before it have been printed, or will be.
    pub(super) fn gap(&mut self, to: usize) -> Gap<'a> {
        let gap = Gap::read(self.text, self.at, to);
        self.at = self.at.max(to);
        gap
    }

    /// Like [`Self::gap`], as a layout.
    pub(super) fn comments(&mut self, to: usize) -> Vec<Doc<'a>> {
        let gap = self.gap(to);
        let own = gap.own.into_iter().map(|comment| Doc::Comment(comment.text));
        gap.trailing.map(Doc::Trailing).into_iter().chain(own).collect()
    }

    /// The units in brackets, up to and including the closing one, in canonical order.
    pub(super) fn units(
        &mut self,
        pairs: impl Iterator<Item = Pair<'a, Rule>>,
        mut unit: impl FnMut(&mut Self, Pair<'a, Rule>) -> UnitBody<'a>,
    ) -> Units<'a> {
        let mut units = Units { opening: None, list: Vec::new(), closing: Vec::new() };
        let pairs: Vec<_> = pairs.collect();
        for (rank, pair) in ranks(&pairs).into_iter().zip(pairs) {
            let rule = pair.as_rule();
            if matches!(rule, Rule::comma) {
                continue;
            }
            let gap = self.gap(pair.as_span().start());
            match units.list.last_mut() {
                Some(last) => last.trailing = gap.trailing,
                None => units.opening = gap.trailing,
            }
            if matches!(rule, Rule::close | Rule::bracket_close | Rule::paren_close | Rule::EOI) {
                self.at = pair.as_span().start() + pair.as_str().trim_end().len();
                units.closing = gap.own;
                continue;
            }
            let body = unit(self, pair);
            units.list.push(Unit { lead: gap.own, rule, rank, body, trailing: None });
        }
        units.list.sort_by_key(|unit| unit.rank);
        units
    }
}

/// How the units of a broken bracket are separated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Separation {
    /// Elements: with commas between them, and after the last one if they are broken.
    Elements,
    /// Fields of a record: with commas only if they are on one line.
    Record,
    /// Clauses and fields, each always on its own line.
    Lines,
}

impl<'a> Units<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.opening.is_none() && self.closing.is_empty()
    }

    /// The layout of a single unit without comments around it.
    pub(super) fn only(&mut self) -> Option<Vec<Doc<'a>>> {
        let bare = self.opening.is_none() && self.closing.is_empty();
        match self.list.as_mut_slice() {
            [Unit { lead, trailing: None, body: UnitBody::Plain(docs), .. }]
                if bare && lead.is_empty() =>
            {
                Some(std::mem::take(docs))
            }
            _ => None,
        }
    }

    /// Whether this is one plain field or condition, which can share the line of its braces.
    pub(super) fn is_one_field(&self) -> bool {
        matches!(self.list.as_slice(), [Unit { rule: Rule::field | Rule::when_clause, .. }])
    }

    /// The units in brackets; `docs` is everything up to and including the opening one.
    pub(super) fn bracketed(
        self,
        mut docs: Vec<Doc<'a>>,
        close: &'static str,
        style: Separation,
    ) -> Doc<'a> {
        if self.is_empty() {
            docs.push(text(close));
            return group(docs);
        }
        let edge = || match style {
            Separation::Lines => Doc::Hard,
            Separation::Record => Doc::Line,
            Separation::Elements => Doc::Soft,
        };
        let mut inner = vec![edge()];
        let widths = paddings(&self.list);
        let count = self.list.len();
        let mut before = None;
        for (i, (unit, padding)) in self.list.into_iter().zip(widths).enumerate() {
            let is_last = i + 1 == count;
            let rule = unit.rule;
            if before.is_some_and(|before| are_separated(before, rule)) {
                inner.push(Doc::Blank);
            }
            // Keep an empty line between a comment and a unit that it would otherwise document.
            inner.extend(lead(&unit.lead, is_documented(unit.rule)));
            match unit.body {
                UnitBody::Plain(docs) => inner.extend(docs),
                UnitBody::Field { key, rest, .. } => {
                    inner.extend(key);
                    inner.push(if_broken(" ".repeat(padding)));
                    inner.extend(rest);
                }
            }
            match style {
                Separation::Elements if is_last => inner.push(if_broken(",")),
                Separation::Elements => inner.push(text(",")),
                Separation::Record if !is_last => {
                    inner.push(Doc::Either { broken: Cow::Borrowed(""), flat: "," });
                }
                _ => {}
            }
            inner.extend(unit.trailing.map(Doc::Trailing));
            before = Some(rule);
            if !is_last {
                inner.push(if style == Separation::Lines { Doc::Hard } else { Doc::Line });
            } else if unit.rule == Rule::rule_decl && !self.closing.is_empty() {
                inner.push(Doc::Blank);
            }
        }
        inner.extend(lead(&self.closing, false));
        docs.extend(self.opening.map(Doc::Trailing));
        docs.extend([Doc::Nest(inner), edge(), text(close)]);
        group(docs)
    }
}

/// Whether an empty line separates a unit from the previous one: rules and reactions are separated, and in a
/// test, a `send` from the `expect`s before it.
fn are_separated(before: Rule, rule: Rule) -> bool {
    match rule {
        Rule::rule_decl | Rule::reaction_clause => true,
        Rule::with_step
        | Rule::response_step
        | Rule::at_step
        | Rule::finish_step
        | Rule::send_step
        | Rule::answer_step => before == Rule::expect_step,
        _ => false,
    }
}

/// The text of a token.
pub(super) fn spelling<'a>(piece: &Pair<'a, Rule>) -> &'a str {
    match piece.as_rule() {
        // pest includes the white space before a negative lookahead in these pairs.
        Rule::assign => "=",
        Rule::optional => "?",
        Rule::op_not_in => "not in",
        Rule::op_not_text => match piece.clone().into_inner().last().map(|word| word.as_str()) {
            Some("matches") => "not matches",
            Some("contains") => "not contains",
            Some("starts-with") => "not starts-with",
            Some("ends-with") => "not ends-with",
            _ => "not like",
        },
        _ => piece.as_str(),
    }
}

/// Comments on their own lines.
pub(super) fn lead<'a>(comments: &[GapComment<'a>], keep_apart: bool) -> Vec<Doc<'a>> {
    let mut docs = Vec::new();
    for comment in comments {
        docs.push(Doc::Comment(comment.text));
        if comment.apart && keep_apart {
            docs.push(Doc::Blank);
        }
    }
    docs
}

/// Whether the comment above is its documentation.
fn is_documented(rule: Rule) -> bool {
    matches!(rule, Rule::event_decl | Rule::rule_decl | Rule::type_field)
}

/// The number of spaces before the `=` of each field that aligns it with its neighbours. Units that
/// are not fields, or that have comments above, start a new group.
fn paddings(units: &[Unit<'_>]) -> Vec<usize> {
    let width = |unit: &Unit<'_>| match unit.body {
        UnitBody::Field { width, .. } => Some(width),
        UnitBody::Plain(_) => None,
    };
    let together =
        |a: &Unit<'_>, b: &Unit<'_>| width(a).is_some() && width(b).is_some() && b.lead.is_empty();
    units
        .chunk_by(together)
        .flat_map(|run| {
            let widest = run.iter().filter_map(width).max().unwrap_or(0);
            run.iter().map(move |unit| widest - width(unit).unwrap_or(widest))
        })
        .collect()
}
