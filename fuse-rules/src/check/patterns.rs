//! Tests of text: `matches` and `like` with compiled patterns, and plain tests.

use std::sync::Arc;

use regex::RegexBuilder;

use super::Checker;
use super::expressions::unchecked;
use super::operands::text_truth;
use super::scope::Scope;
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;
use crate::syntax::ast;
use crate::typed::{Expr, ExprKind, Pattern, TextOp};
use crate::types::Known;
use crate::value::{Kinds, Value};

/// The maximum size of a compiled pattern. No reasonable pattern reaches it, but an attack would.
const MAX_PATTERN_BYTES: usize = 1 << 20;

impl Checker<'_> {
    pub(super) fn text_test(
        &mut self,
        op: TextOp,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
        scope: &mut Scope,
    ) -> (Expr, Known) {
        let (value, known) = self.expr(left, scope);
        let kinds = known.kinds();
        if !kinds.meets(Kinds::STRING) && !known.ty.is_nothing() {
            let mut problem =
                Diagnostic::error(Code::E0301, value.span, format!("`{}` takes text", op.as_str()))
                    .label(format!("this is {kinds}"));
            if op == TextOp::Contains && kinds.meets(Kinds::LIST) {
                problem = problem.help("to look for an element, write `x in list`");
            }
            self.report(problem);
        } else {
            self.require_one_kind(&value, &known, Kinds::STRING, &format!("`{}`", op.as_str()));
        }
        if !matches!(op, TextOp::Matches | TextOp::Like) {
            let (right, other) = self.expr(right, scope);
            let kinds = other.kinds();
            if !kinds.meets(Kinds::STRING) && !other.ty.is_nothing() {
                self.report(
                    Diagnostic::error(
                        Code::E0301,
                        right.span,
                        format!("`{}` looks for text", op.as_str()),
                    )
                    .label(format!("this is {kinds}")),
                );
            } else {
                self.require_one_kind(&right, &other, Kinds::STRING, &format!("`{}`", op.as_str()));
            }
            let truth = text_truth(&[(&value, &known), (&right, &other)]);
            let (left, right) = (Box::new(value), Box::new(right));
            return (Expr { kind: ExprKind::TextTest { op, left, right }, span }, truth);
        }
        let Some(source) = self.pattern(op, right, scope) else {
            return unchecked(span);
        };
        match compile(op, &source) {
            Ok(regex) => {
                let pattern = Arc::new(Pattern { op, source, regex });
                let truth = text_truth(&[(&value, &known)]);
                let value = Box::new(value);
                (Expr { kind: ExprKind::Pattern { value, pattern }, span }, truth)
            }
            Err(why) => {
                self.report(
                    Diagnostic::error(Code::E0305, right.span, format!("this pattern cannot be compiled: {why}"))
                        .label("not a pattern")
                        .help("patterns have no look-around and no back-references; a raw string r\"…\" needs no doubled backslashes"),
                );
                unchecked(span)
            }
        }
    }
}

impl Checker<'_> {
    /// The text of a pattern, which is a literal or a constant.
    fn pattern(&mut self, op: TextOp, right: &ast::Expr, scope: &mut Scope) -> Option<String> {
        if let ast::ExprKind::String(text) = &right.kind {
            return Some(text.clone());
        }
        let before = self.problems.len();
        let (expr, known) = self.expr(right, scope);
        if self.problems.len() > before {
            return None;
        }
        match &expr.kind {
            ExprKind::Const(Value::String(text)) => return Some(text.clone().into_owned()),
            // The problem is reported at the declaration.
            ExprKind::Const(_) if known.kinds() == Kinds::ANY => {}
            _ => self.report(
                Diagnostic::error(Code::E0306, right.span, format!("`{}` takes a literal pattern", op.as_str()))
                    .label("not a literal")
                    .help("write the pattern here, as in r\"v[0-9]+\", or name a constant; to compare with a value use `contains` or `==`"),
            ),
        }
        None
    }
}

/// A pattern that matches the whole text.
fn compile(op: TextOp, source: &str) -> Result<regex::Regex, String> {
    let body = if op == TextOp::Like { glob(source) } else { source.to_owned() };
    // Parsed separately first, so that the pattern cannot interact with the group around it.
    let body = regex_syntax::parse(&body).map_err(|error| match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        other => other.to_string(),
    })?;
    RegexBuilder::new(&format!(r"\A(?:{body})\z"))
        .size_limit(MAX_PATTERN_BYTES)
        .dfa_size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|_| "it is too large once compiled".to_owned())
}

/// `*` matches any text, `?` any character; `\\` escapes the next character.
fn glob(pattern: &str) -> String {
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str("(?s:.*)"),
            '?' => out.push_str("(?s:.)"),
            '\\' => out.push_str(&regex::escape(&chars.next().unwrap_or('\\').to_string())),
            other => out.push_str(&regex::escape(&other.to_string())),
        }
    }
    out
}
