//! Tables of `filter`, `map` and `first`.

use super::tables::{F, T, U, check};
use super::{decide, event, load, value};
use crate::fuses::Fuses;

#[test]
fn lists_made_of_lists() {
    let body = r#"{"l":[{"n":"a","v":1},{"n":"b"},{"n":"a","v":3}],"e":[],"s":["x","y"],"z":null,"t":[true,false]}"#;
    for (text, expected) in [
        (r#"filter(x in body.l: x.n == "a")"#, Ok(r#"[{"n":"a","v":1},{"n":"a","v":3}]"#)),
        (r#"filter(x in body.l: x.n == "c")"#, Ok("[]")),
        ("filter(x in body.e: x == 1)", Ok("[]")),
        (r#"filter(x in body.s: x != "x")"#, Ok(r#"["y"]"#)),
        (
            "filter(x in body.l: x.v == 1)",
            Err("`value` has no value: `x.v` is missing, so a condition is unknown"),
        ),
        (
            "(filter(x in body.l: x.v == 1) ?? [])",
            Err("`value` has no value: `x.v` is missing, so a condition is unknown"),
        ),
        ("filter(x in body.l: x.v is present and x.v > 1)[0].v", Ok("3")),
        ("filter(x in body.q: x == 1)", Err("`value` needs `body.q`, which is missing")),
        ("(filter(x in body.q: x == 1) ?? [])", Ok("[]")),
        (
            "filter(x in body.z: x == 1)",
            Err("`value` has no value: `filter` iterates over a list, but `body.z` is null"),
        ),
        ("filter(x in body.t: x)", Ok("[true]")),
        ("map(x in body.l: x.n)", Ok(r#"["a","b","a"]"#)),
        ("map(x in body.l: x.v)", Err("`value` needs `x.v`, which is missing")),
        ("map(x in body.l: x.v ?? 0)", Ok("[1,0,3]")),
        ("(map(x in body.l: x.v) ?? [])", Ok("[]")),
        (
            "map(x in body.l: x.v == 1)",
            Err("`value` has no value: `x.v` is missing, so a condition is unknown"),
        ),
        (
            "map(x in body.l: { name = x.n, v? = x.v })",
            Ok(r#"[{"name":"a","v":1},{"name":"b"},{"name":"a","v":3}]"#),
        ),
        ("map(x in body.e: x.n)", Ok("[]")),
        ("(map(x in body.q: x.n) ?? [])", Ok("[]")),
        (r#"map(x in split("a,b", ","): upper(x))"#, Ok(r#"["A","B"]"#)),
        (
            "map(x in body.l: map(y in body.s: \"${x.n}${y}\"))",
            Ok(r#"[["ax","ay"],["bx","by"],["ax","ay"]]"#),
        ),
        (r#"first(x in body.l: x.n == "b").n"#, Ok(r#""b""#)),
        ("first(x in body.l: x.v == 1)", Ok(r#"{"n":"a","v":1}"#)),
        (
            "first(x in body.l: x.v == 3)",
            Err("`value` has no value: `x.v` is missing, so a condition is unknown"),
        ),
        (
            r#"first(x in body.l: x.n == "c")"#,
            Err(r#"`value` needs `first(x in body.l: x.n == "c")`, which is missing"#),
        ),
        (r#"(first(x in body.l: x.n == "c").n ?? "none")"#, Ok(r#""none""#)),
        (
            "(first(x in body.l: x.v == 2) ?? 1)",
            Err("`value` has no value: `x.v` is missing, so a condition is unknown"),
        ),
        ("(first(x in body.e: x == 1) ?? 7)", Ok("7")),
        ("(first(x in body.q: x == 1) ?? 7)", Ok("7")),
        ("join(map(x in filter(y in body.l: y.n == \"a\"): string(x.v)), \"+\")", Ok(r#""1+3""#)),
    ] {
        let actual = value(text, body);
        assert_eq!(actual.as_deref().map_err(String::as_str), expected, "{text}");
    }
    check(
        body,
        &[
            (r#"first(x in body.l: x.n == "c") is missing"#, T),
            (r#"first(x in body.l: x.n == "a") is present"#, T),
            ("first(x in body.l: x.v == 3) is missing", U),
            ("filter(x in body.q: x == 1) is missing", T),
            ("filter(x in body.l: x.v == 1) is missing", U),
            ("first(x in body.t: not x)", F),
            ("first(x in body.t: x)", T),
            (r#"any(x in filter(y in body.l: y.n == "b"): x.v is missing)"#, T),
            (r#""b" in map(x in body.l: x.n)"#, T),
            (r#"len(filter(x in body.l: x.n == "a")) == 2"#, T),
            ("count(x in filter(y in body.l: y.v == 1): true) == 0", U),
        ],
    );
}

/// `filter` and `first` keep elements unchanged and read them completely; `map` reads only what its
/// body uses.
#[test]
fn a_key_that_stands_twice_in_an_element_that_is_kept() {
    for (list, expected) in [
        ("filter(x in body.l: x.a == 1)", true),
        ("first(x in body.l: x.a == 1)", true),
        ("filter(x in [1]: any(y in body.l: y.a == x))", false),
        ("map(x in body.l: x.a)", false),
        ("map(x in body.l: x)", true),
    ] {
        let rule = format!(
            "source q queue {{ event e }}\nsensor s on q.e {{ rule r {{ trigger note {{ value = {list} }} }} }}"
        );
        let body = event(r#"{"l":[{"a":1},{"a":1,"b":1,"b":2}]}"#);
        let refused = decide(&load(&rule), &body, &Fuses::default()).refused;
        assert_eq!(refused.is_some(), expected, "{list}");
    }
}
