//! Tables of single expressions.

use super::{condition, value};
use crate::decision::Outcome;

pub(super) const T: Outcome = Outcome::Fired;
pub(super) const F: Outcome = Outcome::NotMatched;
pub(super) const U: Outcome = Outcome::Unknown;

pub(super) fn check(body: &str, table: &[(&str, Outcome)]) {
    for (text, expected) in table {
        let (outcome, reason) = condition(text, body);
        assert_eq!(outcome, *expected, "{text} on {body}: {reason}");
    }
}

#[test]
fn kleenes_tables() {
    // t, f: booleans; `u` is absent.
    check(
        r#"{"t":true,"f":false}"#,
        &[
            ("body.t and body.t", T),
            ("body.t and body.f", F),
            ("body.f and body.t", F),
            ("body.f and body.f", F),
            ("body.t and body.u", U),
            ("body.u and body.t", U),
            ("body.f and body.u", F),
            ("body.u and body.f", F),
            ("body.u and body.u", U),
            ("body.t or body.t", T),
            ("body.t or body.f", T),
            ("body.f or body.f", F),
            ("body.t or body.u", T),
            ("body.u or body.t", T),
            ("body.f or body.u", U),
            ("body.u or body.f", U),
            ("body.u or body.u", U),
            ("not body.t", F),
            ("not body.f", T),
            ("not body.u", U),
            ("not (body.t and body.u)", U),
            ("not (body.f and body.u)", T),
            ("not (body.t or body.u)", F),
            ("not (body.u or body.f)", U),
        ],
    );
}

#[test]
fn a_negation_never_fires_on_absence() {
    check(
        r#"{"env":"dev"}"#,
        &[
            (r#"body.env != "prod""#, T),
            (r#"body.evn != "prod""#, U),
            (r#"not (body.evn == "prod")"#, U),
            (r#"body.evn not in ["prod"]"#, U),
            (r#"not (body.evn starts-with "p")"#, U),
            (r#"none(x in body.list: x == "prod")"#, U),
            (r#"(body.evn ?? "dev") != "prod""#, T),
            (r#"body.evn is missing or body.evn != "prod""#, T),
        ],
    );
}

#[test]
fn equality_has_no_coercion() {
    check(
        r#"{"s":"8080","n":8080,"b":true,"z":null,"l":["a"],"m":{"a":1},"e":""}"#,
        &[
            (r#"body.s == "8080""#, T),
            ("body.s == 8080", U),
            ("body.n == 8080", T),
            (r#"body.n == "8080""#, U),
            (r#"body.b == "true""#, U),
            ("body.b == true", T),
            ("body.n == true", U),
            (r#"body.z == """#, U),
            (r#"body.e == """#, T),
            ("body.z == body.z", T),
            ("body.l == body.l", U),
            ("body.m != body.l", U),
            ("body.e", U),
            ("body.n", U),
            ("body.z", U),
            ("body.b", T),
            ("body.b == (body.n == 8080)", T),
            ("string(body.n) == body.s", T),
            ("int(body.s) == body.n", T),
        ],
    );
}

#[test]
fn numbers_are_exact_however_they_are_spelled() {
    check(
        r#"{"a":1,"b":1.0,"c":10e-1,"big":9007199254740993,"next":9007199254740992,"point":9007199254740993.0,"huge":1e999,"half":0.5,"min":-0}"#,
        &[
            ("body.a == body.b", T),
            ("body.b == body.c", T),
            ("body.a == 1.0", T),
            ("body.big == body.next", F),
            ("body.big == body.point", T),
            ("body.point == 9007199254740992", F),
            ("body.big > body.next", T),
            ("body.b is int", T),
            ("body.half is int", F),
            ("body.half is float", T),
            ("body.a is float", T),
            ("body.min == 0", T),
            ("body.huge > 1", U),
            ("body.huge is int", T),
            ("body.huge is float", T),
            ("body.huge is present", T),
            ("0.1 + 0.2 == 0.3", T),
            ("7 / 2 == 3.5", T),
            ("body.a / 0 == 1", U),
            ("body.a % 0 == 1", U),
            ("-body.a < 0", T),
            ("body.half * 4 - 1 == body.a", T),
        ],
    );
}

#[test]
fn only_what_has_an_order_is_ordered() {
    check(
        r#"{"s":"10","t":"9","at":"2026-08-01T10:00:00.123Z","then":"2026-08-01T10:00:00Z","b":true,"n":3}"#,
        &[
            ("body.s < body.t", U),
            ("int(body.s) < int(body.t)", F),
            ("time(body.at) > time(body.then)", T),
            ("time(body.at) - time(body.then) == 123ms", T),
            ("age(body.then) == 10m", T),
            ("age(body.then) > 9m and age(body.then) < 11m", T),
            ("age(body.s) > 1s", U),
            ("body.n <= 3", T),
            ("body.n >= 3", T),
            ("body.n > 3", F),
            ("1m * 2 == 120s", T),
            ("1h / 2 == 30m", T),
            ("1h / 30m == 2", T),
        ],
    );
}

#[test]
fn what_is_there_and_what_is_not() {
    check(
        r#"{"z":null,"s":"x","l":[1,null],"m":{"k":{"d":1}},"n":1.5,"b":false,"i":7}"#,
        &[
            ("body.z is present", T),
            ("body.z is missing", F),
            ("body.z is null", T),
            ("body.q is null", F),
            ("body.q is missing", T),
            ("body.q is present", F),
            ("body.q is not missing", F),
            ("body.q is not present", T),
            ("body.q is not null", T),
            ("body.q is string", F),
            ("body.q is not string", T),
            ("body.s.t is missing", T),
            ("body.z.t is missing", T),
            ("body.s[0] is missing", T),
            ("body.l[2] is missing", T),
            ("body.l[1] is null", T),
            ("body.l[-1] is null", T),
            ("body.l[-2] == 1", T),
            ("body.l[-3] is missing", T),
            ("body.l.k is missing", T),
            ("body.m[0] is missing", T),
            (r#"body.m["k"].d == 1"#, T),
            ("body.s is string", T),
            ("body.l is list", T),
            ("body.m is map", T),
            ("body.b is bool", T),
            ("body.i is int", T),
            ("body.n is int", F),
            ("body is map", T),
            ("int(body.s) is missing", U),
            ("int(body.s) is present", U),
            ("int(body.q) is missing", T),
        ],
    );
}

#[test]
fn a_default_stands_in_for_absence_and_nothing_else() {
    check(
        r#"{"z":null,"s":"abc","n":0,"f":false}"#,
        &[
            (r#"(body.q ?? "d") == "d""#, T),
            (r#"(body.z ?? "d") == "d""#, T),
            (r#"(body.s ?? "d") == "abc""#, T),
            ("(body.n ?? 5) == 0", T),
            ("(body.f ?? true) == false", T),
            ("(int(body.s) ?? 5) == 5", U),
            ("(int(body.q) ?? 5) == 5", T),
            ("(lower(body.n) ?? \"d\") == \"d\"", U),
            ("(body.q ?? body.z ?? 1) == 1", T),
            ("(body.q ?? body.r) == 1", U),
            ("(body.n / 0 ?? 1) == 1", U),
        ],
    );
}

/// An unknown condition is not an absence, however it is used as a value.
#[test]
fn a_default_never_stands_in_for_an_unknown_condition() {
    check(
        r#"{"l":[{"sev":"critical"}]}"#,
        &[
            ("[body.env != \"prod\"][0] ?? true", U),
            ("raw(body.env != \"prod\") ?? true", U),
            ("(body.f ?? (body.env != \"prod\")) ?? true", U),
            (r#"("${body.env != "prod"}" ?? "true") == "true""#, U),
            ("[body.env == \"prod\"] is missing", U),
            ("[count(x in body.l: x.severity == 1)][0] is missing", U),
            ("[count(x in body.none: x.severity == 1)][0] ?? 0 == 0", U),
            ("count(x in (body.none ?? []): x == 1) == 0", T),
        ],
    );
}

#[test]
fn membership_is_the_or_of_equalities() {
    check(
        r#"{"x":"a","n":2,"l":["a","b"],"mixed":["a",2,null],"e":[],"m":{"a":1}}"#,
        &[
            (r#"body.x in ["a", "b"]"#, T),
            (r#"body.x in ["c"]"#, F),
            (r#"body.x not in ["c"]"#, T),
            ("body.x in body.l", T),
            ("body.x in body.mixed", T),
            ("body.n in body.mixed", T),
            (r#""z" in body.mixed"#, U),
            ("body.x in body.e", F),
            ("body.x not in body.e", T),
            ("body.q in body.e", U),
            ("body.q in body.l", U),
            ("body.x in body.q", U),
            ("body.x in body.m", U),
            ("body.x in body.x", U),
            (r#"headers["x-kind"] in ["push"]"#, T),
        ],
    );
}

#[test]
fn tests_of_text() {
    check(
        r#"{"s":"v1.2.3-rc","l":["x"],"multi":"a\nb","n":1}"#,
        &[
            (r#"body.s matches r"v[0-9.]+-rc""#, T),
            (r#"body.s matches r"v[0-9.]+""#, F),
            (r#"body.s matches "1""#, F),
            (r#"body.s matches r"a|v.*""#, T),
            (r#"body.s contains "1.2""#, T),
            (r#"body.s contains """#, T),
            (r#"body.s starts-with "v1""#, T),
            (r#"body.s ends-with "-rc""#, T),
            (r#"body.s ends-with "rc-""#, F),
            (r#"body.s like "v*-rc""#, T),
            (r#"body.s like "v?.?.?-rc""#, T),
            (r#"body.s like "*.rc""#, F),
            (r#"body.s like "v1.2.3\\-rc""#, T),
            (r#"body.multi like "a*b""#, T),
            (r#"body.l contains "x""#, U),
            (r#"body.n matches "1""#, U),
            (r#"body.q matches "1""#, U),
        ],
    );
}

#[test]
fn quantifiers() {
    check(
        r#"{"l":[{"n":"a","v":1},{"n":"b"}],"e":[],"s":["x","y"],"nested":[{"xs":[1,2]},{"xs":[]}]}"#,
        &[
            (r#"any(x in body.l: x.n == "b")"#, T),
            (r#"any(x in body.l: x.n == "c")"#, F),
            ("any(x in body.l: x.v == 1)", T),
            ("any(x in body.l: x.v == 2)", U),
            ("all(x in body.l: x.v == 1)", U),
            ("all(x in body.l: x.v == 2)", F),
            ("none(x in body.l: x.v == 1)", F),
            ("none(x in body.l: x.v == 2)", U),
            (r#"none(x in body.l: x.n == "c")"#, T),
            (r#"count(x in body.l: x.n == "a") == 1"#, T),
            ("count(x in body.l: x.v == 1) == 1", U),
            ("any(x in body.e: x == 1)", F),
            ("all(x in body.e: x == 1)", T),
            ("none(x in body.e: x == 1)", T),
            ("count(x in body.e: x == 1) == 0", T),
            ("any(x in body.q: x == 1)", U),
            ("all(x in body.q: x == 1)", U),
            ("none(x in body.q: x == 1)", U),
            ("any(x in body.l[0]: x == 1)", U),
            (r#"any(x in body.s: x == "y")"#, T),
            ("any(o in body.nested: any(x in o.xs: x == 2))", T),
            ("all(o in body.nested: all(x in o.xs: x < 3))", T),
            ("any(o in body.nested: len(o.xs) == 0)", T),
            ("any(x in body.l: any(y in body.s: y == x.n))", F),
            (r#"any(x in split("a,b", ","): x == "b")"#, T),
            (r#"any(x in (body.q ?? ["k"]): x == "k")"#, T),
            (r#"any(x in [{ a = 1 }]: x.a == 1)"#, T),
            ("any(x in body.l: x == 1)", U),
        ],
    );
}

#[test]
fn values() {
    let body = r#"{"s":"a","n":1.50,"z":null,"l":[1,"x"],"m":{"k":[true]},"t":true}"#;
    for (text, expected) in [
        (r#""${body.s}-${body.n}-${body.t}""#, Ok(r#""a-1.5-true""#)),
        (r#""${body.q}""#, Err("`value` needs `body.q`, which is missing")),
        (r#""x${body.z}""#, Err("`value` needs `body.z`, which is null")),
        (r#"("${body.q}" ?? "none")"#, Ok(r#""none""#)),
        (r#""${body.l}""#, Err("`value` has no value: `body.l` is a list, which has no text")),
        ("body.m", Ok(r#"{"k":[true]}"#)),
        ("body.l", Ok(r#"[1,"x"]"#)),
        ("body.z", Err("`value` needs `body.z`, which is null")),
        ("[body.s, 1 + 1]", Ok(r#"["a",2]"#)),
        ("[body.q]", Err("`value` needs `body.q`, which is missing")),
        ("{ a = body.s, b? = body.q, c? = body.z, \"d e\" = 1 }", Ok(r#"{"a":"a","d e":1}"#)),
        ("{ a = body.q }", Err("`value` needs `body.q`, which is missing")),
        (r#"body.s == "a""#, Ok("true")),
        (
            "body.q == 1",
            Err("`value` has no value: `body.q` is missing, so a condition is unknown"),
        ),
        ("json(body.m)", Ok(r#""{\"k\":[true]}""#)),
        ("headers.X-Kind", Ok(r#""push""#)),
        ("query.page", Ok(r#""2""#)),
        ("event.id", Ok(r#""1""#)),
        ("event.source", Ok(r#""q""#)),
        ("event.time", Ok(r#""2026-08-01T10:10:00Z""#)),
        ("event.subject", Err("`value` needs `event.subject`, which is missing")),
        ("query.none", Err("`value` needs `query.none`, which is missing")),
        ("1MiB", Ok("1048576")),
        (r#"split(body.s, ",")[0]"#, Ok(r#""a""#)),
        (
            r#"split(body.s, ",")[5]"#,
            Err(r#"`value` needs `split(body.s, ",")[5]`, which is missing"#),
        ),
    ] {
        let actual = value(text, body);
        assert_eq!(actual.as_deref().map_err(String::as_str), expected, "{text}");
    }
}

#[test]
fn reasons_name_the_path_and_what_was_found() {
    let body = r#"{"s":"abc","n":1,"l":[1],"h":"\ud800"}"#;
    for (text, expected) in [
        ("body.q == 1", "`body.q` is missing"),
        ("body.s > 1", "`>` cannot compare `body.s`, a string, with `1`, a number"),
        ("body.l == body.l", "`==` cannot compare a list as a whole (`body.l` and `body.l`)"),
        ("body.s < body.s", "`<` is not defined for a string (`body.s`)"),
        ("lower(body.n) == \"a\"", "`lower` takes a string, but `body.n` is a number"),
        ("int(body.s) == 1", "`int(body.s)` has no result: `abc` is not a number"),
        ("body.n contains \"a\"", "`contains` takes text, but `body.n` is a number"),
        ("body.s in body.s", "`in` needs a list, but `body.s` is a string"),
        ("any(x in body.s: x)", "`any` iterates over a list, but `body.s` is a string"),
        ("body.s", "`body.s` is a string, not true or false"),
        ("body.n / 0 == 1", "`0` is 0, and division by 0 is not possible"),
        (
            "body.h == \"x\"",
            "`body.h` is a string with half of a surrogate pair, which is not valid text",
        ),
        ("body.n - body.s == 1", "`-` does not take `body.n`, a number, and `body.s`, a string"),
    ] {
        assert_eq!(condition(text, body), (U, expected.to_owned()), "{text}");
    }
}

/// Rules at maximum nesting: no recursion overflows the stack of a test thread.
#[test]
fn the_deepest_rules_are_evaluated() {
    for (open, close, count) in [("not (", ")", 30), ("(", ")", 60)] {
        let text = format!("{}body.t{}", open.repeat(count), close.repeat(count));
        let (outcome, reason) = condition(&text, r#"{"t":true}"#);
        assert_eq!(outcome, T, "{reason}");
    }
    let list = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    assert!(value(&list, "{}").is_ok());
    let binders: String = (0..20).map(|i| format!("any(x{i} in [{i}]: ")).collect();
    assert_eq!(condition(&format!("{binders}x19 == 19{}", ")".repeat(20)), "{}").0, T);
}
