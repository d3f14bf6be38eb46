//! Each structure finds the same as a linear search; and the accesses that are chosen for rules.

use proptest::prelude::*;

use super::affix::Prefixes;
use super::interval::{Interval, Intervals};
use super::pattern::{Literal, literals};
use crate::eval::tests::load;
use crate::number::Number;
use crate::typed::{Pattern, TextOp};

fn sorted(mut found: Vec<u32>) -> Vec<u32> {
    found.sort_unstable();
    found
}

/// An end: the number, and whether it is included.
fn end() -> impl Strategy<Value = Option<(i64, bool)>> {
    prop::option::weighted(0.8, (-5..5_i64, any::<bool>()))
}

proptest! {
    #[test]
    fn intervals_that_have_a_number_in_them(ends in prop::collection::vec((end(), end()), 0..60), number in -6..6_i64) {
        let mut all = Vec::new();
        let mut wanted = Vec::new();
        for (rule, (from, to)) in (0..).zip(&ends) {
            let halves = [
                from.map(|(number, inclusive)| Interval::from(number.into(), inclusive)),
                to.map(|(number, inclusive)| Interval::to(number.into(), inclusive)),
            ];
            let mut halves = halves.into_iter().flatten();
            let Some(mut interval) = halves.next() else { continue };
            halves.for_each(|other| interval.narrow(&other));
            all.push((interval, rule));
            let after = from.is_none_or(|(from, inclusive)| number > from || inclusive && number == from);
            let before = to.is_none_or(|(to, inclusive)| number < to || inclusive && number == to);
            if after && before {
                wanted.push(rule);
            }
        }
        let mut found = Vec::new();
        Intervals::new(all).find(&Number::from(number), &mut found);
        prop_assert_eq!(sorted(found), wanted);
    }

    #[test]
    fn prefixes_of_a_text(prefixes in prop::collection::vec("[ab]{1,4}", 0..40), text in "[abc]{0,6}") {
        let all = prefixes.iter().map(|prefix| prefix.as_bytes().into()).zip(0..).collect();
        let wanted: Vec<u32> =
            (0..).zip(&prefixes).filter(|(_, prefix)| text.starts_with(*prefix)).map(|(rule, _)| rule).collect();
        let mut found = Vec::new();
        Prefixes::new(all).find(text.as_bytes(), &mut found);
        prop_assert_eq!(sorted(found), wanted);
    }
}

fn pattern(op: TextOp, source: &str) -> Option<Vec<Literal>> {
    let regex = regex::Regex::new("").unwrap();
    literals(&Pattern { op, source: source.to_owned(), regex })
}

#[test]
fn what_every_match_of_a_pattern_has() {
    let whole = |text: &str| Literal::Whole(text.into());
    let start = |text: &str| Literal::Start(text.into());
    let end = |text: &str| Literal::End(text.into());
    let inside = |text: &str| Literal::Inside(text.into());
    for (source, wanted) in [
        ("prod", Some(vec![whole("prod")])),
        ("prod|dev", Some(vec![whole("prod"), whole("dev")])),
        ("prod-.*", Some(vec![start("prod-")])),
        (".*-prod", Some(vec![end("-prod")])),
        (".*failed.*", Some(vec![inside("failed")])),
        ("(a|b)-app[0-9]+", Some(vec![start("a-app"), start("b-app")])),
        (".*", None),
        ("[0-9]+", None),
    ] {
        assert_eq!(pattern(TextOp::Matches, source), wanted, "{source}");
    }
    for (source, wanted) in [
        ("prod", Some(vec![whole("prod")])),
        ("prod*", Some(vec![start("prod")])),
        ("*.prod", Some(vec![end(".prod")])),
        ("a*-failed-*b", Some(vec![inside("-failed-")])),
        ("*", None),
        ("\\*x", None),
    ] {
        assert_eq!(pattern(TextOp::Like, source), wanted, "{source}");
    }
}

/// The rarest required fact, for rules of all kinds.
#[test]
fn what_rules_are_found_by() {
    let conditions = [
        "body.kind == \"a\" and body.number > 5",
        "body.number > 5 and body.number <= 7",
        "body.kind in [\"a\", \"b\"] or body.name starts-with \"x-\"",
        "body.name contains \"needle\" and body.kind != \"a\"",
        "body.name ends-with \"-x\"",
        "body.name like \"*-prod-*\"",
        "body.name matches r\"team-[ab]-.*\"",
        "body.kind != \"a\"",
        "not (body.kind != \"a\" or body.number < 3)",
        "body.gone is missing and body.flag",
        "body.kind == \"a\" or len(body.name) > 3",
        "headers.x-kind == \"push\" and any(l in body.labels: l.name == \"x\")",
        "any(l in body.labels: l.name == \"x\" or l.name like \"y-*\")",
        "not all(l in body.labels: l.name != \"x\" or none(p in l.parts: p == 1))",
        "none(l in body.labels: l.name == \"x\")",
        "body.ref == \"refs/heads/${main}\"",
        "body.ref starts-with \"${main}/\"",
        "is-branch(body.ref, \"dev\")",
    ];
    let mut rules = String::from(
        "const main = \"main\"\ncondition is-branch(ref, name) = ref == \"refs/heads/${name}\"
         source q queue { event e }\nsensor s on q.e {\n",
    );
    for (number, condition) in conditions.iter().enumerate() {
        rules += &format!("rule r{number} {{ when {condition}\n trigger note {{}} }}\n");
    }
    let listing = load(&(rules + "}")).plan().listing();
    let found = listing.lines().filter_map(|line| line.trim().strip_prefix("found by "));
    let told: Vec<String> = conditions
        .iter()
        .zip(found)
        .map(|(condition, by)| format!("{condition}\n  {by}"))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

/// Combinations of constants distinguish rules that share each single constant.
#[test]
fn shared_constants_are_looked_up_together() {
    let mut rules = String::from("source q queue { event e }\nsensor s on q.e {\n");
    for number in 0..100 {
        let (a, b) = (number % 10, number / 10);
        rules += &format!(
            "rule r{number} {{ when body.a == {a} and body.b == {b}  trigger note {{}} }}\n"
        );
    }
    let plan = load(&(rules + "}")).plan();
    assert!(
        plan.listing().contains("found by f0.s0 == 3 together with f0.s1 == 7"),
        "{}",
        plan.listing()
    );
    assert!(plan.always_decided().is_empty());
}
