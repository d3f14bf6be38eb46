//! What `/decisions` answers: the ledger's record of an event, and for the rules of which it
//! records nothing, the reason derived anew from the stored event and the plan.

use fuse_rules::{Element, Explained, Part};
use serde::Serialize;
use serde_json::Value;

use super::Admin;
use crate::ledger::{ActionState, DecisionRecord, EventRecord, Observed};

#[derive(Serialize)]
pub(super) struct Report {
    event: EventSummary,
    decisions: Vec<Line>,
    /// What is not recorded because it did not match can be told only for the rules that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

#[derive(Serialize)]
struct EventSummary {
    id: String,
    source: String,
    name: String,
    received: String,
    /// `waiting`, `decided`, `held` or `settled`.
    state: &'static str,
    decided: Option<String>,
    rejected: Option<String>,
    /// Where the event is not of its declared type, whatever became of it.
    mismatch: Option<String>,
    conflicts: u32,
}

#[derive(Serialize)]
struct Line {
    rule: String,
    element: Element,
    outcome: &'static str,
    reason: String,
    action: Option<ActionLine>,
    /// The conditions with their parts, as they are derived from the stored event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Part>,
}

#[derive(Serialize)]
struct ActionLine {
    id: String,
    trigger: String,
    #[serde(flatten)]
    state: ActionState,
    /// What its object came to, where it has one that is followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    observed: Option<Observed>,
    /// What was to be done: the rendered object, where the trigger makes one.
    object: Option<Value>,
}

pub(super) fn report(admin: &Admin, record: &EventRecord) -> Report {
    let same_plan = record.plan.as_ref().is_none_or(|plan| *plan == admin.plan_hash);
    let explained = match record.event.view() {
        Ok(event) if same_plan => admin.plan.explain(&event, &admin.fuses).decisions,
        _ => Vec::new(),
    };
    let mut decisions: Vec<Line> = Vec::new();
    if record.decided.is_some() {
        let mut recorded: Vec<&DecisionRecord> = record.decisions.iter().collect();
        for explained in explained {
            // Those on record are told as they were decided, in their place among the others.
            let here = |decision: &&DecisionRecord| {
                decision.rule == explained.decision.rule
                    && decision.element == explained.decision.element
            };
            match recorded.iter().position(here) {
                Some(at) => {
                    let line = recorded_line(admin, record, recorded.remove(at));
                    decisions.push(Line { conditions: explained.conditions, ..line });
                }
                None if is_recorded(record, &explained) => {}
                None => decisions.push(derived_line(explained)),
            }
        }
        decisions
            .extend(recorded.into_iter().map(|decision| recorded_line(admin, record, decision)));
    }
    let held = record.actions.iter().any(|one| one.off_bus && !one.state.is_settled());
    let state = match (record.decided, record.acked) {
        (None, _) => "waiting",
        (Some(_), false) => "decided",
        (Some(_), true) if held => "held",
        (Some(_), true) => "settled",
    };
    Report {
        event: EventSummary {
            id: record.event.id.clone(),
            source: record.event.source.clone(),
            name: record.event.name.clone(),
            received: record.event.received.to_string(),
            state,
            decided: record.decided.map(|at| at.to_string()),
            rejected: record.rejected.clone(),
            mismatch: record.mismatch.clone(),
            conflicts: record.conflicts,
        },
        decisions,
        note: (!same_plan).then_some(
            "the rules have changed since this event was decided: those that did not match it are not listed",
        ),
    }
}

/// Whether the record holds a decision of that rule and element, however it was told already.
fn is_recorded(record: &EventRecord, explained: &Explained) -> bool {
    let decision = &explained.decision;
    record
        .decisions
        .iter()
        .any(|recorded| recorded.rule == decision.rule && recorded.element == decision.element)
}

fn recorded_line(admin: &Admin, record: &EventRecord, decision: &DecisionRecord) -> Line {
    let action = decision.action.as_ref().and_then(|id| {
        let action = record.actions.iter().find(|action| action.id == *id)?;
        let request = crate::triggers::ActionRequest {
            id: id.clone(),
            action: action.action.clone(),
            event: record.event.key(),
            noted: None,
        };
        let trigger = admin.triggers.get(&action.action.trigger);
        Some(ActionLine {
            id: id.clone(),
            trigger: action.action.trigger.clone(),
            state: action.state.clone(),
            observed: action.observed.clone(),
            object: trigger.and_then(|trigger| trigger.render(&request).ok()),
        })
    });
    Line {
        rule: decision.rule.clone(),
        element: decision.element.clone(),
        outcome: decision.outcome.as_str(),
        reason: decision.reason.clone(),
        action,
        conditions: Vec::new(),
    }
}

fn derived_line(explained: Explained) -> Line {
    Line {
        rule: explained.decision.rule,
        element: explained.decision.element,
        outcome: explained.decision.outcome.as_str(),
        reason: explained.decision.reason,
        action: None,
        conditions: explained.conditions,
    }
}
