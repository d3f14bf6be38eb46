//! fuse beside other engines: the same rules of three equalities, the same events, bytes in and matches
//! out, in turns. Prints a line of JSON for each engine and number of rules.
//!
//! ```sh
//! cargo run --release --manifest-path benches/peers/Cargo.toml > peers.jsonl
//! ```
//!
//! `FUSE_BENCH_EVENTS` names a file of events (JSON Lines), `FUSE_BENCH_ROUNDS` how many rounds there are;
//! the arguments are numbers of rules. With `tables` as the argument, prints the tables of
//! docs/performance.md, of fuse alone beside the floor.

#[path = "../../support/mod.rs"]
mod support;
mod tables;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use a_tree::{ATree, AttributeDefinition};
use fuse_rules::{Event, Fuses, Registry, Ruleset};
use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
use serde::de::IgnoredAny;
use serde_json::Value;

/// The rounds of which the best counts.
const ROUNDS: usize = 7;
/// Past so many rules those that grow with their number would take minutes.
const SLOW: usize = 1_000;

/// What one rule asks for.
struct Rule {
    action: &'static str,
    repository: String,
    sender: String,
}

fn rule(i: usize) -> Rule {
    let (repository, sender) = (format!("acme/repo-{i}"), format!("dev-{}", i % 1_000));
    Rule { action: "opened", repository, sender }
}

/// Says how many rules match the events.
type Engine = Box<dyn FnMut(&[Vec<u8>]) -> usize>;

fn main() {
    let events = support::github_events();
    if std::env::args().nth(1).as_deref() == Some("tables") {
        return tables::print();
    }
    let given: Vec<usize> =
        std::env::args().skip(1).map(|count| count.parse().expect("a number of rules")).collect();
    let counts = if given.is_empty() { vec![1, 100, 1_000, 10_000, 100_000] } else { given };
    for count in counts {
        let rules: Vec<Rule> = (0..count).map(rule).collect();
        let small = count <= SLOW;
        let mut engines: Vec<(&str, Option<Engine>)> = vec![
            ("floor", Some(Box::new(floor))),
            ("serde_json::Value", Some(Box::new(tree))),
            ("fuse", Some(fuse(&rules))),
            ("quamina 0.7", guarded(|| quamina(&rules)).filter(|_| count <= 10_000)),
            ("a-tree 0.6", guarded(|| a_tree(&rules)).filter(|_| count <= 10_000)),
            ("cel 0.15", small.then(|| cel(&rules))),
            ("datalogic-rs 5.4", small.then(|| datalogic(&rules))),
        ];
        let mut best = vec![f64::MAX; engines.len()];
        let rounds =
            std::env::var("FUSE_BENCH_ROUNDS").map_or(ROUNDS, |n| n.parse().expect("a number"));
        for _ in 0..rounds {
            for ((_, engine), best) in engines.iter_mut().zip(&mut best) {
                let Some(run) = engine else { continue };
                let start = Instant::now();
                match catch_unwind(AssertUnwindSafe(|| run(&events))) {
                    Ok(_) => {
                        *best = best.min(start.elapsed().as_secs_f64() * 1e9 / events.len() as f64)
                    }
                    Err(_) => *engine = None,
                }
            }
        }
        let floor = best[0];
        for ((name, engine), ns) in engines.iter().zip(&best) {
            let line = match engine {
                Some(_) => {
                    serde_json::json!({ "engine": name, "rules": count, "ns_per_event": ns.round(), "floor_ns_per_event": floor.round(), "ratio": ns / floor })
                }
                None => {
                    serde_json::json!({ "engine": name, "rules": count, "ns_per_event": null, "floor_ns_per_event": floor.round(), "ratio": null })
                }
            };
            println!("{line}");
        }
    }
}

/// An engine, unless putting it together panics.
fn guarded(make: impl FnOnce() -> Engine) -> Option<Engine> {
    catch_unwind(AssertUnwindSafe(make)).ok()
}

/// Only validating the bytes.
fn floor(events: &[Vec<u8>]) -> usize {
    let valid = |event: &&Vec<u8>| {
        std::str::from_utf8(event)
            .is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
    };
    events.iter().filter(valid).count()
}

/// Building a tree, of which nothing is asked yet.
fn tree(events: &[Vec<u8>]) -> usize {
    events.iter().filter(|event| serde_json::from_slice::<Value>(event).is_ok()).count()
}

/// The kinds of sources and triggers that the rules of the benchmarks use.
fn registry() -> Registry {
    let port = Field::optional("port", FieldType::Int(1, 9), "");
    let source = Schema::new("webhook", "").field(port).field(Field::optional(
        "path",
        FieldType::String,
        "",
    ));
    let message = Field::optional("message", FieldType::String, "");
    Registry::new()
        .source(SourceSchema::new(source, Schema::new("event", "")))
        .trigger(Schema::new("log", "").field(message))
}

fn fuse(rules: &[Rule]) -> Engine {
    let registry = registry();
    let text = support::rules(rules.len(), |i| {
        let Rule { action, repository, sender } = &rules[i];
        format!(
            "body.action == \"{action}\" and body.repository.full_name == \"{repository}\" and body.sender.login == \"{sender}\""
        )
    });
    let plan = Ruleset::parse("peers.rules", &text, &registry).expect("rules that check").plan();
    let fuses = Fuses::default();
    Box::new(move |events| {
        let decide = |event: &Vec<u8>| {
            let event = Event::unread("gh", "e", event).expect("UTF-8");
            plan.evaluate(&event, &fuses).decisions.len()
        };
        events.iter().map(decide).sum()
    })
}

fn quamina(rules: &[Rule]) -> Engine {
    let mut quamina = quamina::Quamina::new();
    for (i, rule) in rules.iter().enumerate() {
        let Rule { action, repository, sender } = rule;
        let pattern = format!(
            r#"{{"action":["{action}"],"repository":{{"full_name":["{repository}"]}},"sender":{{"login":["{sender}"]}}}}"#
        );
        quamina.add_pattern(i, &pattern).expect("a pattern");
    }
    Box::new(move |events| {
        events.iter().map(|event| quamina.matches_for_event(event).expect("an event").len()).sum()
    })
}

/// It takes attributes, not events: they are read from a tree first.
fn a_tree(rules: &[Rule]) -> Engine {
    let definitions = ["action", "repository", "sender"].map(AttributeDefinition::string);
    let mut tree = ATree::<usize>::new(&definitions).expect("attributes");
    for (i, rule) in rules.iter().enumerate() {
        let Rule { action, repository, sender } = rule;
        let text = format!(
            "action = \"{action}\" and repository = \"{repository}\" and sender = \"{sender}\""
        );
        tree.insert(&i, &text).expect("an expression");
    }
    Box::new(move |events| {
        let found = |event: &Vec<u8>| {
            let event: Value = serde_json::from_slice(event).expect("JSON");
            let mut builder = tree.make_event();
            let texts = [
                ("action", &event["action"]),
                ("repository", &event["repository"]["full_name"]),
                ("sender", &event["sender"]["login"]),
            ];
            for (name, value) in texts {
                builder.with_string(name, value.as_str().unwrap_or("")).expect("an attribute");
            }
            let event = builder.build().expect("an event");
            tree.search(&event).expect("a search").matches().len()
        };
        events.iter().map(found).sum()
    })
}

fn cel(rules: &[Rule]) -> Engine {
    let programs: Vec<cel::Program> = rules
        .iter()
        .map(|Rule { action, repository, sender }| {
            let text = format!(
                "body.action == \"{action}\" && body.repository.full_name == \"{repository}\" && body.sender.login == \"{sender}\""
            );
            cel::Program::compile(&text).expect("an expression")
        })
        .collect();
    Box::new(move |events| {
        let found = |event: &Vec<u8>| {
            let event: Value = serde_json::from_slice(event).expect("JSON");
            let mut context = cel::Context::default();
            context.add_variable("body", event).expect("a value");
            let is_true = |program: &&cel::Program| {
                matches!(program.execute(&context), Ok(cel::Value::Bool(true)))
            };
            programs.iter().filter(is_true).count()
        };
        events.iter().map(found).sum()
    })
}

fn datalogic(rules: &[Rule]) -> Engine {
    let engine = datalogic_rs::Engine::new();
    let compiled: Vec<_> = rules
        .iter()
        .map(|Rule { action, repository, sender }| {
            let text = format!(
                r#"{{"and":[{{"==":[{{"var":"action"}},"{action}"]}},{{"==":[{{"var":"repository.full_name"}},"{repository}"]}},{{"==":[{{"var":"sender.login"}},"{sender}"]}}]}}"#
            );
            engine.compile(text.as_str()).expect("a rule")
        })
        .collect();
    Box::new(move |events| {
        let mut found = 0;
        for event in events {
            let arena = bumpalo::Bump::new();
            let text = std::str::from_utf8(event).expect("UTF-8");
            // Read once for all rules.
            let read = engine.compile("{\"var\":\"\"}").expect("a rule");
            let data = engine.evaluate(&read, text, &arena).expect("an event");
            found += compiled
                .iter()
                .filter(|rule| {
                    engine.evaluate(rule, data, &arena).is_ok_and(|value| engine.truthy(value))
                })
                .count();
        }
        found
    })
}
