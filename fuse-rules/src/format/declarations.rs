//! The layout of a file and its declarations.

use pest::iterators::Pair;

use super::doc::{Doc, group};
use super::expressions::{OperandPosition, is_split};
use super::gap::{Gap, GapComment};
use super::layout::{Layout, Separation, Unit, UnitBody, lead};
use super::print::print;
use crate::syntax::Rule;

/// A file in its canonical layout.
pub(super) fn file<'a>(source: &'a str, pair: Pair<'a, Rule>) -> String {
    let mut layout = Layout::new(source);
    let mut header = header(source, &pair);
    if let Some(last) = header.last() {
        layout.skip(last.end);
    }
    let mut units =
        layout.units(pair.into_inner(), |layout, part| UnitBody::Plain(layout.declaration(part)));
    if let Some(first) = units.list.first_mut() {
        header.extend(first.lead.drain(..count_detached(&first.lead)));
    }

    let mut out = print(&lead(&header, true));
    // The kind of the previous declaration, if that is one line without a comment above it.
    let mut above = None;
    for unit in units.list {
        let rule = unit.rule;
        let documented = !unit.lead.is_empty();
        let text = print(&declared(unit));
        let plain = (!documented && !text.contains('\n')).then_some(rule);
        add(&mut out, &text, above.is_none() || above != plain);
        above = plain;
    }
    add(&mut out, &print(&lead(&units.closing, true)), true);
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn add(out: &mut String, text: &str, blank: bool) {
    if !out.is_empty() && !text.is_empty() {
        out.push_str(if blank { "\n\n" } else { "\n" });
    }
    out.push_str(text);
}

fn declared(unit: Unit<'_>) -> Vec<Doc<'_>> {
    let mut docs = lead(&unit.lead, true);
    if let UnitBody::Plain(body) = unit.body {
        docs.extend(body);
    }
    docs.extend(unit.trailing.map(Doc::Trailing));
    docs
}

/// The comments at the start of a file that an empty line separates from the rest. They are about
/// the file, not about the first declaration.
pub(super) fn header<'a>(source: &'a str, file: &Pair<'a, Rule>) -> Vec<GapComment<'a>> {
    let first = file.clone().into_inner().next();
    let first = first.filter(|first| first.as_rule() != Rule::EOI);
    let Some(first) = first else { return Vec::new() };
    let mut comments = Gap::read(source, 0, first.as_span().start()).own;
    comments.truncate(count_detached(&comments));
    comments
}

/// The number of these comments that an empty line separates from the rest.
fn count_detached(comments: &[GapComment<'_>]) -> usize {
    comments.iter().rposition(|comment| comment.apart).map_or(0, |last| last + 1)
}

impl<'a> Layout<'a> {
    fn declaration(&mut self, pair: Pair<'a, Rule>) -> Vec<Doc<'a>> {
        match pair.as_rule() {
            Rule::use_decl => self.words(pair.into_inner()),
            Rule::condition_decl => self.condition(pair),
            Rule::source_decl => self.with_body(pair, Self::source_item),
            Rule::sensor_decl | Rule::limiter_decl => self.with_body(pair, Self::clause),
            Rule::test_decl => self.with_body(pair, Self::step),
            _ => self.named(pair),
        }
    }

    /// A declaration with a name, followed by a value, type or block.
    fn named(&mut self, pair: Pair<'a, Rule>) -> Vec<Doc<'a>> {
        let mut docs = Vec::new();
        for part in pair.into_inner() {
            if !docs.is_empty() && part.as_rule() != Rule::type_expr {
                docs.push(Doc::Space);
            }
            match part.as_rule() {
                Rule::type_expr => docs.extend(self.type_expr(part, true)),
                Rule::value => docs.push(self.value(part, OperandPosition::Behind)),
                Rule::block | Rule::event_block | Rule::fuse_block => {
                    docs.push(self.small_block(part));
                }
                Rule::json_schema => docs.extend(self.words(part.into_inner())),
                _ => docs.push(self.token(&part)),
            }
        }
        docs
    }

    /// A header and a body in braces.
    pub(super) fn with_body(
        &mut self,
        pair: Pair<'a, Rule>,
        item: impl FnMut(&mut Self, Pair<'a, Rule>) -> UnitBody<'a>,
    ) -> Vec<Doc<'a>> {
        let mut docs = Vec::new();
        let mut parts = pair.into_inner();
        for part in parts.by_ref() {
            match part.as_rule() {
                Rule::brace_open => {
                    docs.push(self.token(&part));
                    break;
                }
                Rule::source_head
                | Rule::sensor_head
                | Rule::rule_head
                | Rule::reaction_head
                | Rule::test_head => {
                    docs.extend(self.words(part.into_inner()));
                }
                _ => docs.push(self.token(&part)),
            }
            docs.push(Doc::Space);
        }
        let units = self.units(parts, item);
        vec![units.bracketed(docs, "}", Separation::Lines)]
    }

    fn source_item(&mut self, pair: Pair<'a, Rule>) -> UnitBody<'a> {
        match pair.as_rule() {
            Rule::event_decl => UnitBody::Plain(self.named(pair)),
            _ => self.item(pair),
        }
    }

    /// `condition name(a, b: T) = …`.
    fn condition(&mut self, pair: Pair<'a, Rule>) -> Vec<Doc<'a>> {
        let mut docs = Vec::new();
        let mut parts = pair.into_inner();
        for part in parts.by_ref() {
            docs.push(self.token(&part));
            match part.as_rule() {
                Rule::paren_open => break,
                Rule::kw_condition => docs.push(Doc::Space),
                _ => {}
            }
        }
        let is_parameter =
            |part: &Pair<'a, Rule>| !matches!(part.as_rule(), Rule::assign | Rule::expr);
        let (parameters, parts): (Vec<_>, Vec<_>) = parts.partition(is_parameter);
        let units = self.units(parameters.into_iter(), |layout, part| {
            UnitBody::Plain(layout.typed_name(part.into_inner()))
        });
        let mut docs = vec![units.bracketed(docs, ")", Separation::Elements)];
        for part in parts {
            match part.as_rule() {
                Rule::expr if is_split(&part) => {
                    let mut body = vec![Doc::Line];
                    body.extend(self.comments(part.as_span().start()));
                    body.push(self.expr(part, OperandPosition::Alone));
                    docs.push(group(vec![Doc::Nest(body)]));
                }
                Rule::expr => docs.extend([Doc::Space, self.expr(part, OperandPosition::Behind)]),
                _ => docs.extend([Doc::Space, self.token(&part)]),
            }
        }
        docs
    }
}
