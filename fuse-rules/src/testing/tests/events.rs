//! What tests send is what arrives: routed, unwrapped and decoded.

use std::collections::BTreeMap;

use crate::Ruleset;
use crate::diagnostic::tests::kinds;
use crate::testing::Tests;

const RULES: &str = r#"
source hub webhook {
  port = 1
  path = "/hub"
  event push { when headers.x-event == "push" }
  event tag {
    when headers.x-event == "tag"
    decode = body.payload
  }
}
source hooks webhook {
  port = 1
  path = "/hooks/{tenant}"
  event called
}
sensor pushes on hub.push { rule r { when body.n > 1  trigger log { message = event.type ?? "none" } } }
sensor tags on hub.tag { rule t { when body.n > 1  trigger log { message = body.name } } }
sensor calls on hooks.called { rule c { when event.path.tenant == "acme"  trigger log { message = "x" } } }
"#;

/// The result of a test with these steps: `passes`, or the messages and helps of its problems.
fn outcome(steps: &str) -> String {
    let text = format!("{RULES}test \"t\" {{ {steps} }}");
    let files = BTreeMap::from([("a.rules", text.as_str())]);
    let problems = match Ruleset::load_in_detail(&["a.rules"], &files, &kinds::registry()) {
        Ok(ruleset) => Tests::new(&ruleset, &files).run(0).err(),
        Err(problems) => Some(problems),
    };
    let Some(problems) = problems else { return "passes".into() };
    let shown = |problem: &crate::Diagnostic| {
        format!("{}; {}", problem.message, problem.help.as_deref().unwrap_or_default())
    };
    problems.iter().map(shown).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_test_sends_what_the_sender_sends() {
    let push = "headers { x-event = \"push\" }";
    let tag = "headers { x-event = \"tag\" }";
    for (steps, expected) in [
        (format!("send hub.push body {{ n = 2 }} {push} expect pushes/r once"), "passes"),
        (
            format!("send hub.push body {{ n = 2 }} {tag} expect pushes/r once"),
            "this request is not `hub.push`: its conditions are not true for it; \
             it is `hub.tag`; send that, or change the request",
        ),
        (
            "send hub.push body { n = 2 } expect pushes/r once".to_owned(),
            "this request is not `hub.push`: its conditions are not true for it; \
             it matches no event: fuse answers 202 and does nothing",
        ),
        (
            format!("send hub.tag body {{ payload = {{ n = 2, name = \"v1\" }} }} {tag} expect tags/t once {{ message = \"v1\" }}"),
            "passes",
        ),
        (
            format!("send hub.tag body {{ n = 2 }} {tag} expect tags/t once"),
            "fuse would refuse this event: the body cannot be decoded: `body.payload` is missing; ",
        ),
        (
            "send hub.push body { specversion = \"1.0\", id = \"1\", source = \"s\", type = \"ty\", data = { n = 2 } }
             headers { x-event = \"push\", content-type = \"application/cloudevents+json\" }
             expect pushes/r once { message = \"ty\" }".to_owned(),
            "passes",
        ),
        ("send hooks.called body { } path { tenant = \"acme\" } expect c once".to_owned(), "passes"),
        ("send hooks.called body { } path { tenant = \"other\" } expect no c".to_owned(), "passes"),
        (
            "send hooks.called body { } path { tenat = \"acme\" } expect c once".to_owned(),
            "the event's path has no parameter `tenat`; did you mean `tenant`?",
        ),
        (
            "send hooks.called body { } expect c once".to_owned(),
            "this event needs the parameter `tenant` of its path; add `path { tenant = \"…\" }`",
        ),
    ] {
        assert_eq!(outcome(&steps), expected, "{steps}");
    }
}

/// Coverage and mutants evaluate the decoded body, too.
#[test]
fn coverage_and_mutants_see_the_decoded_body() {
    let tests = r#"
test "t" {
  send hub.tag body { payload { n = 2, name = "v1" } } headers { x-event = "tag" }
  expect tags/t once
  send hub.tag body { payload { n = 1, name = "v1" } } headers { x-event = "tag" }
  expect no tags/t
  send hub.tag body { payload { name = "v1" } } headers { x-event = "tag" }
  expect tags/t unknown
}"#;
    let text = format!("{RULES}{tests}");
    let files = BTreeMap::from([("a.rules", text.as_str())]);
    let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &kinds::registry()).unwrap();
    let tests = Tests::new(&ruleset, &files);
    assert!(tests.run(0).is_ok());
    let coverage = tests.coverage(0..tests.len());
    let uncovered = tests.uncovered(&coverage).to_string();
    for outcome in ["never fires", "never fails to match", "is never unknown"] {
        assert!(!uncovered.contains(&format!("rule `tags/t` {outcome}")), "{uncovered}");
    }
    let mutants = tests.mutants(0..tests.len(), &mut |_, _| {});
    let of_tags =
        |mutant: &&crate::testing::Mutant| mutant.rules.iter().any(|rule| rule == "tags/t");
    let survivors: Vec<_> = mutants
        .iter()
        .filter(of_tags)
        .filter(|mutant| mutant.killed_by.is_none() && mutant.event.is_none())
        .map(|mutant| &mutant.what)
        .collect();
    assert!(
        mutants.iter().any(|mutant| of_tags(&mutant) && mutant.killed_by.is_some()),
        "{survivors:?}"
    );
}
