//! The results of functions, and versions as values.

use super::tables::{F, T, U, check};
use super::{decide, event, load, noting, registry, value};
use crate::diagnostic::Code;
use crate::functions;
use crate::fuses::Fuses;
use crate::ruleset::Ruleset;

#[test]
fn every_example_of_every_function_holds() {
    for function in functions::all() {
        for (call, expected) in function.examples {
            // The checker reports calls that never have a result.
            match (Ruleset::parse("test.rules", &noting(call), &registry()), expected) {
                (Ok(_), expected) => {
                    let actual = value(call, "{}");
                    assert_eq!(actual.as_deref().ok(), *expected, "{call}: {actual:?}");
                }
                (Err(problems), None) => {
                    assert_eq!(problems.len(), 1, "{call}: {problems}");
                    assert_eq!(
                        problems.iter().next().map(|p| p.topic),
                        Some(Code::E0303.into()),
                        "{problems}"
                    );
                }
                (Err(problems), Some(_)) => panic!("{call}: {problems}"),
            }
        }
    }
}

#[test]
fn versions_compare_by_precedence() {
    check(
        r#"{"tag":"v1.10.0","rc":"1.10.0-rc.1","build":"1.10.0+5","bad":"latest","tags":["1.2.0","v1.10.0"]}"#,
        &[
            (r#"semver(body.tag) >= semver("1.9.0")"#, T),
            (r#"semver(body.tag) < semver("1.9.0")"#, F),
            ("semver(body.rc) < semver(body.tag)", T),
            ("semver(body.build) == semver(body.tag)", T),
            ("semver(body.build) > semver(body.tag)", F),
            (r#"semver(body.bad) > semver("1.0.0")"#, U),
            ("(semver(body.tag) ?? body.z) is string", F),
            ("any(t in body.tags: semver(t) == semver(body.tag))", T),
            ("semver(body.tag) in [semver(\"1.10.0\")]", T),
        ],
    );
}

#[test]
fn a_version_is_its_text_where_text_is_wanted() {
    let body = r#"{"tag":"v1.10.0","tags":["v1.10.0","v1.9.0"]}"#;
    for (text, expected) in [
        ("semver(body.tag)", r#""1.10.0""#),
        (r#""app:${semver(body.tag)}""#, r#""app:1.10.0""#),
        ("json([semver(body.tag)])", r#""[\"1.10.0\"]""#),
    ] {
        assert_eq!(value(text, body).as_deref(), Ok(expected), "{text}");
    }
}

/// Constants of different kinds with the same text are different.
#[test]
fn constants_of_one_text_and_two_kinds_are_two_conditions() {
    let ruleset = load(
        "source q queue { event e }\nsensor s on q.e {\n\
         rule a { when any(x in (body.z ?? [{ t = 1h }]): x.t is string) trigger note {} }\n\
         rule b { when any(x in (body.z ?? [{ t = \"1h\" }]): x.t is string) trigger note {} }\n}",
    );
    let decided = decide(&ruleset, &event("{}"), &Fuses::default());
    let outcomes: Vec<_> = decided.decisions.iter().map(|decision| decision.outcome).collect();
    assert_eq!(outcomes, [F, T]);
}
