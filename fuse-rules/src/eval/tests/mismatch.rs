//! Events that do not conform to their declared type.

use super::{decide, event, load};
use crate::decision::Outcome;
use crate::fuses::Fuses;

fn decided(ty: &str, policy: &str, body: &str) -> (Vec<Outcome>, Option<String>, Option<String>) {
    let ruleset = load(&format!(
        "source q queue {{ {policy}\n event e : {ty} }}
         sensor s on q.e {{ rule r {{ when body[\"a\"] == 1  trigger note {{}} }} }}"
    ));
    let evaluation = decide(&ruleset, &event(body), &Fuses::default());
    let outcomes = evaluation.decisions.iter().map(|decision| decision.outcome).collect();
    (outcomes, evaluation.refused, evaluation.mismatch)
}

#[test]
fn they_are_decided_all_the_same_unless_the_source_rejects_them() {
    let why = Some("`body.a` is \"1\", but its type is int".to_owned());
    let ty = "{ a: int }";
    assert_eq!(decided(ty, "", r#"{"a":1}"#), (vec![Outcome::Fired], None, None));
    assert_eq!(decided(ty, "", r#"{"a":"1"}"#), (vec![Outcome::Unknown], None, why.clone()));
    let accept = decided(ty, "mismatch = \"accept\"", r#"{"a":"1"}"#);
    assert_eq!(accept, (vec![Outcome::Unknown], None, why.clone()));
    let reject = decided(ty, "mismatch = \"reject\"", r#"{"a":"1"}"#);
    assert_eq!(reject, (vec![Outcome::Rejected], why.clone(), why));
    let fine = decided(ty, "mismatch = \"reject\"", r#"{"a":1.0}"#);
    assert_eq!(fine, (vec![Outcome::Fired], None, None));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (ty, body, expected) in [
        ("{ a: int }", "{}", "`body.a` is missing"),
        ("{ a: int }", r#"{"a":1,"b":2}"#, "`body.b` is not in its type"),
        ("{ a: int, ... }", r#"{"a":1,"b":2}"#, ""),
        ("{ a?: int }", "{}", ""),
        ("{ a?: int }", r#"{"a":null}"#, "`body.a` is null, but its type is int"),
        (
            "{ a: list<{ b: bool }> }",
            r#"{"a":[{"b":true},{"b":0}]}"#,
            "`body.a[1].b` is 0, but its type is bool",
        ),
        (
            "{ a: map<int> }",
            r#"{"a":{"x y":1.5}}"#,
            "`body.a[\"x y\"]` is 1.5, but its type is int",
        ),
        ("int | { a: int }", "[]", "`body` is [], but its type is int | { a: int }"),
        (
            "{ k: \"x\", n: int } | { k: \"y\", n: bool }",
            r#"{"k":"y","n":1}"#,
            "`body.n` is 1, but its type is bool",
        ),
        ("timestamp", r#""2026-08-01""#, "`body` is \"2026-08-01\", but its type is timestamp"),
        ("timestamp", r#""2026-08-01T00:00:00+02:00""#, ""),
        ("duration", r#""1h30m""#, ""),
        ("duration", r#""1 hour""#, "`body` is \"1 hour\", but its type is duration"),
        ("bytes", r#""aGk=""#, ""),
        ("bytes", r#""aGk""#, "`body` is \"aGk\", but its type is bytes"),
        ("any", "[1, {}]", ""),
        ("true | null", "false", "`body` is false, but its type is true | null"),
    ] {
        let rules = format!("source q queue {{ event e : {ty} }}");
        let mismatch = load(&rules).plan().mismatch(&event(body));
        assert_eq!(mismatch.unwrap_or_default(), expected, "{ty} {body}");
    }
}
