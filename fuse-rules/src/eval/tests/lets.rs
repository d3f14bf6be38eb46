//! `let`s are evaluated at most once per event and element.

use super::{decide, event, load};
use crate::decision::Outcome;
use crate::eval::memo::tests::COMPUTED;
use crate::fuses::Fuses;

const BODY: &str = r#"{"a": 1, "list": [1, 2, 3, 4, 5], "each": [1, 2]}"#;

/// How many values of `let`s the plan's evaluators compute: with the index, and for all rules.
fn computed(sensor: &str) -> [usize; 2] {
    let text = format!("source q queue {{ event e }}\nsensor s on q.e {{ {sensor} }}");
    let ruleset = load(&text);
    let (plan, event, fuses) = (ruleset.plan(), event(BODY), Fuses::default());
    let counted = |decide: &dyn Fn()| {
        let before = COMPUTED.get();
        decide();
        COMPUTED.get() - before
    };
    decide(&ruleset, &event, &fuses);
    [
        counted(&|| drop(plan.evaluate(&event, &fuses))),
        counted(&|| drop(plan.evaluate_all(&event, &fuses))),
    ]
}

const TRIGGER: &str = "trigger note { value = [n, n, \"${n}\", n + n, if n > 1 then n else n] }";

#[test]
fn a_value_is_computed_once_per_frame() {
    for (sensor, expected) in [
        // In conditions, keys and fields.
        (
            "let n = COUNT  rule r { when n > 1 and n < 9  when n != 3  once per n within 1h  TRIGGER TRIGGER }",
            1,
        ),
        // In several rules.
        (
            "let n = COUNT  rule a { when n > 1  TRIGGER } rule b { when n > 2  TRIGGER } rule c { TRIGGER }",
            1,
        ),
        ("rule a { let n = COUNT  TRIGGER } rule b { let n = COUNT  TRIGGER }", 2),
        // Below an `each`, a value of the event is computed for the event.
        ("let n = COUNT  each x in body.each  rule r { when n + x > 2  TRIGGER }", 1),
        ("each x in body.each  let n = COUNT + x  rule r { when n > 2  TRIGGER }", 2),
        ("each x in body.each  let m = COUNT  let n = m + x  rule r { when n > m  TRIGGER }", 3),
        (
            "each x in body.each  let m = x + 1
             rule r { each y in body.each  let n = m + y  when n > m  TRIGGER }",
            6,
        ),
        // In a quantifier, over a list of the event and over a computed one.
        ("let n = COUNT  rule r { when none(x in body.list: n + x == 0)  TRIGGER }", 1),
        (
            "let n = COUNT  rule r { when none(x in filter(i in body.list: i < 4): n + x == 0)  TRIGGER }",
            1,
        ),
        ("let n = COUNT  rule r { when any(x in body.list: n == 4 and n == x)  TRIGGER }", 1),
        // The elements of a computed list.
        (
            "each x in map(x in body.each: { a = x })  let n = COUNT + x.a  rule r { when n > 1  TRIGGER }",
            2,
        ),
        // A condition is a value in fields only; in conditions, its parts are shared.
        (
            "let c = COUNT > 2 and body.a == 1  rule r { when c  trigger note { value = [c, c, \"${c}\"] } }",
            1,
        ),
        // Only if something needs it.
        ("let n = COUNT  rule r { when body.a == 2 and n > 1  TRIGGER }", 0),
        ("let n = COUNT  rule r { trigger note { value = if body.a == 1 then 1 else n } }", 0),
        ("let n = body.a  let m = 1  rule r { when n == m  trigger note { value = [n, m] } }", 0),
    ] {
        let sensor = sensor
            .replace("COUNT", "len(filter(i in body.list: i > 1))")
            .replace("TRIGGER", TRIGGER);
        let [indexed, all] = computed(&sensor);
        assert_eq!(indexed, expected, "{sensor}");
        assert_eq!(all, expected, "{sensor}");
    }
}

/// The listing shows which values are kept; a path is not, and the index uses it.
#[test]
fn a_path_with_a_name_is_a_path() {
    let listing = |sensor: &str| {
        let text = format!("source q queue {{ event e }}\nsensor s on q.e {{ {sensor} }}");
        load(&text).plan().listing()
    };
    let rule = |env: &str, name: &str| {
        format!(
            "rule r {{ when {env} == \"prod\" and {name} == \"a\"\n once per {name} within 1h\n trigger note {{ value = {env} }} }}"
        )
    };
    let named = listing(&format!(
        "let labels = body.labels\nlet env = labels.env\n{}",
        rule("env", "labels.name")
    ));
    assert_eq!(named, listing(&rule("body.labels.env", "body.labels.name")));
    assert!(named.contains("found by f0.s"), "{named}");
    let kept = listing(&format!("let n = lower(body.name)\n{}", rule("body.env", "n")));
    assert!(kept.contains("  let n = lower(body.name), once per f0\n"), "{kept}");
}

/// Two rules may give the same name to different values.
#[test]
fn lets_of_the_same_name_are_different_values() {
    let ruleset = load(
        "source q queue { event e }
         sensor s on q.e {
           rule a { let t = { x = \"1\" }  when t[body.k] == body.v  trigger note {} }
           rule b { let t = { x = \"2\" }  when t[body.k] == body.v  trigger note {} }
           rule c { let t = { x = \"1\" }  when t[body.k] == body.v  trigger note {} }
         }",
    );
    let evaluation = decide(&ruleset, &event(r#"{"k": "x", "v": "1"}"#), &Fuses::default());
    let outcomes: Vec<_> = evaluation.decisions.iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, [Outcome::Fired, Outcome::NotMatched, Outcome::Fired]);
}

/// A conditional that is used as a condition is evaluated once, too.
#[test]
fn a_conditional_is_computed_once() {
    let [indexed, all] = computed(
        "let c = if len(filter(i in body.list: i > 1)) > 2 then body.a == 1 else false
         rule a { when c and (c or body.a == 2)  trigger note {} }
         rule b { when c or c  trigger note {} }",
    );
    assert_eq!((indexed, all), (0, 1), "the index shares its parts");
}
