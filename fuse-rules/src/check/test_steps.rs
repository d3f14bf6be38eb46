//! Checks the steps of tests that name a rule and expect nothing: `finish RULE`, `approve RULE`, and `with response RULE { … }`.

use serde_json::Value as Json;

use super::Checker;
use super::expected_outcomes::never_asks;
use super::test_blocks::TestableRules;
use crate::diagnostic::{Code, Diagnostic};
use crate::reaction::{ActionResponse, RESPONSE_STATUS};
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
