//! Outcomes that a test expects and that the rule can never have.

use super::Checker;
use crate::decision::Outcome;
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;
use crate::typed::Rule;

impl Checker<'_> {
    /// Reports an outcome that the rule can never have.
    pub(super) fn check_outcome(&mut self, outcome: Outcome, span: Span, rule: &Rule) {
        match outcome {
            Outcome::Gated if rule.gates.is_empty() => self.never(
                span,
                never_gated(rule),
                "add `requires FUSE` to the rule, or expect another outcome",
            ),
            Outcome::Fired if rule.is_shadow => self.never(
                span,
                format!("rule `{}` never fires: it is in shadow", rule.name),
                "expect it to be `shadow`, or remove the clause `shadow`",
            ),
            Outcome::Shadow if !rule.is_shadow => self.never(
                span,
                format!("rule `{}` is never in shadow: it has no `shadow`", rule.name),
                "add `shadow` to the rule, or expect another outcome",
            ),
            Outcome::Counted if !rule.may_be_counted() => self.never(
                span,
                format!("rule `{}` is never counted: it has no `after`", rule.name),
                "add `after N within D` to the rule, or expect another outcome",
            ),
            Outcome::Suppressed if !rule.may_be_suppressed() => self.never(
                span,
                never_suppressed(rule),
                "add `once per … within …` or `limit N per D` to the rule, or expect another outcome",
            ),
            Outcome::Waiting if !rule.may_wait() => self.never(
                span,
                format!("rule `{}` never waits: it has no `quiet`, `still`, `approval`, `concurrency`, `else wait` or `else hold`", rule.name),
                "add `quiet D`, `still D unless …`, `approval`, `concurrency N`, or `else wait` after `limit` or `during`, or expect another outcome",
            ),
            Outcome::Cancelled if !rule.may_be_cancelled() => self.never(
                span,
                format!("rule `{}` is never cancelled: it has no `still`", rule.name),
                "add `still D unless …` to the rule, or expect another outcome",
            ),
            Outcome::Superseded if !rule.may_be_superseded() => self.never(
                span,
                format!("rule `{}` is never superseded: it has no `quiet`", rule.name),
                "add `quiet D` to the rule, or expect another outcome",
            ),
            Outcome::Expired if rule.may_expire() => {}
            Outcome::Declined | Outcome::Expired if !rule.needs_approval() => self.never(
                span,
                format!("rule `{}` is never {outcome}: it has no `approval`", rule.name),
                "add `approval` to the rule, or expect another outcome",
            ),
            _ => {}
        }
    }

    pub(super) fn never(&mut self, span: Span, message: String, help: &str) {
        let problem = Diagnostic::error(Code::E0604, span, message);
        self.report(problem.label("this never happens").help(help));
    }
}

/// Why a rule is never gated.
pub(super) fn never_gated(rule: &Rule) -> String {
    let why = if rule.requires.is_empty() {
        "it requires no fuse"
    } else {
        "it waits for its fuses with `else hold`"
    };
    format!("rule `{}` is never gated: {why}", rule.name)
}

/// Why a rule is never suppressed.
pub(super) fn never_suppressed(rule: &Rule) -> String {
    format!(
        "rule `{}` is never suppressed: it has no `once` or `still`, no `limit` or `during` without `else wait`, and no \
         `concurrency … else skip`",
        rule.name
    )
}

/// Why a rule never waits for approval.
pub(super) fn never_asks(rule: &Rule) -> String {
    let why = if rule.is_shadow { "it is in shadow" } else { "it has no `approval`" };
    format!("rule `{}` never waits for approval: {why}", rule.name)
}
