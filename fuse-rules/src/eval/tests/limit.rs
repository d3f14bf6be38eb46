//! Rules that are too expensive for an event are rejected, and the others decide it.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::generate::{body, rules};
use super::{decide_within, event, load, registry};
use crate::decision::{Decision, Outcome};
use crate::eval::exhaustive::walk;
use crate::fuses::Fuses;
use crate::ruleset::Ruleset;
use crate::semantics::{EventSize, RuleBound, Work};
use crate::typed::{Rule, Sensor};
use crate::value::Value;

/// The bound of a rule for a body.
fn bound_of(sensor: &Sensor, rule: &Rule, body: &str) -> u64 {
    let bound = RuleBound::new(sensor, rule);
    let value = Value::read_lenient(body);
    let size = EventSize { body: &value, bytes: event(body).bytes() };
    let (mut low, mut high) = (0, 1 << 40);
    while low < high {
        let middle = (low + high) / 2;
        if bound.exceeds(middle, &size) { low = middle + 1 } else { high = middle }
    }
    low
}

/// The only rule's bound for a body.
fn bound(rule: &str, body: &str) -> u64 {
    let ruleset = load(&format!(
        "source q queue {{ event e }}\nconst few = [\"a\", \"b\", \"c\"]\nsensor s on q.e {{ rule r {{ {rule}\n trigger note {{}} }} }}"
    ));
    let sensor = &ruleset.typed().sensors[0];
    bound_of(sensor, &sensor.rules[0], body)
}

/// The work of evaluating all rules for a body, without the index.
fn work(ruleset: &Ruleset, body: &str) -> Option<u64> {
    let (plan, event) = (ruleset.plan(), event(body));
    let work = Work::new(event.received_at());
    let (plan, fuses) = (plan.pooled(), Fuses::default());
    let walked = walk(plan, &event, &fuses, &work, &|_| true, &mut |_, _| {});
    walked.is_ok().then(|| work.done())
}

/// Checks that evaluating rules takes no more work than the sum of their bounds.
fn check_work(ruleset: &Ruleset, body: &str) -> u64 {
    let Some(work) = work(ruleset, body) else { return 0 };
    let rules = ruleset.typed().sensors.iter();
    let rules = rules.flat_map(|sensor| sensor.rules.iter().map(move |rule| (sensor, rule)));
    let bounds: u64 = rules.map(|(sensor, rule)| bound_of(sensor, rule, body)).sum();
    assert!(work <= bounds, "{work} > {bounds} for {body}");
    work
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
    // The constant is the last one.
    assert_eq!(bound("when body.t contains \"y\"", &text), 16 + 10 + 1 + 1_000 + 1);
}

/// Long texts and lists that are computed: from constants, from each other, and by calls.
#[test]
fn work_stays_within_the_bound_of_computed_values() {
    let words = format!("[{}]", vec!["\"word\""; 100].join(", "));
    let text = "a,b c.".repeat(200);
    let list = vec![format!("\"{text}\""); 20].join(",");
    let version = "a.".repeat(300) + "a";
    let bodies = [
        format!(
            r#"{{"t":"{text}","l":[{list}],"n":900,"j":"[[1,2],[3,3,3,3],[1]]","v":"1.0.0-{version}","m":{{"k":"{text}","o":1}}}}"#
        ),
        r#"{"t":"a","l":["b"],"n":900,"m":{"k":"a,b"}}"#.to_owned(),
    ];
    let mut worked = 0;
    for clause in [
        "when any(x in range(body.n): any(y in range(body.n): x == y + 5000))",
        "when any(x in [WORDS, body.l]: any(y in x: y == body.m.k))",
        "when any(x in map(i in body.l: WORDS): any(y in x: y == body.m.k))",
        "when any(x in map(i in body.l: { t = body.t, w = WORDS }): len(x.w) == 0 or x.t contains \"zz\")",
        "when any(x in (body.none ?? body.l): x contains \"zz\")",
        "when any(x in (if body.n == 1 then body.none else body.l): x contains \"zz\")",
        "when any(x in split(body.t, \",\"): any(y in split(x, \" \"): any(z in split(y, \".\"): z == \"zz\")))",
        "when any(x in split(body.t, \",\"): any(y in split(body.t, \" \"): lower(x) == y))",
        "when replace(body.t, \"a\", \"aaaaaaaaaa\") contains \"zz\"",
        "when replace(replace(body.t, \"a\", body.t), \"b\", \"c\") contains \"zz\"",
        "when replace-match(body.t, r\"(a)\", \"$1$1$1$1\") contains \"zz\"",
        "when join(body.l, body.t) contains \"zz\"",
        "when len(split(join(WORDS, body.t), \"a\")) == 0",
        "when capture(body.t, r\"(?<a>((?<b>.*)))\").b contains \"zz\"",
        "when len(entries(body.m)) == 0 or len(values(body.m)) == 0 or body.m[body.t] == 1",
        "when json([body, body, body.l]) contains \"zz\"",
        "when len(parse-json(json(body.l))) == 0",
        "each x in filter(w in body.l: w != \"\") max 5\n when x contains \"zz\"",
        "each x in filter(w in body.l: w == \"b\") max 1\n when json([x, body.l]) == \"\"",
        "let w = WORDS\n when any(x in body.l: x in w) or w[body.n] == body.m.k",
        "let t = { a = WORDS, b = body.t }\n when any(x in body.l: t[x] == body.m.o or t.b == x)",
        "each x in parse-json(body.j) max 1000\n when any(y in x: lower(body.t) == y)",
        "when any(x in split(string(semver(body.v)), \".\"): any(y in split(string(semver(body.v)), \".\"): x == y and x == body.m.k))",
        "when any(x in body.l: replace-match(\"${x}${body.t}\", r\"a|b{60}\", \"\") == body.m.k)",
        "when len(query) == 0 or len(headers) == 0",
        "each x in range(body.n) max 1000\n when \"${body.t}${x}\" contains \"zz\"",
    ] {
        let clause = clause.replace("WORDS", &words);
        let ruleset = load(&format!(
            "source q queue {{ event e }}\nsensor s on q.e {{ rule r {{ {clause}\n trigger note {{ value = [body.t, {words}, \"${{body.t}}-${{body.t}}\"] }} }} }}"
        ));
        for body in &bodies {
            worked += check_work(&ruleset, body);
        }
    }
    assert!(worked > 100_000, "{worked}");
}

/// The properties below would mean little if almost no generated rule did any work, or if no limit was exceeded.
#[test]
fn generated_rules_work_and_exceed_limits() {
    let mut runner = TestRunner::deterministic();
    let (mut checked, mut worked, mut rejected, mut others) = (0, 0, 0, 0);
    for _ in 0..200 {
        let text = rules().new_tree(&mut runner).unwrap().current();
        let Ok(ruleset) = Ruleset::parse("test.rules", &text, &registry()) else { continue };
        checked += 1;
        let body = body().new_tree(&mut runner).unwrap().current();
        worked += u64::from(check_work(&ruleset, &body) > 20);
        let decided = decide_within(&ruleset, &event(&body), &Fuses::default(), 60);
        let is_dear = |one: &Decision| one.reason.contains("examine more than");
        let dear = decided.decisions.iter().filter(|one| is_dear(one)).count();
        rejected += usize::from(dear > 0);
        others += decided.decisions.len() - dear;
    }
    assert!(checked > 80 && worked * 10 > checked, "{worked} of {checked}");
    assert!(rejected > 10 && others > 10, "{rejected} rejected, {others} not");
}

/// Lists in the elements of a `filter` are not counted when an event is read, and a limit per element makes many
/// elements more expensive than one.
#[test]
fn the_plan_and_the_reference_reject_the_same_lists() {
    let numbers = vec!["1"; 2_000].join(",");
    let text = "x".repeat(6_400);
    let filtered = format!(r#"{{"l":[{{"a":1,"m":[{numbers}]}}],"t":"{text}"}}"#);
    let inner = format!("[{}]", vec!["1"; 40].join(","));
    let lists = vec![inner.as_str(); 200].join(",");
    let capped = format!(r#"{{"j":"[{lists}]","t":"{text}"}}"#);
    for (sensor, clauses, body) in [
        (
            "",
            "when any(x in filter(y in body.l: y.a == 1): any(z in x.m: trim(body.t) == z))",
            filtered,
        ),
        (
            "each x in parse-json(body.j) max 200",
            "each y in x max 40\n when trim(body.t) == y",
            capped,
        ),
    ] {
        let ruleset = load(&format!(
            "source q queue {{ event e }}\nsensor s on q.e {{ {sensor} rule r {{ {clauses}\n trigger note {{}} }} }}"
        ));
        let work = check_work(&ruleset, &body);
        assert!(work > 100_000, "{clauses}: {work}");
        decide_within(&ruleset, &event(&body), &Fuses::default(), work / 2);
    }
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

    /// No rule takes more work than its bound, so that an event is not refused because of it.
    #[test]
    fn work_stays_within_the_bound(
        text in rules(), bodies in prop::collection::vec(body(), 4),
    ) {
        if let Ok(ruleset) = Ruleset::parse("test.rules", &text, &registry()) {
            for body in bodies {
                check_work(&ruleset, &body);
            }
        }
    }

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
