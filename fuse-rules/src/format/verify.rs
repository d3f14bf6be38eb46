//! The final check of a layout: it has the same tokens and comments as the file.

use std::ops::Range;

use pest::iterators::Pair;

use super::declarations::header;
use super::expressions::tightness;
use super::gap::Gap;
use super::layout::spelling;
use super::order::ranks;
use crate::span::FileId;
use crate::syntax::{self, Rule};

/// Whether two rules files differ only in their layout.
pub(super) fn is_same(before: &str, after: &str) -> bool {
    let read = Read::new(before);
    read.is_some() && read == Read::new(after)
}

/// The content of a file without its layout.
#[derive(Debug, PartialEq, Eq)]
struct Read<'a> {
    /// The tokens in canonical order, each comment between its neighbours.
    pieces: Vec<Piece<'a>>,
    /// The comments, sorted; found independently of the tokens.
    comments: Vec<&'a str>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Start(Rule),
    Text(&'a str),
    /// A line break in a text block, with the white space that belongs to the text.
    Break(&'a str),
    End,
    Doc(String),
    Comment(&'a str),
    /// A comment on the line of the token before it.
    Trailing(&'a str),
}

impl<'a> Read<'a> {
    /// `None` if the text does not parse.
    fn new(text: &'a str) -> Option<Self> {
        let mut problems = Vec::new();
        syntax::parse(FileId(0), text, &mut problems);
        if !problems.is_empty() {
            return None;
        }
        let file = syntax::pieces(text)?;
        let ranges = syntax::comments(text);
        let mut comments: Vec<_> =
            ranges.iter().filter_map(|range| text.get(range.clone())).map(str::trim_end).collect();
        comments.sort_unstable();
        let mut pieces = Vec::new();
        let mut walk = Walk { text, comments: &ranges, at: 0 };
        walk.pieces(file, &mut pieces);
        Some(Self { pieces, comments })
    }
}

struct Walk<'a, 'c> {
    text: &'a str,
    comments: &'c [Range<usize>],
    /// The byte after the last token.
    at: usize,
}

impl<'a> Walk<'a, '_> {
    fn pieces(&mut self, pair: Pair<'a, Rule>, out: &mut Vec<Piece<'a>>) {
        let rule = pair.as_rule();
        let start = pair.as_span().start();
        if is_documented(rule) {
            out.extend(syntax::doc(self.text, self.comments, start).map(Piece::Doc));
        }
        out.push(Piece::Start(rule));
        let whole = pair.clone();
        if rule == Rule::file {
            for comment in header(self.text, &whole) {
                out.push(Piece::Comment(comment.text));
                self.at = comment.end;
            }
        }
        if matches!(rule, Rule::raw_string | Rule::text_block)
            && spelling(&whole).contains(['\n', '\r'])
        {
            return self.text_block(&whole, out);
        }
        let parts: Vec<_> = pair.into_inner().filter(|part| !is_separator(part)).collect();
        let mut parts = ranks(&parts).into_iter().zip(parts).peekable();
        if parts.peek().is_none() || rule == Rule::raw_string {
            let piece = spelling(&whole);
            self.at = start + piece.len();
            out.extend([Piece::Text(piece), Piece::End]);
            return;
        }
        // The tokens before the brace, the parts that can be in any order, and the closing brace.
        let mut chunks: Vec<((u8, u8), Vec<Piece<'a>>)> = Vec::new();
        let mut opened = rule == Rule::file;
        while let Some((rank, part)) = parts.next() {
            let order = match part.as_rule() {
                Rule::close | Rule::EOI => (2, 0),
                _ if opened && is_ordered(rule) => (1, rank),
                _ => (0, 0),
            };
            opened |= part.as_rule() == Rule::brace_open;
            let operator = tightness(part.as_rule()).is_some();
            // Comments after an operator count as before it.
            let after = parts.peek().filter(|_| operator).map(|(_, next)| next);
            let next = after.unwrap_or(&part);
            let to = start_of(next);
            let gap = Gap::read(self.text, self.at, to);
            self.at = to;
            match chunks.last_mut() {
                Some((_, last)) => last.extend(gap.trailing.map(Piece::Trailing)),
                None => out.extend(gap.trailing.map(Piece::Trailing)),
            }
            let mut chunk: Vec<_> = gap.own.iter().map(|own| Piece::Comment(own.text)).collect();
            if operator {
                chunk.push(Piece::Text(spelling(&part)));
            } else {
                self.pieces(part, &mut chunk);
            }
            chunks.push((order, chunk));
        }
        chunks.sort_by_key(|(order, _)| *order);
        out.extend(chunks.into_iter().flat_map(|(_, chunk)| chunk));
        out.push(Piece::End);
    }
}

impl<'a> Walk<'a, '_> {
    /// The lines of a text block without the indentation of the closing quotes.
    fn text_block(&mut self, block: &Pair<'a, Rule>, out: &mut Vec<Piece<'a>>) {
        let mut parts: Vec<_> = block.clone().into_inner().collect();
        let closing = syntax::closing_indent(block);
        self.at = block.as_span().start();
        if block.as_rule() == Rule::raw_string {
            let lines = syntax::raw_lines(spelling(block));
            let closing = lines.last().map_or("", |last| last.trim_end_matches(['"', '#']));
            for (i, line) in lines.iter().enumerate() {
                let is_blank = line.trim_matches([' ', '\t']).is_empty();
                let line = if i == 0 { line.trim_end_matches([' ', '\t']) } else { line };
                let kept = if i == 0 { Some(line) } else { line.strip_prefix(closing) };
                out.push(Piece::Break(kept.filter(|_| !is_blank).unwrap_or("")));
            }
            parts.clear();
        }
        let mut parts = parts.into_iter().enumerate().peekable();
        while let Some((i, part)) = parts.next() {
            let next = parts.peek().map(|(_, next)| next.as_rule());
            self.at = part.as_span().start();
            match part.as_rule() {
                Rule::block_break if next == Some(Rule::block_break) => out.push(Piece::Break("")),
                Rule::block_break => {
                    let indent = syntax::indent_of(part.as_str());
                    out.push(Piece::Break(indent.strip_prefix(closing).unwrap_or("")));
                }
                // White space after the opening quotes.
                Rule::block_text if i == 1 => {}
                _ => self.pieces(part, out),
            }
        }
        self.at = block.as_span().start() + spelling(block).len();
        out.push(Piece::End);
    }
}

/// Whether the tree keeps the comment above it.
fn is_documented(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::type_decl
            | Rule::const_decl
            | Rule::condition_decl
            | Rule::fuse_decl
            | Rule::limiter_decl
            | Rule::source_decl
            | Rule::event_decl
            | Rule::sensor_decl
            | Rule::rule_decl
            | Rule::type_field
    )
}

/// Whether its parts can be in any order.
fn is_ordered(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::file
            | Rule::source_decl
            | Rule::event_block
            | Rule::fuse_block
            | Rule::sensor_decl
            | Rule::rule_decl
            | Rule::reaction_clause
            | Rule::type_record
    )
}

/// The start of a part, without an optional leading bar.
fn start_of(part: &Pair<'_, Rule>) -> usize {
    let first = match part.as_rule() {
        Rule::type_expr => part.clone().into_inner().find(|inner| !is_separator(inner)),
        _ => None,
    };
    first.as_ref().unwrap_or(part).as_span().start()
}

/// A separator between neighbours.
fn is_separator(part: &Pair<'_, Rule>) -> bool {
    matches!(part.as_rule(), Rule::comma | Rule::bar)
}
