//! Rules that are too expensive for an event are rejected, and the others decide it.

use proptest::prelude::*;

use super::generate::{body, rules};
use super::{decide_within, event, load, registry};
use crate::decision::{Decision, Outcome};
use crate::fuses::Fuses;
use crate::ruleset::Ruleset;
use crate::semantics::{EventSize, RuleBound};
use crate::value::Value;

/// The only rule's bound for a body.
fn bound(rule: &str, body: &str) -> u64 {
    let ruleset = load(&format!(
        "source q queue {{ event e }}\nconst few = [\"a\", \"b\", \"c\"]\nsensor s on q.e {{ rule r {{ {rule}\n trigger note {{}} }} }}"
    ));
    let sensor = &ruleset.typed().sensors[0];
    let bound = RuleBound::new(sensor, &sensor.rules[0]);
    let value = Value::read(body).unwrap();
    let size = EventSize { body: &value, bytes: u64::try_from(body.len()).unwrap() };
    let (mut low, mut high) = (0, 1 << 40);
    while low < high {
        let middle = (low + high) / 2;
        if bound.exceeds(middle, &size) { low = middle + 1 } else { high = middle }
    }
    low
}

#[test]
fn the_bound_counts_the_real_elements() {
    // A decision counts 16.
    let list = |elements: usize| format!("{{\"l\":[{}]}}", vec!["1"; elements].join(","));
    // Reading a list counts itself and its elements; each one is compared (1) and visited (1).
    for elements in [0, 1, 10, 2_000] {
        let expected = if elements == 0 { 1 + 1 } else { 1 + 3 * elements as u64 };
        assert_eq!(bound("when any(x in body.l: x == 2)", &list(elements)), 16 + expected);
    }
    // `each` over a constant counts its elements, with a decision for each.
    assert_eq!(bound("each s in few\n when s == body.l", &list(5)), 3 * (1 + 2 + 16));
    // Lists in lists count their own elements, not the longest ones.
    let nested = r#"{"l":[{"m":[1,2,3,4,5]},{"m":[]},{"m":[1]}]}"#;
    let once = bound("when any(x in body.l: any(y in x.m: y == 2))", nested);
    assert!((40..60).contains(&once), "{once}");
    let thrice = bound("each s in few\n when any(x in body.l: any(y in x.m: y == 2))", nested);
    assert!((3 * once - 60..3 * once + 60).contains(&thrice), "{thrice}");
    // A replacement may examine a text again, and a small number may make a long list.
    let text = r#"{"t":"AAAA","n":3}"#;
    assert!(bound(r#"when replace-match(body.t, r"A|(?:b[cd])+", "") == "x""#, text) > 65_536);
    assert!(bound(r#"when replace-match(body.t, r"[^a-z]+", "") == "x""#, text) < 100);
    assert!(bound("when len(range(body.n)) == 1", text) > 1_000);
    // A text counts by its bytes.
    let text = format!("{{\"t\":\"{}\"}}", "x".repeat(64_000));
    assert_eq!(bound("when body.t contains \"y\"", &text), 16 + 10 + 1 + 1_000);
}

#[test]
fn a_cheap_rule_is_decided_beside_an_expensive_one() {
    let ruleset = load(
        "source q queue { event e }
         sensor s on q.e {
           rule dear { when body.branch == \"main\" and any(x in body.l: any(y in body.l: x == y + 1))  trigger note {} }
           rule cheap { when body.branch == \"main\"  trigger note {} }
           rule walked { each x in sort(body.l)  when any(y in body.l: y == x + 1)  trigger note {} }
         }",
    );
    let body = |branch: &str| {
        let list = vec!["1"; 200].join(",");
        format!("{{\"branch\":\"{branch}\",\"l\":[{list}]}}")
    };
    let outcomes = |branch: &str| {
        let body = body(branch);
        let evaluation = decide_within(&ruleset, &event(&body), &Fuses::default(), 20_000);
        assert_eq!(evaluation.refused, None);
        let outcome = |decision: &Decision| (decision.rule.clone(), decision.outcome);
        evaluation.decisions.iter().map(outcome).collect::<Vec<_>>()
    };
    let named = |outcomes: [Outcome; 3]| {
        let names = ["s/dear", "s/cheap", "s/walked"].map(str::to_owned);
        names.into_iter().zip(outcomes).collect::<Vec<_>>()
    };
    assert_eq!(outcomes("main"), named([Outcome::Rejected, Outcome::Fired, Outcome::Rejected]));
    // What is false for the whole event needs no elements.
    assert_eq!(
        outcomes("other"),
        named([Outcome::NotMatched, Outcome::NotMatched, Outcome::Rejected])
    );
}

/// One build per service that a push touches: 12 services, 400 commits, 144,000 file names.
#[test]
fn a_push_of_4_mb_to_a_monorepo_is_decided() {
    let services: Vec<String> = (0..12).map(|i| format!("\"svc{i}\"")).collect();
    let ruleset = load(&format!(
        "source q queue {{ event e }}
         const services = [{}]
         condition touched(files, service: string) = any(f in (files ?? []): f starts-with \"${{service}}/\")
         sensor mono on q.e {{
           rule build {{
             each service in services max 12
             when any(c in body.commits: touched(c.added, service) or touched(c.modified, service))
             trigger note {{ value = service }}
           }}
         }}",
        services.join(", ")
    ));
    let files = |folder: &str, commit: usize, count: usize| {
        let name = |i| format!("\"{folder}/path/number/{commit}/file{i}.go\"");
        (0..count).map(name).collect::<Vec<_>>().join(",")
    };
    let commits: Vec<String> = (0..400)
        .map(|commit| {
            let touched = if commit == 399 { ",\"svc11/main.go\"" } else { "" };
            format!(
                "{{\"added\":[{}],\"modified\":[{}{touched}]}}",
                files("svc11x/long", commit, 60),
                files("other", commit, 300)
            )
        })
        .collect();
    let body = format!("{{\"commits\":[{}]}}", commits.join(","));
    assert!(body.len() > 4_000_000);
    let evaluation = ruleset.plan().evaluate(&event(&body), &Fuses::default());
    assert_eq!(evaluation.refused, None);
    let elements: Vec<_> =
        evaluation.decisions.iter().map(|d| (d.outcome, d.element.clone())).collect();
    assert_eq!(elements, [(Outcome::Fired, Some(vec![11]))]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// The plan shows for most rules that they cannot exceed the limit, without their bound. The
    /// reference always computes the bound.
    #[test]
    fn the_plan_rejects_what_the_reference_rejects(
        text in rules(), bodies in prop::collection::vec(body(), 4), most in 0..200_u64,
    ) {
        if let Ok(ruleset) = Ruleset::parse("test.rules", &text, &registry()) {
            for body in bodies {
                decide_within(&ruleset, &event(&body), &Fuses::default(), most);
            }
        }
    }
}
