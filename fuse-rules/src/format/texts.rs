//! The layout of strings. Their content stays as it is; only the indentation of text blocks changes.

use pest::iterators::Pair;

use super::doc::{Doc, text};
use super::expressions::OperandPosition;
use super::layout::{Layout, spelling};
use crate::syntax::{self, Rule};

impl<'a> Layout<'a> {
    pub(super) fn string(&mut self, pair: Pair<'a, Rule>) -> Doc<'a> {
        Doc::Tight(pair.into_inner().flat_map(|part| self.text_part(&part)).collect())
    }

    /// A text block. Its lines are indented relative to the line of its opening quotes.
    pub(super) fn text_block(&mut self, pair: Pair<'a, Rule>) -> Doc<'a> {
        let closing = syntax::closing_indent(&pair);
        let mut docs = Vec::new();
        let mut parts = pair.into_inner().peekable();
        while let Some(part) = parts.next() {
            if part.as_rule() != Rule::block_break {
                // White space after the opening quotes does not belong to the text.
                let is_opening = docs.len() == 1 && part.as_rule() == Rule::block_text;
                let doc = self.text_part(&part);
                docs.extend(doc.into_iter().filter(|_| !is_opening));
                continue;
            }
            self.skip(part.as_span().end());
            let is_blank = parts.peek().is_some_and(|next| next.as_rule() == Rule::block_break);
            docs.push(block_break(syntax::indent_of(part.as_str()), closing, is_blank));
        }
        Doc::TextBlock(docs)
    }

    fn text_part(&mut self, part: &Pair<'a, Rule>) -> Vec<Doc<'a>> {
        if part.as_rule() != Rule::interpolation {
            return vec![self.token(part)];
        }
        let parts = part.clone().into_inner();
        parts
            .map(|part| match part.as_rule() {
                Rule::expr => self.expr(part, OperandPosition::Behind),
                _ => self.token(&part),
            })
            .collect()
    }

    /// A raw string, which is a text block if it has several lines.
    pub(super) fn raw_string(&mut self, pair: &Pair<'a, Rule>) -> Doc<'a> {
        let written = spelling(pair);
        let mut lines = syntax::raw_lines(written);
        let [opening, .., closing] = lines.as_slice() else { return self.token(pair) };
        let indent = indent(closing);
        let opening = opening.trim_end_matches([' ', '\t']);
        let mut docs = self.comments(pair.as_span().start());
        docs.push(text(opening));
        self.skip(pair.as_span().start() + written.len());
        for line in lines.drain(1..) {
            let white = self::indent(line);
            let content = line.strip_prefix(white).unwrap_or(line);
            docs.extend([block_break(white, indent, content.is_empty()), text(content)]);
        }
        Doc::TextBlock(docs)
    }
}

fn indent(line: &str) -> &str {
    line.strip_suffix(line.trim_start_matches([' ', '\t'])).unwrap_or("")
}

fn block_break<'a>(indent: &'a str, closing: &str, is_blank: bool) -> Doc<'a> {
    match indent.strip_prefix(closing) {
        Some(kept) if !is_blank => Doc::BlockBreak(Some(kept)),
        _ => Doc::BlockBreak(None),
    }
}
