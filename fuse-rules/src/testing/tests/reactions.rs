//! Reactions in tests: what they expect, and what counts as covered.

use std::collections::BTreeMap;

use super::{first_problem, registry};
use crate::reaction::ReactionKind;
use crate::ruleset::Ruleset;
use crate::testing::{RuleCoverage, Tests};

/// Rules that react, with this clause in the rule and this test.
fn with(clause: &str, test: &str) -> String {
    format!(
        "fuse f default off
source q queue {{ event e }}
sensor s on q.e {{
  rule r {{
    requires f
    {clause}
    limit 1 per 1h
    trigger page {{ team = \"db\" }}
    on gated {{ trigger page {{ team = \"off\" }} }}
    on failure or suppressed {{ trigger page {{ team = outcome.state }} }}
  }}
}}
test \"t\" {{ {test} }}"
    )
}

/// The problem that the test has, if it fails.
fn failure(test: &str) -> Option<String> {
    let text = with("", test);
    let files = BTreeMap::from([("a.rules", text.as_str())]);
    let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry()).unwrap();
    let tests = Tests::new(&ruleset, &files);
    Some(tests.run(0).err()?.iter().next()?.message.clone())
}

#[test]
fn a_test_sees_the_reactions_to_each_outcome() {
    let on = "with fuse f on send q.e body {}";
    for (test, problem) in [
        ("send q.e body {} expect r on gated once { team = \"off\" }", None),
        ("send q.e body {} expect no r on gated", Some("`s/r on gated` fired")),
        ("send q.e body {} expect r on failure", Some("`s/r on failure` did not fire")),
        // A reaction is something that happens.
        ("send q.e body {} expect r gated expect nothing else", Some("something else happened")),
        (&format!("{on} expect r on failure once {{ team = \"permanent\" }}"), None),
        // An action does not fail in a test unless the test asks.
        (&format!("{on} expect r once expect nothing else"), None),
        (&format!("{on} expect r on suppressed"), Some("`s/r on suppressed` did not fire")),
        (&format!("{on} {on} expect r on suppressed once {{ team = \"suppressed\" }}"), None),
        (
            &format!("{on} {on} expect r on suppressed once {{ team = \"gated\" }}"),
            Some("`s/r on suppressed` fired with other fields"),
        ),
    ] {
        assert_eq!(failure(test).as_deref(), problem, "{test}");
    }
}

#[test]
fn each_reaction_of_a_rule_that_acts_has_to_be_covered() {
    let missing = |clause: &str, test: &str| -> Vec<ReactionKind> {
        let text = with(clause, test);
        let files = BTreeMap::from([("a.rules", text.as_str())]);
        let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry()).unwrap();
        let coverage = Tests::new(&ruleset, &files).coverage([0]);
        coverage.rules.iter().flat_map(RuleCoverage::missing_reactions).collect()
    };
    use ReactionKind::{Failure, Gated, Suppressed};
    let fires = "with fuse f on send q.e body {} expect r once";
    assert_eq!(missing("", fires), [Gated, Failure, Suppressed]);
    assert_eq!(missing("", &format!("{fires} expect r on failure once")), [Gated, Suppressed]);
    assert_eq!(missing("", "send q.e body {} expect r gated"), [Failure, Suppressed]);
    // A rule in shadow does not react.
    assert_eq!(missing("shadow", "send q.e body {} expect r gated expect nothing else"), []);
}

/// A reaction that no test expects can be removed, and no test notices.
#[test]
fn mutants_remove_each_reaction() {
    let survivors = |test: &str| -> Vec<String> {
        let text = with("", test);
        let files = BTreeMap::from([("a.rules", text.as_str())]);
        let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry()).unwrap();
        let mutants = Tests::new(&ruleset, &files).mutants([0], &mut |_, _| ());
        let mutants = mutants.into_iter().filter(|one| one.what.starts_with("`on "));
        let survivors = mutants.filter(|one| one.killed_by.is_none());
        survivors.map(|one| format!("{} {}", one.place, one.what)).collect()
    };
    let gated = "a.rules:9:8 `on gated` is removed";
    let failure = "a.rules:10:8 `on failure` is removed";
    let suppressed = "a.rules:10:19 `on suppressed` is removed";
    assert_eq!(survivors("send q.e body {} expect r gated"), [gated, failure, suppressed]);
    assert_eq!(survivors("send q.e body {} expect r on gated"), [failure, suppressed]);
    let on = "with fuse f on send q.e body {}";
    assert_eq!(survivors(&format!("{on} expect r on failure")), [gated, suppressed]);
    let twice = format!("{on} send q.e body {{}} expect r on suppressed");
    assert_eq!(survivors(&twice), [gated, failure]);
}

/// The problem that a test of a rule has which calls a server and reacts to the result.
fn with_response(test: &str) -> Option<String> {
    let rules = r#"
source q queue { event e }
sensor s on q.e {
  rule r {
    trigger call { keep { ticket = "id", open = "is.open" } }
    on success {
      trigger page { team = "${outcome.response.status} ${outcome.response.ticket ?? "-"} ${outcome.state}" }
    }
    on failure {
      trigger page { team = "${outcome.response.status ?? "-"} ${outcome.response.open ?? "-"}" }
    }
  }
  rule plain {
    trigger page { team = "db" }
    on success { trigger page { team = "${outcome.state}: ${outcome.reason} ${outcome.action}" } }
  }
}
"#;
    first_problem(&format!("{rules}test \"t\" {{ {test} }}"))
}

#[test]
fn a_test_gives_the_response_to_which_a_rule_reacts() {
    let send = "send q.e body {}";
    for (test, problem) in [
        // Without a response, the server answers 200, and a failure has none.
        ("send q.e body {} expect r on success once { team = \"200 - succeeded\" }", None),
        ("send q.e body {} expect r on failure once { team = \"- -\" }", None),
        (
            "send q.e body {} expect plain on success once { team = \"succeeded: the action succeeded test\" }",
            None,
        ),
        // Only an expectation about the reaction sees it.
        ("send q.e body {} expect r once expect plain once expect nothing else", None),
        (
            &format!(
                "with response r {{ status = 201, ticket = \"A-1\" }} {send} expect r on success once {{ team = \"201 A-1 succeeded\" }}"
            ),
            None,
        ),
        (
            &format!(
                "with response r {{ status = 422, open = true }} {send} expect r on failure once {{ team = \"422 true\" }}"
            ),
            None,
        ),
        // It lasts until the next one.
        (
            &format!(
                "with response r {{ ticket = 7 }} {send} {send} expect r on success 2 times {{ team = \"200 7 succeeded\" }} with response s/r {{ status = 202 }} {send} expect r on success once {{ team = \"202 - succeeded\" }}"
            ),
            None,
        ),
        (
            &format!(
                "with response r {{ status = 201 }} {send} expect r on success once {{ team = \"200 - succeeded\" }}"
            ),
            Some("`s/r on success` fired with other fields"),
        ),
        (
            &format!("with response plain {{ status = 201 }} {send} expect r"),
            Some("the actions of rule `s/plain` get no response"),
        ),
        (
            &format!("with response r {{ ticked = \"x\" }} {send} expect r"),
            Some("the rule does not keep `ticked` of its response"),
        ),
        (
            &format!("with response r {{ status = 600 }} {send} expect r"),
            Some("`status` must be an HTTP status"),
        ),
        (
            &format!("with response r {{ ticket = [1] }} {send} expect r"),
            Some("`ticket` is never a list, an object or null"),
        ),
        (
            &format!("with response nobody {{ status = 200 }} {send} expect r"),
            Some("there is no rule `nobody`"),
        ),
    ] {
        assert_eq!(with_response(test).as_deref(), problem, "{test}");
    }
}
