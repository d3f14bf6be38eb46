//! `let`s are evaluated at most once per event and element.

use super::{event, load};
use crate::fuses::Fuses;

/// Reading the list takes a tenth of the work that an event may take.
fn body() -> String {
    let numbers: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
    format!("{{\"list\": [{}], \"each\": [1, 2]}}", numbers.join(","))
}

/// Whether the event is refused by any of the evaluators, because the rules take too much work.
fn is_refused(sensor: &str) -> [bool; 2] {
    let text = format!("source q queue {{ event e }}\nsensor s on q.e {{ {sensor} }}");
    let plan = load(&text).plan();
    let body = body();
    let event = event(&body);
    let fuses = Fuses::default();
    [plan.evaluate(&event, &fuses), plan.evaluate_all(&event, &fuses)]
        .map(|evaluation| evaluation.refused.is_some())
}

#[test]
fn a_value_is_computed_once_per_frame() {
    let count = "len(filter(n in body.list: n > 1))";
    let whens =
        |value: &str| -> String { (0..30).map(|i| format!("when {value} > {i}\n")).collect() };
    let rules = |value: &str| -> String {
        (0..30)
            .map(|i| {
                format!("rule r{i} {{ when {value} > {i}\n trigger note {{ value = {value} }} }}\n")
            })
            .collect()
    };
    let trigger = "trigger note { value = [n, n, \"${n}\", n + n, if n > 1 then n else n] }";
    for (with_let, without) in [
        // In conditions and in fields, of one rule and of many.
        (
            format!("let n = {count}\nrule r {{ {} {trigger} }}", whens("n")),
            format!("rule r {{ {} trigger note {{}} }}", whens(count)),
        ),
        (format!("let n = {count}\n{}", rules("n")), rules(count)),
        // Below an `each`, a value of the event is computed for the event.
        (
            format!(
                "let n = {count}\neach x in body.each\nrule r {{ {} {trigger} }}",
                whens("(n + x)")
            ),
            format!(
                "each x in body.each\nrule r {{ {} trigger note {{}} }}",
                whens(&format!("({count} + x)"))
            ),
        ),
        // In a quantifier.
        (
            format!(
                "let n = {count}\nrule r {{ when none(x in filter(x in body.list: x < 40): n == x)\n {trigger} }}"
            ),
            format!(
                "rule r {{ when none(x in filter(x in body.list: x < 40): {count} == x)\n trigger note {{}} }}"
            ),
        ),
        // A name that uses another one.
        (
            format!("let a = {count}\nlet n = a + a\nrule r {{ {} {trigger} }}", whens("n + a")),
            format!("rule r {{ {} trigger note {{}} }}", whens(count)),
        ),
        // The element of a computed list.
        (
            format!(
                "each x in map(x in body.each: {{ a = x }})\nlet n = {count} + x.a\nrule r {{ {} {trigger} }}",
                whens("n")
            ),
            format!(
                "each x in map(x in body.each: {{ a = x }})\nrule r {{ {} trigger note {{}} }}",
                whens(&format!("({count} + x.a)"))
            ),
        ),
    ] {
        assert_eq!(is_refused(&with_let), [false; 2], "{with_let}");
        assert_eq!(is_refused(&without), [true; 2], "{without}");
    }
    // A value that nothing needs is not computed.
    let unused: String = (0..30).map(|i| format!("let n{i} = {count}\n")).collect();
    let needed = "rule r { when body.a == 1 and n0 + n1 + n2 > 3\n trigger note {} }";
    assert_eq!(is_refused(&format!("{unused}{needed}")), [false; 2]);
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
