//! What each stage costs: load (parse and check), plan, decide. Deciding stands beside its floor,
//! validating the same bytes, so that one run gives the ratio.
//!
//! ```sh
//! cargo bench --bench stages
//! FUSE_BENCH_EVENTS=events.jsonl cargo bench --bench stages -- rules
//! ```

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up must fail loudly")]

#[path = "support/kinds.rs"]
mod kinds;
mod support;

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use fuse_rules::{Event, Fuses, Plan, Ruleset};
use serde::de::IgnoredAny;

use kinds::kinds;
use support::{KINDS, alert_rules, alerts, condition, github_event, github_events, rules};

fn plan(text: &str) -> Plan {
    Ruleset::parse("bench.rules", text, &kinds()).unwrap().plan()
}

type Group<'c> = BenchmarkGroup<'c, WallTime>;

/// Only validating the bytes.
fn floor(group: &mut Group<'_>, id: impl ToString, bodies: &[Vec<u8>]) {
    group.bench_function(BenchmarkId::new("floor", id.to_string()), |b| {
        b.iter(|| {
            for body in bodies {
                let text = std::str::from_utf8(black_box(body)).unwrap();
                black_box(serde_json::from_str::<IgnoredAny>(text).unwrap());
            }
        });
    });
}

/// Bytes in, decisions out.
fn decide(group: &mut Group<'_>, name: &str, id: impl ToString, plan: &Plan, bodies: &[Vec<u8>]) {
    let fuses = Fuses::default();
    group.bench_function(BenchmarkId::new(name, id.to_string()), |b| {
        b.iter(|| {
            for body in bodies {
                let event = Event::unread("gh", "e", black_box(body)).unwrap();
                let evaluation = black_box(plan.evaluate(&event, &fuses));
                assert!(evaluation.refused.is_none());
            }
        });
    });
}

fn measured<'c>(c: &'c mut Criterion, name: &str, bodies: &[Vec<u8>]) -> Group<'c> {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(bodies.len() as u64));
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    group
}

fn load(c: &mut Criterion) {
    let registry = kinds();
    let mut group = c.benchmark_group("load");
    group.sample_size(10);
    for count in [1, 100, 1_000, 10_000] {
        let text = rules(count, |i| condition("equality", i));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::new("check", count), &text, |b, text| {
            b.iter(|| Ruleset::parse("bench.rules", black_box(text), &registry).unwrap());
        });
        let ruleset = Ruleset::parse("bench.rules", &text, &registry).unwrap();
        group.bench_with_input(BenchmarkId::new("plan", count), &ruleset, |b, ruleset| {
            b.iter(|| black_box(ruleset).plan());
        });
    }
    group.finish();
}

/// Rules of three equalities, up to a hundred thousand.
fn by_rules(c: &mut Criterion) {
    let bodies = github_events();
    let mut group = measured(c, "rules", &bodies);
    floor(&mut group, 0, &bodies);
    for count in [1, 10, 100, 1_000, 10_000, 100_000] {
        let plan = plan(&rules(count, |i| condition("equality", i)));
        decide(&mut group, "equality", count, &plan, &bodies);
    }
    group.finish();
}

/// A thousand rules of each kind.
fn by_kind(c: &mut Criterion) {
    let bodies = github_events();
    let mut group = measured(c, "kinds", &bodies);
    floor(&mut group, 0, &bodies);
    for kind in KINDS {
        decide(&mut group, kind, 1_000, &plan(&rules(1_000, |i| condition(kind, i))), &bodies);
    }
    group.finish();
}

/// Events of half a kilobyte to a hundred.
fn by_size(c: &mut Criterion) {
    let plan = plan(&rules(1_000, |i| condition("equality", i)));
    for bytes in [500, 2_000, 10_000, 100_000] {
        let bodies: Vec<Vec<u8>> = (0..16).map(|i| github_event(i, bytes).into_bytes()).collect();
        let mut group = measured(c, "sizes", &bodies);
        floor(&mut group, bytes, &bodies);
        decide(&mut group, "equality", bytes, &plan, &bodies);
        group.finish();
    }
}

/// None, a hundredth, a tenth and all of a thousand rules fire.
fn by_hits(c: &mut Criterion) {
    let bodies: Vec<Vec<u8>> = (0..16).map(|i| github_event(i, 10_000).into_bytes()).collect();
    let mut group = measured(c, "hits", &bodies);
    floor(&mut group, 0, &bodies);
    for hits in [0, 10, 100, 1_000] {
        let text = rules(1_000, |i| {
            let base = if i < hits { "main".to_owned() } else { format!("none-{i}") };
            format!("body.repository.default_branch == \"{base}\" and body.number >= 0")
        });
        decide(&mut group, "of 1000", hits, &plan(&text), &bodies);
    }
    group.finish();
}

/// A thousand rules under `each`, for groups of alerts.
fn by_alerts(c: &mut Criterion) {
    let plan = plan(&alert_rules(1_000));
    for count in [1, 10, 100, 1_000] {
        let bodies = vec![alerts(count).into_bytes()];
        let mut group = measured(c, "alerts", &bodies);
        floor(&mut group, count, &bodies);
        decide(&mut group, "1000 rules", count, &plan, &bodies);
        group.finish();
    }
}

/// Rules that no index finds: each is decided for each event.
fn worst(c: &mut Criterion) {
    let bodies: Vec<Vec<u8>> = (0..16).map(|i| github_event(i, 10_000).into_bytes()).collect();
    let mut group = measured(c, "worst", &bodies);
    floor(&mut group, 0, &bodies);
    for count in [1, 100, 1_000] {
        let text = rules(count, |i| format!("len(body.repository.full_name) == {}", 1_000 + i));
        decide(&mut group, "not indexed", count, &plan(&text), &bodies);
    }
    group.finish();
}

criterion_group!(benches, load, by_rules, by_kind, by_size, by_hits, by_alerts, worst);
criterion_main!(benches);
