//! Conditionals and `let`s: names, types, narrowing and limits.

use super::{PRELUDE, codes, problems_of};

const TYPED: &str = "source t hook { port = 2, path = \"/t\"
  event e : { name: string, note?: string, size: int | string, kind: \"a\" | \"b\", list: list<string>, any: map<int> }
}\n";

/// The problems of a rule for the typed event.
fn typed(body: &str) -> Vec<String> {
    codes(&format!("{TYPED}sensor x on t.e {{ rule r {{\n{body}\n trigger note {{}} }} }}"))
}

#[test]
fn a_branch_is_checked_under_its_condition() {
    for (body, expected) in [
        ("when (if body.size is string then lower(body.size) else \"x\") == \"y\"", ""),
        (
            "when (if body.size is int then lower(body.size) else \"x\") == \"y\"",
            "E0303 `body.size`",
        ),
        ("when (if body.size is string then 1 else body.size + 1) == 2", ""),
        ("when (if body.note is missing then 1 else len(body.note)) > 1", ""),
        ("when if body.note is present then body.note == \"x\" else body.kind == \"a\"", ""),
        ("when if body.kind == \"a\" then body.kind == \"b\" else true", "E0311 `\"b\"`"),
        ("when if body.kind == \"a\" then 1 else 2", "E0302 `if body.kind == \"a\" then 1 else 2`"),
        ("when if body.name then true else false", "E0302 `body.name`"),
        (
            "when (if body.kind == \"a\" then 1 else \"x\") == 1",
            "E0313 `(if body.kind == \"a\" then 1 else \"x\")`",
        ),
        ("when (if body.kind == \"a\" then true else body.name == \"x\") ?? true", ""),
        (
            "when (if body.kind == \"a\" then body.name == \"y\" else body.name == \"x\") ?? true",
            "E0304 `(if body.kind == \"a\" then body.name == \"y\" else body.name == \"x\")`",
        ),
        // What both branches imply holds afterwards.
        (
            "when if body.kind == \"a\" then body.note is present else body.note == \"x\"\nonce per body.note within 1h",
            "",
        ),
        (
            "when if body.kind == \"a\" then body.note is present else true\nonce per body.note within 1h",
            "E0312 `body.note`",
        ),
        ("once per (if body.note is present then body.note else \"\") within 1h", ""),
    ] {
        let found = typed(body);
        let expected: &[&str] = if expected.is_empty() { &[] } else { &[expected] };
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn a_let_has_the_type_of_its_value_and_is_narrowed() {
    for (body, expected) in [
        ("let n = body.note\nonce per n within 1h", "E0312 `n`"),
        ("let n = body.note\nwhen n is present\nonce per n within 1h", ""),
        // A path and its name are one value.
        ("let n = body.note\nwhen body.note is present\nonce per n within 1h", ""),
        ("let n = body.note\nwhen n == \"x\"\nonce per body.note within 1h", ""),
        ("let n = lower(body.note)\nonce per n within 1h", "E0312 `n`"),
        ("let n = lower(body.note)\nwhen n == \"x\"\nonce per n, body.note within 1h", ""),
        ("let n = lower(body.note)\nwhen n is present\nonce per (n) within 1h", ""),
        ("let n = len(body.name)\nwhen n == \"x\"", "E0301 `n == \"x\"`"),
        ("let n = body.size\nwhen lower(n) == \"x\"", "E0313 `n`"),
        ("let n = body.size\nwhen n is string and lower(n) == \"x\"", ""),
        ("let r = { a = body.name, b? = body.note }\nwhen r.a == \"x\" and r.c == 1", "E0203 `c`"),
        ("let r = { a = body.name, b? = body.note }\nonce per r.b within 1h", "E0312 `r.b`"),
        (
            "let r = { a = body.name, b? = body.note }\nwhen r.b is present\nonce per r.b within 1h",
            "",
        ),
        ("let b = body\nwhen b.nam == \"x\"", "E0203 `nam`"),
        ("let h = headers\nwhen h.X-Kind == \"x\" and h.x.y == \"z\"", "E0301 `h.x.y`"),
        ("let c = body.note == \"x\"\nwhen c\nonce per body.note within 1h", ""),
        (
            "let c = body.note is present\nwhen not c\nonce per body.note within 1h",
            "E0312 `body.note`",
        ),
        ("let c = body.note == \"x\"\nwhen c is missing", "E0304 `c`"),
        ("let l = filter(x in body.list: x != \"\")\nwhen any(y in l: y == 1)", "E0301 `y == 1`"),
        ("let one = 1\nwhen one.a == 2", "E0203 `a`"),
    ] {
        let found = typed(body);
        let expected: &[&str] = if expected.is_empty() { &[] } else { &[expected] };
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn a_let_is_seen_below_it_and_has_a_name_of_its_own() {
    for (text, expected) in [
        ("rule r { when a == 1  let a = body.x  trigger note {} }", vec!["E0201 `a`"]),
        ("let a = b  let b = body.x  rule r { when a == 1  trigger note {} }", vec!["E0201 `b`"]),
        ("rule r { let a = a.b  trigger note {} }", vec!["E0201 `a`"]),
        (
            "rule r { trigger note {} }  let a = body.x  rule q { when a == 1  trigger note {} }",
            vec![],
        ),
        (
            "rule r { let a = body.x  trigger note {} } rule q { when a == 1  trigger note {} }",
            vec!["E0201 `a`"],
        ),
        ("rule r { let a = 1  trigger note {} } rule q { let a = 2  trigger note {} }", vec![]),
        (
            "let l = body.l  each x in l  let y = x.a  rule r { when y == 1  trigger note {} }",
            vec![],
        ),
        (
            "let y = x.a  each x in body.l  rule r { when y == 1  trigger note {} }",
            vec!["E0201 `x`"],
        ),
        ("each x in l  let l = body.l  rule r { trigger note {} }", vec!["E0201 `l`"]),
        ("let a = 1  let a = 2  rule r { trigger note {} }", vec!["E0207 `a`"]),
        ("let a = 1  rule r { let a = 2  trigger note {} }", vec!["E0207 `a`"]),
        ("let x = 1  each x in body.l  rule r { trigger note {} }", vec!["E0207 `x`"]),
        ("each x in body.l  let x = 1  rule r { trigger note {} }", vec!["E0207 `x`"]),
        ("let x = 1  rule r { when any(x in body.l: x == 1)  trigger note {} }", vec!["E0207 `x`"]),
        ("let body = 1  rule r { trigger note {} }", vec!["E0207 `body`"]),
        ("let c = 1  rule r { trigger note {} }", vec!["E0207 `c`"]),
        // Only the definition is reported.
        (
            "let a = bdy.x  rule r { when a.b == 1 and lower(a) == \"x\"  trigger note {} }",
            vec!["E0201 `bdy`"],
        ),
        ("let teh = 1  rule r { when the == 1  trigger note {} }", vec!["E0201 `the`"]),
    ] {
        assert_eq!(
            codes(&format!("const c = 1\nsensor s on s.e {{ {text} }}")),
            expected,
            "{text}"
        );
    }
    let text = "sensor s on s.e { rule r { when a == 1  let a = body.x  trigger note {} } }";
    let problems = problems_of(&[("test.rules", &format!("{PRELUDE}{text}"))]).unwrap().to_string();
    assert!(problems.contains("move the `let` above"), "{problems}");
}

#[test]
fn values_that_double_with_every_let_are_refused() {
    let chain = |count: usize| -> String {
        let lets = (1..count).map(|i| format!("let a{i} = [a{0}, a{0}]\n", i - 1));
        let lets: String = lets.collect();
        format!(
            "sensor s on s.e {{ let a0 = lower(body.x)\n{lets} rule r {{ when len(a{}) == 2\n trigger note {{}} }} }}",
            count - 1
        )
    };
    assert_eq!(codes(&chain(10)), [""; 0]);
    assert_eq!(codes(&chain(60)), ["E0216 `a12`"]);
    let long = format!("let big = [{}]", "lower(body.x), ".repeat(4_000));
    let uses: String = (0..100)
        .map(|i| format!("rule r{i} {{ when len(big) == 1\n trigger note {{}} }}\n"))
        .collect();
    assert_eq!(codes(&format!("sensor s on s.e {{ {long}\n{uses} }}")), ["E0216 `big`"]);
}
