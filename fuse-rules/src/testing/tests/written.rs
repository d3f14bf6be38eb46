//! The tests that mutation testing writes for surviving mutants.

use std::collections::BTreeMap;

use super::{files, registry};
use crate::ruleset::Ruleset;
use crate::testing::{Mutant, Tests};

/// Rules of many kinds, each for a sensor on an event.
const RULES: &[&str] = &[
    "when body.n > 123456789012345678901234567891  trigger page { team = \"x\" }",
    "requires gate  when body.text == \"quo\\\"te \\${x}\\n\"  trigger page { team = body.team }",
    "each x in body.xs  when x.a > 1 and x.b != \"no\"  trigger page { team = x.team, limits { cpu = 1 } }",
    "when headers.x-kind == \"push\" and query.tenant == \"acme\"  trigger page { team = \"x\", after = 4h }",
    "when age(body.at) > 10m  trigger page { team = \"x\" }",
    "when body[\"app.kubernetes.io/name\"] in [\"a\", \"b\"]  trigger page { team = \"x\", env { A = body.a } }",
    "when any(x in body.list: x.ok == true)  trigger page { team = \"x\" }  trigger page { team = \"y\" }",
    "when not (body.a is missing or body.b is null)  trigger page { team = body.team ?? \"none\" }",
];

fn file(rule: &str) -> String {
    format!(
        "fuse gate default off\nsource q queue {{ event e }}\nsensor s on q.e {{ rule r {{ {rule} }} }}\n"
    )
}

/// The mutants of rules, found by the tests in them.
fn mutants(text: &str) -> Vec<Mutant> {
    let rules = BTreeMap::from([("a.rules", text)]);
    let ruleset = Ruleset::load_in_detail(&["a.rules"], &rules, &registry());
    let ruleset = ruleset.unwrap_or_else(|problems| panic!("{problems}"));
    let tests = Tests::new(&ruleset, &files());
    for test in 0..tests.len() {
        tests.run(test).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    }
    tests.mutants(0..tests.len(), &mut |_, _| {})
}

#[test]
fn a_written_test_passes_and_detects_its_mutant() {
    let (mut all, mut written) = (0, 0);
    for rule in RULES {
        let text = file(rule);
        for mutant in mutants(&text) {
            all += 1;
            assert_eq!(mutant.killed_by, None);
            let Some(test) = &mutant.test else { continue };
            written += 1;
            let again = mutants(&format!("{text}{test}"));
            let same = again
                .iter()
                .find(|other| (&other.place, &other.what) == (&mutant.place, &mutant.what));
            let killed_by = same.and_then(|mutant| mutant.killed_by.as_deref());
            assert!(killed_by.is_some(), "{} at {}\n{text}{test}", mutant.what, mutant.place);
        }
    }
    assert!(written * 10 >= all * 9, "{written} of {all}");
}

#[test]
fn how_they_are_written() {
    let tests = RULES.iter().flat_map(|rule| mutants(&file(rule)).into_iter().take(2));
    let tests: Vec<_> = tests.map(|mutant| mutant.test.unwrap_or(mutant.what)).collect();
    insta::assert_snapshot!(tests.join("\n"));
}
