//! Checks the reactions of rules: `on failure { … }`.

use std::sync::Arc;

use indexmap::IndexMap;

use super::Checker;
use super::expected_outcomes::{never_asks, never_gated, never_suppressed};
use super::flow::joined;
use super::scope::Scope;
use crate::decision::Outcome;
use crate::diagnostic::{Code, Diagnostic};
use crate::flow::Flow;
use crate::reaction::{
    OPTIONAL_OUTCOME_FIELDS, OUTCOME_ACTION, OUTCOME_FIELDS, RESPONSE, ReactionKind,
};
use crate::schema::{Outline, TriggerInfo};
use crate::span::Span;
use crate::syntax::ast::{self, Text};
use crate::typed::{Reaction, ResponseInfo, Rule, Trigger, may_be_counted, may_be_suppressed};
use crate::types::{Record, RecordMember, Rest, Ty};

impl Checker<'_> {
    /// The reactions of a rule, one per kind.
    pub(super) fn reactions(
        &mut self,
        reactions: &[ast::Reaction],
        rule: &Rule,
        scope: &mut Scope,
    ) -> Vec<Reaction> {
        let mut seen: Vec<(ReactionKind, Span)> = Vec::new();
        let mut all = Vec::new();
        for reaction in reactions {
            if reaction.triggers.is_empty() && !reaction.incomplete {
                self.report(
                    Diagnostic::error(Code::E0502, reaction.span, "this reaction triggers nothing")
                        .label("no `trigger` in it")
                        .help("add `trigger KIND { … }`, for example `trigger slack { text = \"…\" }`"),
                );
            }
            let mark = scope.mark();
            scope.outcome = Some(outcome_type(&reaction.kinds, rule.response.as_ref()));
            let waits =
                |clause: &ast::FlowClause| clause.flow.waits() || clause.flow.holds_places();
            let (waits, flow): (Vec<_>, Vec<_>) = reaction.flow.iter().cloned().partition(waits);
            waits.iter().for_each(|clause| self.report(waiting_reaction(clause)));
            let flow = joined(Vec::new(), self.flow(&flow, scope), false);
            let triggers: Vec<_> =
                reaction.triggers.iter().filter_map(|one| self.trigger(one, scope)).collect();
            scope.outcome = None;
            scope.restore(mark);
            for word in &reaction.kinds {
                let Some(kind) = self.reaction_kind(word) else { continue };
                if let Some((_, first)) = seen.iter().find(|(known, _)| *known == kind) {
                    self.report(
                        Diagnostic::error(
                            Code::E0501,
                            word.span,
                            format!("this rule reacts to `{kind}` twice"),
                        )
                        .label("the second one")
                        .related(*first, "the first one")
                        .help("put all triggers into one reaction"),
                    );
                    continue;
                }
                seen.push((kind, word.span));
                self.check_can_happen(kind, word.span, rule);
                all.push(Reaction {
                    kind,
                    name: kind.name_for(&rule.name),
                    span: word.span,
                    flow: flow.clone(),
                    triggers: triggers.clone(),
                });
            }
        }
        all
    }

    /// The response that these triggers get, if one of them gets one.
    pub(super) fn response(&self, triggers: &[Trigger]) -> Option<ResponseInfo> {
        let kept: Vec<_> = triggers.iter().map(|trigger| self.kept_by(trigger)).collect();
        let is_certain = kept.iter().all(Option::is_some);
        let kept: Vec<_> = kept.into_iter().flatten().collect();
        let has_response = !kept.is_empty();
        let kept = kept.into_iter().flatten().collect();
        has_response.then_some(ResponseInfo { kept, is_certain })
    }

    /// The names of the values that a trigger keeps of its response, if it gets one.
    fn kept_by(&self, trigger: &Trigger) -> Option<Vec<String>> {
        let field = self.registry.find_trigger(&trigger.kind)?.response_field()?;
        let block = TriggerInfo::from_trigger(trigger);
        let kept = block.get(field).map(Outline::entries).unwrap_or_default();
        Some(kept.into_iter().map(|entry| entry.key).collect())
    }

    /// The kind of this name; an unknown one is reported.
    pub(super) fn reaction_kind(&mut self, word: &Text) -> Option<ReactionKind> {
        let kinds = ReactionKind::ALL.into_iter();
        let kind = kinds.clone().find(|kind| kind.as_str() == word.text);
        if kind.is_none() {
            let known = kinds.map(ReactionKind::as_str);
            let similar = match word.text.as_str() {
                "failed" | "error" | "errors" | "fail" | "dead-letter" => Some("failure"),
                "done" | "fired" | "ok" | "succeeded" | "performed" => Some("success"),
                "limited" | "throttled" | "duplicate" => Some("suppressed"),
                "off" | "blocked" => Some("gated"),
                "invalid" => Some("rejected"),
                "blown" => Some("gated"),
                "approval" | "pending" | "ask" => Some("waiting"),
                "denied" | "refused" => Some("declined"),
                "timeout" | "timed-out" => Some("expired"),
                _ => None,
            };
            let problem = Diagnostic::error(
                Code::E0222,
                word.span,
                format!("a rule cannot react to `{}`", word.text),
            )
            .label("not known");
            self.report(match similar {
                Some(kind) => problem.help(format!("write `on {kind}`")),
                None => problem.suggest(word, known, "it can react to"),
            });
        }
        kind
    }

    /// The reaction that a test expects.
    pub(super) fn expected_reaction<'r>(
        &mut self,
        word: &Text,
        rule: &'r Rule,
    ) -> Option<&'r Reaction> {
        let kind = self.reaction_kind(word)?;
        let reaction = rule.reaction(kind);
        if reaction.is_none() {
            self.never(
                word.span,
                format!("rule `{}` has no reaction `on {kind}`", rule.name),
                "add the reaction to the rule, or remove the expectation",
            );
        }
        reaction
    }

    pub(super) fn check_outcome_of_reaction(
        &mut self,
        outcome: Outcome,
        span: Span,
        reaction: &Reaction,
    ) {
        let can_be = match outcome {
            Outcome::Fired | Outcome::Rejected => true,
            // A test evaluates the reaction to a result without performing it.
            _ if reaction.kind.is_about_result() => false,
            Outcome::Suppressed => may_be_suppressed(&reaction.flow),
            Outcome::Counted => may_be_counted(&reaction.flow),
            _ => false,
        };
        if !can_be {
            self.never(
                span,
                format!("a reaction is never `{outcome}`"),
                "expect that it fires, or write `expect no RULE on KIND`",
            );
        }
    }

    /// Reports a reaction to something that never happens to its rule.
    fn check_can_happen(&mut self, kind: ReactionKind, span: Span, rule: &Rule) {
        let (message, help) = match kind {
            ReactionKind::Gated if rule.gates.is_empty() => {
                (never_gated(rule), "add `requires FUSE` to the rule, or remove the reaction")
            }
            ReactionKind::Suppressed if !rule.may_be_suppressed() => (
                never_suppressed(rule),
                "add `once per … within …` or `limit N per D` to the rule, or remove the reaction",
            ),
            ReactionKind::Expired if rule.may_expire() => return,
            ReactionKind::Waiting | ReactionKind::Declined | ReactionKind::Expired
                if !rule.needs_approval() =>
            {
                (never_asks(rule), "add `approval` to the rule, or remove the reaction")
            }
            _ => return,
        };
        let problem = Diagnostic::error(Code::E0510, span, message);
        self.report(problem.label("this never happens").help(help));
    }
}

fn waiting_reaction(clause: &ast::FlowClause) -> Diagnostic {
    let word = clause.flow.word();
    let (what, help) = match clause.flow {
        Flow::During { .. } | Flow::Limit { .. } => {
            ("else wait", "remove `else wait`: the reaction is then suppressed")
        }
        _ => (word, "remove the clause; `once` and `limit` make reactions less frequent"),
    };
    let message = match clause.flow.holds_places() {
        true => format!("a reaction cannot have `{what}`"),
        false => format!("a reaction cannot wait, so it cannot have `{what}`"),
    };
    Diagnostic::error(Code::E0512, clause.span, message)
        .label("the reaction reports what just happened")
        .help(help)
}

/// The type of `outcome` in a reaction of these kinds, of a rule that gets this response. A reaction to something that is
/// not about an action may lack the action.
fn outcome_type(kinds: &[Text], response: Option<&ResponseInfo>) -> Ty {
    let is_all = |some: &[ReactionKind]| {
        kinds.iter().all(|kind| some.iter().any(|one| one.as_str() == kind.text))
    };
    let about_actions = [ReactionKind::Failure, ReactionKind::Success, ReactionKind::Waiting];
    let has_action = is_all(&about_actions);
    let field =
        |name: &str, optional| (Arc::from(name), RecordMember { ty: Ty::string(), optional });
    let always = OUTCOME_FIELDS.iter().map(|name| field(name, false));
    let is_optional = |name: &str| !(has_action && name == OUTCOME_ACTION);
    let optional = OPTIONAL_OUTCOME_FIELDS.iter();
    let optional = optional.map(|name| field(name, is_optional(name)));
    let may_have_response = kinds.iter().any(|kind| {
        [ReactionKind::Failure, ReactionKind::Success].iter().any(|one| one.as_str() == kind.text)
    });
    let response = response.filter(|_| may_have_response).map(|response| {
        // Without a connection, there is none. An action that succeeded got one.
        let optional = !(response.is_certain && is_all(&[ReactionKind::Success]));
        (Arc::from(RESPONSE), RecordMember { ty: response.ty(), optional })
    });
    let fields: IndexMap<_, _> = always.chain(optional).chain(response).collect();
    Ty::record(Record { fields, rest: Rest::Nothing })
}
