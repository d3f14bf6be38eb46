//! `concurrency` in tests: what is in progress until `finish`, and the faults that good tests find.

use std::collections::BTreeMap;

use super::registry;
use crate::ruleset::Ruleset;
use crate::testing::Tests;

const RULES: &str = r#"
fuse drop default on { pending = drop }
limiter healing { concurrency 1 }
source q queue { event e }
sensor s on q.e {
  each x in body.xs
  rule alert {
    when x.alert == true
    concurrency healing per x.app
    trigger page { team = "a" }
    trigger page { team = "b" }
  }
  rule skip {
    when x.skip == true
    concurrency healing per x.app else skip
    trigger page { team = "c" }
  }
  rule late {
    requires drop
    when x.late == true
    quiet 1m per x.app
    concurrency 1
    trigger page { team = "d" }
  }
}
"#;

/// The first problem of a test, if it fails.
fn failure(steps: &str) -> Option<String> {
    let text = format!("{RULES}test \"t\" {{ {steps} }}");
    let files = BTreeMap::from([("a.rules", text.as_str())]);
    let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry());
    let ruleset = ruleset.unwrap_or_else(|problems| panic!("{problems}"));
    let tests = Tests::new(&ruleset, &files);
    let problems = tests.run(0).err()?;
    let problem = problems.iter().next()?;
    let labels: Vec<_> = problem.label.iter().map(|label| label.text.as_str()).collect();
    Some(format!("{}: {}", problem.message, labels.join(", ")))
}

fn send(rule: &str, apps: &[&str]) -> String {
    let xs: Vec<String> =
        apps.iter().map(|app| format!("{{ {rule} = true, app = \"{app}\" }}")).collect();
    format!("send q.e body {{ xs = [{}] }}\n", xs.join(", "))
}

#[test]
fn what_is_in_progress_ends_with_finish() {
    let (a, skip) = (send("alert", &["a"]), send("skip", &["a"]));
    let both = send("alert", &["a", "a", "b"]);
    for steps in [
        // Both triggers share one place.
        format!("{both} expect alert once for element 0 expect alert waiting once for element 1 expect alert once for element 2"),
        // The oldest one ends first, and what waits passes in the order of arrival.
        format!("{a} {a} {a} expect alert once expect alert waiting 2 times
                 finish alert expect alert once expect nothing else
                 finish alert expect alert once expect nothing else
                 finish alert {a} expect alert once"),
        // Nothing is in progress.
        format!("{a} finish alert finish alert {a} expect alert 2 times"),
        // Another rule has the place.
        format!("{a} {skip} expect alert once expect skip suppressed because \"1 of 1 in progress, the oldest for element 0 of event 1\"
                 finish skip {skip} expect skip suppressed finish alert {skip} expect skip once"),
        // A place that is free belongs to the first one that waits.
        format!("{a} {a} expect alert once expect alert waiting once finish alert {skip} expect alert once expect skip suppressed"),
    ] {
        assert_eq!(failure(&steps), None, "{steps}");
    }
    let waits = format!("{a} {a} expect alert 2 times");
    assert!(failure(&waits).is_some(), "{waits}");
}

#[test]
fn other_waits_come_before_places() {
    let at = |second: u32| format!("at \"2026-08-01T10:{:02}:{:02}Z\"\n", second / 60, second % 60);
    let late = |app: &str| send("late", &[app]);
    for steps in [
        format!("{}{}{}expect late waiting 2 times {}expect late once expect late waiting because \"`concurrency 1` waits\"
                 {}expect no late finish late expect late once", at(0), late("a"), late("b"), at(60), at(1200)),
        // What is dropped leaves the queue.
        format!("{}{}{}{}{}expect late waiting 3 times {}expect late once expect late waiting 2 times
                 with fuse drop off finish late expect late gated 2 times
                 with fuse drop on {}{}expect late waiting once {}expect late once",
                at(0), late("a"), at(1), late("b"), late("c"), at(61), at(62), late("d"), at(122)),
    ] {
        let found = failure(&steps);
        if let Some(found) = found {
            panic!("{found}: {steps}");
        }
    }
}
