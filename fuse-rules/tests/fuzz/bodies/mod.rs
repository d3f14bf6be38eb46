//! What the fuzz targets do with their bytes. The targets under `fuzz/` include this file, too.

mod stitch;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use fuse_rules::diagnostic::Style;
use fuse_rules::infer::TypeInference;
use fuse_rules::lint::{Level, Lints};
use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema, Templates};
use fuse_rules::{
    Decision, Diagnostics, Evaluation, Event, Fuses, Outcome, Plan, Registry, Ruleset,
    format as laid_out,
};
use serde::de::IgnoredAny;

/// Parses any bytes as a rules file.
pub(crate) fn parse(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Ruleset::parse("a.rules", &text, &registry()) {
        Ok(ruleset) => drop(ruleset.plan().listing()),
        Err(problems) => report(&problems),
    }
}

/// Formats any bytes as a rules file.
pub(crate) fn format(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match laid_out("a.rules", &text) {
        Ok(once) => {
            let twice = laid_out("a.rules", &once).unwrap_or_default();
            assert_eq!(twice, once, "a layout is its own");
        }
        Err(problems) => {
            report(&problems);
            let ours = problems.iter().any(|problem| problem.topic.as_str() == "E0901");
            assert!(!ours, "the layout would change what it says: {text}");
        }
    }
}

/// Files made from pieces of the language; rules that check are evaluated.
pub(crate) fn check(bytes: &[u8]) {
    let mut choices = Unstructured::new(bytes);
    let files =
        ["a.rules", "b.rules", "s.json"].map(|name| (name, stitch::file(name, &mut choices)));
    let body = stitch::body(&mut choices);
    let loader: BTreeMap<&str, &str> =
        files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let loaded = Ruleset::load_in_detail(&["a.rules"], &loader, &registry());
    if let Ok(text) = laid_out("a.rules", &files[0].1) {
        let mut loader = loader.clone();
        loader.insert("a.rules", &text);
        let again = Ruleset::load(&["a.rules"], &loader, &registry());
        assert_eq!(again.is_ok(), loaded.is_ok(), "a layout passes where its file does: {text}");
    }
    match loaded {
        Ok(ruleset) => {
            report(&Lints::all_at(Level::Warn).run(&ruleset));
            evaluate(&ruleset, &body);
        }
        Err(problems) => report(&problems),
    }
}

fn evaluate(ruleset: &Ruleset, body: &str) {
    let (costs, plan) = (ruleset.costs().count(), ruleset.plan());
    assert_eq!(costs, ruleset.rules().count());
    assert!(!plan.listing().is_empty());
    let (_, _, _) =
        (ruleset.definitions().count(), ruleset.sensors().count(), ruleset.events().count());
    if let Err(problems) = ruleset.within_cost(1_000) {
        report(&problems);
    }
    let mut inference = TypeInference::new();
    if inference.add(body.as_bytes()).is_ok() {
        let declared = inference.declaration("inferred").unwrap_or_default();
        assert!(laid_out("t.rules", &declared).is_ok(), "what is inferred is a type: {declared}");
    }
    for name in ["e", "g"] {
        let Ok(event) = Event::new("s", name, body.as_bytes()) else { continue };
        let event = event.header("a", "1").query("x", "y");
        for fuses in [Fuses::default(), Fuses::default().set("f", true)] {
            let evaluation = plan.evaluate_all(&event, &fuses);
            let explained = plan.explain(&event, &fuses);
            // Their reasons are worded differently.
            assert_eq!(explained.decisions.len(), evaluation.decisions.len());
            for (one, other) in explained.decisions.iter().zip(&evaluation.decisions) {
                let one = &one.decision;
                let (rule, outcome) = ((&one.rule, &one.element), (&one.outcome, &one.flow));
                assert_eq!(rule, (&other.rule, &other.element));
                assert_eq!(outcome, (&other.outcome, &other.flow), "{}", one.reason);
                assert_eq!(one.action, other.action);
            }
            found(&plan, &event, &fuses, &evaluation);
            #[cfg(fuzzing)]
            reference(ruleset, &event, &fuses, &evaluation);
        }
        let _id = plan.source_field(&event, "id");
        if let Ok(Some(mut arrived)) = plan.arrive(event.clone()) {
            let _id = arrived.source_field("id");
            let _seen = arrived.seen();
        }
    }
}

/// The plan agrees with the reference evaluator, which has no work limit.
#[cfg(fuzzing)]
fn reference(ruleset: &Ruleset, event: &Event<'_>, fuses: &Fuses, planned: &Evaluation) {
    let obvious = ruleset.reference(event, fuses);
    match (&planned.refused, &obvious.refused) {
        (None, _) => assert_eq!(*planned, obvious),
        (Some(_), Some(_)) => {}
        (Some(why), None) => assert!(why.starts_with("the rules would have to examine"), "{why}"),
    }
}

/// Any bytes as the body of an event, for rules that read everything.
pub(crate) fn event(bytes: &[u8]) {
    static PLAN: LazyLock<Plan> = LazyLock::new(|| {
        let rules = include_str!("event.rules");
        let value = Field::optional("value", FieldType::Any(Templates::Allowed), "");
        let registry = registry().trigger(Schema::new("tell", "Tells something.").field(value));
        Ruleset::parse("event.rules", rules, &registry).unwrap_or_else(|why| panic!("{why}")).plan()
    });
    let unread = Event::unread("s", "e", bytes);
    let text = std::str::from_utf8(bytes).ok();
    assert_eq!(unread.is_ok(), text.is_some());
    let (Ok(unread), Some(text)) = (unread, text) else { return };
    // A byte order mark is skipped.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    for fuses in [Fuses::default(), Fuses::default().set("f", true)] {
        let evaluation = PLAN.evaluate(&unread, &fuses);
        match Event::new("s", "e", bytes) {
            Ok(event) => {
                assert!(is_json, "{text}");
                found(&PLAN, &event, &fuses, &PLAN.evaluate_all(&event, &fuses));
                assert_eq!(evaluation, PLAN.evaluate(&event, &fuses));
                assert_eq!(PLAN.explain(&event, &fuses).refused, evaluation.refused);
                let _paths = PLAN.missing(&event);
            }
            Err(invalid) => {
                assert!(!is_json || invalid.message.contains("nested"), "{text}");
                assert_eq!(evaluation.refused, Some(invalid.to_string()));
            }
        }
    }
}

/// The index finds exactly the decisions that act.
fn found(plan: &Plan, event: &Event<'_>, fuses: &Fuses, all: &Evaluation) {
    let found = plan.evaluate(event, fuses);
    // The index needs less work, so it refuses fewer events for needing too much.
    if found.refused.is_some() && all.refused.is_some() {
        assert!(found.decisions.is_empty());
    } else if found.refused == all.refused {
        let acts = |decision: &&Decision| {
            !matches!(decision.outcome, Outcome::NotMatched | Outcome::Unknown)
        };
        let wanted: Vec<&Decision> = all.decisions.iter().filter(acts).collect();
        assert_eq!(found.decisions.iter().collect::<Vec<_>>(), wanted, "{}", plan.listing());
    } else {
        assert!(found.refused.is_none(), "{:?}", found.refused);
    }
}

/// Renders problems in every format.
fn report(problems: &Diagnostics) {
    assert!(!problems.is_empty());
    assert!(
        !problems.to_text(Style::Plain).is_empty() && !problems.to_text(Style::Colour).is_empty()
    );
    assert_eq!(problems.to_json_lines().lines().count(), problems.len());
}

/// A source and triggers like the real ones.
fn registry() -> Registry {
    let method = || FieldType::OneOf(vec!["GET".into(), "POST".into()]);
    let source = Schema::new("hook", "A hook.")
        .field(Field::required("port", FieldType::Int(1, 65_535), "The port."))
        .field(Field::optional("path", FieldType::UrlPath, "The path."))
        .field(Field::optional("method", method(), "").default("POST"))
        .field(Field::optional("id", FieldType::Expression, "The id."))
        .field(Field::optional("limit", FieldType::Size, "The limit."));
    let event = Schema::new("event", "An event.")
        .field(Field::optional("path", FieldType::UrlPath, "The path."))
        .field(Field::optional("method", method(), ""));
    let text = FieldType::Text(Templates::Refused);
    let flow = Schema::new("flow", "Runs something.")
        .field(Field::optional("template", FieldType::DnsSubdomain, "What."))
        .field(Field::optional("spec", FieldType::Any(Templates::Allowed), "What, in full."))
        .field(Field::required("namespace", FieldType::DnsLabel, "Where."))
        .field(Field::optional("retries", FieldType::Int(0, 9), "How often."))
        .field(Field::optional("after", FieldType::Duration, "When."))
        .field(Field::optional("prefix", FieldType::NamePrefix(9), "A prefix."))
        .field(Field::optional("file", FieldType::File, "A file."))
        .field(Field::optional("parameters", FieldType::Map(Box::new(text)), "With what."))
        .field(Field::optional("tags", FieldType::List(Box::new(FieldType::LabelValue)), "Tags."))
        .field(Field::optional("fast", FieldType::Bool, "How.").fixed())
        .one_of(&["template", "spec"])
        .verify(|block| match (block.get("tags"), block.text("template")) {
            (Some(_), Some("x")) => Err("has `tags`, which this has not".into()),
            _ => Ok(()),
        });
    Registry::new()
        .source(SourceSchema::new(source, event).address(&["port", "path", "method"]))
        .trigger(flow)
        .trigger(Schema::new("note", "Notes."))
}
