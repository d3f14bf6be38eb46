//! The tests that mutation testing writes for surviving mutants.

use std::collections::BTreeMap;

use super::{files, registry};
use crate::diagnostic::tests::kinds;
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

/// A rule that reads a parameter of the path.
const WITH_PATH: &str = "source hooks webhook { port = 1, path = \"/{tenant}/{job}\", event called }
sensor s on hooks.called { rule r { when event.path.tenant == \"acme\" and body.a > 1  trigger log { message = event.path.job } } }
";

/// Rules for bodies that arrive inside of another one.
const DECODED: &str = "source topic webhook { port = 1, path = \"/\", id = body.id
event alarm { when body.Type == \"Notification\"\n when headers.x-kind == \"a\"\n decode = parse-json(body.Message) }
event pushed { when headers.x-kind == \"b\"\n decode = parse-json(base64-decode(body.message.data)) } }
sensor s on topic.alarm { rule r { when body.state == \"ALARM\" and body.n > 1  trigger log { message = body.name } } }
sensor t on topic.pushed { rule r { when body.n > 1  trigger log { message = body.name } } }
";

/// All rules, as files.
fn all_files() -> Vec<String> {
    let files = RULES.iter().map(|rule| file(rule));
    files.chain([WITH_PATH, DECODED].map(str::to_owned)).collect()
}

fn file(rule: &str) -> String {
    format!(
        "fuse gate default off\nsource q queue {{ event e }}\nsensor s on q.e {{ rule r {{ {rule} }} }}\n"
    )
}

/// The mutants of rules, found by the tests in them.
fn mutants(text: &str) -> Vec<Mutant> {
    let rules = BTreeMap::from([("a.rules", text)]);
    let registry = if text.contains("webhook") { kinds::registry() } else { registry() };
    let ruleset = Ruleset::load_in_detail(&["a.rules"], &rules, &registry);
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
    for text in all_files() {
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

/// One event does not make a rule with `after` fire.
#[test]
fn a_written_test_expects_that_a_match_is_counted() {
    let text =
        file("when body.n > 1  after 3 within 1m per body.k  trigger page { team = body.team }");
    let mut written = 0;
    for mutant in mutants(&text) {
        let Some(test) = &mutant.test else { continue };
        written += 1;
        // This runs it.
        mutants(&format!("{text}{test}"));
    }
    assert!(written > 0);
}

#[test]
fn how_they_are_written() {
    let tests = all_files().into_iter().flat_map(|text| mutants(&text).into_iter().take(2));
    let tests: Vec<_> = tests.map(|mutant| mutant.test.unwrap_or(mutant.what)).collect();
    insta::assert_snapshot!(tests.join("\n"));
}

#[test]
fn a_written_test_sends_an_event_that_the_mutant_decides_differently() {
    let text = r#"
source q queue {
  event e : { kind: "e", n: int }
  event f : { kind: "f", n: int }
}
sensor s on q.e or q.f {
  rule r { when body.kind == "f" and body.n > 5  trigger page { team = event.name } }
}
test "both" {
  send q.e body { kind = "e", n = 9 }
  expect no r
  send q.f body { kind = "f", n = 9 }
  expect r once { team = "f" }
}
"#;
    let all = mutants(text);
    let written: Vec<_> = all.iter().filter_map(|mutant| mutant.test.as_deref()).collect();
    assert!(
        !written.is_empty() && written.iter().all(|test| test.contains("send q.f ")),
        "{written:?}"
    );
    let killed =
        |what: &str| all.iter().find(|mutant| mutant.what == what).map(|one| &one.killed_by);
    let both = Some("both".to_owned());
    assert_eq!(killed("`==` becomes `!=`"), Some(&both), "{all:?}");
}

#[test]
fn the_tests_of_a_sensor_may_send_any_of_its_events() {
    let text = r#"
source q queue { event e, event f, event g }
sensor s on q.e or q.f {
  rule r { once per body.id within 1h  trigger page { team = event.name } }
}
test "each" {
  send q.e body { id = 1 }
  send q.f body { id = 2 }
  send q.f body { id = 1 }
  expect r 2 times
  expect r suppressed once
  expect nothing else
}
"#;
    let all = mutants(text);
    let once = all.iter().find(|mutant| mutant.what.contains("`once`")).unwrap();
    assert_eq!(once.killed_by.as_deref(), Some("each"), "{all:#?}");
    let other = text.replace("send q.e", "send q.g").replace("send q.f", "send q.g");
    let rules = BTreeMap::from([("a.rules", other.as_str())]);
    let problems = Ruleset::load_in_detail(&["a.rules"], &rules, &registry()).unwrap_err();
    let help = problems.iter().next().unwrap().help.as_deref();
    assert_eq!(help, Some("send an event that it listens to: `send q.e …` or `send q.f …`"));
}
