//! What it costs to lint rules and to run their tests, a rule or test.
//!
//! ```sh
//! cargo bench --bench tools
//! ```

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up must fail loudly")]

#[path = "support/kinds.rs"]
mod kinds;
mod support;

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use fuse_rules::lint::Lints;
use fuse_rules::testing::Tests;
use fuse_rules::{Registry, Ruleset};

use kinds::kinds;
use support::tested_rules;

/// The one file that is measured.
const FILE: &str = "bench.rules";

fn load(text: &str, registry: &Registry) -> Ruleset {
    Ruleset::load_in_detail(&[FILE], &BTreeMap::from([(FILE, text)]), registry).unwrap()
}

/// The lints that run by default, with and without the loading, on rules of all kinds with a test each.
fn lint(c: &mut Criterion) {
    let (registry, lints) = (kinds(), Lints::default());
    let mut group = c.benchmark_group("lint");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for count in [100, 1_000, 10_000] {
        let text = tested_rules(count);
        let ruleset = load(&text, &registry);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("lint", count), |b| {
            b.iter(|| lints.run(black_box(&ruleset)));
        });
        group.bench_function(BenchmarkId::new("load and lint", count), |b| {
            b.iter(|| lints.run(&load(black_box(&text), &registry)));
        });
    }
    group.finish();
}

/// Tests that send one event each to as many rules, one after the other.
fn test(c: &mut Criterion) {
    let registry = kinds();
    let mut group = c.benchmark_group("test");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for count in [100, 1_000, 10_000] {
        let text = tested_rules(count);
        let files = BTreeMap::from([(FILE, text.as_str())]);
        let ruleset = load(&text, &registry);
        let run = |ruleset: &Ruleset| {
            let tests = Tests::new(ruleset, &files);
            assert!((0..tests.len()).all(|test| tests.run(test).is_ok()));
            assert_eq!(tests.len(), count);
        };
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("test", count), |b| {
            b.iter(|| run(black_box(&ruleset)));
        });
        group.bench_function(BenchmarkId::new("load and test", count), |b| {
            b.iter(|| run(&load(black_box(&text), &registry)));
        });
    }
    group.finish();
}

criterion_group!(benches, lint, test);
criterion_main!(benches);
