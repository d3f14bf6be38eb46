use std::collections::BTreeMap;

use crate::diagnostic::Diagnostics;
use crate::ruleset::Ruleset;
use crate::schema::{Field, FieldType, Registry, Schema, SourceSchema};
use crate::testing::Tests;

mod approval;
mod blow;
mod concurrency;
mod conditions;
mod events;
mod hold;
mod limiters;
mod reactions;
mod scope;
mod waits;
mod written;

const RULES: &str = r#"
fuse gate default on
source q queue { event e }
sensor s on q.e {
  requires gate
  each x in body.xs
  rule r {
    when x.a > 1 and x.b != "no"
    once per x.key within 1h
    trigger page { team = x.team, limits { cpu = 1, names = [x.team, { deep = 1 }] } }
    trigger page { team = "all" }
  }
}
sensor l on q.e {
  limit 2 per 1h
  rule r { when body.limited is present trigger page { team = "l" } }
  rule other { when body.limited == "other" trigger page { team = "o" } }
}
sensor t on q.e {
  rule r { when body.t  trigger page { team = "t", after = 2m, env { PORT = 80, TAGS = "a" } } }
}
"#;

/// The first problem of the first test of these rules, if it has one.
fn first_problem(text: &str) -> Option<String> {
    let files = BTreeMap::from([("a.rules", text)]);
    let ruleset = match Ruleset::load_in_detail(&["a.rules"], &files, &registry()) {
        Ok(ruleset) => ruleset,
        Err(problems) => return Some(problems.iter().next()?.message.clone()),
    };
    let tests = Tests::new(&ruleset, &files);
    Some(tests.run(0).err()?.iter().next()?.message.clone())
}

fn registry() -> Registry {
    Registry::new()
        .source(SourceSchema::new(
            Schema::new("queue", ""),
            Schema::new("event", "").field(Field::optional("mismatch", FieldType::String, "")),
        ))
        .trigger(
            Schema::new("page", "")
                .field(Field::required("team", FieldType::String, ""))
                .field(Field::optional(
                    "limits",
                    FieldType::Any(crate::schema::Templates::Allowed),
                    "",
                ))
                .field(Field::optional("after", FieldType::Duration, ""))
                .field(Field::optional(
                    "env",
                    FieldType::Map(Box::new(FieldType::Text(crate::schema::Templates::Allowed))),
                    "",
                )),
        )
        .trigger(
            Schema::new("call", "")
                .field(Field::optional("keep", FieldType::Map(Box::new(FieldType::String)), ""))
                .keeps_response("keep"),
        )
}

fn load(tests: &str) -> Result<Ruleset, Diagnostics> {
    let text = format!("{RULES}{tests}");
    let files = BTreeMap::from([("a.rules", text.as_str())]);
    Ruleset::load_in_detail(&["a.rules"], &files, &registry())
}

fn files() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("e.json", r#"{"xs": [{"a": 2, "b": "", "key": 1, "team": "db"}]}"#),
        ("twice.json", r#"{"t": 1, "t": 2}"#),
    ])
}

/// The result of a test with these steps.
fn outcome(steps: &str) -> String {
    let ruleset = load(&format!("test \"t\" {{ {steps} }}")).unwrap_or_else(|why| panic!("{why}"));
    match Tests::new(&ruleset, &files()).run(0) {
        Ok(()) => "passes".into(),
        Err(problems) => problems
            .iter()
            .map(|p| {
                let help = p.help.as_ref().map_or(String::new(), |help| format!("\n{help}"));
                format!("{}: {}{help}", p.message, p.label.as_ref().map_or("", |l| &l.text))
            })
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

#[test]
fn expectations_that_are_met() {
    let sent = "send q.e from \"e.json\"";
    for steps in [
        "expect s/r",
        "expect s/r once",
        "expect s/r for element 0",
        "expect s/r { team = \"db\" }",
        "expect s/r { team = \"all\" }",
        "expect s/r once { limits { cpu = 1.0 } }",
        "expect s/r { limits { names = [\"db\", { deep = 1 }] } }",
        "expect no t/r expect s/r once expect nothing else",
        "expect s/r { team = \"db\" } expect nothing else",
        "expect t/r unknown because \"`body.t` is missing\"",
    ] {
        assert_eq!(outcome(&format!("{sent} {steps}")), "passes", "{steps}");
    }
    for steps in [
        "with fuse gate off send q.e from \"e.json\" expect s/r gated once expect nothing else",
        "send q.e body { xs = [] } expect s/r not-matched expect nothing else",
        "send q.e body { xs = [{ a = 1, b = \"\" }] } expect s/r not-matched for element 0",
        // A part of the reason that `fuse explain` gives.
        "send q.e body { t = false } expect t/r not-matched because \"`body.t` is false\"",
        "send q.e body { xs = [{ a = 1, b = \"\" }, { a = 2, b = \"no\" }] }
         expect s/r not-matched for element 0 because \"`x.a > 1` is false: `x.a` is 1\"
         expect s/r not-matched for element 1 because \"`x.b` is \\\"no\\\"\"",
        "send q.e body { xs = [] } expect s/r not-matched because \"is an empty list\"",
        "send q.e body { t = true } expect t/r once because \"every condition holds\" { team = \"t\" }",
        "with fuse gate off send q.e from \"e.json\" expect s/r gated because \"it matches, but fuse `gate` is off\"",
        "send q.e body { xs = [{ a = 2 }] } expect s/r unknown because \"so `x.b != \\\"no\\\"` is unknown\"",
        "send q.e body { t = true, xs = [{ a = 2, b = \"\" }] } expect s/r rejected expect t/r once expect nothing else",
        // Fields as in the rule, regardless of the backend.
        "send q.e body { t = true } expect t/r once { after = 2m, env { PORT = 80, TAGS = \"a\" } }",
        "send q.e body { t = true } expect t/r once { after = 2 * 1m, env = { PORT = \"80\" } }",
        "send q.e from \"twice.json\" expect t/r rejected expect nothing else",
        // Within the hour, and after it.
        "at \"2026-01-01T00:00:00Z\" send q.e from \"e.json\" send q.e from \"e.json\" expect s/r once
         expect s/r suppressed once
         at \"2026-01-01T00:59:59Z\" send q.e from \"e.json\" expect s/r suppressed expect nothing else
         at \"2026-01-01T01:00:00Z\" send q.e from \"e.json\" expect s/r once",
        // One place is free an hour after the first was taken. Each rule of a sensor counts by itself.
        "at \"2026-01-01T00:00:00Z\" send q.e body { limited = 1 }
         at \"2026-01-01T00:30:00Z\" send q.e body { limited = 1 } expect l/r 2 times
         at \"2026-01-01T00:59:59Z\" send q.e body { limited = \"other\" } expect l/other once expect l/r suppressed
           because \"`limit 2 per 1h` is reached: 2 of 2 within 1h; free again at 2026-01-01T01:00:00Z\"
         at \"2026-01-01T01:00:00Z\" send q.e body { limited = 1 } expect l/r once",
        // Two elements with the same key.
        "send q.e body { xs = [{ a = 2, b = \"\", key = 1, team = \"x\" }, { a = 2, b = \"\", key = 1, team = \"y\" }] }
         expect s/r once { team = \"x\" } expect s/r suppressed for element 1",
    ] {
        assert_eq!(outcome(steps), "passes", "{steps}");
    }
}

#[test]
fn unmet_expectations_show_what_happened_instead() {
    let reports: Vec<String> = [
        "send q.e from \"e.json\" expect t/r",
        "send q.e from \"e.json\" expect no s/r",
        "send q.e from \"e.json\" expect s/r 2 times",
        "send q.e from \"e.json\" expect s/r gated",
        "send q.e from \"e.json\" expect s/r not-matched",
        "send q.e from \"e.json\" expect s/r for element 3",
        "send q.e from \"e.json\" expect s/r { team = \"web\", limits { cpu = 2, gpu = 1, names = [] } }",
        "send q.e body { t = true } expect t/r { after = 3m, env { PORT = 81 } }",
        "send q.e from \"e.json\" expect t/r unknown because \"nothing\" expect s/r",
        "send q.e body { t = false } expect t/r not-matched because \"`body.t` is true\"",
        "send q.e from \"e.json\" expect nothing else",
        "send q.e from \"e.json\"",
        "send q.e from \"none.json\" expect s/r",
        "with fuse gate off send q.e from \"e.json\" expect s/r",
        "send q.e body { xs = [{ a = 2, b = \"no\" }, { a = 2 }, { a = 2, b = \"\" }] } expect s/r",
        "send q.e body [1, 1] expect s/r once",
        "send q.e from \"twice.json\" expect nothing else",
        "send q.e body { xs = [{ a = 2, b = \"\", key = 1, team = \"x\" }, { a = 2, b = \"\", key = 2, team = \"x\" }] } expect s/r once",
    ]
    .iter()
    .map(|steps| format!("{steps}\n{}\n", outcome(steps)))
    .collect();
    insta::assert_snapshot!(reports.join("\n"));
}

#[test]
fn coverage_lists_what_no_test_covers() {
    let ruleset = load(
        "test \"a\" { send q.e from \"e.json\" expect s/r }
         test \"b\" { send q.e body { xs = [{ a = 0 }, { a = 2, b = \"no\" }, { a = 2 }] } expect no s/r }",
    )
    .unwrap();
    let tests = Tests::new(&ruleset, &files());
    insta::assert_snapshot!(tests.uncovered(&tests.coverage(0..2)).to_string());
    let mut merged = tests.coverage([0]);
    merged.merge(&tests.coverage([1]));
    assert_eq!(merged.counts(), tests.coverage(0..2).counts());
    assert_eq!(tests.coverage([]).counts().1, 0);
}

/// Coverage excludes what no event can produce.
#[test]
fn coverage_excludes_the_impossible() {
    for (when, missing) in [
        (
            "when body.a == 1 or (body.a != 1 and body.b == 1)",
            "body.a == 1: true false unknown; body.a != 1: true unknown; body.b == 1: true false unknown",
        ),
        (
            "when body.a is present when body.a is string",
            "body.a is present: true false; body.a is string: true false",
        ),
        (
            "when body.a is present or body.a is missing",
            "body.a is present: true false; body.a is missing: true",
        ),
        ("when body.a == 1", "body.a == 1: true false unknown"),
        (
            "when body.a == 1 when body.a is present",
            "body.a == 1: true false unknown; body.a is present: true false",
        ),
    ] {
        let text = format!(
            "source q queue {{ event e }} sensor s on q.e {{ rule r {{ {when} trigger page {{ team = \"x\" }} }} }}"
        );
        let files = BTreeMap::from([("a.rules", text.as_str())]);
        let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry()).unwrap();
        let tests = Tests::new(&ruleset, &files);
        let open = tests.without_impossible(tests.coverage([]));
        let found =
            open.atoms.iter().map(|atom| format!("{}: {}", atom.text, atom.missing().join(" ")));
        assert_eq!(found.collect::<Vec<_>>().join("; "), missing, "{when}");
    }
}

/// If a rule has several clauses of flow control, each of them has to suppress it.
#[test]
fn each_of_several_clauses_is_covered_by_itself() {
    let open = |second: &str| {
        let text = format!(
            "source q queue {{ event e }}
sensor s on q.e {{
  limit 1 per 1h per body.app
  rule r {{ once per body.id within 1h trigger page {{ team = \"x\" }} }}
}}
test \"t\" {{ send q.e body {{ id = 1, app = \"a\" }} send q.e body {{ {second} }} expect r once expect r suppressed }}"
        );
        let files = BTreeMap::from([("a.rules", text.as_str())]);
        let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry()).unwrap();
        let coverage = Tests::new(&ruleset, &files).coverage([0]);
        let (possible, seen) = coverage.counts();
        assert_eq!(possible - seen, 2, "the other clause, and a missing key");
        let missing = coverage.rules.iter().flat_map(super::RuleCoverage::missing_flow);
        missing.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(open("id = 1, app = \"b\""), "limit 1 per 1h per body.app");
    assert_eq!(open("id = 2, app = \"a\""), "once per body.id within 1h");
}

#[test]
fn surviving_mutants_are_listed() {
    let ruleset = load(
        "test \"a\" { send q.e from \"e.json\" expect s/r once { team = \"db\" } expect nothing else }
         test \"b\" { send q.e body { xs = [{ a = 0, b = \"\" }, { a = 2, b = \"no\" }] } expect no s/r }",
    )
    .unwrap();
    let tests = Tests::new(&ruleset, &files());
    let mutants = tests.mutants(0..2, &mut |_, _| {});
    let reports: Vec<String> = mutants
        .iter()
        .map(|m| {
            format!("{} {}: {}", m.place, m.what, m.killed_by.as_deref().unwrap_or("SURVIVED"))
        })
        .collect();
    insta::assert_snapshot!(reports.join("\n"));
}

/// A quoted reason does not detect mutants that keep the outcome, since it is in words for people.
#[test]
fn reasons_detect_no_mutants() {
    let source = "source q queue { event e }";
    let steps =
        |because: &str| format!("send q.e body {{ n = 1 }} expect s/r not-matched {because}");
    let when = "when body.n > 3";
    let quoted = survivors(source, when, &steps("because \"`body.n` is 1\""));
    assert_eq!(quoted, survivors(source, when, &steps("")));
    assert!(!quoted.is_empty());
}

/// Updated expectations are met, and the updated files are formatted.
#[test]
fn updated_tests_pass() {
    let tests = [
        "test \"a\" { send q.e from \"e.json\" }",
        "test \"b\" { send q.e from \"e.json\" expect s/r 3 times { team = \"x\" } expect no t/r }",
        "test \"c\" { send q.e from \"e.json\" expect no s/r expect t/r expect nothing else }",
        "test \"d\" { with fuse gate off send q.e from \"e.json\" expect s/r once { team = \"x\" } }",
        "test \"e\" { send q.e body { xs = [{ a = 2, b = \"\" }] } expect s/r { team = \"x\" } }",
        "test \"g\" { send q.e from \"e.json\" send q.e body { xs = [{ a = 2, b = \"\", key = 2, team = \"x\" }] } }",
        "test \"h\" { send q.e body { xs = [{ a = 2, b = \"\", key = 1, team = \"x\" }, { a = 0 }] } expect s/r for element 1 }",
        "test \"k\" { send q.e body { t = true } expect t/r once { after = 3m, env { PORT = 81 } } }",
        "test \"i\" { send q.e from \"e.json\" expect s/r once { team = \"y\", limits { cpu = 2 } } }",
        "test \"f\" { send q.e body { xs = [{ a = 2, b = \"\", key = 1, team = \"quo\\\"te \\${x} \\n\" }] } }",
    ];
    let ruleset = load(&tests.join("\n")).unwrap();
    let tests = Tests::new(&ruleset, &files());
    assert!((0..tests.len()).all(|test| tests.run(test).is_err()));
    let updated = tests.updated(0..tests.len());
    let text = &updated["a.rules"];
    insta::assert_snapshot!(text.split_once("\ntest ").unwrap().1);
    let again = BTreeMap::from([("a.rules", text.as_str())]);
    let again = Ruleset::load_in_detail(&["a.rules"], &again, &registry()).unwrap();
    let tests = Tests::new(&again, &files());
    for test in 0..tests.len() {
        let outcome = tests.run(test);
        assert!(outcome.is_ok(), "{}: {}", tests.name(test), outcome.unwrap_err());
    }
    assert_eq!(tests.updated(0..tests.len()).len(), 0);
}

/// The mutants of a rule that survive a test with these steps.
fn survivors(source: &str, when: &str, steps: &str) -> Vec<String> {
    let text = format!(
        "{source} sensor s on q.e {{ rule r {{ {when} trigger page {{ team = \"x\" }} }} }}
         test \"t\" {{ {steps} }}"
    );
    let files = BTreeMap::from([("a.rules", text.as_str())]);
    let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry()).unwrap();
    let tests = Tests::new(&ruleset, &files);
    let mutants = tests.mutants(0..1, &mut |_, _| {});
    let survived = mutants.into_iter().filter(|mutant| mutant.killed_by.is_none());
    survived.map(|mutant| format!("{} {}", mutant.what, mutant.event.unwrap_or_default())).collect()
}

/// Equivalent mutants are ignored. A mutant that differs only for events outside the declared type counts, unless
/// the source rejects such events.
#[test]
fn equivalent_mutants_are_ignored() {
    let left_out =
        |found: &[String]| found.iter().filter(|found| found.starts_with("this `when`")).count();
    let nothing = "send q.e body {} expect no s/r";
    let twice = "when body.a == 1 when body.a is present";
    let found = survivors("source q queue { event e }", twice, nothing);
    assert_eq!(left_out(&found), 1, "{found:?}");
    let typed = |policy: &str| {
        let source =
            format!("source q queue {{ event e : {{ s: \"a\" | \"b\" }} {{ {policy} }} }}");
        survivors(
            &source,
            "when body.s in [\"a\", \"b\"]",
            "send q.e body { s = \"a\" } expect s/r",
        )
    };
    assert_eq!(left_out(&typed("")), 1);
    assert_eq!(left_out(&typed("mismatch = \"reject\"")), 0);
}

#[test]
fn the_event_of_a_survivor_distinguishes_it() {
    let when = "when body.n > 123456789012345678901234567891";
    let found = survivors("source q queue { event e }", when, "send q.e body {} expect no s/r");
    let wanted = "`>` becomes `>=` {\"n\":123456789012345678901234567891}";
    assert!(found.contains(&wanted.to_owned()), "{found:?}");
}
