//! Tests of text: `matches` and `like` with compiled patterns, and plain tests.

use std::sync::Arc;

use super::Checker;
use super::calls::constant;
use super::expressions::unchecked;
use super::operands::text_truth;
use super::scope::Scope;
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::{self, Call, Function, PatternError, SearchPattern};
use crate::span::Span;
use crate::syntax::ast;
use crate::typed::{Expr, ExprKind, Pattern, TextOp};
use crate::types::Known;
use crate::value::{Kinds, Value};

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
                self.report(malformed(right.span, &why));
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

impl Checker<'_> {
    /// The compiled pattern of a call whose function takes one: the second argument, with the third
    /// as its replacement. If it cannot be used, that is reported.
    pub(super) fn search_pattern(
        &mut self,
        function: &Function,
        arguments: &[Expr],
    ) -> Result<Option<SearchPattern>, Reported> {
        if !matches!(function.call, Call::Pattern(_)) {
            return Ok(None);
        }
        let mut literals = Vec::new();
        for (argument, (param, _)) in arguments.iter().zip(function.params).skip(1) {
            let Some(Value::String(text)) = constant(argument) else {
                let message = format!("`{}` takes a literal {param}", function.name);
                self.report(
                    Diagnostic::error(Code::E0306, argument.span, message)
                        .label("not a literal")
                        .help("write it here, as in r\"v[0-9]+\", or name a constant; for a value of the event use `replace` or `split`"),
                );
                return Err(Reported);
            };
            literals.push((text.as_ref(), argument.span));
        }
        let (pattern, place) = match *literals.as_slice() {
            [(source, place)] => (SearchPattern::to_capture(source), place),
            [(source, place), (replacement, other)] => {
                let pattern = SearchPattern::to_replace(source, replacement);
                let malformed = matches!(pattern, Err(PatternError::Malformed(_)));
                (pattern, if malformed { place } else { other })
            }
            _ => return Ok(None),
        };
        pattern.map(Some).map_err(|error| {
            self.report(unusable(place, error));
            Reported
        })
    }
}

/// A problem was reported.
pub(super) struct Reported;

fn malformed(span: Span, why: &str) -> Diagnostic {
    Diagnostic::error(Code::E0305, span, format!("this pattern cannot be compiled: {why}"))
        .label("not a pattern")
        .help("patterns have no look-around and no back-references; a raw string r\"…\" needs no doubled backslashes")
}

fn unusable(span: Span, error: PatternError) -> Diagnostic {
    let problem = |message: String| Diagnostic::error(Code::E0303, span, message);
    match error {
        PatternError::Malformed(why) => malformed(span, &why),
        PatternError::SeveralGroups(count) => {
            problem(format!("this pattern has {count} groups without names"))
                .label("the result could be any of them")
                .help("name what you need, as in `(?<name>…)`, and read it as `capture(…).name`; write `(?:…)` for a group that only groups")
        }
        PatternError::UnknownGroup(name) => problem(format!("the pattern has no group `{name}`"))
            .label("refers to a group")
            .help("`$1` is the first group in parentheses, `$name` the group `(?<name>…)`; write `$$` for a dollar sign"),
        PatternError::Backslash(digit) => {
            problem(format!("`\\{digit}` is not a group here"))
                .label("would be inserted as it is")
                .help(format!("write `${digit}`"))
        }
    }
}

/// A pattern that matches the whole text.
fn compile(op: TextOp, source: &str) -> Result<regex::Regex, String> {
    let body = if op == TextOp::Like { glob(source) } else { source.to_owned() };
    // Parsed separately first, so that the pattern cannot interact with the group around it.
    let body = functions::parse(&body)?;
    functions::compile(&format!(r"\A(?:{body})\z"))
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
