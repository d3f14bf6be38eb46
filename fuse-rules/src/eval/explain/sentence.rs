//! Describes in one sentence why a decision was made, based on the parts that decided it.

use super::part::{Form, Found, Part};
use crate::decision::Decision;
use crate::decision::Outcome;

/// The maximum number of parts in one sentence.
const MAX_SENTENCE_PARTS: usize = 3;

pub(super) fn reason(decision: &Decision, conditions: &[Part]) -> String {
    let deciding = conditions.iter().find(|condition| condition.deciding);
    match (decision.outcome, deciding) {
        (Outcome::Fired | Outcome::Shadow, _) if conditions.is_empty() => {
            "it has no condition".into()
        }
        (Outcome::Fired | Outcome::Shadow, _) => "every condition holds".into(),
        (Outcome::Gated, _) => format!("it matches, but {}", decision.reason),
        (Outcome::NotMatched, Some(condition)) => because(condition),
        (Outcome::Unknown, Some(condition)) => unknown(condition),
        _ => decision.reason.clone(),
    }
}

/// Why a part is true or false, based on the parts that decided it.
fn because(part: &Part) -> String {
    let deciding: Vec<&Part> = part.parts.iter().filter(|part| part.deciding).collect();
    let statement = statement(part);
    match (part.form, deciding.as_slice()) {
        (Form::Not, [inner]) if inner.form == Form::Test => with_values(statement, &inner.found),
        (Form::Not | Form::Call, [inner]) => format!("{statement}, since {}", because(inner)),
        (Form::And | Form::Or | Form::If, [_, ..]) => {
            let told = deciding.iter().take(MAX_SENTENCE_PARTS).map(|part| because(part));
            let more = deciding.len().saturating_sub(MAX_SENTENCE_PARTS) + left_out(part);
            let more = (more > 0).then(|| format!("likewise {more} more"));
            told.chain(more).collect::<Vec<_>>().join(", and ")
        }
        (form, [first, ..]) if form.is_quantifier() => {
            let more = deciding.len() - 1 + left_out(part);
            let more =
                if more > 0 { format!(", and likewise for {more} more") } else { String::new() };
            format!("{statement}, since for {}{more}", because_of_element(first))
        }
        (form, []) if form.is_quantifier() && part.left_out == 0 => {
            let list =
                part.found.first().map_or("the list".into(), |list| format!("`{}`", list.path));
            format!("{statement}, since {list} is empty")
        }
        // For a path used as a condition, show its value.
        _ if part.found.iter().all(|found| found.path == part.text) => statement,
        _ => with_values(statement, &part.found),
    }
}

/// The number of deciding parts that are not shown. It counts all that were left out if one would
/// not have been enough.
fn left_out(part: &Part) -> usize {
    if part.form.deciders(part.truth).1 == 1 { 0 } else { part.left_out }
}

fn because_of_element(part: &Part) -> String {
    let element = part.element.as_deref().unwrap_or_default();
    format!("{element} {}", because(part))
}

fn statement(part: &Part) -> String {
    let truth = part.truth.map_or("unknown", |truth| if truth { "true" } else { "false" });
    format!("`{}` is {truth}", part.text)
}

fn with_values(statement: String, found: &[Found]) -> String {
    let found: Vec<_> = found.iter().map(Found::to_string).collect();
    format!("{statement}: {}", found.join(", "))
}

/// Why a part is unknown, based on the first of the smallest parts that make it unknown.
fn unknown(part: &Part) -> String {
    let mut at = part;
    let mut called = part;
    let mut elements = String::new();
    while let Some(inner) = at.parts.iter().find(|part| part.deciding) {
        // Show the call: it has the rule's own words, and the body of the condition has others.
        if at.form != Form::Call || inner.form != Form::Test {
            called = inner;
        }
        if let Some(element) = &inner.element {
            elements.push_str(&format!("for {element}, "));
        }
        at = inner;
    }
    let reason = at.reason.as_deref().unwrap_or_default();
    // A path used as a condition is clear enough.
    if reason.starts_with(&format!("`{}` ", called.text)) {
        return format!("{elements}{reason}");
    }
    format!("{elements}{reason}, so `{}` is unknown", called.text)
}
