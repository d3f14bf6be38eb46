//! The tables of docs/performance.md: fuse beside the floor, in turns, the best of each.

use std::hint::black_box;
use std::time::Instant;

use fuse_rules::{Event, Fuses, Plan, Ruleset};
use serde::de::IgnoredAny;

use crate::support::{KINDS, alert_rules, alerts, condition, github_event, github_events, rules};

/// How often each is measured.
const ROUNDS: usize = 60;

pub fn print() {
    println!("| what | events | floor | deciding | ratio | fire |\n|---|---|---|---|---|---|");
    let events = github_events();
    let equality = |i| condition("equality", i);
    for count in [1, 10, 100, 1_000, 10_000, 100_000] {
        row(&format!("{count} rules of three equalities"), &rules(count, equality), &events);
    }
    for kind in KINDS {
        for count in [100, 100_000] {
            // Patterns are compiled one by one, and each takes some kilobytes.
            let count = if kind == "regex" || kind == "glob" { count.min(10_000) } else { count };
            row(&format!("{kind}: {count} rules"), &rules(count, |i| condition(kind, i)), &events);
        }
    }
    for bytes in [500, 2_000, 10_000, 100_000] {
        let events: Vec<Vec<u8>> = (0..16).map(|i| github_event(i, bytes).into_bytes()).collect();
        row(&format!("1000 rules, events of {bytes} bytes"), &rules(1_000, equality), &events);
    }
    let events: Vec<Vec<u8>> = (0..16).map(|i| github_event(i, 10_000).into_bytes()).collect();
    for hits in [0, 10, 100, 1_000] {
        let text = rules(1_000, |i| {
            let base = if i < hits { "main".to_owned() } else { format!("none-{i}") };
            format!("body.repository.default_branch == \"{base}\" and body.number >= 0")
        });
        row(&format!("{hits} of 1000 rules fire"), &text, &events);
    }
    for count in [1, 10, 100, 1_000] {
        let events = vec![alerts(count).into_bytes()];
        row(&format!("1000 rules under each, {count} alerts"), &alert_rules(1_000), &events);
    }
    for count in [1, 100, 1_000] {
        let text = rules(count, |i| format!("len(body.repository.full_name) == {}", 1_000 + i));
        row(&format!("{count} rules that no index finds"), &text, &events);
    }
    println!("\n| rules of three equalities | load (parse, check) | plan |\n|---|---|---|");
    for count in [1_000, 10_000, 100_000] {
        let text = rules(count, equality);
        let start = Instant::now();
        let ruleset =
            Ruleset::parse("bench.rules", &text, &crate::registry()).expect("rules that check");
        let load = start.elapsed();
        let start = Instant::now();
        let plan = ruleset.plan();
        let planned = start.elapsed();
        let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / count as f64;
        println!("| {count} | {:.1} µs a rule | {:.1} µs a rule |", each(load), each(planned));
        drop((ruleset, plan));
    }
}

fn row(what: &str, text: &str, events: &[Vec<u8>]) {
    let plan =
        Ruleset::parse("bench.rules", text, &crate::registry()).expect("rules that check").plan();
    let fuses = Fuses::default();
    let fired: usize = events.iter().map(|event| decide(&plan, event, &fuses)).sum();
    let (mut floor, mut ours) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        floor = floor.min(turn(events, |event| {
            let text = std::str::from_utf8(event).expect("UTF-8");
            black_box(serde_json::from_str::<IgnoredAny>(text).expect("JSON"));
        }));
        ours = ours.min(turn(events, |event| {
            black_box(decide(&plan, event, &fuses));
        }));
    }
    let bytes: usize = events.iter().map(Vec::len).sum();
    println!(
        "| {what} | {:.1} KB | {floor:.2} µs | {ours:.2} µs | **{:.2}** | {:.1} |",
        bytes as f64 / 1e3 / events.len() as f64,
        ours / floor,
        fired as f64 / events.len() as f64
    );
}

fn decide(plan: &Plan, event: &[u8], fuses: &Fuses) -> usize {
    let event = Event::unread("gh", "e", event).expect("UTF-8");
    plan.evaluate(&event, fuses).decisions.len()
}

/// Microseconds an event.
fn turn(events: &[Vec<u8>], mut go: impl FnMut(&[u8])) -> f64 {
    let start = Instant::now();
    let mut goes = 0;
    while goes == 0 || start.elapsed().as_micros() < 1_000 {
        events.iter().for_each(|event| go(black_box(event)));
        goes += 1;
    }
    start.elapsed().as_secs_f64() * 1e6 / goes as f64 / events.len() as f64
}
