//! Constants and named conditions: which problems are reported, and which are not.

use super::{check, codes, report};

/// Declarations, and the problem that is reported; empty for a similar case without a problem.
const CASES: &[(&str, &str)] = &[
    // Constants.
    ("const a = 1", ""),
    ("const a = b\nconst b = [c, \"x\"]\nconst c = { k = upper(\"y\") }", ""),
    ("const a = map(x in [1, 2]: x * 2)", ""),
    ("const a = map(a in [1]: a)", "E0207 `a`"),
    ("const body = 1", "E0207 `body`"),
    ("const a = 1\nconst a = 2", "E0204 `a`"),
    ("const a = b", "E0201 `b`"),
    ("const a = headers.x", "E0213 `headers`"),
    ("const a = age(\"2026-08-01T10:00:00Z\")", "E0215 `age(\"2026-08-01T10:00:00Z\")`"),
    ("const a = time(\"2026-08-01T10:00:00Z\")", ""),
    ("const a = b + 1\nconst b = 1 / 0", "E0215 `1 / 0`"),
    ("const a = [b]\nconst b = [c]\nconst c = [a]", "E0214 `a`"),
    ("const a = first(x in [1]: x > 2)", "E0215 `first(x in [1]: x > 2)`"),
    ("const a = first(x in [1]: x > 2) ?? 3", ""),
    ("const a = is-x(\"x\")\ncondition is-x(p) = p == \"x\"", ""),
    (
        "const a = old(\"2026-08-01T10:00:00Z\")\ncondition old(p) = age(p) > 1h",
        "E0215 `old(\"2026-08-01T10:00:00Z\")`",
    ),
    // Conditions.
    ("condition c(p) = p.a == 1 and d(p.b)\ncondition d(p) = p in k\nconst k = [1]", ""),
    ("condition c() = true", ""),
    ("condition c(p) = p", ""),
    ("condition c(p, p) = p", "E0204 `p`"),
    ("condition c(body) = body.x == 1", "E0207 `body`"),
    ("const k = 1\ncondition c(k) = k == 1", "E0207 `k`"),
    ("condition c(p) = any(p in p.l: p == 1)", "E0207 `p`"),
    ("condition c(p) = \"x\"", "E0302 `\"x\"`"),
    ("condition c(p: list<string>) = p", "E0302 `p`"),
    ("condition c(p: string) = p > 5", "E0309 `p`"),
    ("condition c(p: int | duration) = p is int and p > 5", ""),
    ("type t = { a: string, l?: list<int> }\ncondition c(p: t) = p.b == 1", "E0203 `b`"),
    ("type t = { a: string, l?: list<int> }\ncondition c(p: t) = p.a == \"x\" and 1 in p.l", ""),
    ("condition c(p: nope) = p == 1", "E0217 `nope`"),
    ("condition c(p: \"a\" | \"b\") = p == \"a\"\nconst x = c(\"c\")", "E0303 `\"c\"`"),
    ("condition c(p, q) = p > 1h and q.a == p", ""),
    ("condition c(p) = q == 1", "E0201 `q`"),
    ("condition c(p) = c(p.x)", "E0214 `c`"),
    ("condition c(p) = d(p)\ncondition d(p) = not c(p)", "E0214 `c`"),
    ("condition lower(p) = p == 1", "E0207 `lower`"),
    ("condition any(p) = p == 1", "E0207 `any`"),
    ("condition c(p) = p\ncondition c(q) = q", "E0204 `c`"),
];

/// Clauses that use these declarations.
const GIVEN: &str = "
const critical = [\"critical\", \"page\"]
const name = r\"v[0-9]+\"
const limits = { cpu = 2, zones = [\"a\"] }
const broken = 1 / 0
condition is-prod(env: string) = env like \"*-prod\"
condition both(p, q) = is-prod(p.env) and q
condition bad(p) = p == broken
";

const CLAUSES: &[(&str, &str)] = &[
    ("when body.severity in critical", ""),
    ("when body.severity in critcal", "E0201 `critcal`"),
    ("when body.version matches name and body.version like name", ""),
    ("when body.version matches critical", "E0306 `critical`"),
    ("when body.cpu > limits.cpu and body.zone in limits.zones", ""),
    ("when body.cpu > limits.cpus", "E0212 `cpus`"),
    ("when body.zone == limits.zones[1]", "E0212 `[1]`"),
    ("when body.zone == limits.zones[-1]", ""),
    ("when body.zone == limits.cpu.x", "E0212 `x`"),
    ("when headers.x == limits.cpu", "E0301 `headers.x == limits.cpu`"),
    ("when body.x == critical", "E0307 `critical`"),
    ("each critical in body.l", "E0207 `critical`"),
    ("each a in body.l\n when any(limits in a.l: limits == 1)", "E0207 `limits`"),
    ("each a in critical\n when body.a == a", ""),
    ("when is-prod(body.env)", ""),
    ("when both(body, body.x == 1)", ""),
    ("when is-prd(body.env)", "E0202 `is-prd`"),
    ("when is-prod(body.a, body.b)", "E0303 `is-prod(body.a, body.b)`"),
    ("when is-prod()", "E0303 `is-prod()`"),
    ("when is-prod(5)", "E0303 `5`"),
    ("when is-prod(body.env) ?? true", "E0304 `is-prod(body.env)`"),
    ("when is-prod(body.env) is missing", "E0304 `is-prod(body.env)`"),
    ("when is-prod == 1", "E0201 `is-prod`"),
    // An invalid constant is reported at its declaration.
    ("when body.x == broken or body.x matches broken or bad(body.x)", ""),
];

#[test]
fn cases_are_reported_and_near_misses_are_not() {
    check(CASES.iter().map(|(text, expected)| ((*text).to_owned(), *expected)));
    for (clause, expected) in CLAUSES {
        let text = format!("{GIVEN}{}", super::rule(clause));
        let mut found = codes(&text);
        assert_eq!(found.remove(0), "E0215 `1 / 0`", "{text}");
        let expected: Vec<&str> = if expected.is_empty() { vec![] } else { vec![expected] };
        assert_eq!(found, expected, "{clause}");
    }
}

#[test]
fn a_constant_can_replace_any_literal() {
    let text = "
const port = 2
const path = \"/x\"
const fast = \"fast\"
const names = [\"a\", \"b\"]
source t hook { port = port, path = path\n event e }
sensor x on t.e { rule r { trigger flow { namespace = names[0], template = \"t\", mode = fast, tags = names } } }";
    assert_eq!(codes(text), [""; 0]);
    let text = text.replace("\"fast\"", "\"slow\"");
    assert_eq!(codes(&text), ["E0406 `fast`"]);
}

#[test]
fn declarations_are_visible_by_direct_use_only() {
    let rules = "use \"b.rules\"\nsource s hook { port = 1, path = \"/a\"\n event e }
sensor x on s.e { rule r { when is-prod(body.x) and body.y in names  trigger note {} } }";
    let b = "use \"c.rules\"\ncondition is-prod(p) = p in names";
    let c = "const names = [\"a\"]";
    let files = [("a.rules", rules), ("b.rules", b), ("c.rules", c)];
    insta::assert_snapshot!(report(&files), @r#"
    error[E0208]: const `names` is declared in a file that this one does not use
     --> a.rules:4:63
      |
    4 | sensor x on s.e { rule r { when is-prod(body.x) and body.y in names  trigger note {} } }
      |                                                               ^^^^^ not visible here
      |
     ::: c.rules:1:7
      |
    1 | const names = ["a"]
      |       ----- declared here
      |
    help: add `use "c.rules"` at the top of this file
      |
    1 + use "c.rules"
      |
    "#);
    let files = [
        ("a.rules", rules),
        ("b.rules", "use \"c.rules\""),
        ("c.rules", "condition is-prod(p) = p\nconst names = [1]"),
    ];
    insta::assert_snapshot!(report(&files), @r#"
    error[E0208]: condition `is-prod` is declared in a file that this one does not use
     --> a.rules:4:33
      |
    4 | sensor x on s.e { rule r { when is-prod(body.x) and body.y in names  trigger note {} } }
      |                                 ^^^^^^^ not visible here
      |
     ::: c.rules:1:11
      |
    1 | condition is-prod(p) = p
      |           ------- declared here
      |
    help: add `use "c.rules"` at the top of this file
      |
    1 + use "c.rules"
      |

    error[E0208]: const `names` is declared in a file that this one does not use
     --> a.rules:4:63
      |
    4 | sensor x on s.e { rule r { when is-prod(body.x) and body.y in names  trigger note {} } }
      |                                                               ^^^^^ not visible here
      |
     ::: c.rules:2:7
      |
    2 | const names = [1]
      |       ----- declared here
      |
    help: add `use "c.rules"` at the top of this file
      |
    1 + use "c.rules"
      |
    "#);
}

#[test]
fn messages() {
    let prelude = "source s hook { port = 1, path = \"/a\"\n event e }\n";
    for (name, text) in [
        ("circle", "condition a(p) = b(p)\ncondition b(p) = not c(p.x)\ncondition c(p) = a(p)"),
        ("itself", "const a = [1, a]"),
        ("event in a condition", "condition is-prod(name) = name == body.name"),
        ("event in a constant", "const a = body.x"),
        ("nowhere", "const limits = { cpu = 2 }\ncondition c(p) = p > limits.cpus"),
        ("no value", "const a = 1 / 0"),
        ("clock", "const a = age(\"2026-08-01T10:00:00Z\")"),
        (
            "arguments",
            "condition is-prod(name: string) = name == \"x\"\ncondition c(p) = is-prod(p, 1) or is-prod(5)",
        ),
        ("function", "condition len(p) = p == 1"),
        ("hidden", "const a = [1]\ncondition c(p) = any(a in p: a == 1)"),
    ] {
        insta::assert_snapshot!(
            name.replace(' ', "-"),
            report(&[("a.rules", &format!("{prelude}{text}"))])
        );
    }
}

/// Definitions that double each other, and long chains of definitions, are reported and do not
/// crash.
#[test]
fn growing_definitions_are_bounded() {
    let doubled = |one: &dyn Fn(usize) -> String, last: &str| {
        let all: String = (0..60).map(|i| format!("{}\n", one(i))).collect();
        codes(&format!("{all}{last}"))
    };
    let found = doubled(&|i| format!("const c{i} = [c{}, c{}]", i + 1, i + 1), "const c60 = 1");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("E0216"), "{found:?}");
    let found = doubled(
        &|i| format!("condition c{i}(p) = c{0}(p) or c{0}(p.x)", i + 1),
        "condition c60(p) = p == 1",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("E0216"), "{found:?}");
    let found = doubled(
        &|i| format!("condition c{i}(p) = c{}([p, p])", i + 1),
        "condition c60(p) = p == 1",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    let long = |one: &dyn Fn(usize) -> String| -> String {
        (0..5_000).map(|i| format!("{}\n", one(i))).collect()
    };
    let found = codes(&format!("{}const c5000 = 1", long(&|i| format!("const c{i} = c{}", i + 1))));
    assert_eq!(found, [""; 0]);
    let found =
        codes(&format!("{}const c5000 = 1", long(&|i| format!("const c{i} = [c{}]", i + 1))));
    assert_eq!(found.len(), 1, "{found:?}");
    let found = codes(&format!(
        "{}condition c5000(p) = p",
        long(&|i| format!("condition c{i}(p) = not c{}(p)", i + 1))
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    let dear = format!("condition c(p) = {}true", "p == 1 and ".repeat(2_000));
    let calls = format!(
        "sensor x on s.e {{ {} }}",
        (0..300)
            .map(|i| format!("rule r{i} {{ when c(body.x)\n trigger note {{}} }}\n"))
            .collect::<String>()
    );
    let found = codes(&format!("{dear}\n{calls}"));
    assert_eq!(found, ["E0216 `c(body.x)`"]);
}
