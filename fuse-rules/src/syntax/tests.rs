//! Trees, precedence, layout, and recovery.

mod recovery;
mod slips;
mod test_blocks;
mod text_blocks;

use super::*;
use crate::diagnostic::Diagnostics;
use crate::span::Files;

/// Parses a text and returns its tree and its problems as text.
fn read(text: &str) -> (String, String) {
    let mut files = Files::default();
    let id = files.add("test.rules".into(), text.to_owned());
    let mut problems = Vec::new();
    let file = parse(id, text, &mut problems);
    (super::tree::tree(&file), Diagnostics::new(files, problems).to_string())
}

/// The tree of a text without problems.
pub(crate) fn tree(text: &str) -> String {
    let (tree, problems) = read(text);
    assert_eq!(problems, "", "{text}");
    tree
}

/// The tree of one condition.
fn condition(text: &str) -> String {
    let (tree, problems) = read(&format!("sensor s on a.b {{ when {text}\n }}"));
    assert_eq!(problems, "", "{text}");
    let line = tree.lines().find(|line| line.trim_start().starts_with("when ")).unwrap();
    line.trim_start().trim_start_matches("when ").to_owned()
}

/// The codes and positions (`line:column`) of all problems.
fn codes(text: &str) -> Vec<String> {
    let mut files = Files::default();
    let id = files.add("test.rules".into(), text.to_owned());
    let mut problems = Vec::new();
    parse(id, text, &mut problems);
    Diagnostics::new(files.clone(), problems)
        .iter()
        .map(|problem| {
            let place = files.locate(problem.label.as_ref().unwrap().span);
            format!("{} {}", problem.topic, place.strip_prefix("test.rules:").unwrap())
        })
        .collect()
}

#[test]
fn a_trigger_has_clauses_before_its_block() {
    let rule = |trigger: &str| tree(&format!("sensor s on a.b {{ rule r {{ {trigger} }} }}"));
    let text = "trigger a retry 5 backoff 1s..1m30s timeout 10s { timeout = 1 }
        trigger b retry 0 {}
        trigger c timeout 1m {}
        on failure { trigger retry timeout 5s {} }";
    assert_eq!(
        rule(text).lines().skip(2).map(str::trim_start).collect::<Vec<_>>(),
        [
            "trigger a retry 5 backoff 1s..1m30s timeout 10s",
            "timeout = 1",
            "trigger b retry 0",
            "trigger c timeout 1m",
            "on failure",
            "trigger retry timeout 5s",
        ]
    );
}

#[test]
fn a_file_with_everything() {
    let text = r##"
# Not a doc: a line stands between.

use "sources.rules"
# The gate.
# Second line.
fuse cicd default off
fuse other default on # trailing
fuse healing default on {
  blow after 20 actions within 10m
  blow after 1 failure within 1h30m, reset after 1h
  pending = hold
}
fuse by-hand default on { blow after 1 action within 1m, reset manually }
defaults workflow { namespace = "cicd", labels { team = "x" } }
# Arrivals.
source alertmanager webhook {
  port = 12000, path = "/webhook"
  id = body.id
  # Inner.
  event slo-alerts
  event other { path = "/other", method = "GET" }
}
limiter api { limit 5000 per 1h }
limiter healing { concurrency 1 }
sensor s on alertmanager.slo-alerts {
  requires cicd, other
  each alert in body.alerts max 10
  when alert.status == "firing"
  after 3 within 1m
  limit 10 per 1d
  shadow
  # Heals.
  rule r {
    requires other
    each x in alert.xs
    when x is present
    after 2 within 1m30s per alert.app, x
    once per alert.fingerprint, x within 4h30m
    quiet 2m per alert.app max 10m
    still 5m per alert.fingerprint
      unless am.alerts each alert in body.alerts max 5 let x = alert.x when x == 1
    limit 3 per 1h per alert.app
    limit api per alert.app
    concurrency 2 per alert.app, x else skip
    concurrency healing else queue
    trigger workflow {
      template = "t-${x}-\u{e9}"
      in = 1, not = 2
      is = r#"a"b\"#
      "quoted key" = [1, "two", { three = 3 },]
      from body { appName, owner?, image = docker["x.y"].z, "k-1" = k }
      contains { from = 1GiB, event = null }
      record = { a? = x, "b c" = -5m }
    }
    trigger log { message = "{{x}}" }
    on failure or gated {
      limit 2 per 1h per x
      once per alert.app within 1h
      trigger log { message = outcome.reason }
      trigger log { message = "again" }
    }
    on suppressed { trigger log { message = x } }
  }
}
test "t" {
  send a.b body { c = 1 }
  expect r on gated once { message = "m" }
  expect no r on failure
  expect fuse healing blown
  finish s/r
  with response s/r { status = 201, ticket = "A" }
  with limiter api used 2 per "web", 7
  with limiter healing used 1
}
"##;
    let (tree, problems) = read(text);
    assert_eq!(problems, "");
    insta::assert_snapshot!(tree);
}

#[test]
fn precedence() {
    for (text, expected) in [
        ("a or b and c", "(or a (and b c))"),
        ("a or b or c", "(or a b c)"),
        ("a and (b or c)", "(and a (paren (or b c)))"),
        ("not a == b and c", "(and (not (== a b)) c)"),
        ("not not a", "(not (not a))"),
        ("a == b ?? c", "(== a (?? b c))"),
        ("a ?? b is missing", "(is (?? a b) missing)"),
        ("not a is not string", "(not (is-not a string))"),
        ("a + b * c - d", "(- (+ a (* b c)) d)"),
        ("a ?? b + 1", "(?? a (+ b 1))"),
        ("-a * -5", "(* (- a) -5)"),
        ("a not in [1, 2]", "(not-in a (list 1 2))"),
        ("a in b or c", "(or (in a b) c)"),
        ("a % 2 == 0", "(== (% a 2) 0)"),
        ("x matches r\"v[0-9]+\" and y", r#"(and (matches x "v[0-9]+") y)"#),
        ("x starts-with \"a\"", r#"(starts-with x "a")"#),
        (
            "any(l in body.labels: l.name == \"deploy\")",
            r#"(any l body/labels (== l/name "deploy"))"#,
        ),
        ("count(l in xs: l) >= 2", "(>= (count l xs l) 2)"),
        ("split(x, \",\")[0] == \"a\"", r#"(== (get (split x ",") /0) "a")"#),
        ("(a ?? b).c", "(get (paren (?? a b)) /c)"),
        ("a[-1].b[\"c.d\"]", "a/-1/b/c.d"),
        ("a[b.c].d == e", "(== (get (lookup a b/c) /d) e)"),
        ("a[b[0]][\"x-${c}\"]", r#"(lookup (lookup a b/0) (text "x-" c))"#),
        ("f({ a = b }, [{ c? = d }])", "(f (record a = b) (list (record c? = d)))"),
        ("({ a = 1 })[b] == c", "(== (lookup (paren (record a = 1)) b) c)"),
        ("a not contains b and c", "(and (not (contains a b)) c)"),
        ("not a not like \"x\"", r#"(not (not (like a "x")))"#),
        ("a-b", "a-b"),
        ("a - b", "(- a b)"),
        ("body.when.rule.in", "body/when/rule/in"),
        ("age(x) > 1h30m", "(> (age x) 1h30m)"),
        ("\"a${b}c${d + 1}\" == e", r#"(== (text "a" b "c" (+ d 1)) e)"#),
        ("\"$x \\${y} {{z}}\" == e", r#"(== "$x ${y} {{z}}" e)"#),
        ("1.50e2 == 150", "(== 150 150)"),
        ("if a or b then c == 1 else not d", "(if (or a b) (== c 1) (not d))"),
        ("if a then b else if c then d else e + 1", "(if a b (if c d (+ e 1)))"),
        ("(if a then b else c) ?? d", "(?? (paren (if a b c)) d)"),
        ("if (if a then b else c) then d else e", "(if (paren (if a b c)) d e)"),
        ("f(if a then [if b then c else d] else e)", "(f (if a (list (if b c d)) e))"),
        ("x.if == y.then.else", "(== x/if y/then/else)"),
    ] {
        assert_eq!(condition(text), expected, "{text}");
    }
}

#[test]
fn line_ends_mean_nothing_but_between_fields() {
    assert_eq!(condition("a\n  ==\n  1 and # why\n b"), "(and (== a 1) b)");
    let (tree, problems) = read("source s k { a = x\n[1] = 2\n b = y\n -1 }");
    // A bracket or minus on a new line does not continue the expression, and is not a field either.
    assert_eq!(tree.lines().count(), 3, "{tree}");
    assert_eq!(problems.matches("error[").count(), 2, "{problems}");
    let (tree, problems) =
        read("source s k { a = x\n contains { b = 1 }\n in = 2\n not = 3\n is = 4 }");
    assert_eq!(problems, "");
    insta::assert_snapshot!(tree, @r"
    source s k
      a = x
      contains
        b = 1
      in = 2
      not = 3
      is = 4
    ");
}

#[test]
fn many_comparisons_in_a_row_are_no_nesting() {
    let row = vec!["a == 1"; 500].join(" or ");
    assert_eq!(condition(&row).matches("== a 1").count(), 500);
    let path = format!("when body{}", ".a".repeat(200_000));
    assert_eq!(codes(&format!("sensor s on a.b {{ {path} }}")), ["E0108 1:24"]);
}

#[test]
fn hostile_texts_are_errors_in_bounded_time() {
    let deep = format!("sensor s on a.b {{ when {}a", "(".repeat(100_000));
    assert_eq!(codes(&deep).len(), 1);
    for text in hostile_texts() {
        // Any result is fine, as long as it comes soon.
        let _problems = codes(&format!("sensor s on a.b {{ when {text}\n }}"));
        let _problems = codes(&format!("source s k {{ a = {text}\n }}"));
        let _problems = codes(&text);
    }
}

/// Texts that nobody would write.
pub(crate) fn hostile_texts() -> Vec<String> {
    vec![
        "not ".repeat(5_000),
        "a + ".repeat(5_000),
        "a == 1 or ".repeat(5_000) + "b",
        "if ".repeat(5_000),
        "if a then b else ".repeat(5_000) + "c",
        "if a then ".repeat(5_000),
        "if (a) then (b) else ".repeat(5_000),
        "[".repeat(60),
        "any(x in ".repeat(50),
        "\"${".repeat(50),
        "\"\"\"${".repeat(50),
        "\"\"\"\n${".repeat(50),
        "\"\"\"\n".repeat(5_001),
        "\"\"\"\\".repeat(5_000),
        "r#\"\n".repeat(500),
        "{ a { ".repeat(25),
        "[".repeat(100_000),
        "\"${".repeat(100_000),
        "{ a { ".repeat(100_000),
        "}".repeat(1_000),
        "\0\u{7f}\u{202e}".repeat(100),
    ]
}

/// Strings that contain lists that contain records whose keys look like strings: each level is
/// parsed once.
#[test]
fn nested_keys_are_not_read_again_and_again() {
    let text =
        (0..14).fold("1".to_owned(), |inner, _| format!("{{ z z\n \"${{[{inner}]}}\" : 1 }}"));
    assert!(!codes(&format!("source s k {{ a = {text} }}")).is_empty());
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_panics_or_is_silent(text in "\\PC{0,200}") {
            let (tree, problems) = read(&text);
            let blank = |c| c == ' ' || c == '\t' || c == '\u{feff}';
            let nothing = text.lines().map(|line| line.trim_matches(blank)).all(|l| l.is_empty() || l.starts_with('#'));
            prop_assert!(nothing || !tree.is_empty() || !problems.is_empty());
        }

        #[test]
        fn pieces_of_the_language_in_any_order_never_panic(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "sensor s on a.b {", "rule r {", "}", "when", "a == ", "\"x", "\"", "${", "(", ")", "[", "]",
                "trigger log {", "b = ", "from body {", "each x in ", "once per ", "within 4h", "\n", ",", "#",
                "not ", " and ", " or ", "-", "1", "10m", "r\"", "\"\"\"", "r#\"", "\"#", "use \"f\"", "fuse f default on", "?", "any(x in ",
            ]), 0..40),
        ) {
            let _read = read(&pieces.concat());
        }
    }
}

#[test]
fn the_comment_straight_above_is_the_documentation() {
    for (text, doc) in [
        ("\u{feff}# a\n# b\nfuse f default on", Some("a\nb")),
        ("# a\r# b\r\n\tfuse f default on", Some("a\nb")),
        ("# a\n\nfuse f default on", None),
        ("fuse g default on # a\nfuse f default on", None),
        ("const c = r#\"\n# a\n\"#\nfuse f default on", None),
        ("const c = \"\"\"\n# a\n\"\"\"\nfuse f default on", None),
        ("# a\n\n# b\nfuse f default on", Some("b")),
    ] {
        let (tree, problems) = read(text);
        assert_eq!(problems, "");
        let wanted = doc.map_or(String::new(), |doc| format!("doc {doc:?}\n"));
        assert!(tree.contains(&format!("{wanted}fuse f")), "{text:?}\n{tree}");
        assert_eq!(tree.contains("doc"), doc.is_some(), "{text:?}\n{tree}");
    }
}

#[test]
fn types_constants_and_conditions() {
    let (tree, problems) = read(
        r#"
        use std "github"
        # A push.
        type push = {
          # The branch.
          ref: string, forced?: bool
          "x y": list<map<int>>
          kind: | "a" | "b" | -1 | true | null
          owner: (github.user | { id: int, ... })
          ...
        }
        type order = json-schema "order.json"
        const loud = ["critical", { a = 1 }]
        # Ends in prod.
        condition is-prod(name: string, x) = name like "*-prod" and x
        source s webhook {
          event pushed : push { path = "/p" }
          event plain
          event part { when headers.x == "a", path = "/q"
            when body.y or not body.z }
          event inline : { a: string, ... }
        }
        sensor x on s.pushed { rule r {
          when first(c in filter(c in body.commits: c.ok): c.id == 1) is present
          trigger log { message = json(map(c in body.commits: { id = c.id })) }
        } }
    "#,
    );
    assert_eq!(problems, "");
    insta::assert_snapshot!(tree);
}

#[test]
fn a_fault_in_a_type_is_one_problem_at_its_place() {
    for (text, wanted) in [
        ("type a = { b string, c: int }", "E0101 1:14"),
        ("type a = list<string", "E0101 1:15"),
        ("type a = ", "E0101 1:8"),
        ("type a = string |", "E0101 1:17"),
        ("type a string", "E0101 1:8"),
        ("type a = { b: int", "E0103 1:10"),
        ("type a = { b = int }", "E0101 1:14"),
        ("source s webhook { event a : { b: } }", "E0101 1:33"),
        ("source s webhook { event a: string, event b : }", "E0101 1:45"),
        ("source s webhook { event a { when } }", "E0101 1:30"),
        ("source s webhook { event a { when body.x = 1 } }", "E0102 1:42"),
        ("source s webhook { event a { when body.x == 1 path = \"/a\" } }", "E0104 1:47"),
        (
            "source s webhook { event a { path = \"/a\", when headers.x == }\nevent b }",
            "E0101 1:58",
        ),
        ("condition c = 1", "E0101 1:13"),
        ("condition c(a: ) = a", "E0101 1:16"),
        ("const = 1", "E0101 1:7"),
        ("use std github", "E0101 1:9"),
    ] {
        assert_eq!(codes(text), [wanted], "{text}");
    }
}
