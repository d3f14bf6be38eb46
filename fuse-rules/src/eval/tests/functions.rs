//! The results of functions, and versions as values.

use super::tables::{F, T, U, check};
use super::{condition, decide, event, load, noting, registry, value};
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
                    let absent = function.returns.may_be_absent();
                    let topics = [Some(Code::E0303.into()), absent.then(|| Code::E0312.into())];
                    let topic = problems.iter().next().map(|problem| problem.topic);
                    assert!(topics.contains(&topic), "{problems}");
                }
                (Err(problems), Some(_)) => panic!("{call}: {problems}"),
            }
        }
    }
}

/// An absent result has a default and can be asked for; a fault has neither.
#[test]
fn a_capture_without_a_match_is_absent() {
    check(
        r#"{"ref":"feature/SDK-1234-add","branch":"main","n":1,"tag":"v1.2"}"#,
        &[
            (r#"capture(body.ref, r"[A-Z]+-\d+") == "SDK-1234""#, T),
            (r#"capture(body.branch, r"[A-Z]+-\d+") == "SDK-1234""#, U),
            (r#"capture(body.branch, r"[A-Z]+-\d+") != "SDK-1234""#, U),
            (r#"capture(body.branch, r"[A-Z]+-\d+") is missing"#, T),
            (r#"capture(body.ref, r"[A-Z]+-\d+") is missing"#, F),
            (r#"capture(body.nothing, r"[A-Z]+-\d+") is missing"#, T),
            (r#"(capture(body.branch, r"[A-Z]+-\d+") ?? "none") == "none""#, T),
            (r#"(capture(body.n, r"[A-Z]+-\d+") ?? "none") == "none""#, U),
            (r#"capture(body.tag, r"v(?<major>\d+)(?:-(?<rc>\w+))?").major == "1""#, T),
            (r#"capture(body.tag, r"v(?<major>\d+)(?:-(?<rc>\w+))?").rc is missing"#, T),
            (r#"capture(body.branch, r"v(?<major>\d+)").major is missing"#, T),
        ],
    );
    let (_, reason) = condition(r#"capture(body.a, r"\d") == "1""#, r#"{"a":"x"}"#);
    assert_eq!(reason, r#"`capture(body.a, "\\d")` is missing"#);
}

/// What senders put into texts: JSON, references, times and names.
#[test]
fn texts_inside_of_texts() {
    for (text, body, expected) in [
        (
            "parse-json(body.deployment.payload).percent",
            r#"{"deployment":{"payload":"{\"strategy\": \"canary\", \"percent\": 10}"}}"#,
            "10",
        ),
        (
            "parse-json(body.Message).AlarmName",
            r#"{"Type":"Notification","Message":"{\"AlarmName\":\"cpu\",\"n\":9007199254740993}"}"#,
            r#""cpu""#,
        ),
        (
            "text(parse-json(base64-decode(body.message.data)).id)",
            r#"{"message":{"data":"eyJpZCI6IDkwMDcxOTkyNTQ3NDA5OTN9"}}"#,
            r#""9007199254740993""#,
        ),
        (
            r#"string(parse-time(body.ts, "%s%.f"))"#,
            r#"{"ts":"1503435956.000247"}"#,
            r#""2017-08-22T21:05:56.000247Z""#,
        ),
        (
            r#"string(parse-time(body.ts, "%s%.f"))"#,
            r#"{"ts":"-1.25"}"#,
            r#""1969-12-31T23:59:58.75Z""#,
        ),
        (
            r#"string(parse-time(body.ts, "%s%.f (%%H)"))"#,
            r#"{"ts":"0.5 (%H)"}"#,
            r#""1970-01-01T00:00:00.5Z""#,
        ),
        (
            r#"string(from-epoch(body.ts))"#,
            r#"{"ts":1503435956.000247}"#,
            r#""2017-08-22T21:05:56.000247Z""#,
        ),
        (
            r#"string(from-epoch(body.date_ms, "ms"))"#,
            r#"{"date_ms":"1785580200123"}"#,
            r#""2026-08-01T10:30:00.123Z""#,
        ),
        (
            r#"slice(body.after, 0, 7)"#,
            r#"{"after":"f95f852bd8fca8fcc58a9a2d6c842781e32a215e"}"#,
            r#""f95f852""#,
        ),
        (r#"strip-prefix(body.ref, "refs/tags/")"#, r#"{"ref":"refs/tags/v1"}"#, r#""v1""#),
        (
            r#"replace-match(lower(body.ref), r"[^a-z0-9]+", "-")"#,
            r#"{"ref":"feature/Größe #2"}"#,
            r#""feature-gr-e-2""#,
        ),
        (
            r#"capture(body.resource, r"^projects/(?<project>[^/]+)/(?<rest>.*)$").project"#,
            r#"{"resource":"projects/pay/topics/x"}"#,
            r#""pay""#,
        ),
        (
            r#"join(map(e in entries(body.labels): "${e.key}=${e.value}"), ",")"#,
            r#"{"labels":{"b":1,"a":"x"}}"#,
            r#""a=x,b=1""#,
        ),
        ("text(body)", r#"{"b": [1.50, null], "a": "é"}"#, r#""{\"b\":[1.5,null],\"a\":\"é\"}""#),
        (
            "len(flatten(map(c in body.commits: concat(c.added, c.removed))))",
            r#"{"commits":[{"added":["a"],"removed":[]},{"added":["b"],"removed":["c"]}]}"#,
            "3",
        ),
        (
            r#"merge(body.labels, body.annotations).a"#,
            r#"{"labels":{"a":{"x":1}},"annotations":{"a":{"y":2}}}"#,
            r#"{"y":2}"#,
        ),
    ] {
        assert_eq!(value(text, body).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn faults_say_where_and_why() {
    for (text, body, expected) in [
        (
            "parse-json(body.a)",
            r#"{"a":"{\n \"x\": tru}"}"#,
            "line 2, column 10: not JSON: expected ident",
        ),
        (
            "parse-json(body.a)",
            r#"{"a":"{\"k\":1,\"k\":2}"}"#,
            "the key `k` occurs twice in one object",
        ),
        (
            "parse-json(body.a).k.x",
            r#"{"a":"{\"k\":1}"}"#,
            "`parse-json(body.a).k.x`, which is missing",
        ),
        (
            "parse-json(body.a)",
            r#"{"a":{"k":1}}"#,
            "`parse-json` takes a string, but `body.a` is a map",
        ),
        ("parse-json(body.a) == 1", r#"{"a":"1e999"}"#, "more digits than can be compared exactly"),
        (r#"parse-time(body.a, "%s%.f")"#, r#"{"a":"-0.5"}"#, "does not contain a date"),
        (r#"parse-time(body.a, "%s%.f")"#, r#"{"a":"1.0000000001"}"#, "does not match the format"),
        (r#"parse-time(body.a, "%s %j")"#, r#"{"a":"0 200"}"#, "contradict each other"),
        (
            r#"parse-time(body.a, "%F %p %R %z")"#,
            r#"{"a":"2026-08-01 AM 13:00 +0000"}"#,
            "`%p` is for hours from 1 to 12",
        ),
        (
            r#"parse-time(body.a, "%F %I:%M %z")"#,
            r#"{"a":"2026-08-01 03:00 +0000"}"#,
            "need AM or PM",
        ),
        (
            r#"parse-time(body.a, "%F %-I:%M %z")"#,
            r#"{"a":"2026-08-01 3:00 +0000"}"#,
            "need AM or PM",
        ),
        (
            r#"parse-time(body.a, "%F %-H:%M %p %z")"#,
            r#"{"a":"2026-08-01 3:00 AM +0000"}"#,
            "`%p` is for hours from 1 to 12",
        ),
        (
            r#"parse-time(body.a, "%F %U %R %z")"#,
            r#"{"a":"2026-08-01 12 13:00 +0000"}"#,
            "contradict each other",
        ),
        (
            "from-epoch(body.a)",
            r#"{"a":1785580200123}"#,
            r#"for milliseconds write `from-epoch(…, "ms")`"#,
        ),
        ("flatten(body.a)", r#"{"a":[[1],2]}"#, "an element is a number"),
        (
            "from-entries(body.a)",
            r#"{"a":[{"key":1,"value":2}]}"#,
            "the key of an element is a number",
        ),
        ("from-entries(body.a)", r#"{"a":[{"key":"k"}]}"#, "an element has no `key` or no `value`"),
        ("range(body.a)", r#"{"a":1e6}"#, "the count is not between 0 and 1000"),
        (
            "slice(body.a, 1)",
            r#"{"a":{}}"#,
            "`slice` takes a string or a list, but `body.a` is a map",
        ),
    ] {
        let why = value(text, body).unwrap_err();
        assert!(why.contains(expected), "{text} on {body}: {why}");
    }
    let deep = format!(r#"{{"a":"{}{}"}}"#, "[".repeat(129), "]".repeat(129));
    assert!(value("parse-json(body.a)", &deep).unwrap_err().contains("nested more than 128 deep"));
}

#[test]
fn repeated_searches_are_bounded() {
    let body = |count: usize| format!(r#"{{"a":"{}"}}"#, "A".repeat(count));
    // It could look at the whole rest of the text after each match, and counts as if it did.
    let text = r#"len(replace-match(body.a, r"A|(?:b[cd])+", ""))"#;
    assert_eq!(value(text, &body(2_000)).as_deref(), Ok("0"));
    assert!(value(text, &body(20_000)).unwrap_err().contains("too long for this many matches"));
}

/// An interpolation and a call may look alike, but are different conditions.
#[test]
fn an_interpolation_is_not_a_call() {
    let ruleset = load(
        "source q queue { event e }\nsensor s on q.e {\n\
         rule a { when \"${body.a}${body.b}\" == \"xy\" trigger note {} }\n\
         rule b { when len(concat(body.a, body.b)) == 2 trigger note {} }\n\
         rule c { when \"${body.a}\" == \"x\" trigger note {} }\n\
         rule d { when text(body.a) == \"x\" trigger note {} }\n\
         rule e { when \"\\${body.a}\" == \"${body.a}\" trigger note {} }\n}",
    );
    let outcomes = |body: &str| -> Vec<_> {
        let decided = decide(&ruleset, &event(body), &Fuses::default());
        decided.decisions.iter().map(|decision| decision.outcome).collect()
    };
    assert_eq!(outcomes(r#"{"a":"x","b":"y"}"#), [T, U, T, T, F]);
    assert_eq!(outcomes(r#"{"a":["x"],"b":["y"]}"#), [U, T, U, F, U]);
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
