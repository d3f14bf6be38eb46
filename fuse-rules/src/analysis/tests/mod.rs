//! Tests of witnesses and proofs, as tables and against evaluation.

mod atoms;
mod claims;
mod counterfactual;
pub(crate) mod generate;
mod large;
mod proofs;
mod several_events;
mod tables;

use super::{Analysis, Answer, Events, Placed, Witness};
use crate::diagnostic::Diagnostics;
use crate::eval::tests::registry;
use crate::ruleset::Ruleset;
use crate::typed::Rules;

/// Every rule, in order.
fn placed(rules: &Rules) -> Vec<Placed<'_>> {
    let placed_in = |sensor| move |rule| Placed { sensor, rule };
    rules.sensors.iter().flat_map(|sensor| sensor.rules.iter().map(placed_in(sensor))).collect()
}

/// Rules with these clauses, each in its own sensor, for events of the type.
fn set(ty: &str, rules: &[&str]) -> Ruleset {
    parsed(ty, rules).unwrap_or_else(|problems| panic!("{problems}"))
}

fn parsed(ty: &str, rules: &[&str]) -> Result<Ruleset, Diagnostics> {
    let rules: String = rules
        .iter()
        .enumerate()
        .map(|(i, clauses)| {
            format!("sensor s{i} on q.e {{ rule r {{ {clauses}\n trigger note {{}} }} }}\n")
        })
        .collect();
    let text = format!("source q queue {{ event e{ty} }}\n{rules}");
    Ruleset::parse("test.rules", &text, &registry())
}

/// An event on one line.
fn shown(witness: &Witness) -> String {
    let mut line = witness.text().unwrap();
    if !witness.headers.is_empty() {
        line.push_str(&format!(" headers {:?}", witness.headers));
    }
    if !witness.query.is_empty() {
        line.push_str(&format!(" query {:?}", witness.query));
    }
    if witness.id != "x" {
        line.push_str(&format!(" id {:?}", witness.id));
    }
    if witness.received.to_string() != "2026-01-01T00:00:00Z" {
        line.push_str(&format!(" received {}", witness.received));
    }
    if !witness.element.is_empty() {
        line.push_str(&format!(" at {:?}", witness.element));
    }
    line
}

fn answer_text(answer: &Answer) -> String {
    match answer {
        Answer::Never(Events::Any) => "never".to_owned(),
        Answer::Never(Events::Typed) => "never if typed".to_owned(),
        Answer::Unknown => "unknown".to_owned(),
        Answer::Found(witness) => shown(witness),
    }
}

/// One line per row: `clauses | an event that matches | one that does not`.
fn table(ty: &str, rows: &[&str]) -> String {
    let mut out = String::new();
    for row in rows {
        let whens = if row.contains("when ") { (*row).to_owned() } else { format!("when {row}") };
        let ruleset = match parsed(ty, &[&whens]) {
            Ok(ruleset) => ruleset,
            Err(problems) => {
                let why = problems.to_string();
                out.push_str(&format!("{row}\n    {}\n", why.lines().next().unwrap()));
                continue;
            }
        };
        let placed = placed(ruleset.typed());
        let mut analysis = Analysis::new(ruleset.typed());
        let (matching, failing) = (analysis.matching(placed[0]), analysis.failing(placed[0]));
        out.push_str(&format!(
            "{row}\n    matches: {}\n    fails:   {}\n",
            answer_text(&matching),
            answer_text(&failing)
        ));
    }
    out
}
