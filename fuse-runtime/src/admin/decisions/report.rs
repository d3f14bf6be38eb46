//! An answer: the event, a page of its decisions, and the changes that would make rules of the page match.

use std::collections::BTreeMap;

use fuse_rules::explain::{Changed, Counterfactual, WouldMatch};
use serde::Serialize;

use super::Question;
use super::bounds::{self, MAX_CHANGES_BYTES};
use super::lines::{Line, Lines, is_same_plan};
use crate::generation::Generation;
use crate::ledger::{EventOperation, EventRecord};

/// The depth of the changes of a rule in an answer.
const DEPTH: usize = 2;

#[derive(Serialize)]
pub(super) struct DecisionsReport {
    event: EventSummary,
    decisions: Vec<Line>,
    /// The path of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// By the names of the rules that match no element of the event.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    would_match: BTreeMap<String, Would>,
    /// What is omitted, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Without the changed event, which is as large as the event itself.
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
    /// Where the event does not have its declared type.
    mismatch: Option<String>,
    conflicts: u32,
    /// What people did about it.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    operations: Vec<EventOperation>,
}

/// The report on an event with a page of its decisions, and with the changes that would make rules match if this
/// answer has the turn to compute them.
pub(super) fn report(
    generation: &Generation,
    record: &EventRecord,
    question: &Question,
    lines: Lines,
    turn: bool,
) -> DecisionsReport {
    let mut notes = Vec::new();
    if !is_same_plan(generation, record) {
        notes.push(
            "the rules have changed since this event was decided: those that did not match it are not listed"
                .to_owned(),
        );
    }
    let has_shadow = record.decisions.iter().any(|decision| decision.shadow.is_some());
    if !question.payloads && (!record.actions.is_empty() || has_shadow) {
        notes.push("the objects of actions are shown only to requests with a token".to_owned());
    }
    if let Some(replay) = &record.event.replay {
        notes.push(format!("this event replays `{}`, for `{}`", replay.from, replay.by));
        if replay.scope.is_some() {
            notes.push("only the decision of the dead letter was made again".to_owned());
        }
    }
    if lines.cut {
        notes.push(
            "the reasons of rules that did not fire are not shown: deriving them for this event takes too long".into(),
        );
    }
    let would_match = match lines.missed.is_empty() {
        true => BTreeMap::new(),
        false => would_match(generation, record, &lines.missed, turn, &mut notes),
    };
    DecisionsReport {
        event: summary(record),
        decisions: lines.lines,
        next: lines.next.map(|next| question.from(next)),
        would_match,
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    }
}

fn would_match(
    generation: &Generation,
    record: &EventRecord,
    missed: &[String],
    turn: bool,
    notes: &mut Vec<String>,
) -> BTreeMap<String, Would> {
    let mut shown = BTreeMap::new();
    let (Ok(event), true) = (record.event.view(), turn) else {
        notes.push("other requests are computing what would make rules match: ask again".into());
        return shown;
    };
    let names = missed.iter().map(String::as_str);
    let found = match generation.plan.seen(&event) {
        Ok(event) => generation.ruleset.would_match_rules(&event, names),
        Err(_refused) => WouldMatch::default(),
    };
    if found.left_out > 0 {
        notes.push(format!(
            "the changes that would make {} of the rules match were not computed: ask for one rule with &rule=SENSOR/RULE",
            found.left_out
        ));
    }
    let (mut bytes, mut left_out) = (0, 0);
    for (rule, Counterfactual { changes, .. }) in found.rules {
        let would = Would { changes: changes.into_iter().map(cut).collect() };
        let size = rule.len() + bounds::size(&would, DEPTH);
        if bytes + size <= MAX_CHANGES_BYTES {
            bytes += size;
            shown.insert(rule, would);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        notes.push(format!(
            "the changes that would make {left_out} of the rules match are too long to be shown: ask for one rule with &rule=SENSOR/RULE"
        ));
    }
    shown
}

fn cut(change: Changed) -> Changed {
    let cut = |text: String| bounds::cut(&text).into_owned();
    match change {
        Changed::Shown { path, from, to } => {
            Changed::Shown { path: cut(path), from: from.map(cut), to: to.map(cut) }
        }
        Changed::Hidden { path } => Changed::Hidden { path: cut(path) },
    }
}

fn summary(record: &EventRecord) -> EventSummary {
    let held = record.actions.iter().any(|one| one.off_bus && !one.state.is_settled());
    let state = match (record.decided, record.acked) {
        (None, _) => "queued",
        (Some(_), false) => "decided",
        (Some(_), true) if held => "held",
        (Some(_), true) if !record.waits.is_empty() => "waiting",
        (Some(_), true) => "settled",
    };
    let cut = |text: &String| bounds::cut(text).into_owned();
    EventSummary {
        id: cut(&record.event.id),
        source: cut(&record.event.source),
        name: cut(&record.event.name),
        received: record.event.received.to_string(),
        state,
        decided: record.decided.map(|at| at.to_string()),
        rejected: record.rejected.as_ref().map(cut),
        mismatch: record.mismatch.as_ref().map(cut),
        conflicts: record.conflicts,
        operations: record.operations.clone(),
    }
}
