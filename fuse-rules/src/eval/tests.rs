//! The meaning of expressions, as tables. The plan and the reference evaluate each row.

mod agreement;
mod arrival;
mod comprehensions;
mod definitions;
mod events;
mod explain;
mod functions;
mod generate;
mod large;
mod lets;
mod limit;
mod lookups;
pub(crate) mod many;
mod mismatch;
mod page;
mod parts;
mod sensitive;
mod several_events;
mod shares;
mod soundness;
mod tables;
mod waits;

use crate::decision::Decision;
use crate::decision::Evaluation;
use crate::decision::Outcome;
use crate::eval::Plan;
use crate::event::Event;
use crate::fuses::Fuses;
use crate::reference;
use crate::ruleset::Ruleset;
use crate::schema::{Field, FieldType, Registry, Schema, SourceSchema, Templates};
use crate::semantics::DEFAULT_MAX_WORK;

/// A source `q` without fields, and triggers `note` (any fields) and `text` (strings).
pub(crate) fn registry() -> Registry {
    let text = FieldType::Text(Templates::Refused);
    Registry::new()
        .source(SourceSchema::new(
            Schema::new("queue", "A queue.").field(Field::optional(
                "id",
                FieldType::Expression,
                "Id.",
            )),
            Schema::new("event", "An event."),
        ))
        .trigger(Schema::new("note", "Notes something.").field(Field::optional(
            "value",
            FieldType::Any(Templates::Allowed),
            "What.",
        )))
        .trigger(
            Schema::new("text", "Says something.")
                .field(Field::required("text", text.clone(), "What."))
                .field(Field::optional("texts", FieldType::Map(Box::new(text)), "More."))
                .field(Field::optional("name", FieldType::DnsLabel, "A name.")),
        )
}

/// Loads rules that must be correct.
pub(crate) fn load(text: &str) -> Ruleset {
    Ruleset::parse("test.rules", text, &registry())
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// The time at which the tests' events are received.
pub(crate) const RECEIVED: &str = "2026-08-01T10:10:00Z";

pub(crate) fn event(body: &str) -> Event<'_> {
    Event::new("q", "e", body.as_bytes())
        .unwrap_or_else(|invalid| panic!("{invalid}\n{body}"))
        .id("1")
        .received(RECEIVED.parse().unwrap())
        .header("X-Kind", "push")
        .query("page", "2")
}

/// Decides with the plan and the reference, which must agree, and with the index, which must find
/// the same rules. Returns every decision.
pub(crate) fn decide(ruleset: &Ruleset, event: &Event<'_>, fuses: &Fuses) -> Evaluation {
    decide_within(ruleset, event, fuses, DEFAULT_MAX_WORK)
}

/// The same with this limit on the work of a rule.
pub(crate) fn decide_within(
    ruleset: &Ruleset,
    event: &Event<'_>,
    fuses: &Fuses,
    max_work: u64,
) -> Evaluation {
    let plan = ruleset.plan().with_max_work(max_work);
    let planned = plan.evaluate_all(event, fuses);
    let obvious = reference::evaluate_within(ruleset.typed(), event, fuses, None, max_work);
    if planned.refused.is_some() && obvious.refused.is_some() {
        // If several keys are duplicated, the reason may name any of them.
        return planned;
    }
    assert_eq!(planned, obvious, "the plan and the reference differ on {}", event.body());
    agrees_on_what_acts(&plan, event, fuses, &obvious);
    let explained: Vec<Decision> = plan
        .explain(event, fuses)
        .decisions
        .into_iter()
        .map(|explained| {
            assert!(!explained.decision.reason.is_empty(), "every decision has a reason");
            explained.decision
        })
        .collect();
    for (decision, explained) in planned.decisions.iter().zip(&explained) {
        let same = (decision.outcome, &decision.rule, &decision.element, &decision.action);
        assert_eq!(
            same,
            (explained.outcome, &explained.rule, &explained.element, &explained.action)
        );
    }
    assert_eq!(planned.decisions.len(), explained.len());
    planned
}

/// The index finds the same decisions as the reference, and misses none that acts.
fn agrees_on_what_acts(plan: &Plan, event: &Event<'_>, fuses: &Fuses, obvious: &Evaluation) {
    let found = plan.evaluate(event, fuses);
    let acts =
        |decision: &&Decision| !matches!(decision.outcome, Outcome::NotMatched | Outcome::Unknown);
    let refused = obvious.refused.is_some();
    let wanted = obvious.decisions.iter().filter(acts).filter(|_| !refused);
    let wanted: Vec<&Decision> = wanted.collect();
    let found_all: Vec<&Decision> = found.decisions.iter().collect();
    assert_eq!(found_all, wanted, "the index differs on {}\n{}", event.body(), plan.listing());
    assert_eq!(found.cancels, obvious.cancels, "on {}\n{}", event.body(), plan.listing());
    assert_eq!(found.refused, obvious.refused);
    let decided = plan.decide(event, fuses);
    assert_eq!(decided.evaluation, Evaluation { mismatch: plan.mismatch(event), ..found });
    assert_eq!(decided.missing, if refused { Vec::new() } else { plan.missing(event) });
}

/// The outcome and reason of one condition on one body.
fn condition(text: &str, body: &str) -> (Outcome, String) {
    let ruleset = load(&format!(
        "source q queue {{ event e }}\nsensor s on q.e {{ rule r {{ when {text}\n trigger note {{}} }} }}"
    ));
    let mut evaluation = decide(&ruleset, &event(body), &Fuses::default());
    assert_eq!(evaluation.decisions.len(), 1);
    let decision = evaluation.decisions.remove(0);
    (decision.outcome, decision.reason)
}

/// A rule that notes the value of one expression.
fn noting(text: &str) -> String {
    format!(
        "source q queue {{ event e }}\nsensor s on q.e {{ rule r {{ trigger note {{ value = {text}\n }} }} }}"
    )
}

/// The value of one expression on one body as JSON, or why it has none.
fn value(text: &str, body: &str) -> Result<String, String> {
    let ruleset = load(&noting(text));
    let mut evaluation = decide(&ruleset, &event(body), &Fuses::default());
    let decision = evaluation.decisions.remove(0);
    match decision.action {
        Some(action) => Ok(action.fields.get("value").unwrap().to_string()),
        None => Err(decision.reason),
    }
}
