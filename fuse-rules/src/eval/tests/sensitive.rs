//! No output shows a secret of an event, or a constant that rules compare it with.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::explain::shown;
use super::{event, load};
use crate::eval::PageRequest;
use crate::fuses::Fuses;

/// The constant in the rules, and the value in the event. Both consist of digits, so that they are
/// also numbers.
const CONSTANT: &str = "48151623";
const VALUE: &str = "42907351";

const PLACES: [&str; 7] = [
    "headers.authorization",
    "headers.Proxy-Authorization",
    "headers.x-gitlab-token",
    "headers.cookie",
    "headers[\"x-hub-signature-256\"]",
    "query.token",
    "query.api_key",
];

/// Conditions on a path `P` and a constant `C`.
const CONDITIONS: [&str; 42] = [
    r#"P == "C""#,
    r#"P != "C""#,
    r#""C" == P"#,
    r#"not (P == "C")"#,
    r#"P in ["C", "other"]"#,
    r#"P in all"#,
    r#"P starts-with "C""#,
    r#"P ends-with "C""#,
    r#"P contains "C""#,
    r#"P matches r".*C.*""#,
    r#"P like "C*""#,
    r#"P == constant"#,
    r#"P == "Bearer ${constant}""#,
    r#"P == "Bearer C ${body.a}""#,
    r#"lower(P) == "C""#,
    r#"lower(P) in ["C"]"#,
    r#"split(P, "C")[0] == "C""#,
    r#"P ?? "C" == "other""#,
    r#"int(P) == C"#,
    r#"int(P) > C"#,
    r#"int(P) * 2 + C == C"#,
    r#"int("${P}${P}") == C"#,
    r#"int("C${P}") < C"#,
    r#"duration(P) > duration("Cm")"#,
    r#"len(P) > 10 and P == "C""#,
    r#"body.a == 1 and (P == "C" or body.b == "x") and body.c is missing"#,
    r#"(body.a == 1 or P == "C") == body.d"#,
    r#"is_it(P)"#,
    r#"not is_it(P)"#,
    r#"is_that(P, "C")"#,
    r#"is_that("C", P)"#,
    r#"among(P, ["C", "other"])"#,
    r#"both(P == "C", body.a == 1)"#,
    r#"any(part in split(P, ";"): part == "C")"#,
    r#"all(part in split(P, ";"): lower(part) == "C" and body.a == 2)"#,
    r#"len(filter(part in split(P, ";"): part == "C")) > 3"#,
    r#"first(part in split(P, ";"): part != "C") == "C""#,
    r#"any(one in body.l: one == P)"#,
    r#"any(one in body.m: one.name == P and one.other == "y")"#,
    r#"P in body.l"#,
    r#"P == body.same and body.same == "C""#,
    r#"lower(P) == lower(body.same) and body.a > 2"#,
];

fn rules(condition: &str, other: &str, place: &str) -> String {
    let [condition, other] =
        [condition, other].map(|text| text.replace('P', place).replace('C', CONSTANT));
    let declared = r#"
        const constant = "C"
        const all = ["C", "other"]
        condition is_it(value: string) = value == "C"
        condition is_that(value, other) = value == other
        condition among(value, list) = any(one in list: one == value)
        condition both(one, other) = one and other
    "#;
    let declared = declared.replace('C', CONSTANT);
    format!(
        "source q queue {{ event e }}\n{declared}\nsensor s on q.e {{
          rule yes {{ when {condition}\n trigger note {{}} }}
          rule no {{ when not ({other})\n trigger note {{}} }}
          rule parts {{ each part in split({place} ?? body.same, \";\") when part == \"{CONSTANT}\" and part != body.b  trigger note {{}} }}
        }}"
    )
}

/// All output about an event.
fn all(rules: &str, place: &str, value: Option<&str>) -> String {
    let ruleset = load(rules);
    // If a value of the body is compared with the header, its text in the rules is no secret; drop
    // it.
    let conditions = rules.split("rule parts").next().unwrap();
    let secret = |path: &str| if conditions.contains(path) { VALUE } else { "z" };
    let [d, same, l, m] = ["body.d", "body.same", "body.l", "body.m"].map(secret);
    let body = format!(
        r#"{{"a":1,"b":"y","d":"{d}","same":"{same}","l":["{l}"],"m":[{{"name":"{m}","other":"x"}}]}}"#
    );
    let mut event = event(&body);
    let name = place.trim_end_matches("\"]").rsplit(['.', '"']).next().unwrap();
    if let Some(value) = value {
        event = match place.starts_with("query") {
            true => event.query(name, value),
            false => event.header(name, value),
        };
    }
    let explanation = ruleset.plan().explain(&event, &Fuses::default());
    let mut out = shown(&explanation);
    out.push_str(&serde_json::to_string(&explanation).unwrap());
    for skip in 0..4 {
        let request = PageRequest { rule: None, skip, take: 1, max_parts: 9 };
        let page = ruleset.plan().explain_page(&event, &Fuses::default(), &request);
        assert_eq!(page.explanation.decisions.first(), explanation.decisions.get(skip));
    }
    let found = ruleset.would_match(&event, &explanation.decisions);
    out.push_str(&serde_json::to_string(&found).unwrap());
    for change in found.rules.values().flat_map(|closest| &closest.changes) {
        write!(out, "{change}").unwrap();
    }
    out
}

fn assert_hidden(condition: &str, other: &str, place: &str, value: Option<&str>) {
    let text = all(&rules(condition, other, place), place, value);
    let at = text.find(&CONSTANT[..6]).or_else(|| text.find(&VALUE[..6]));
    let near = at.map(|at| {
        let from = text.floor_char_boundary(at.saturating_sub(200));
        &text[from..text.ceil_char_boundary((at + 200).min(text.len()))]
    });
    assert_eq!(near, None, "{condition}; {other} on {place}, which is {value:?}");
}

proptest! {
    #![proptest_config(Config { cases: 100, ..Config::default() })]

    #[test]
    fn secrets_are_not_shown(
        condition in prop::sample::select(&CONDITIONS[..]),
        other in prop::sample::select(&CONDITIONS[..]),
        place in prop::sample::select(&PLACES[..]),
        value in prop::sample::select(vec![
            None,
            Some(VALUE.to_owned()),
            Some(CONSTANT.to_owned()),
            Some(format!("Bearer {CONSTANT}")),
            Some(format!("x;{VALUE};{CONSTANT}")),
        ]),
    ) {
        assert_hidden(condition, other, place, value.as_deref());
    }
}

#[test]
fn each_condition_hides_its_secrets() {
    for condition in CONDITIONS {
        for value in [None, Some(VALUE), Some(CONSTANT)] {
            assert_hidden(condition, condition, "headers.x-gitlab-token", value);
        }
    }
}

#[test]
fn what_is_shown_instead() {
    let mut all = String::new();
    for condition in [
        r#"P == "C""#,
        r#"lower(P) starts-with "C" and body.a == 2"#,
        r#"is_it(P)"#,
        r#"int(P) == C"#,
        r#"P is missing"#,
        r#"any(one in body.l: one == P)"#,
    ] {
        let rules = rules(condition, condition, "headers.x-gitlab-token");
        let (rules, _) = rules.split_once("rule parts").unwrap();
        let ruleset = load(&format!("{rules}}}"));
        let body = event(r#"{"a":1,"b":"y","l":["v"]}"#).header("X-Gitlab-Token", "v4lue");
        let explanation = ruleset.plan().explain_rules(&body, &Fuses::default(), &["s/yes"]);
        writeln!(all, "{}", shown(&explanation)).unwrap();
        let found = ruleset.would_match(&body, &explanation.decisions);
        writeln!(all, "{}\n", serde_json::to_string(&found).unwrap()).unwrap();
        for change in found.rules.values().flat_map(|closest| &closest.changes) {
            writeln!(all, "{change}\n").unwrap();
        }
    }
    insta::assert_snapshot!(all);
}

/// A refused action shows neither the values that were rendered from a secret nor the key of
/// `once`.
#[test]
fn reasons_of_rejections_and_keys_of_once_are_hidden() {
    let reasons = |rule: &str| {
        let ruleset = load(&format!("source q queue {{ event e }} sensor s on q.e {{ {rule} }}"));
        let event = event("{}").header("authorization", "Bearer {{v4lue}}");
        let explanation = ruleset.plan().explain(&event, &Fuses::default());
        let decision = explanation.decisions[0].clone();
        assert_eq!(ruleset.plan().evaluate(&event, &Fuses::default()).decisions.len(), 1);
        let asked: Vec<_> = decision.decision.flow.iter().map(ToString::to_string).collect();
        (decision.decision.reason, asked)
    };
    for rule in [
        "rule r { trigger text { text = headers.authorization } }",
        "rule r { trigger text { text = \"x\", name = headers.authorization } }",
        "rule r { trigger text { text = \"${int(headers.authorization)}\" } }",
        "rule r { once per int(headers.authorization) within 5m trigger text { text = \"x\" } }",
    ] {
        let (reason, _) = reasons(rule);
        assert!(
            !reason.contains("v4lue") && reason.contains("the reason is not shown"),
            "{rule}: {reason}"
        );
    }
    let rule = "rule r { once per headers.authorization within 5m trigger text { text = \"x\" } }";
    assert_eq!(reasons(rule).1, ["once per [hidden] within 5m"]);
    let rule = "rule r { once per event.id within 5m trigger text { text = \"x\" } }";
    assert_eq!(reasons(rule).1, ["once per \"1\" within 5m"]);
}

#[test]
fn other_headers_are_shown() {
    let ruleset = load(
        r#"source q queue { event e }
        sensor s on q.e { rule r { when headers.x-kind == "pull" and headers.x-token == "t0p"  trigger note {} } }"#,
    );
    let event = event("{}").header("x-token", "v4lue");
    let explanation = ruleset.plan().explain(&event, &Fuses::default());
    let text = shown(&explanation);
    assert!(text.contains(r#"`headers.x-kind` is "push""#), "{text}");
    let found = ruleset.would_match(&event, &explanation.decisions);
    let json = serde_json::to_value(&found.rules["s/r"].changes).unwrap();
    assert_eq!(
        json,
        serde_json::json!([
            { "path": "headers.x-kind", "from": "\"push\"", "to": "\"pull\"" },
            { "path": "headers.x-token", "hidden": true },
        ])
    );
    assert!(!text.contains("t0p") && !text.contains("v4lue"), "{text}");
}
