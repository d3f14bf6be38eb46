//! `quiet` and `still` in tests: what fires waits and ends them, what counts as covered, and the faults that good tests find.

use std::collections::BTreeMap;

use super::registry;
use crate::decision::Outcome;
use crate::ruleset::Ruleset;
use crate::testing::{RuleCoverage, Tests};

const RULES: &str = r#"
fuse on default on
fuse drop default on { pending = drop }
source q queue { event fires, event ends, event push }
sensor s on q.fires {
  each x in body.xs
  when x.fires == true
  rule alert {
    requires on
    still 5m per x.key
      unless q.ends each x in body.xs when x.fires == false
    limit 1 per 1h per x.key
    trigger page { team = x.team }
    trigger page { team = "all" }
    on suppressed { trigger page { team = "late" } }
  }
}
sensor p on q.push {
  rule push {
    quiet 2m per body.app max 5m
    trigger page { team = body.app }
  }
  rule both {
    requires drop
    quiet 1m
    still 2m unless q.ends when body.both == true
    shadow
    trigger page { team = "both" }
  }
}
"#;

fn load(tests: &str) -> (Ruleset, String) {
    let text = format!("{RULES}{tests}");
    let files = BTreeMap::from([("a.rules", text.as_str())]);
    let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry());
    (ruleset.unwrap_or_else(|problems| panic!("{problems}")), text)
}

/// The first problem of a test, if it fails.
fn failure(steps: &str) -> Option<String> {
    let (ruleset, text) = load(&format!("test \"t\" {{ {steps} }}"));
    let tests = Tests::new(&ruleset, &BTreeMap::from([("a.rules", text.as_str())]));
    let problems = tests.run(0).err()?;
    let problem = problems.iter().next()?;
    let labels: Vec<_> = problem.label.iter().map(|label| label.text.as_str()).collect();
    Some(format!("{}: {}", problem.message, labels.join(", ")))
}

/// Sends an alert that fires, or that no longer does.
fn alert(key: &str, fires: bool) -> String {
    let event = if fires { "fires" } else { "ends" };
    format!(
        "send q.{event} body {{ xs = [{{ key = \"{key}\", team = \"db\", fires = {fires} }}] }}\n"
    )
}

fn minute(minute: u32) -> String {
    format!("at \"2026-08-01T10:{minute:02}:00Z\"\n")
}

fn push(app: &str) -> String {
    format!("send q.push body {{ app = \"{app}\" }}\n")
}

#[test]
fn what_is_still_true_fires_when_it_is_due() {
    let start = minute(0) + &alert("a", true) + "expect alert waiting once\nexpect nothing else\n";
    let fires = format!("{start}{}expect alert once for element 0 {{ team = \"db\" }}", minute(5));
    assert_eq!(failure(&fires), None);
    assert_eq!(
        failure(&format!("{fires} expect no alert")).unwrap(),
        "`s/alert` fired: `s/alert` fired for element 0"
    );
    assert_eq!(
        failure(&format!("{start}{}expect nothing else", minute(5))).unwrap(),
        "something else happened: `s/alert` fired for element 0"
    );
    // One minute before, nothing has happened.
    assert_eq!(failure(&format!("{start}{}expect nothing else", minute(4))), None);
    assert_eq!(
        failure(&format!("{start}{}expect alert once", minute(4))).unwrap(),
        "`s/alert` did not fire: nothing that waited has ended"
    );
    // What a test does not wait for is pending when it ends.
    assert_eq!(failure(&start), None);
}

#[test]
fn an_event_cancels_what_waits_before_its_own_decisions() {
    let start = minute(0) + &alert("a", true) + &alert("b", true);
    let ended = format!(
        "{start}{}{}expect alert cancelled once for element 0 because \"`still 5m per \\\"a\\\"` is cancelled by event 3\"\n",
        minute(1),
        alert("a", false),
    );
    assert_eq!(failure(&ended), None);
    let rest = format!("{ended}{}expect alert once expect alert fired once", minute(9));
    assert_eq!(failure(&rest), None, "only the other one fires");
    // It is too late once the action is due.
    let late = format!("{start}{}{}expect alert cancelled", minute(5), alert("a", false));
    let late = failure(&late).unwrap();
    assert!(late.starts_with("`s/alert` was not cancelled: element 0: fired; "), "{late}");
    // A further match does not restart the wait.
    let again = format!(
        "{start}{}{}expect alert suppressed once because \"waits already\"\nexpect alert on suppressed once\n{}expect alert 2 times",
        minute(4),
        alert("a", true),
        minute(5)
    );
    assert_eq!(failure(&again), None);
}

#[test]
fn what_is_due_passes_the_clauses_behind_the_wait() {
    let two = format!(
        "{}{}{}expect alert once\n{}{}",
        minute(0),
        alert("a", true),
        minute(5),
        alert("a", true),
        "expect alert waiting once\n",
    );
    let limited = format!(
        "{two}{}expect alert suppressed once because \"limit 1 per 1h\"\nexpect alert on suppressed once {{ team = \"late\" }}\nexpect no alert",
        minute(10)
    );
    assert_eq!(failure(&limited), None);
}

#[test]
fn a_fuse_holds_or_drops_what_is_due() {
    let start = minute(0) + &alert("a", true) + &push("web") + "expect both waiting once\n";
    let held = format!(
        "{start}with fuse on off\n{}expect no alert expect push once\nwith fuse on on\nexpect alert once",
        minute(5)
    );
    assert_eq!(failure(&held), None);
    let dropped = format!(
        "{start}with fuse drop off\n{}expect both gated once because \"fuse `drop` is off\"\nwith fuse drop on\nexpect nothing else",
        minute(5)
    );
    assert_eq!(failure(&dropped), None);
}

#[test]
fn the_last_one_of_a_burst_fires() {
    let start = minute(0) + &push("web") + &push("api") + &minute(1) + &push("web");
    let burst = format!(
        "{start}expect push superseded once because \"waits for event 3, which is newer\"\n{}expect push once {{ team = \"api\" }}\n{}expect push once {{ team = \"web\" }}",
        minute(2),
        minute(3)
    );
    assert_eq!(failure(&burst), None);
    // A burst ends after five minutes.
    let long: String = (0..5).map(|at| minute(at) + &push("web")).collect();
    let long = format!("{long}expect push superseded 4 times\n{}expect push once", minute(5));
    assert_eq!(failure(&long), None);
}

#[test]
fn a_rule_can_wait_at_two_clauses() {
    let start = minute(0) + &push("web") + "expect both waiting once because \"quiet 1m\"\n";
    let second = format!("{start}{}expect both waiting once because \"still 2m\"\n", minute(1));
    assert_eq!(failure(&format!("{second}{}expect both shadow once", minute(3))), None);
    let cancelled = format!(
        "{second}send q.ends body {{ both = true }}\nexpect both cancelled once\n{}expect nothing else",
        minute(9)
    );
    assert_eq!(
        failure(&format!("{cancelled} ")).as_deref(),
        Some("something else happened: `p/push` fired")
    );
    // An event before the second wait cancels nothing.
    let early = format!(
        "{start}send q.ends body {{ both = true }}\nexpect no both\n{}expect both shadow once",
        minute(9)
    );
    assert_eq!(failure(&early), None);
}

/// Tests that find every fault of the rules `alert` and `push`.
fn good_tests() -> String {
    let alert_tests = [
        ("fires", minute(0) + &alert("a", true) + "expect alert waiting once\n" + &minute(4) + "expect no alert\n" + &minute(5) + "expect alert 1 times { team = \"db\" }\nexpect alert { team = \"all\" }\nexpect nothing else"),
        ("not for both", minute(0) + &alert("a", true) + &alert("b", true) + "expect alert waiting 2 times\n" + &alert("a", false) + "expect alert cancelled once\n" + &minute(5) + "expect alert once"),
        ("other values", minute(0) + &alert("a", true) + "send q.ends body { xs = [{ key = \"a\", fires = \"no\" }, { key = \"a\", fires = true }, { fires = false }] }\nexpect no alert\n" + &minute(5) + "expect alert once"),
        ("does not match", alert("a", true).replace("= true", "= false") + "expect alert not-matched"),
        ("is unknown", alert("a", true).replace("= true", "= 1") + "expect alert unknown"),
        ("is rejected", "send q.fires body { xs = [{ fires = true, team = \"a\" }] }\nexpect alert rejected once".to_owned()),
        ("is gated", "with fuse on off\n".to_owned() + &alert("a", true) + "expect alert gated once"),
        ("is limited", minute(0) + &alert("a", true) + &minute(5) + "expect alert once\n" + &alert("a", true) + &alert("b", true) + &minute(31) + "expect alert suppressed once because \"limit\"\nexpect alert on suppressed once { team = \"late\" }\nexpect alert once\n" + &alert("a", true) + &minute(36) + "expect alert suppressed because \"limit\"\nat \"2026-08-01T11:01:00Z\"\n" + &alert("a", true) + "at \"2026-08-01T11:06:00Z\"\nexpect alert once"),
        ("is suppressed", minute(0) + &alert("a", true) + &minute(4) + &alert("a", true) + "expect alert suppressed once because \"waits already\""),
    ];
    let pushes: String = (0..4).map(|at| minute(at) + &push("web")).collect();
    let push_tests = [
        (
            "the last one",
            minute(0)
                + &push("web")
                + &push("api")
                + "expect push waiting 2 times\n"
                + &minute(1)
                + &push("web")
                + "expect push superseded once\n"
                + &minute(2)
                + "expect push once\n"
                + &minute(3)
                + "expect push once { team = \"web\" }",
        ),
        (
            "at most five minutes",
            pushes
                + &minute(4)
                + &push("web")
                + "expect push superseded 4 times\n"
                + &minute(5)
                + "expect push once",
        ),
        ("no app", "send q.push body {}\nexpect push rejected once".to_owned()),
    ];
    let all = alert_tests.into_iter().chain(push_tests);
    all.map(|(name, steps)| format!("test \"{name}\" {{\n{steps}\n}}\n")).collect()
}

#[test]
fn both_ways_of_each_clause_are_covered() {
    let coverage = |text: &str| -> Vec<RuleCoverage> {
        let (ruleset, text) = load(text);
        let tests = Tests::new(&ruleset, &BTreeMap::from([("a.rules", text.as_str())]));
        let coverage = tests.coverage(0..tests.len());
        tests.without_impossible(coverage).rules
    };
    let missing = |text: &str, rule: usize| coverage(text)[rule].missing().collect::<Vec<_>>();
    use Outcome::{Cancelled, Fired, Gated, NotMatched, Rejected, Superseded, Suppressed, Waiting};
    let waits = format!("test \"t\" {{ {}{}expect alert waiting }}", alert("a", true), push("web"));
    assert_eq!(missing(&waits, 0), [Fired, NotMatched, Gated, Suppressed, Cancelled, Rejected]);
    assert_eq!(missing(&waits, 1), [Fired, Superseded, Rejected]);
    assert_eq!(missing("", 1), [Fired, Waiting, Superseded, Rejected]);
    for rule in coverage(&good_tests()).iter().take(2) {
        assert!(rule.is_covered(), "{rule:?}");
    }
}

#[test]
fn the_condition_of_unless_is_covered() {
    let atoms = |text: &str| -> Vec<String> {
        let (ruleset, text) = load(text);
        let tests = Tests::new(&ruleset, &BTreeMap::from([("a.rules", text.as_str())]));
        let coverage = tests.coverage(0..tests.len());
        let missing = |atom: &crate::testing::AtomCoverage| {
            (!atom.missing().is_empty()).then(|| format!("{} {:?}", atom.text, atom.missing()))
        };
        coverage.atoms.iter().filter_map(missing).collect()
    };
    let all = r#"x.fires == false ["true", "false", "unknown"]"#;
    assert!(atoms("").iter().any(|atom| atom == all), "{:?}", atoms(""));
    let good = atoms(&good_tests());
    assert!(!good.iter().any(|atom| atom.contains("x.fires")), "{good:?}");
}

#[test]
fn good_tests_find_every_fault() {
    let (ruleset, text) = load(&good_tests());
    let tests = Tests::new(&ruleset, &BTreeMap::from([("a.rules", text.as_str())]));
    for test in 0..tests.len() {
        assert_eq!(tests.run(test).err().map(|problems| problems.to_string()), None);
    }
    let mutants = tests.mutants(0..tests.len(), &mut |_, _| {});
    let of = |mutant: &&crate::testing::Mutant| mutant.rules.iter().any(|rule| rule != "p/both");
    let survivors: Vec<_> = mutants
        .iter()
        .filter(of)
        .filter(|mutant| mutant.killed_by.is_none())
        .map(|mutant| format!("{} {}", mutant.place, mutant.what))
        .collect();
    assert_eq!(survivors, [""; 0]);
    let planted: Vec<&str> = mutants.iter().filter(of).map(|mutant| mutant.what.as_str()).collect();
    for what in [
        "`still` is removed",
        "`still 5m` becomes `still 2m30s`",
        "`still 5m` becomes `still 10m`",
        "the key `x.key` is removed",
        "`==` becomes `!=`",
        "`quiet` is removed",
        "`quiet 2m` becomes `quiet 1m`",
        "`quiet 2m` becomes `quiet 4m`",
        "the key `body.app` is removed",
        "`max 5m` is removed",
        "`max 5m` becomes `max 10m`",
    ] {
        assert!(planted.contains(&what), "{what} is not among {planted:#?}");
    }
}
