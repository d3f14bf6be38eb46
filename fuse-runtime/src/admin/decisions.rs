//! What `/decisions` answers: the ledger's record of an event, and for the rules of which it
//! records nothing, the reason derived anew from the stored event and the plan. Of the rules that match
//! nothing of the event, what would make them.

use std::collections::BTreeMap;

use fuse_rules::{Changed, Closest, Element, Explained, Explanation, Part, WouldMatch, nearest};
use serde::Serialize;
use serde_json::Value;

use super::Admin;
use crate::ledger::{ActionState, DecisionRecord, EventRecord, Observed};

#[derive(Serialize)]
pub(super) struct Report {
    event: EventSummary,
    decisions: Vec<Line>,
    /// By the names of rules that match nothing of the event.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    would_match: BTreeMap<String, Would>,
    /// What is not told, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// The event with all changes made is as large as the event, so it is not told.
#[derive(Serialize)]
struct Would {
    changes: Vec<Changed>,
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

/// Whether a rule listens to the event, or did when it was decided.
///
/// # Errors
/// Why not, in a sentence.
fn is_known(admin: &Admin, record: &EventRecord, rule: &str) -> Result<(), String> {
    let event = &record.event;
    let here = admin
        .ruleset
        .rules()
        .filter(|rule| rule.source == event.source && rule.event == event.name);
    let here: Vec<&str> = here.map(|rule| rule.name).collect();
    if here.contains(&rule) || record.decisions.iter().any(|decision| decision.rule == rule) {
        return Ok(());
    }
    let own = here.iter().find(|name| name.rsplit('/').next() == Some(rule)).copied();
    let near = own.or_else(|| nearest(rule, here.iter().copied()));
    let help = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(format!("there is no rule `{rule}` for `{}`{help}", event.key().full_name()))
}

/// The decisions on an event, or those of one rule, told anew by the rules that decided it; none where it is
/// not decided, or the rules are other ones by now.
///
/// # Errors
/// There is no such rule.
pub(super) fn explained(
    admin: &Admin,
    record: &EventRecord,
    rule: Option<&str>,
) -> Result<Explanation, String> {
    rule.map_or(Ok(()), |rule| is_known(admin, record, rule))?;
    Ok(match (record.event.view(), rule) {
        (Ok(_), _) if !is_same_plan(admin, record) || record.decided.is_none() => {
            Explanation::default()
        }
        (Ok(event), Some(rule)) => admin.plan.explain_rules(&event, &admin.fuses, &[rule]),
        (Ok(event), None) => admin.plan.explain(&event, &admin.fuses),
        (Err(_), _) => Explanation::default(),
    })
}

fn is_same_plan(admin: &Admin, record: &EventRecord) -> bool {
    record.plan.as_ref().is_none_or(|plan| *plan == admin.plan_hash)
}

/// Whether there may be something to look for of what would make rules match.
pub(super) fn has_missed(explanation: &Explanation) -> bool {
    explanation.decisions.iter().any(|explained| !explained.decision.outcome.holds())
}

/// What is known of an event, or of one rule's decisions on it; with what would make rules match where it
/// is this answer's turn to look for that.
pub(super) fn report(
    admin: &Admin,
    record: &EventRecord,
    rule: Option<&str>,
    explanation: Explanation,
    turn: bool,
) -> Report {
    let mut note = (!is_same_plan(admin, record)).then(|| {
        "the rules have changed since this event was decided: those that did not match it are not listed"
            .to_owned()
    });
    let mut would_match = BTreeMap::new();
    if explanation.cut {
        note = Some(
            "why rules did nothing is not told, as it would take too long on this event".into(),
        );
    }
    if let (Ok(event), true) = (record.event.view(), has_missed(&explanation)) {
        let found = turn.then(|| admin.ruleset.would_match(&event, &explanation.decisions));
        note = not_told(found.as_ref());
        let rules = found.map(|found| found.rules).unwrap_or_default();
        let changes = |closest: Closest| Would { changes: closest.changes };
        would_match = rules.into_iter().map(|(rule, closest)| (rule, changes(closest))).collect();
    }
    let mut decisions: Vec<Line> = Vec::new();
    if record.decided.is_some() {
        let recorded = record.decisions.iter();
        let is_asked = |decision: &&DecisionRecord| rule.is_none_or(|rule| decision.rule == rule);
        let mut recorded: Vec<&DecisionRecord> = recorded.filter(is_asked).collect();
        for explained in explanation.decisions {
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
        would_match,
        note,
    }
}

/// That it was not looked for what would make rules match, or not for all of them.
fn not_told(found: Option<&WouldMatch>) -> Option<String> {
    match found {
        None => Some(
            "what would make rules match is being looked for in other answers: ask again"
                .to_owned(),
        ),
        Some(WouldMatch { left_out: 0, .. }) => None,
        Some(WouldMatch { left_out, .. }) => Some(format!(
            "what would make rules match was not looked for in {left_out} of them: ask for one by &rule=SENSOR/RULE"
        )),
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
