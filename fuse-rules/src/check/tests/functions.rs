//! The types of the results of functions, and the arguments that they accept.

use super::{codes, problems_of};

/// A rule over an event with many types. The fields are read after the condition.
fn typed(when: &str, field: &str) -> String {
    format!(
        r#"
source t hook {{ port = 9, path = "/t"
  event e : {{
    text: string
    count: int
    names: list<string>
    teams: map<string>
    pairs: list<{{ key: string, value: int, ... }}>
    deep: list<list<{{ a: int }}>>
    one: {{ a: int, b?: string }}
    two: {{ b: int, c?: bool }}
    open: {{ b: int, ... }}
    may?: string
    free: any
  }}
}}
sensor y on t.e {{ rule r {{
when {when}
trigger flow {{ template = "t", namespace = "n", parameters {{ p = {field} }} }} }} }}"#
    )
}

/// Conditions, and the problem with them.
const CONDITIONS: &[(&str, &str)] = &[
    // A capture is a string, a map with the named groups, and possibly absent.
    (r#"capture(body.text, r"v(\d+)") == "1""#, ""),
    (r#"capture(body.text, r"v(\d+)") == 1"#, r#"E0301 `capture(body.text, r"v(\d+)") == 1`"#),
    (r#"capture(body.text, r"(?<n>\d)(?<m>x)?").n == "1""#, ""),
    (r#"capture(body.text, r"(?<n>\d)").m == "1""#, "E0203 `m`"),
    (r#"capture(body.text, r"(?<n>\d)") == "1""#, r#"E0307 `capture(body.text, r"(?<n>\d)")`"#),
    (r#"capture(body.text, body.text) == "1""#, "E0306 `body.text`"),
    (r#"capture(body.text, r"(") == "1""#, "E0305 `r\"(\"`"),
    (r#"capture(body.text, r"(a)(b)") == "1""#, r#"E0303 `r"(a)(b)"`"#),
    (r#"capture(body.count, r"a") == "1""#, "E0303 `body.count`"),
    (r#"replace-match(body.text, r"a", "b") == "1""#, ""),
    (r#"replace-match(body.text, r"a", body.text) == "1""#, "E0306 `body.text`"),
    (r#"replace-match(body.text, r"a", "$1") == "1""#, "E0303 `\"$1\"`"),
    (r#"replace-match(body.text, r"(a)", r"\1") == "1""#, r#"E0303 `r"\1"`"#),
    (r#"replace-match(body.text, r"a{5", "$1") == "1""#, "E0305 `r\"a{5\"`"),
    // Optional arguments.
    (r#"slice(body.text, 1) == "1""#, ""),
    (r#"slice(body.text, 1, 2) == "1""#, ""),
    ("len(slice(body.names, 1, -1)) == 1", ""),
    ("slice(body.names, 1)[0] == 1", "E0301 `slice(body.names, 1)[0] == 1`"),
    ("slice(body.free, 1) == \"x\"", ""),
    ("slice(body.free, 1)[0].a == \"x\"", ""),
    (r#"slice(body.text) == "1""#, "E0303 `slice(body.text)`"),
    (r#"slice(body.text, 1, 2, 3) == "1""#, "E0303 `slice(body.text, 1, 2, 3)`"),
    (r#"slice(body.text, "1") == "1""#, "E0303 `\"1\"`"),
    (r#"from-epoch(body.count) > from-epoch(body.text, "ms")"#, ""),
    (r#"from-epoch(body.count, "min") > time(body.text)"#, "E0303 `\"min\"`"),
    // Lists and maps.
    ("any(e in entries(body.teams): e.key == e.value)", ""),
    ("any(e in entries(body.teams): e.value == 1)", "E0301 `e.value == 1`"),
    ("any(e in entries(body.teams): e.name == \"x\")", "E0203 `name`"),
    ("from-entries(body.pairs).x == 1", ""),
    ("from-entries(body.pairs).x == \"x\"", "E0301 `from-entries(body.pairs).x == \"x\"`"),
    ("from-entries(body.names).x == 1", "E0303 `body.names`"),
    ("merge(body.one, body.two).a == 1", ""),
    ("merge(body.one, body.two).b == 1", ""),
    ("merge(body.one, body.two).b == \"x\"", "E0301 `merge(body.one, body.two).b == \"x\"`"),
    ("merge(body.two, body.one).b == \"x\"", "E0313 `merge(body.two, body.one).b`"),
    ("merge(body.one, body.two).d == 1", "E0203 `d`"),
    ("merge(body.one, body.open).d == 1", "E0203 `d`"),
    ("merge(body.one, body.open).a == \"x\"", ""),
    ("any(x in flatten(body.deep): x.a == 1)", ""),
    ("any(x in flatten(body.deep): x.b == 1)", "E0203 `b`"),
    ("len(flatten(body.names)) == 1", "E0303 `body.names`"),
    ("any(x in concat(body.names, range(body.count)): x is int and x == 1)", ""),
    ("any(x in concat(body.names, [1]): x == 1)", "E0313 `x`"),
    ("any(x in range(3): x == \"a\")", "E0301 `x == \"a\"`"),
    // Texts.
    ("text(body.one) == \"{}\"", ""),
    ("parse-json(body.text).a.b == 1", ""),
    ("parse-json(body.free).a[0] == \"x\"", ""),
    ("parse-json(body.one).a == 1", "E0303 `body.one`"),
];

/// Values of a required parameter, and the problem with them.
const FIELDS: &[(&str, &str)] = &[
    (r#"capture(body.text, r"\d")"#, r#"E0312 `capture(body.text, r"\d")`"#),
    (r#"capture(body.text, r"\d") ?? "none""#, ""),
    (r#"capture(body.free, r"\d")"#, ""),
    (r#"capture("v1", r"\d")"#, ""),
    (r#"(capture("v1", r"(?<n>\d)") ?? body.free).n"#, ""),
    (r#"slice(body.may, 1)"#, "E0312 `slice(body.may, 1)`"),
    ("text(body.one)", ""),
    ("entries(body.teams)[0].key", ""),
    ("merge(body.one, body.two).b", ""),
    ("merge(body.two, body.one).c", "E0312 `merge(body.two, body.one).c`"),
    ("parse-json(body.text).a", ""),
];

#[test]
fn results_have_types() {
    for (when, expected) in CONDITIONS {
        check(&typed(when, "1"), expected);
    }
    for (field, expected) in FIELDS {
        check(&typed("true", field), expected);
    }
}

#[test]
fn reading_json_is_another_function_than_writing_it() {
    let rules = typed("json(body.text).a == 1", "1");
    let problems = problems_of(&[("test.rules", &rules)]).unwrap().to_string();
    assert!(problems.contains("to read it, write `parse-json(body.text)`"), "{problems}");
}

fn check(rules: &str, expected: &str) {
    let expected: Vec<&str> = if expected.is_empty() { Vec::new() } else { vec![expected] };
    assert_eq!(codes(rules), expected, "{rules}");
}
