//! Fuses that blow in tests: what the tests see, what counts as covered, and which faults they find.

use std::collections::BTreeMap;

use super::registry;
use crate::diagnostic::Diagnostics;
use crate::ruleset::Ruleset;
use crate::testing::Tests;

/// Rules with a fuse of these clauses, and this test.
fn with(clauses: &str, test: &str) -> String {
    format!(
        "fuse f default on {{ {clauses} }}
source q queue {{ event e }}
sensor s on q.e {{
  each x in body.xs
  rule r {{
    requires f
    when x == \"act\"
    trigger page {{ team = \"db\" }}
    on gated {{ trigger page {{ team = outcome.reason }} }}
  }}
  rule pair {{
    requires f
    when x == \"pair\"
    trigger page {{ team = \"one\" }}
    trigger page {{ team = \"two\" }}
  }}
  rule free {{
    when x == \"free\"
    trigger page {{ team = \"free\" }}
  }}
}}
test \"t\" {{ at \"2026-01-01T00:00:00Z\" {test} }}"
    )
}

const CLAUSES: &str = "blow after 2 actions within 10m, reset after 1h";

fn loaded(clauses: &str, test: &str) -> (Ruleset, String) {
    let text = with(clauses, test);
    let files = BTreeMap::from([("a.rules", text.as_str())]);
    (Ruleset::load_in_detail(&["a.rules"], &files, &registry()).unwrap(), text)
}

fn run(clauses: &str, test: &str) -> Result<(), Diagnostics> {
    let (ruleset, text) = loaded(clauses, test);
    let files = BTreeMap::from([("a.rules", text.as_str())]);
    Tests::new(&ruleset, &files).run(0)
}

/// The problem that the test has, if it fails.
fn failure(test: &str) -> Option<String> {
    Some(run(CLAUSES, test).err()?.iter().next()?.message.clone())
}

const ACT: &str = "send q.e body { xs = [\"act\"] }";
const PAIR: &str = "send q.e body { xs = [\"pair\"] }";

#[test]
fn a_test_sees_the_fuse_blow_and_close() {
    let blown = format!("{ACT} {ACT} {ACT}");
    let why = "fuse `f` blows: `blow after 2 actions within 10m` is reached: 2 of 2 actions within 10m passed";
    for (test, problem) in [
        (format!("{blown} expect r 2 times expect r gated once expect fuse f blown"), None),
        (format!("{ACT} {ACT} expect fuse f blown"), Some("the fuse `f` is not blown")),
        (format!("{blown} expect r on gated once {{ team = \"{why}\" }}"), None),
        // The next event is gated as by any fuse that is off.
        (
            format!("{blown} expect r gated once {ACT} expect r gated because \"fuse `f` is off\""),
            None,
        ),
        // The events of several rules and elements count together, in order.
        (
            "send q.e body { xs = [\"act\", \"free\", \"act\", \"act\", \"free\", \"act\"] }
             expect r 2 times expect free 2 times expect r gated for element 3
             expect r gated for element 5 because \"fuse `f` is off\" expect r on gated 2 times expect nothing else"
                .to_owned(),
            None,
        ),
        // Two triggers are two actions, which pass together.
        (format!("{PAIR} {ACT} expect pair once expect r gated expect fuse f blown"), None),
        (format!("{ACT} {PAIR} expect r once expect no pair expect fuse f blown"), None),
        // The window slides.
        (
            format!(
                "{ACT} at \"2026-01-01T00:05:00Z\" {ACT} expect r 2 times \
                 at \"2026-01-01T00:10:00Z\" {ACT} expect r once \
                 at \"2026-01-01T00:14:59Z\" {ACT} expect r gated expect fuse f blown"
            ),
            None,
        ),
        // It closes by itself, and counts from zero.
        (
            format!(
                "{blown} expect fuse f blown at \"2026-01-01T00:59:59Z\" {ACT} expect r gated \
                 at \"2026-01-01T01:00:00Z\" {ACT} {ACT} expect r 2 times {ACT} expect fuse f blown"
            ),
            None,
        ),
        // Switching it closes it, too.
        (format!("{blown} expect fuse f blown with fuse f on {ACT} {ACT} expect r 2 times"), None),
        (
            format!("{blown} with fuse f off {ACT} expect fuse f blown"),
            Some("the fuse `f` is not blown"),
        ),
    ] {
        assert_eq!(failure(&test).as_deref(), problem, "{test}");
    }
}

#[test]
fn a_fuse_that_is_not_reset_stays_off() {
    let test = format!(
        "{ACT} {ACT} {ACT} at \"2030-01-01T00:00:00Z\" {ACT} expect r gated expect fuse f blown"
    );
    assert!(run("blow after 2 actions within 10m", &test).is_ok());
}

#[test]
fn an_expectation_that_cannot_be_met_is_an_error() {
    let codes = |clauses: &str| -> Vec<String> {
        let text = with(clauses, &format!("{ACT} expect fuse f blown"));
        let files = BTreeMap::from([("a.rules", text.as_str())]);
        match Ruleset::load_in_detail(&["a.rules"], &files, &registry()) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(|one| one.message.clone()).collect(),
        }
    };
    assert_eq!(codes("pending = hold"), ["the fuse `f` never blows"]);
    assert_eq!(
        codes("blow after 1 failure within 1m"),
        ["the fuse `f` never blows in a test: it counts failures"]
    );
    assert_eq!(codes("blow after 2 actions within 1m"), [""; 0]);
}

#[test]
fn each_clause_that_counts_actions_has_to_be_covered() {
    let covered = |test: &str| -> Vec<(String, bool)> {
        let clauses = "blow after 2 actions within 10m, blow after 3 actions within 1h, blow after 1 failure within 1h";
        let (ruleset, text) = loaded(clauses, test);
        let files = BTreeMap::from([("a.rules", text.as_str())]);
        let coverage = Tests::new(&ruleset, &files).coverage([0]);
        coverage.fuses.into_iter().map(|fuse| (fuse.clause, fuse.blew)).collect()
    };
    let [short, long] = ["blow after 2 actions within 10m", "blow after 3 actions within 1h"];
    let expected = |first, second| vec![(short.to_owned(), first), (long.to_owned(), second)];
    assert_eq!(covered(&format!("{ACT} {ACT}")), expected(false, false));
    assert_eq!(covered(&format!("{ACT} {ACT} {ACT}")), expected(true, false));
    let slowly = format!(
        "{ACT} {ACT} at \"2026-01-01T00:10:00Z\" {ACT} at \"2026-01-01T00:20:00Z\" {ACT} expect fuse f blown"
    );
    assert_eq!(covered(&slowly), expected(false, true));
}

/// The faults in the fuse that this test does not find.
fn survivors(test: &str) -> Vec<String> {
    let (ruleset, text) = loaded(CLAUSES, test);
    let files = BTreeMap::from([("a.rules", text.as_str())]);
    let tests = Tests::new(&ruleset, &files);
    assert!(tests.run(0).is_ok(), "{test}: {:?}", tests.run(0));
    let mutants = tests.mutants([0], &mut |_, _| ());
    let of_fuse =
        mutants.into_iter().filter(|one| one.what.contains("blow") || one.what.contains("reset"));
    of_fuse.filter(|one| one.killed_by.is_none()).map(|one| one.what).collect()
}

#[test]
fn mutants_change_every_clause_of_a_fuse() {
    assert_eq!(
        survivors(&format!("{ACT} expect r once")),
        [
            "`blow after 2 actions within 10m` is removed",
            "`blow after 2 actions within 10m` becomes `blow after 1 action within 10m`",
            "`blow after 2 actions within 10m` becomes `blow after 3 actions within 10m`",
            "`blow after 2 actions within 10m` becomes `blow after 2 actions within 5m`",
            "`blow after 2 actions within 10m` becomes `blow after 2 actions within 20m`",
            "`reset after 1h` is removed",
            "`reset after 1h` becomes `reset after 30m`",
            "`reset after 1h` becomes `reset after 2h`",
        ]
    );
    let thorough = format!(
        "{ACT} at \"2026-01-01T00:09:00Z\" {ACT} expect r 2 times {ACT} expect r gated expect fuse f blown \
         at \"2026-01-01T01:08:59Z\" {ACT} expect r gated \
         at \"2026-01-01T01:09:00Z\" {ACT} {ACT} expect r 2 times \
         at \"2026-01-01T01:19:00Z\" {ACT} expect r once"
    );
    assert_eq!(survivors(&thorough), [""; 0]);
}

const REACTION: &str = "blow after 2 actions within 10m, reset after 1h
    on blown { trigger page { team = \"${outcome.fuse} ${outcome.rule} ${outcome.event}: ${outcome.reason}\" } }";

#[test]
fn a_test_sees_what_a_fuse_does_when_it_blows() {
    let why = "`blow after 2 actions within 10m` is reached: 2 of 2 actions within 10m passed";
    let blown = format!("{ACT} {ACT} {ACT}");
    for (test, problem) in [
        (
            format!(
                "{blown} expect fuse f blown {{ team = \"f s/r test-3: {why}\" }} expect r 2 times expect r on gated once expect nothing else"
            ),
            None,
        ),
        (
            format!("{blown} expect fuse f blown {{ team = \"x\" }}"),
            Some("the fuse `f` reacted with other fields"),
        ),
        (
            format!("{ACT} {ACT} expect fuse f blown {{ team = \"x\" }}"),
            Some("the fuse `f` is not blown"),
        ),
        // It reacts once.
        (
            format!("{blown} expect fuse f blown {ACT} expect fuse f blown {{ team = \"x\" }}"),
            Some("the fuse `f` did not react"),
        ),
    ] {
        let found = run(REACTION, &test).err();
        let found = found.as_ref().and_then(|all| Some(all.iter().next()?.message.as_str()));
        assert_eq!(found, problem, "{test}");
    }
}
