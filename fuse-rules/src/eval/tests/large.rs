//! Large events of various kinds: decided like the reference, with bounded work. None of these
//! tests is timed; unbounded work would not finish.

use super::{condition, decide, event, load};
use crate::decision::Evaluation;
use crate::decision::Outcome;
use crate::fuses::Fuses;

const HEAD: &str = "source q queue { event e }\n";

fn rule(clauses: &str) -> String {
    format!("{HEAD}sensor s on q.e {{ rule r {{ {clauses}\n trigger note {{}} }} }}")
}

fn evaluate(rules: &str, body: &str) -> Evaluation {
    load(rules).plan().evaluate(&event(body), &Fuses::default())
}

/// Atoms whose texts would be the same without parentheses.
#[test]
fn operands_that_are_conditions_are_told_apart() {
    let rules = format!(
        "{HEAD}sensor s on q.e {{
           rule a {{ when (body.a == body.b) == body.c  trigger note {{}} }}
           rule b {{ when body.a == (body.b == body.c)  trigger note {{}} }}
           rule c {{ when (body.a == body.b) in [true]  trigger note {{}} }}
           rule d {{ when body.a == (body.b in [true])  trigger note {{}} }}
         }}"
    );
    let ruleset = load(&rules);
    for body in [r#"{"a":1,"b":1,"c":true}"#, r#"{"a":true,"b":5,"c":5}"#, r#"{"a":false,"b":1}"#] {
        // `decide` compares all evaluators.
        decide(&ruleset, &event(body), &Fuses::default());
    }
}

/// More elements than there are frames.
#[test]
fn quantifiers_over_long_lists() {
    let list = |first: &str| {
        let rest = vec!["1"; 1_500].join(",");
        format!("{{\"l\":[{first},{rest}],\"m\":[{{\"l\":[{rest}]}}]}}")
    };
    for (body, one_is_two) in [(list("1"), false), (list("2"), true)] {
        for (text, wanted) in [
            ("any(x in body.l: x == 2)", one_is_two),
            ("none(x in body.l: x == 2)", !one_is_two),
            ("all(x in body.l: x == 1)", !one_is_two),
            ("not all(x in body.l: x == 1)", one_is_two),
            ("not any(m in body.m: none(x in m.l: x == 1))", true),
        ] {
            let wanted = if wanted { Outcome::Fired } else { Outcome::NotMatched };
            assert_eq!(condition(text, &body).0, wanted, "{text}");
        }
    }
}

#[test]
fn quantifiers_that_nest_deeply() {
    let mut text = "x7 == 1".to_owned();
    let mut body = "[1]".to_owned();
    for level in (0..8).rev() {
        let list = if level == 0 { "body.l".to_owned() } else { format!("x{}", level - 1) };
        text =
            format!("{}(x{level} in {list}: {text})", if level % 2 == 0 { "all" } else { "any" });
        body = format!("[{body}]");
    }
    let body = format!("{{\"l\":{}}}", &body[1..body.len() - 1]);
    assert_eq!(condition(&text, &body).0, Outcome::Fired);
}

/// A hundred thousand keys of an object that is read as a whole.
#[test]
fn objects_of_many_keys() {
    let keys: Vec<String> = (0..100_000).map(|i| format!("\"{i:x}\":1")).collect();
    let body = format!("{{\"x\":{{{}}}}}", keys.join(","));
    assert_eq!(evaluate(&rule("when body.x is present"), &body).refused, None);
    let body = format!("{{\"x\":{{{},\"1f\":2}}}}", keys.join(","));
    assert!(evaluate(&rule("when body.x is present"), &body).refused.unwrap().contains("`1f`"));
}

/// As many paths as keys, and as many indices as elements.
#[test]
fn rules_of_many_paths() {
    let mut rules = format!("{HEAD}sensor s on q.e {{\n");
    for i in 0..2_000 {
        rules += &format!(
            "rule k{i} {{ when body.k{i} == \"v{i}\" and body.l[{i}] == {i}  trigger note {{}} }}\n"
        );
    }
    let keys: Vec<String> = (0..2_000).map(|i| format!("\"k{i}\":\"v{i}\"")).collect();
    let items: Vec<String> = (0..2_000).map(|i| i.to_string()).collect();
    let body = format!("{{{},\"l\":[{}]}}", keys.join(","), items.join(","));
    assert_eq!(evaluate(&(rules + "}"), &body).fired().count(), 2_000);
}

/// Substrings that occur at every byte of a text, for many rules.
#[test]
fn texts_full_of_what_is_looked_for() {
    let mut rules = format!("{HEAD}sensor s on q.e {{\n");
    for i in 1..300 {
        let part = "a".repeat(1 + i % 20);
        rules += &format!(
            "rule r{i} {{ when body.t contains \"{part}\" and body.u is missing  trigger note {{}} }}\n"
        );
    }
    let plan = load(&(rules + "}")).plan();
    let body = |len: usize| format!("{{\"u\":1,\"t\":\"{}\"}}", "a".repeat(len));
    assert_eq!(plan.evaluate(&event(&body(20_000)), &Fuses::default()).refused, None);
    assert_eq!(plan.evaluate(&event(&body(1_000_000)), &Fuses::default()).refused, None);
}

/// Candidates that the event finds, for every element of a list in every element of a list.
#[test]
fn texts_of_the_event_under_each() {
    let rules = format!(
        "{HEAD}sensor s on q.e {{ each a in body.list
           rule r {{ each b in a.subs  when body.t contains \"xyz\" and b == 1  trigger note {{}} }} }}"
    );
    let subs = vec!["{\"subs\":[1,2]}"; 1_000].join(",");
    let body = format!("{{\"t\":\"{} xyz\",\"list\":[{subs}]}}", "a".repeat(100_000));
    // The text counts as work once, not a thousand times.
    assert_eq!(evaluate(&rules, &body).fired().count(), 1_000);
}

/// A number with half a million digits that is read often.
#[test]
fn numbers_of_many_digits() {
    let among: Vec<String> = (0..300).map(|i| i.to_string()).collect();
    let text = format!("body.n in [{}] or body.n > 5 or body.n is int", among.join(", "));
    let body = format!("{{\"n\":{}}}", "1".repeat(500_000));
    assert_eq!(condition(&text, &body).0, Outcome::Fired);
    assert_eq!(condition("body.n > 5", &body).0, Outcome::Unknown);
}

/// Rules for lists that an event does not have, and lists that are too long for many rules.
#[test]
fn lists_of_many_rules() {
    let mut rules = HEAD.to_owned();
    for i in 0..300 {
        rules += &format!(
            "sensor s{i} on q.e {{ each e in body.l{i}  rule r {{ when e.x == {i}  trigger note {{}} }} }}\n"
        );
    }
    let plan = load(&rules).plan();
    assert_eq!(plan.evaluate(&event("{\"z\":1}"), &Fuses::default()).decisions.len(), 0);
    let body = "{\"l7\":[{\"x\":7},{\"x\":8}],\"l9\":[{\"x\":9}]}";
    assert_eq!(plan.evaluate(&event(body), &Fuses::default()).fired().count(), 2);

    let mut rules = HEAD.to_owned();
    for i in 0..200 {
        rules += &format!(
            "sensor s{i} on q.e {{ each a in body.list  rule r {{ each b in a.s max 1  when b == {i}  trigger note {{}} }} }}\n"
        );
    }
    let body = format!("{{\"list\":[{}]}}", vec!["{\"s\":[1,2]}"; 1_000].join(","));
    // 200,000 rejections because of too many elements.
    let refused = evaluate(&rules, &body).refused.unwrap();
    assert_eq!(refused, "it has more than 125000 decisions with consequences");
}

/// Explanations cannot use the index: past a limit, they report that they are incomplete.
#[test]
fn explaining_ends_and_says_so() {
    let rules: String = (0..100)
        .map(|i| {
            format!(
                "rule r{i} {{ when any(o in body.l: o == x and o == {i})  trigger note {{}} }}\n"
            )
        })
        .collect();
    let plan = load(&format!("{HEAD}sensor s on q.e {{ each x in body.l\n{rules}}}\n"))
        .plan()
        .with_max_work(2_000_000);
    let list = |n: usize| {
        let elements: Vec<String> = (0..n).map(|i| format!("\"{i}\"")).collect();
        format!("{{\"l\":[{}]}}", elements.join(","))
    };
    let few = list(3);
    let explained = plan.explain(&event(&few), &Fuses::default());
    assert_eq!((explained.decisions.len(), explained.cut), (300, false));
    let many = list(400);
    let decided = plan.evaluate(&event(&many), &Fuses::default());
    assert_eq!((decided.decisions.len(), decided.refused), (0, None));
    let explained = plan.explain(&event(&many), &Fuses::default());
    assert_eq!((explained.decisions.len(), explained.refused, explained.cut), (0, None, true));
}
