//! The clauses of triggers: how often and how long actions are attempted.

use super::codes;

/// The problems of a rule with this trigger.
fn problems(trigger: &str) -> Vec<String> {
    codes(&format!("sensor x on s.e {{ rule r {{ trigger {trigger} }} }}"))
}

#[test]
fn numbers_and_durations_are_bounded() {
    for (trigger, expected) in [
        ("note retry 0 timeout 1ms {}", ""),
        ("note retry 100 backoff 100ms..1d timeout 1m {}", ""),
        ("note retry 3 backoff 5s..5s {}", ""),
        ("note retry 101 {}", "E0506 `101`"),
        ("note retry 99999999999 {}", "E0506 `99999999999`"),
        ("note retry 3 backoff 99ms..1s {}", "E0506 `99ms..1s`"),
        ("note retry 3 backoff 1s..25h {}", "E0506 `1s..25h`"),
        ("note retry 3 backoff 2s..1s {}", "E0524 `2s..1s`"),
        ("note retry 0 backoff 1s..2s {}", "E0524 `1s..2s`"),
        ("note timeout 0s {}", "E0506 `timeout 0s`"),
        ("note timeout 61s {}", "E0506 `timeout 61s`"),
        ("note {}\n on failure { trigger note retry 101 {} }", "E0506 `101`"),
    ] {
        let expected: Vec<&str> = if expected.is_empty() { vec![] } else { vec![expected] };
        assert_eq!(problems(trigger), expected, "{trigger}");
    }
}

#[test]
fn clauses_are_written_before_the_block() {
    for field in ["retry = 3", "backoff = 1s", "timeout = 3s"] {
        let name = field.split(' ').next().unwrap();
        assert_eq!(problems(&format!("note {{ {field} }}")), [format!("E0401 `{name}`")]);
    }
    // `retries` is a field of this trigger.
    assert_eq!(problems("flow { namespace = \"n\", template = \"t\", retries = 1 }"), [""; 0]);
}
