//! Converts pest's pairs to the tree: calls, quantifiers and `is` tests.

use pest::iterators::Pair;

use super::Rule;
use super::ast::{Expr, ExprKind, QuantifierKind, Text};
use super::expressions::{IS_KINDS, is_comparison};
use super::lower::Lower;
use crate::diagnostic::{Code, Diagnostic, Fix, suggest};
use crate::span::Span;

impl Lower<'_> {
    pub(super) fn quantifier(&mut self, pair: Pair<'_, Rule>, depth: usize) -> ExprKind {
        let mut kind = QuantifierKind::Any;
        let mut name: Option<Text> = None;
        let mut exprs = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::quantifier_word => {
                    kind = match part.as_str() {
                        "any" => QuantifierKind::Any,
                        "all" => QuantifierKind::All,
                        "none" => QuantifierKind::None,
                        "filter" => QuantifierKind::Filter,
                        "map" => QuantifierKind::Map,
                        "first" => QuantifierKind::First,
                        _ => QuantifierKind::Count,
                    };
                }
                Rule::alien_gap => {
                    let span = Span::new(self.file, part.as_span().start()..part.as_span().end());
                    self.alien_gap(span, kind.as_str());
                }
                _ => {
                    for part in part.into_inner() {
                        match part.as_rule() {
                            Rule::ident => name = Some(self.name(&part)),
                            Rule::expr => exprs.push(self.expr(part, depth)),
                            Rule::value => {
                                exprs
                                    .extend(part.into_inner().next().map(|v| self.value(v, depth)));
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
        let mut exprs = exprs.into_iter();
        match (name, exprs.next(), exprs.next()) {
            (Some(name), Some(list), Some(body)) => {
                ExprKind::Quantifier { kind, name, list: Box::new(list), body: Box::new(body) }
            }
            _ => ExprKind::Error,
        }
    }

    pub(super) fn call(&mut self, pair: Pair<'_, Rule>, depth: usize) -> ExprKind {
        let mut function = None;
        let mut arguments = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::function => function = Some(self.text_of(&part)),
                Rule::alien_gap => {
                    let span = Span::new(self.file, part.as_span().start()..part.as_span().end());
                    let name = function.as_ref().map_or("", |name| name.text.as_str());
                    self.alien_gap(span, name);
                }
                _ => {
                    arguments = self.values(part, depth);
                }
            }
        }
        function.map_or(ExprKind::Error, |function| ExprKind::Call { function, arguments })
    }

    pub(super) fn is_test(&mut self, value: Expr, test: Pair<'_, Rule>) -> Expr {
        let test_span = self.span(&test);
        let span = value.span.to(test_span);
        if is_comparison(&value) {
            return self.chained(test_span, span);
        }
        let mut negated = false;
        let mut kind = None;
        for part in test.into_inner() {
            match part.as_rule() {
                Rule::kw_not => negated = true,
                Rule::ident => kind = Some(self.text_of(&part)),
                _ => {}
            }
        }
        let Some(kind) = kind else {
            return Expr { kind: ExprKind::Error, span };
        };
        if !IS_KINDS.contains(&kind.text.as_str()) {
            self.unknown_test(&kind, negated, test_span);
            return Expr { kind: ExprKind::Error, span };
        }
        Expr { kind: ExprKind::Is { value: Box::new(value), negated, kind }, span }
    }

    /// An unknown word after `is`.
    fn unknown_test(&mut self, word: &Text, negated: bool, test: Span) {
        let instead =
            |right: &str| Some(Fix::safe(format!("write `is {right}`"), word.span, right));
        let fix = match word.text.as_str() {
            "true" | "false" => {
                let right = format!("{} {}", if negated { "!=" } else { "==" }, word.text);
                Some(Fix::safe(format!("write `{right}`"), test, right))
            }
            "absent" | "undefined" => instead("missing"),
            "defined" => instead("present"),
            "number" => instead("float"),
            "integer" => instead("int"),
            "boolean" => instead("bool"),
            "array" => instead("list"),
            "object" | "record" => instead("map"),
            other => suggest::fix(other, word.span, IS_KINDS),
        };
        let help = match word.text.as_str() {
            "none" | "nil" => {
                Some("write `is missing`, or `is null` for a value that is null".to_owned())
            }
            "set" | "there" => Some("write `is present`".to_owned()),
            "empty" => Some("write `len(…) == 0`".to_owned()),
            other => suggest::help(other, IS_KINDS, "the kinds are"),
        };
        let message = format!("there is no test `{}`", word.text);
        let problem = Diagnostic::error(Code::E0210, word.span, message).label("not known");
        self.report(match fix {
            Some(fix) => problem.fix(fix),
            None => problem.maybe_help(help),
        });
    }
}
