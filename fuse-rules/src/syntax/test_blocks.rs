//! Converts pest's pairs to the tree: `test` declarations and their steps.

use pest::iterators::Pair;

use super::Rule;
use super::ast::{
    Expect, Expected, ExpectedRule, Expr, ExprKind, RuleRef, Send, Test, TestStep, Text,
};
use super::lower::{Lower, NAMELESS};
use crate::diagnostic::{Code, Diagnostic};

impl Lower<'_> {
    pub(super) fn test(&mut self, pair: Pair<'_, Rule>) -> Test {
        let span = self.span(&pair);
        let mut test = Test {
            name: Text { text: NAMELESS.into(), span },
            steps: Vec::new(),
            span,
            incomplete: false,
        };
        let mut open = None;
        let mut before = None;
        for part in pair.into_inner() {
            let start = part.as_span().start();
            match part.as_rule() {
                Rule::test_head => match self.string_in(part) {
                    Some(name) => test.name = name,
                    None => test.incomplete = true,
                },
                Rule::bad_head => {
                    test.incomplete = true;
                    self.bad_head(&part, Rule::probe_test_head);
                }
                Rule::brace_open => open = Some(self.span(&part)),
                Rule::alien_end => self.alien_end(&part),
                Rule::bad_step => {
                    test.incomplete = true;
                    self.bad(&part, Rule::probe_step, before);
                }
                Rule::close => self.close(&part, open, "this test"),
                _ => match self.test_step(part) {
                    Ok(Some(step)) => test.steps.push(step),
                    Ok(None) => {}
                    Err(Dropped) => test.incomplete = true,
                },
            }
            before = Some(start);
        }
        test
    }

    fn test_step(&mut self, pair: Pair<'_, Rule>) -> Result<Option<TestStep>, Dropped> {
        let span = self.span(&pair);
        Ok(Some(match pair.as_rule() {
            Rule::with_step => {
                let mut fuse = None;
                let mut on = false;
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::ident => fuse = Some(self.text_of(&part)),
                        Rule::switch => on = part.as_str() == "on",
                        _ => {}
                    }
                }
                TestStep::With { fuse: fuse.ok_or(Dropped)?, on }
            }
            Rule::response_step => {
                let (mut rule, mut response) = (None, None);
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::rule_ref => rule = Some(self.rule_ref(&part)),
                        Rule::block => response = Some(self.block(part)),
                        _ => {}
                    }
                }
                let (rule, response) = rule.zip(response).ok_or(Dropped)?;
                TestStep::Response { rule, response }
            }
            Rule::limiter_step => {
                let (mut limiter, mut used, mut keys) = (None, None, Vec::new());
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::ident => limiter = Some(self.text_of(&part)),
                        // A number that is too long becomes 0, which the checker refuses.
                        Rule::integer => {
                            used = Some((part.as_str().parse().unwrap_or(0), self.span(&part)));
                        }
                        Rule::expr => keys.push(self.expr(part, 0)),
                        _ => {}
                    }
                }
                let (limiter, used) = limiter.zip(used).ok_or(Dropped)?;
                TestStep::Limiter { limiter, used, keys, span }
            }
            Rule::at_step => TestStep::At(self.string_in(pair).ok_or(Dropped)?),
            Rule::finish_step => {
                let rule = pair.into_inner().find(|part| part.as_rule() == Rule::rule_ref);
                TestStep::Finish(self.rule_ref(&rule.ok_or(Dropped)?))
            }
            Rule::send_step => TestStep::Send(self.send(pair)?),
            Rule::answer_step => {
                let (mut rule, mut is_approved) = (None, true);
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::kw_decline => is_approved = false,
                        Rule::rule_ref => rule = Some(self.rule_ref(&part)),
                        _ => {}
                    }
                }
                TestStep::Answer { rule: rule.ok_or(Dropped)?, is_approved, span }
            }
            Rule::expect_step => {
                let what = pair.into_inner().find(|part| part.as_rule() != Rule::kw_expect);
                TestStep::Expect(Expect { what: self.expected(what.ok_or(Dropped)?)?, span })
            }
            _ => return Ok(None),
        }))
    }

    fn send(&mut self, pair: Pair<'_, Rule>) -> Result<Send, Dropped> {
        let nameless = Text { text: NAMELESS.into(), span: self.span(&pair) };
        let mut send = Send {
            source: nameless.clone(),
            event: nameless,
            files: Vec::new(),
            bodies: Vec::new(),
            headers: Vec::new(),
            queries: Vec::new(),
            paths: Vec::new(),
            span: self.span(&pair),
        };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::event_ref => {
                    let mut names = part.into_inner().filter(|p| p.as_rule() == Rule::ident);
                    if let (Some(source), Some(event)) = (names.next(), names.next()) {
                        send.source = self.text_of(&source);
                        send.event = self.text_of(&event);
                    }
                }
                Rule::send_file => send.files.push(self.string_in(part).ok_or(Dropped)?),
                Rule::send_body => send.bodies.extend(self.body(part)),
                rule @ (Rule::send_headers | Rule::send_query | Rule::send_path) => {
                    let block = part.into_inner().find(|p| p.as_rule() == Rule::block);
                    let block = block.map(|block| self.block(block));
                    match rule {
                        Rule::send_headers => send.headers.extend(block),
                        Rule::send_path => send.paths.extend(block),
                        _ => send.queries.extend(block),
                    }
                }
                _ => {}
            }
        }
        Ok(send)
    }

    /// A body: a block of fields, or any other value.
    fn body(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let part = pair.into_inner().find(|part| part.as_rule() != Rule::kw_body)?;
        let span = self.span(&part);
        match part.as_rule() {
            Rule::block => Some(Expr { kind: ExprKind::Record(self.block(part)), span }),
            _ => part.into_inner().next().map(|value| self.value(value, 0)),
        }
    }

    fn expected(&mut self, pair: Pair<'_, Rule>) -> Result<Expected, Dropped> {
        match pair.as_rule() {
            Rule::expect_nothing => return Ok(Expected::NothingElse),
            Rule::expect_fuse => {
                let (mut name, mut fields) = (None, None);
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::ident => name = Some(self.text_of(&part)),
                        Rule::block => fields = Some(self.block(part)),
                        _ => {}
                    }
                }
                return Ok(Expected::Blown(name.ok_or(Dropped)?, fields));
            }
            Rule::expect_no => {
                let mut rule = None;
                let mut reaction = None;
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::rule_ref => rule = Some(self.rule_ref(&part)),
                        Rule::expect_reaction => reaction = self.reaction_kind(part),
                        _ => {}
                    }
                }
                return Ok(Expected::No(rule.ok_or(Dropped)?, reaction));
            }
            _ => {}
        }
        let nameless = RuleRef { text: NAMELESS.into(), span: self.span(&pair) };
        let mut expected = ExpectedRule {
            rule: nameless,
            reaction: None,
            outcome: None,
            count: None,
            element: None,
            because: None,
            fields: None,
        };
        for part in pair.into_inner() {
            let span = self.span(&part);
            match part.as_rule() {
                Rule::rule_ref => expected.rule = self.rule_ref(&part),
                Rule::expect_reaction => expected.reaction = self.reaction_kind(part),
                Rule::outcome => expected.outcome = Some(self.text_of(&part)),
                Rule::expect_count => {
                    let number = part.into_inner().find(|p| p.as_rule() == Rule::integer);
                    let number = number.map_or(Some(1), |number| self.small(&number));
                    expected.count = Some((number.ok_or(Dropped)?, span));
                }
                Rule::expect_element => {
                    let numbers = part.into_inner().filter(|p| p.as_rule() == Rule::integer);
                    let path: Option<Vec<u32>> = numbers.map(|p| self.small(&p)).collect();
                    expected.element = Some((path.ok_or(Dropped)?, span));
                }
                Rule::expect_reason => {
                    expected.because = Some(self.string_in(part).ok_or(Dropped)?);
                }
                Rule::block => expected.fields = Some(self.block(part)),
                _ => {}
            }
        }
        Ok(Expected::Rule(Box::new(expected)))
    }

    fn reaction_kind(&self, pair: Pair<'_, Rule>) -> Option<Text> {
        let kind = pair.into_inner().find(|part| part.as_rule() == Rule::ident)?;
        Some(self.text_of(&kind))
    }

    fn rule_ref(&self, pair: &Pair<'_, Rule>) -> RuleRef {
        RuleRef { text: pair.as_str().trim_end().to_owned(), span: self.span(pair) }
    }

    /// A small number: a count or an element's index.
    fn small(&mut self, pair: &Pair<'_, Rule>) -> Option<u32> {
        let number = pair.as_str().parse().ok();
        if number.is_none() {
            let span = self.span(pair);
            let message = format!("`{}` is too large a number", pair.as_str());
            self.report(Diagnostic::error(Code::E0506, span, message).label("out of range"));
        }
        number
    }
}

/// A step that did not parse; the problem is reported.
struct Dropped;
