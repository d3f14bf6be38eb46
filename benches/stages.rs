//! What each stage costs: load (parse and check), plan, evaluate. Evaluation stands beside its
//! floor, validating the same bytes, so that one run gives the ratio.
//!
//! ```sh
//! cargo bench --bench stages
//! ```

#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up must fail loudly"
)]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fuse_rules::{Event, Fuses, Registry, Ruleset};
use fuse_runtime::registry;
use fuse_runtime::sources::{Sources, Webhook};
use fuse_runtime::triggers::{Manifests, Triggers};

fn kinds() -> Registry {
    let sources = Sources::new().with("webhook", Webhook::new([127, 0, 0, 1].into()));
    registry(&sources, &Triggers::local(Manifests::new("manifests")))
}

/// So many rules of two equalities each.
fn rules(count: usize) -> String {
    let mut text = String::from(
        "source am webhook { port = 1, path = \"/\"\n event alerts }\n\
         sensor s on am.alerts {\n each alert in body.alerts\n when alert.status == \"firing\"\n",
    );
    for i in 0..count {
        writeln!(
            text,
            " rule r{i} {{ when alert.labels.slo == \"slo-{i}\" and alert.labels.team == \"t{}\"\n  \
             trigger log {{ message = alert.labels.name }} }}",
            i % 7
        )
        .unwrap();
    }
    text.push('}');
    text
}

/// A group of so many alerts.
fn alerts(count: usize) -> String {
    let alert = |i: usize| {
        format!(
            r#"{{"status":"firing","labels":{{"alertname":"SLOBurn","slo":"slo-{i}","team":"t{}","name":"app-{i}"}},"annotations":{{"summary":"an app burns its error budget"}},"startsAt":"2026-08-01T10:00:00.123Z","fingerprint":"a1b2c3d4e5f60718"}}"#,
            i % 7
        )
    };
    let alerts: Vec<_> = (0..count).map(alert).collect();
    format!(
        r#"{{"receiver":"fuse","status":"firing","alerts":[{}]}}"#,
        alerts.join(",")
    )
}

fn load(c: &mut Criterion) {
    let registry = kinds();
    let mut group = c.benchmark_group("load");
    for count in [1, 100, 1_000] {
        let text = rules(count);
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

fn evaluate(c: &mut Criterion) {
    let registry = kinds();
    let mut group = c.benchmark_group("evaluate");
    for elements in [1, 10] {
        let body = alerts(elements);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("floor", elements), &body, |b, body| {
            b.iter(|| {
                let text = std::str::from_utf8(black_box(body.as_bytes())).unwrap();
                serde_json::from_str::<serde::de::IgnoredAny>(text).unwrap()
            });
        });
        for count in [1, 100] {
            let plan = Ruleset::parse("bench.rules", &rules(count), &registry)
                .unwrap()
                .plan();
            let id = BenchmarkId::new(format!("{count} rules"), elements);
            group.bench_with_input(id, &body, |b, body| {
                b.iter(|| {
                    let event = Event::new("am", "alerts", black_box(body.as_bytes())).unwrap();
                    plan.evaluate(&event, &Fuses::default())
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, load, evaluate);
criterion_main!(benches);
