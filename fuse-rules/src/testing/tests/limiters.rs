//! `with limiter NAME used N`: what other rules use of a limiter.

use super::first_problem;

const RULES: &str = r#"
limiter api { limit 3 per 1h }
limiter healing { concurrency 2 }
limiter idle { limit 1 per 1h }
const team = "web"
source q queue { event e : { app: string } }
sensor s on q.e {
  rule call {
    limit api per body.app
    trigger page { team = "a" }
  }
  rule heal {
    concurrency healing else skip
    trigger page { team = "b" }
  }
}
"#;

/// The first problem of a test, if it has one.
fn problem(steps: &str) -> Option<String> {
    first_problem(&format!("{RULES}test \"t\" {{ {steps} }}"))
}

#[test]
fn other_rules_use_a_limiter() {
    let send = r#"send q.e body { app = "web" }"#;
    for steps in [
        format!("with limiter api used 2 per \"web\" {send} expect call {send} expect call suppressed because \"3 of 3\""),
        format!("with limiter api used 3 per team {send} expect call suppressed {send}"),
        // Another key.
        format!("with limiter api used 3 per \"db\" {send} expect call"),
        // The window moves on.
        format!(
            "at \"2026-08-01T10:00:00Z\" with limiter api used 3 per \"web\" {send} expect call suppressed
             at \"2026-08-01T11:00:00Z\" {send} expect call"
        ),
        // Each step adds to what was used before, up to the number.
        format!(
            "with limiter api used 2 per \"web\" with limiter api used 2 per \"web\" {send} expect call suppressed"
        ),
        format!("with limiter healing used 1 {send} expect heal {send} expect heal suppressed"),
        format!(
            "with limiter healing used 2 {send} expect heal suppressed because \"`with limiter healing`\""
        ),
        format!("with limiter healing used 1 {send} expect heal finish heal {send} expect heal"),
        // What has no room is left out, and waits for nothing.
        format!(
            "with limiter healing used 1 {send} expect heal with limiter healing used 2 finish heal {send} expect heal"
        ),
    ] {
        assert_eq!(problem(&steps), None, "{steps}");
    }
    let one = format!("with limiter api used 1 per \"web\" {send} expect call suppressed");
    assert!(problem(&one).is_some(), "{one}");
}

#[test]
fn a_use_that_never_happens_is_an_error() {
    for (step, message) in [
        (
            "used 4 per \"web\"",
            "limiter `api` never lets 4 matches through: it has `limit 3 per 1h`",
        ),
        ("used 0 per \"web\"", "`used` must be at least 1"),
        ("used 1", "the rules use the limiter `api` with 1 key, and this step gives 0"),
        ("used 1 per [1]", "a key is a single value, and this is a list"),
    ] {
        let steps = format!("with limiter api {step} send q.e body {{ app = \"web\" }}");
        assert_eq!(problem(&steps).as_deref(), Some(message), "{step}");
    }
    for (step, message) in [
        ("healing used 1 per \"web\"", "the rules use the limiter `healing` without keys"),
        ("idle used 1", "no rule uses the limiter `idle`"),
        ("apis used 1", "there is no limiter `apis`"),
        ("api used many", "expected a whole number"),
    ] {
        let steps = format!("with limiter {step} send q.e body {{ app = \"web\" }}");
        let found = problem(&steps);
        assert!(found.as_deref().is_some_and(|found| found.contains(message)), "{step}: {found:?}");
    }
}
