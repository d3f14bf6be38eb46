//! `requires … else hold` in tests: what waits for a fuse, when it fires, and when it expires.

use std::collections::BTreeMap;

use super::registry;
use crate::ruleset::Ruleset;
use crate::testing::Tests;

const RULES: &str = r#"
fuse deploys default off {
  blow after 2 actions within 10m
  reset after 1h
}
fuse other default on
source q queue { event push }
sensor s on q.push {
  rule deploy {
    requires other
    requires deploys else hold 2h
    trigger page { team = body.app }
    on expired { trigger page { team = outcome.reason } }
  }
}
"#;

/// The messages of a test that fails.
fn failures(steps: &str) -> Vec<String> {
    let text = format!("{RULES}test \"t\" {{\nat \"2026-08-01T10:00:00Z\"\n{steps} }}");
    let files = BTreeMap::from([("a.rules", text.as_str())]);
    let ruleset = Ruleset::load(&["a.rules"], &files, &registry()).unwrap();
    match Tests::new(&ruleset, &files).run(0) {
        Ok(()) => Vec::new(),
        Err(problems) => problems.iter().map(|problem| problem.message.clone()).collect(),
    }
}

const PUSH: &str = "send q.push body { app = \"web\" }\n";

#[test]
fn what_waits_for_a_fuse_fires_when_it_is_on() {
    let why = "`requires deploys else hold 2h` waits for the fuse `deploys`, which is off, at most until 2026-08-01T12:00:00Z";
    for steps in [
        format!(
            "{PUSH}expect deploy waiting once because \"{why}\"\nwith fuse deploys on\nexpect deploy once {{ team = \"web\" }}\nexpect nothing else"
        ),
        format!(
            "{PUSH}at \"2026-08-01T11:59:59Z\"\nexpect no deploy\nwith fuse deploys on\nexpect deploy once"
        ),
        // All that waited fires, in the order in which it came.
        format!("{PUSH}{PUSH}with fuse deploys on\nexpect deploy 2 times"),
        // A fuse without `else hold` still gates.
        format!(
            "with fuse other off\n{PUSH}expect deploy gated once because \"fuse `other` is off\""
        ),
        // And holds what is due.
        format!(
            "{PUSH}with fuse other off\nwith fuse deploys on\nexpect no deploy\nwith fuse other on\nexpect deploy once"
        ),
    ] {
        assert_eq!(failures(&steps), [""; 0], "{steps}");
    }
}

#[test]
fn what_waits_too_long_expires() {
    let over = "expect deploy expired once because \"is over: the fuse `deploys` is still off\"\n\
                expect deploy on expired once\nexpect nothing else";
    let steps = format!("{PUSH}at \"2026-08-01T12:00:00Z\"\n{over}");
    assert_eq!(failures(&steps), [""; 0]);
    let late = format!("{PUSH}at \"2026-08-01T12:00:00Z\"\nwith fuse deploys on\nexpect deploy");
    assert_ne!(failures(&late), [""; 0]);
}

/// It is the fuse that it blows, which lets it through when it closes: not later, and not by the end of its own time.
#[test]
fn one_too_many_waits_until_its_fuse_closes() {
    let blows = format!(
        "with fuse deploys on\n{PUSH}{PUSH}expect deploy 2 times\n{PUSH}expect deploy waiting once\nexpect fuse deploys blown\n"
    );
    for steps in [
        format!("{blows}at \"2026-08-01T11:00:00Z\"\nexpect deploy once\nexpect nothing else"),
        format!("{blows}at \"2026-08-01T10:59:59Z\"\nexpect no deploy"),
        format!("{blows}at \"2026-08-01T18:00:00Z\"\nexpect deploy once\nexpect nothing else"),
        format!(
            "{blows}{PUSH}expect deploy waiting once\nwith fuse deploys on\nexpect deploy 2 times"
        ),
    ] {
        assert_eq!(failures(&steps), [""; 0], "{steps}");
    }
}

/// While one that waited passes, the fuse blows: the others go on waiting.
#[test]
fn those_that_are_too_many_when_the_fuse_is_on_wait_on() {
    let three = format!("{PUSH}{PUSH}{PUSH}with fuse deploys on\nexpect deploy 2 times\n");
    assert_eq!(failures(&three), [""; 0]);
    let then =
        format!("{three}at \"2026-08-01T11:00:00Z\"\nexpect deploy once\nexpect nothing else");
    assert_eq!(failures(&then), [""; 0]);
}
