//! Converts pest's pairs to the tree: strings, their escapes and interpolations.

use pest::iterators::Pair;

use super::Rule;
use super::ast::{Expr, ExprKind, TextPart};
use super::lower::Lower;
use crate::diagnostic::{Code, Diagnostic};
use crate::literals;
use crate::span::Span;

impl Lower<'_> {
    /// A string with its escapes decoded, and with `${…}` as parts.
    pub(super) fn string(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        let span = self.span(&pair);
        let mut parts: Vec<TextPart> = Vec::new();
        let mut text = String::new();
        for part in pair.into_inner() {
            let at = self.span(&part);
            match part.as_rule() {
                Rule::text | Rule::plain_text => text.push_str(part.as_str()),
                Rule::escape => {
                    let escape = part.as_str().strip_prefix('\\').unwrap_or("");
                    match literals::unescape(escape) {
                        Some(c) => text.push(c),
                        None => self.bad_escape(at),
                    }
                }
                Rule::bad_escape => self.bad_escape(at),
                Rule::interpolation => {
                    let inner = part.into_inner().find(|p| p.as_rule() == Rule::expr);
                    if let Some(inner) = inner {
                        if !text.is_empty() {
                            parts.push(TextPart::Text(std::mem::take(&mut text)));
                        }
                        parts.push(TextPart::Expr(self.expr(inner, depth + 1)));
                    }
                }
                Rule::unclosed => {
                    self.report(
                        Diagnostic::error(
                            Code::E0103,
                            span,
                            "this string is not closed on its line",
                        )
                        .label("opened here")
                        .help("end it with `\"`; a line end in a string is written `\\n`"),
                    );
                    return Expr { kind: ExprKind::Error, span };
                }
                _ => {}
            }
        }
        if parts.is_empty() {
            return Expr { kind: ExprKind::String(text), span };
        }
        if !text.is_empty() {
            parts.push(TextPart::Text(text));
        }
        Expr { kind: ExprKind::Interpolated(parts), span }
    }

    /// A string without escapes.
    pub(super) fn raw_string(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.span(&pair);
        let mut text = String::new();
        let mut closed = true;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::raw_text | Rule::raw_block => text.push_str(part.as_str()),
                Rule::unclosed | Rule::unclosed_raw => closed = false,
                _ => {}
            }
        }
        if closed {
            return Expr { kind: ExprKind::String(text), span };
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

    fn bad_escape(&mut self, span: Span) {
        let text = self.text.get(span.range()).unwrap_or("").to_owned();
        self.report(
            Diagnostic::error(Code::E0106, span, format!("strings have no escape `{text}`"))
                .label("not an escape")
                .help("the escapes are `\\\"` `\\\\` `\\$` `\\n` `\\r` `\\t` `\\u{e9}`; a raw string r\"…\" has none"),
        );
    }
}
