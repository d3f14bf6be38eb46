//! Checks the steps of tests that expect nothing: `finish RULE`, `approve RULE`, `with response RULE { … }` and
//! `with limiter NAME used N`.

use serde_json::Value as Json;

use super::Checker;
use super::calls::counted;
use super::expected_outcomes::never_asks;
use super::test_blocks::TestableRules;
use crate::diagnostic::{Code, Diagnostic};
use crate::flow::{Flow, FlowRequest, Overflow};
use crate::reaction::{ActionResponse, RESPONSE_STATUS};
use crate::span::Span;
use crate::syntax::ast::{self, Block, RuleRef, Text};
use crate::typed::{ResponseInfo, Rule, TestStep};

impl Checker<'_> {
    /// The full name of the rule whose actions end.
    pub(super) fn finish(
        &mut self,
        name: &RuleRef,
        sent: &[(&str, &str)],
        rules: &TestableRules<'_>,
    ) -> Option<String> {
        self.rule_of_step(name, sent, rules, |rule| {
            let why = format!("rule `{}` is never in progress: it has no `concurrency`", rule.name);
            let help = "add `concurrency N` to the rule, or remove this step";
            let has_places = rule.flow.iter().any(|clause| clause.flow.holds_places());
            (!has_places).then_some((why, help))
        })
    }

    /// The full name of the rule whose action a test approves or declines.
    pub(super) fn answered(
        &mut self,
        name: &RuleRef,
        sent: &[(&str, &str)],
        rules: &TestableRules<'_>,
    ) -> Option<String> {
        self.rule_of_step(name, sent, rules, |rule| {
            let help = "add `approval` to the rule, or remove this step";
            (!rule.needs_approval()).then(|| (never_asks(rule), help))
        })
    }

    /// The full name of the rule that a step names. Reports why the step can never do anything, if it cannot.
    fn rule_of_step(
        &mut self,
        name: &RuleRef,
        sent: &[(&str, &str)],
        rules: &TestableRules<'_>,
        never: impl Fn(&Rule) -> Option<(String, &'static str)>,
    ) -> Option<String> {
        let (_, rule) = self.rule_named(name, sent, rules)?;
        if let Some((why, help)) = never(rule) {
            self.never(name.span, why, help);
        }
        Some(rule.name.clone())
    }

    /// The response to the actions of a rule, in a test that sends these events.
    pub(super) fn given_response(
        &mut self,
        name: &RuleRef,
        block: &Block,
        sent: &[(&str, &str)],
        rules: &TestableRules<'_>,
    ) -> Option<TestStep> {
        let (_, rule) = self.rule_named(name, sent, rules)?;
        let Some(info) = &rule.response else {
            self.never(
                name.span,
                format!("the actions of rule `{}` get no response", rule.name),
                "remove this step, or give the rule a trigger that gets one, such as `http`",
            );
            return None;
        };
        let before = self.problems.len();
        let Json::Object(values) = self.block_value(block)? else { return None };
        let mut response = ActionResponse::new(200);
        for field in &block.fields {
            let Some(value) = values.get(&field.key.text) else { continue };
            if field.key.text == RESPONSE_STATUS {
                response.status = self.status(&field.key, value).unwrap_or(response.status);
            } else if let Some(value) = self.kept(&field.key, value, info) {
                response = response.with(&field.key.text, value);
            }
        }
        let rule = rule.name.clone();
        (!self.has_errors_since(before)).then_some(TestStep::Response { rule, response })
    }

    /// The matches of other rules that a limiter lets through in a test.
    pub(super) fn used_limiter(
        &mut self,
        name: &Text,
        (used, number): (u32, Span),
        (keys, span): (&[ast::Expr], Span),
        rules: &TestableRules<'_>,
    ) -> Option<TestStep> {
        let limiter = match self.names.limiter(name) {
            Ok(limiter) => limiter,
            Err(problem) => {
                self.report(*problem);
                return None;
            }
        };
        // No event is behind such a match, so it cannot wait for a place.
        let flow = match limiter.limit.flow.with_waits(false) {
            Flow::Concurrency { count, .. } => {
                Flow::Concurrency { count, otherwise: Overflow::Skip }
            }
            other => other,
        };
        let (Flow::Limit { count, .. } | Flow::Concurrency { count, .. }) = flow else {
            return None;
        };
        let before = self.problems.len();
        if used == 0 || used > count {
            let message = match used {
                0 => "`used` must be at least 1".to_owned(),
                _ => format!(
                    "limiter `{}` never lets {used} matches through: it has `{}`",
                    name.text,
                    limiter.limit.flow.text(&[])
                ),
            };
            self.never(number, message, &format!("write a number from 1 to {count}"));
        }
        let known = rules.keys_of_limiter(&name.text);
        if rules.whole && !known.contains(&keys.len()) {
            let (message, help) = match known.iter().next() {
                None => {
                    (format!("no rule uses the limiter `{}`", name.text), "remove this step".into())
                }
                Some(0) => (
                    format!("the rules use the limiter `{}` without keys", name.text),
                    "remove `per …`".into(),
                ),
                Some(known) => (
                    format!(
                        "the rules use the limiter `{}` with {}, and this step gives {}",
                        name.text,
                        counted(*known, "key"),
                        keys.len()
                    ),
                    format!(
                        "write a value for each key of the rule: `with limiter {} used {used} per \"…\"`",
                        name.text
                    ),
                ),
            };
            self.never(span, message, &help);
        }
        let values = keys.iter().map(|key| self.key_value(key)).collect();
        let request = FlowRequest {
            limiter: Some(name.text.clone()),
            ..FlowRequest::new(flow.word(), flow, values)
        };
        (!self.has_errors_since(before))
            .then(|| TestStep::Limiter { request: Box::new(request), used })
    }

    /// The value of a key, as in a request to flow control. Empty if it has a problem.
    fn key_value(&mut self, key: &ast::Expr) -> String {
        let Some(value) = self.fixed(key) else { return String::new() };
        match (value.canonical(), value.to_json_text()) {
            (Some(_), Ok(text)) => text,
            _ => {
                let why = format!("a key is a single value, and this is {}", value.kind());
                self.error(Code::E0406, key.span, why, "not a single value");
                String::new()
            }
        }
    }

    fn status(&mut self, key: &Text, value: &Json) -> Option<u16> {
        let status = value.as_u64().and_then(|status| u16::try_from(status).ok());
        let status = status.filter(|status| (100..=599).contains(status));
        if status.is_none() {
            let message = "`status` must be an HTTP status";
            let problem = Diagnostic::error(Code::E0406, key.span, message);
            self.report(problem.label("not a status").help("write a number from 100 to 599"));
        }
        status
    }

    /// A value that the rule keeps.
    fn kept(&mut self, key: &Text, value: &Json, info: &ResponseInfo) -> Option<Json> {
        let name = &key.text;
        if !info.kept.contains(name) {
            let names = info.kept.iter().map(String::as_str);
            let message = format!("the rule does not keep `{name}` of its response");
            let problem = Diagnostic::error(Code::E0604, key.span, message);
            let help = "add it to `keep` of the trigger, or remove it here";
            self.report(problem.label("this never happens").help(help).candidates(name, names));
            return None;
        }
        if !matches!(value, Json::String(_) | Json::Number(_) | Json::Bool(_)) {
            let message = format!("`{name}` is never a list, an object or null");
            let problem = Diagnostic::error(Code::E0406, key.span, message);
            self.report(
                problem
                    .label("fuse keeps only strings, numbers and booleans")
                    .help("write such a value, or leave the field out"),
            );
            return None;
        }
        Some(value.clone())
    }
}

/// The source and the name of the event that a step sends.
pub(super) fn sent_event(step: &ast::TestStep) -> Option<(&str, &str)> {
    match step {
        ast::TestStep::Send(send) => Some((&send.source.text, &send.event.text)),
        _ => None,
    }
}
