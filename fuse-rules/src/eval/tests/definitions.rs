//! Named conditions and constants mean the same as their expansion.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::explain::shown;
use super::generate::{body, bound_condition};
use super::{decide, event, load, registry};
use crate::decision::Outcome;
use crate::fuses::Fuses;
use crate::ruleset::Ruleset;

fn rules(declared: &str, rule: &str) -> String {
    format!("source q queue {{ event e }}\n{declared}\nsensor s on q.e {{ rule r {{ {rule} }} }}")
}

#[test]
fn arguments_stand_where_parameters_stood() {
    let declared = r#"
        const environments = ["dev", "prod"]
        condition known(env: string) = env in environments
        condition prod(x) = known(x.env) and x.env == "prod"
        condition has(list, name) = any(x in list: x.name == name)
        condition every(list, other) = all(x in list: has(other, x.name))
        condition header(all, name) = all.X-Kind == name
        condition flagged(x) = x.flag
        condition counted(n, least: int) = n >= least
    "#;
    let body = event(
        r#"{"env":"prod","flag":true,"l":[{"name":"a","ls":[{"name":"z"}]},{"name":"b","ls":[]}],"m":[{"name":"b"},{"name":"a"}]}"#,
    );
    for (when, expected) in [
        ("known(body.env)", Outcome::Fired),
        ("known(body.l[0].name)", Outcome::NotMatched),
        ("known(body.none)", Outcome::Unknown),
        ("not known(body.none)", Outcome::Unknown),
        ("prod(body)", Outcome::Fired),
        ("prod([{ env = body.env }][0])", Outcome::Fired),
        ("prod([{ env = \"dev\" }][0])", Outcome::NotMatched),
        ("has(body.l, \"b\")", Outcome::Fired),
        ("has(body.l, body.m[1].name)", Outcome::Fired),
        ("every(body.l, body.m)", Outcome::Fired),
        ("every(body.m, body.l)", Outcome::Fired),
        ("every(body.l, [{ name = \"a\" }])", Outcome::NotMatched),
        ("any(x in body.l: has(x.ls, \"z\"))", Outcome::Fired),
        ("all(x in body.l: has(x.ls, \"z\"))", Outcome::NotMatched),
        ("all(y in body.l: has(filter(x in body.m: x.name == y.name), y.name))", Outcome::Fired),
        ("has(filter(x in body.l: has(x.ls, \"z\")), \"a\")", Outcome::Fired),
        ("has(filter(x in body.l: has(x.ls, \"z\")), \"b\")", Outcome::NotMatched),
        ("header(headers, \"push\")", Outcome::Fired),
        ("flagged(body)", Outcome::Fired),
        ("flagged(body.l[0])", Outcome::Unknown),
        ("counted(len(body.l), 2)", Outcome::Fired),
        ("counted(count(x in body.l: has(x.ls, \"z\")), 2)", Outcome::NotMatched),
    ] {
        let ruleset = load(&rules(declared, &format!("when {when}\n trigger note {{}}")));
        let decisions = decide(&ruleset, &body, &Fuses::default()).decisions;
        assert_eq!(decisions[0].outcome, expected, "{when}: {}", decisions[0].reason);
    }
}

/// Used as a value, a condition is also true, false or unknown, and never absent.
#[test]
fn a_named_condition_is_never_absent() {
    let declared = "condition flagged(x) = x.flag";
    let ruleset = load(&rules(declared, "trigger note { value? = flagged(body) }"));
    let decisions = decide(&ruleset, &event("{}"), &Fuses::default()).decisions;
    assert_eq!(
        decisions[0].reason,
        "`value` has no value: `body.flag` is missing, so a condition is unknown"
    );
}

#[test]
fn explanations_name_the_call_and_the_part_of_the_condition() {
    let declared = r#"
        condition is-prod(name) = name ends-with "-prod"
        condition urgent(alert) = alert.severity == "critical" and is-prod(alert.cluster)"#;
    let ruleset = load(&rules(
        declared,
        "when urgent(body)\n when not urgent(body.other)\n when is-prod(body.cluster)\n trigger note {}",
    ));
    let why = |body: &str| shown(&ruleset.plan().explain(&event(body), &Fuses::default()));
    insta::assert_snapshot!(why(r#"{"severity":"critical","cluster":"eu-dev","other":{}}"#));
    insta::assert_snapshot!(why(
        r#"{"severity":"critical","cluster":"eu-prod","other":{"severity":"critical","cluster":"x-prod"}}"#
    ));
    insta::assert_snapshot!(why(r#"{"severity":"critical"}"#));
}

/// A condition of maximum depth, called at maximum depth with an argument of maximum depth.
#[test]
fn the_deepest_calls_are_evaluated() {
    let nested = |open: &str, close: &str, n: usize, inner: &str| {
        format!("{}{inner}{}", open.repeat(n), close.repeat(n))
    };
    let declared = format!("condition c(p) = {}", nested("not (", ")", 30, "p"));
    let declared = format!("{declared}\ncondition d(p) = {}", nested("not (", ")", 30, "c(p)"));
    let call = nested("not (", ")", 15, &format!("d({})", nested("not (", ")", 15, "body.t")));
    let ruleset = load(&rules(&declared, &format!("when {call}\n trigger note {{}}")));
    let decisions = decide(&ruleset, &event(r#"{"t":true}"#), &Fuses::default()).decisions;
    assert_eq!(decisions[0].outcome, Outcome::Fired);
}

/// Where a condition is called, and with which argument: `{}` is the name of the callee.
const CALLS: [(&str, &str, &str); 6] = [
    ("{}", "body", "body.list"),
    ("not {}", "body.list[0]", "body.a"),
    ("any(k in body.list: {})", "k", "body"),
    ("any(k in body.list: all(j in body.items: {}))", "k", "j"),
    ("count(k in body.list: {}) == 1", "filter(h in body.list: h.a == k.a)", "k"),
    ("all(k in body.list: {} or k.a == 1)", "first(h in body.list: h.b == k.b)", "[k, body]"),
];

proptest! {
    #![proptest_config(Config { cases: 500, ..Config::default() })]

    #[test]
    fn a_call_means_what_is_written_out(condition in bound_condition(vec!["one".into(), "two".into()]), call in prop::sample::select(&CALLS[..]), bodies in prop::collection::vec(body(), 4)) {
        let (place, one, two) = call;
        let named = rules(
            &format!("condition named(one, two) = {condition}"),
            &format!("when {}\n trigger note {{}}", place.replace("{}", &format!("named({one}, {two})"))),
        );
        let written = condition.replace("one", one).replace("two", two);
        let written = rules("", &format!("when {}\n trigger note {{}}", place.replace("{}", &format!("({written})"))));
        let parsed = |text: &str| Ruleset::parse("test.rules", text, &registry());
        // Skip rules that do not check.
        let (Ok(written), Ok(named)) = (parsed(&written), parsed(&named)) else { return Ok(()) };
        for body in bodies {
            let (named, written) = (
                decide(&named, &event(&body), &Fuses::default()),
                decide(&written, &event(&body), &Fuses::default()),
            );
            if named.refused.is_none() || written.refused.is_none() {
                prop_assert_eq!(named, written);
            }
        }
    }
}
