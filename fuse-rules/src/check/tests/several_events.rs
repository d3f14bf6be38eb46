//! Sensors that listen to several events.

use crate::Ruleset;
use crate::diagnostic::tests::kinds;

/// The problems of a sensor on these events with these clauses.
fn problems(on: &str, rule: &str) -> String {
    let text = format!(
        r#"source a webhook {{
  port = 1
  event x : {{ id: string, at: string, kind: "x" }} {{ path = "/x/{{team}}/{{tenant}}" }}
  event y : {{ id: string, at?: string, kind: "y" }} {{ path = "/y/{{team}}" }}
  event free {{ path = "/free" }}
}}
sensor s on {on} {{ rule r {{
{rule}
}} }}
"#
    );
    let problems = Ruleset::parse("test.rules", &text, &kinds::registry()).err();
    problems.map(|problems| problems.to_string()).unwrap_or_default()
}

#[test]
fn what_only_some_events_have_may_be_missing() {
    let log = |value: &str| format!("trigger log {{ message = {value} }}");
    for (on, value, code) in [
        ("a.x or a.y", "body.id", ""),
        ("a.x or a.y", "body.kind", ""),
        ("a.x", "body.at", ""),
        ("a.x or a.y", "body.at", "E0312"),
        ("a.x or a.y", "body.at ?? body.id", ""),
        ("a.x or a.y", "body.nothing", "E0203"),
        ("a.y or a.free", "body.nothing ?? \"\"", ""),
        ("a.x or a.y", "event.path.team", ""),
        ("a.x or a.y", "event.path.tenant", "E0312"),
        ("a.x or a.y", "event.path.tenant ?? \"\"", ""),
        ("a.x or a.y or a.free", "event.path.team", "E0312"),
        ("a.x or a.y", "event.path.user", "E0211"),
        ("a.x or a.y", "event.name", ""),
    ] {
        let problems = problems(on, &log(value));
        let is_expected = match code {
            "" => problems.is_empty(),
            code => problems.starts_with(&format!("error[{code}]")),
        };
        assert!(is_expected, "{on}: {value}: {code}\n{problems}");
    }
    let when = "when body.kind == \"y\" or body.kind == \"z\"\ntrigger log { message = \"\" }";
    assert!(problems("a.x or a.y", when).starts_with("error[E0311]"), "no event has this kind");
}

#[test]
fn each_mistake_has_its_error() {
    let rule = "trigger log { message = \"\" }";
    let all: Vec<String> =
        ["a.x or a.x", "a.x or a.z", "a.x or b.y", "a.x, a.y", "a.x or", "a.x or a"]
            .iter()
            .map(|on| problems(on, rule))
            .collect();
    insta::assert_snapshot!(all.join("\n"));
}
