//! Converts pest's pairs to the tree: strings, their escapes and interpolations.

use pest::iterators::Pair;

use super::Rule;
use super::ast::{Expr, ExprKind, TextPart};
use super::lower::Lower;
use super::text_blocks::{BlockLine, INDENT, indent_of, raw_lines};
use crate::diagnostic::{Code, Diagnostic};
use crate::literals;
use crate::span::Span;

impl Lower<'_> {
    /// A string with its escapes decoded, and with `${…}` as parts.
    pub(super) fn string(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        let span = self.span(&pair);
        let mut line = BlockLine::new(0, "");
        for part in pair.into_inner() {
            if part.as_rule() == Rule::unclosed {
                self.report(
                    Diagnostic::error(
                        Code::E0103,
                        span,
                        "this string is not closed on its line",
                    )
                    .label("opened here")
                    .help("end it with `\"`; write a line break as `\\n`, or a text on several lines as \"\"\"…\"\"\""),
                );
                return Expr { kind: ExprKind::Error, span };
            }
            self.text_part(part, &mut line, depth);
        }
        Expr { kind: text_of(line.parts), span }
    }

    /// A text block: like a string, without the indentation of its lines.
    pub(super) fn text_block(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        let span = self.span(&pair);
        let start = pair.as_span().start() + BLOCK_QUOTE.len();
        let mut lines = vec![BlockLine::new(start, "")];
        for part in pair.into_inner() {
            let place = part.as_span();
            match part.as_rule() {
                Rule::unclosed_raw => {
                    self.report(
                        Diagnostic::error(Code::E0103, span, "this text block is never closed")
                            .label("opened here")
                            .help("end it with `\"\"\"` on a line of its own"),
                    );
                    return Expr { kind: ExprKind::Error, span };
                }
                Rule::block_break => {
                    let indent = indent_of(part.as_str());
                    lines.push(BlockLine::new(place.end() - indent.len(), indent));
                }
                Rule::block_quote => {}
                _ => {
                    if let Some(line) = lines.last_mut() {
                        self.text_part(part, line, depth);
                        line.end = place.end();
                    }
                }
            }
        }
        let kind = self.block_value(span, lines).map_or(ExprKind::Error, text_of);
        Expr { kind, span }
    }

    /// Adds a part of a string to its line.
    fn text_part(&mut self, part: Pair<'_, Rule>, line: &mut BlockLine<'_>, depth: usize) {
        let at = self.span(&part);
        match part.as_rule() {
            Rule::text | Rule::plain_text | Rule::block_text => line.push(part.as_str()),
            Rule::escape => {
                let escape = part.as_str().strip_prefix('\\').unwrap_or("");
                match literals::unescape(escape) {
                    Some(c) => line.push(c.encode_utf8(&mut [0; 4])),
                    None => self.bad_escape(at),
                }
            }
            Rule::bad_escape => self.bad_escape(at),
            Rule::interpolation => {
                let inner = part.into_inner().find(|p| p.as_rule() == Rule::expr);
                if let Some(inner) = inner {
                    line.parts.push(TextPart::Expr(self.expr(inner, depth + 1)));
                }
            }
            _ => {}
        }
    }

    /// A string without escapes. On several lines, it is a text block.
    pub(super) fn raw_string(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.span(&pair);
        let mut kind = ExprKind::String(String::new());
        let mut closed = true;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::raw_text => kind = ExprKind::String(part.as_str().to_owned()),
                Rule::raw_block => kind = self.raw_block(span, &part),
                Rule::unclosed | Rule::unclosed_raw => closed = false,
                _ => {}
            }
        }
        if closed {
            return Expr { kind, span };
        }
        let several = self.written(span).starts_with("r#");
        let (message, help) = if several {
            let message = "this raw string is never closed";
            (message, "end it with `\"` and as many `#` as it begins with")
        } else {
            let message = "this raw string is not closed on its line";
            (message, "end it with `\"`, or write a string with several lines as r#\"…\"#")
        };
        self.report(Diagnostic::error(Code::E0103, span, message).label("opened here").help(help));
        Expr { kind: ExprKind::Error, span }
    }

    fn raw_block(&mut self, span: Span, content: &Pair<'_, Rule>) -> ExprKind {
        let text = content.as_str();
        let written = raw_lines(text);
        if written.len() == 1 {
            return ExprKind::String(text.to_owned());
        }
        let mut at = content.as_span().start();
        let mut lines = Vec::new();
        for (i, whole) in written.into_iter().enumerate() {
            let (from, len) = (at, whole.len());
            let rest = whole.trim_start_matches(INDENT);
            let indent = if i == 0 { "" } else { whole.strip_suffix(rest).unwrap_or("") };
            let mut line = BlockLine::new(from, indent);
            line.end = from + len;
            let shown = whole.strip_prefix(indent).unwrap_or(whole);
            if !shown.is_empty() {
                line.push(shown);
            }
            lines.push(line);
            at = from + len;
            let tail = self.text.get(at..).unwrap_or("");
            at += if tail.starts_with("\r\n") { 2 } else { 1 };
        }
        self.block_value(span, lines).map_or(ExprKind::Error, text_of)
    }

    fn bad_escape(&mut self, span: Span) {
        let text = self.text.get(span.range()).unwrap_or("").to_owned();
        self.report(
            Diagnostic::error(Code::E0106, span, format!("strings have no escape `{text}`"))
                .label("not an escape")
                .help("the escapes are `\\\"` `\\\\` `\\$` `\\n` `\\r` `\\t` `\\u{e9}`; a raw string r\"…\" has none"),
        );
    }
}

/// The quotes of a text block.
const BLOCK_QUOTE: &str = "\"\"\"";

/// A text of parts: a plain string if none is an expression.
fn text_of(mut parts: Vec<TextPart>) -> ExprKind {
    match parts.as_mut_slice() {
        [] => ExprKind::String(String::new()),
        [TextPart::Text(text)] => ExprKind::String(std::mem::take(text)),
        _ => ExprKind::Interpolated(parts),
    }
}
