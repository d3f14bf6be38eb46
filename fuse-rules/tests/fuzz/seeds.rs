//! Runs the bodies of the fuzz targets on the repository's rules and on mutations of them. The
//! fuzzer needs a nightly toolchain and hours; this takes seconds and is the same in each run.

use super::bodies;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

/// All rules files of the repository.
fn seeds() -> Vec<String> {
    let mut folders: Vec<PathBuf> = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..")];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && ["..", "rules", "std", "tests", "corpus"].contains(&name) {
                folders.push(path);
            } else if name.ends_with(".rules") {
                texts.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    texts.sort();
    assert!(texts.len() > 10, "the seeds are there");
    texts
}

/// A mutation: a range of one seed replaces a range of another.
#[derive(Clone, Debug)]
struct Cut {
    at: prop::sample::Index,
    len: usize,
    from: prop::sample::Selector,
    source: (prop::sample::Index, usize),
    with: Option<u8>,
}

fn cut() -> impl Strategy<Value = Cut> {
    let place = || (any::<prop::sample::Index>(), prop_oneof![0..4_usize, 0..80_usize]);
    (place(), any::<prop::sample::Selector>(), place(), any::<Option<u8>>())
        .prop_map(|((at, len), from, source, with)| Cut { at, len, from, source, with })
}

fn piece(bytes: &[u8], at: prop::sample::Index, len: usize) -> std::ops::Range<usize> {
    let start = at.index(bytes.len() + 1);
    start..(start + len).min(bytes.len())
}

fn run(cases: u32, seeds: Vec<String>, test: impl Fn(&[u8])) {
    let config = ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    };
    for seed in &seeds {
        test(seed.as_bytes());
    }
    let mutated = (any::<prop::sample::Selector>(), prop::collection::vec(cut(), 1..6));
    TestRunner::new(config)
        .run(&mutated, |(seed, cuts)| {
            let mut bytes = seed.select(&seeds).clone().into_bytes();
            for cut in cuts {
                let other = cut.from.select(&seeds).as_bytes();
                let range = piece(other, cut.source.0, cut.source.1);
                let new: Vec<u8> = other[range].iter().copied().chain(cut.with).collect();
                bytes.splice(piece(&bytes.clone(), cut.at, cut.len), new);
            }
            test(&bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn mutated_rules_are_parsed() {
    run(400, seeds(), bodies::parse);
}

#[test]
fn mutated_rules_are_laid_out() {
    run(400, seeds(), bodies::format);
}

/// Bodies with the values that the rules of the target read.
fn events() -> Vec<String> {
    let texts = [
        r#"{"a":"x","b":1,"l":[{"k":"x","n":2,"l":[1,{"k":"x"}]},{"k":null}],"m":[{"k":"x"}]}"#,
        r#"{"a":"abyz","b":-1.5e0,"c":7,"d":null,"o":{"p":{"q":true},"r":[1,2,{"s":"\u00e9"}]},"l":[]}"#,
        r#"{"a":"mm","b":9007199254740993,"c":"\ud83d\ude00","l":[[],{"k":2},3,{"n":1e999}]}"#,
        r#"[{"a":"a\"b\\"}, "\ud800", 0.10, -0, true, false, null]"#,
    ];
    texts.map(str::to_owned).into()
}

#[test]
fn mutated_events_are_decided() {
    run(4_000, events(), bodies::event);
}

#[test]
fn stitched_rules_are_checked_and_evaluated() {
    bodies::check(&[]);
    run(400, seeds(), bodies::check);
}
