//! `approval` in tests: `approve` and `decline`, what expires, and the reactions of the rule.

use std::collections::BTreeMap;

use super::registry;
use crate::ruleset::Ruleset;
use crate::testing::Tests;

const RULES: &str = r#"
fuse on default on
source q queue { event push }
sensor s on q.push {
  rule deploy {
    requires on
    limit 2 per 1h
    approval within 30m by "sre"
    trigger page { team = body.app }
    trigger page { team = "all" }
    on waiting { trigger page { team = outcome.action } }
    on declined { trigger page { team = outcome.state } }
    on expired { trigger page { team = outcome.reason } }
  }
  rule quiet {
    when body.app == "slow"
    quiet 2m
    approval
    trigger page { team = "quiet" }
    on waiting { trigger page { team = "ask" } }
  }
  rule free {
    trigger page { team = "free" }
  }
  rule slow {
    when body.app == "queue"
    limit 1 per 10m else wait
    approval within 4h
    trigger page { team = "slow" }
  }
  rule late {
    when body.app == "late"
    quiet 1m
    still 1m unless q.push when body.app == "never"
    approval
    trigger page { team = "late" }
    on waiting { trigger page { team = "ask" } }
  }
}
"#;

fn load(tests: &str) -> Result<(Ruleset, String), String> {
    let text = format!("{RULES}{tests}");
    let files = BTreeMap::from([("a.rules", text.as_str())]);
    let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry());
    ruleset.map(|ruleset| (ruleset, text.clone())).map_err(|problems| problems.to_string())
}

/// The messages of a test that fails.
fn failures(steps: &str) -> Vec<String> {
    let (ruleset, text) = load(&format!("test \"t\" {{ {steps} }}")).unwrap();
    let tests = Tests::new(&ruleset, &BTreeMap::from([("a.rules", text.as_str())]));
    match tests.run(0) {
        Ok(()) => Vec::new(),
        Err(problems) => problems.iter().map(|problem| problem.message.clone()).collect(),
    }
}

fn minute(minute: u32) -> String {
    format!("at \"2026-08-01T10:{minute:02}:00Z\"\n")
}

const PUSH: &str = "send q.push body { app = \"web\" }\nexpect deploy waiting once\n\
                    expect deploy on waiting once\n";

#[test]
fn what_is_approved_fires() {
    let fires = "approve deploy\nexpect deploy once { team = \"web\" }\nexpect deploy once { team = \"all\" }\nexpect nothing else\n";
    let all = format!("{}{PUSH}{}{fires}", minute(0), minute(20));
    assert_eq!(failures(&all), [""; 0]);
    // Everything of the rule that waits is answered at once, and in order: the limit lets two through.
    let three = format!(
        "{}{PUSH}{PUSH}{PUSH}approve deploy expect deploy 2 times expect deploy suppressed once",
        minute(0)
    );
    assert_eq!(failures(&three), [""; 0]);
    let too_late = format!("{}{PUSH}{}approve deploy\n expect deploy", minute(0), minute(30));
    let found = failures(&too_late);
    assert_eq!(found.first().unwrap(), "nothing of rule `s/deploy` waits for approval here");
    let twice =
        format!("{}{PUSH}approve deploy expect deploy approve deploy expect no deploy", minute(0));
    assert_eq!(failures(&twice), ["nothing of rule `s/deploy` waits for approval here"]);
}

#[test]
fn what_is_declined_or_expires_does_not_fire() {
    let declined = "decline s/deploy\nexpect deploy declined once because \"declined by a person\"\n\
                    expect deploy on declined once { team = \"declined\" }\nexpect nothing else\n";
    assert_eq!(failures(&format!("{}{PUSH}{declined}", minute(0))), [""; 0]);
    let expired = "expect deploy expired once because \"was answered by nobody\"\n\
                   expect deploy on expired once\nexpect nothing else\n";
    assert_eq!(failures(&format!("{}{PUSH}{}{expired}", minute(0), minute(30))), [""; 0]);
    // A fuse that is off keeps nothing from expiring, and holds what is approved.
    let off = "with fuse on off\n";
    assert_eq!(failures(&format!("{}{PUSH}{off}{}{expired}", minute(0), minute(30))), [""; 0]);
    let held = format!(
        "{}{PUSH}{off}approve deploy\nexpect no deploy\n{}expect no deploy\nwith fuse on on\nexpect deploy once",
        minute(0),
        minute(40),
    );
    assert_eq!(failures(&held), [""; 0]);
}

#[test]
fn approval_may_follow_another_wait() {
    let push = "send q.push body { app = \"slow\" }\nexpect quiet waiting once\nexpect no quiet on waiting\n";
    let asked =
        "expect quiet waiting once because \"approval within 1d\"\nexpect quiet on waiting once\n";
    let all = format!(
        "{}{push}{}{asked}approve quiet\nexpect quiet once\nexpect nothing else",
        minute(0),
        minute(2)
    );
    assert_eq!(failures(&all), [""; 0]);
}

#[test]
fn what_cannot_be_answered_is_an_error() {
    let problem = |text: &str| load(text).unwrap_err();
    let free = "test \"t\" { send q.push body {} approve free }";
    assert!(problem(free).contains("rule `s/free` never waits for approval: it has no `approval`"));
    let none = "sensor t on q.push { rule r { trigger page { team = \"x\" } on expired { trigger page { team = \"x\" } } } }";
    assert!(problem(none).contains("E0510"), "{}", problem(none));
    let twice = "sensor t on q.push { approval rule r { approval within 1h trigger page { team = \"x\" } } }";
    assert!(problem(twice).contains("E0501"), "{}", problem(twice));
    let zero = "sensor t on q.push { rule r { approval within 0s trigger page { team = \"x\" } } }";
    assert!(problem(zero).contains("`approval` takes a duration longer than zero"));
    let named = "sensor t on q.push { rule r { approval by \"a\", \"a\", \" \" trigger page { team = \"x\" } } }";
    assert!(problem(named).contains("this group is named twice"));
    assert!(problem(named).contains("a group of approvers needs a name"));
    let unsure = "sensor t on q.push { rule r { approval trigger page { team = \"x\" } on waiting or declined { trigger page { team = outcome.action } } } }";
    assert!(
        problem(unsure).contains("E0409") || problem(unsure).contains("may be missing"),
        "{}",
        problem(unsure)
    );
}

#[test]
fn what_was_approved_is_not_asked_again() {
    let push = "send q.push body { app = \"queue\" }\n";
    let all = format!(
        "{}{push}{push}expect slow waiting 2 times\napprove slow\nexpect slow once\n\
         expect slow waiting once because \"`limit 1 per 10m else wait` waits until\"\n{}expect slow once",
        minute(0),
        minute(10),
    );
    assert_eq!(failures(&all), [""; 0]);
}

#[test]
fn a_rule_asks_although_it_waited_before() {
    let all = format!(
        "{}send q.push body {{ app = \"late\" }}\nexpect late waiting once\n{}expect late waiting once\n\
         expect no late on waiting\n{}expect late waiting once\nexpect late on waiting once",
        minute(0),
        minute(1),
        minute(2),
    );
    assert_eq!(failures(&all), [""; 0]);
}
