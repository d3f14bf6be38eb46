//! Problems across files: visibility, unreadable files, and duplicates.

use std::collections::BTreeMap;

use super::{registry, report};
use crate::ruleset::Ruleset;

#[test]
fn names_are_visible_by_direct_use_only() {
    let rules = "use \"b.rules\"\nsensor x on s.e { requires g\n rule r { trigger note {} } }";
    let b = "use \"c.rules\"\nsource s hook { port = 1, path = \"/a\"\n event e }";
    let c = "fuse g default on";
    insta::assert_snapshot!(report(&[("rules/a.rules", rules), ("rules/b.rules", b), ("rules/c.rules", c)]), @r#"
    error[E0208]: fuse `g` is declared in a file that this one does not use
     --> rules/a.rules:2:28
      |
    2 | sensor x on s.e { requires g
      |                            ^ not visible here
      |
     ::: rules/c.rules:1:6
      |
    1 | fuse g default on
      |      - declared here
      |
    help: add `use "c.rules"` at the top of this file
      |
    1 + use "c.rules"
      |
    "#);
    let fixed = format!("use \"c.rules\"\n{rules}");
    assert_eq!(
        report(&[("rules/a.rules", &fixed), ("rules/b.rules", b), ("rules/c.rules", c)]),
        ""
    );
}

/// The help for a call with a full stop depends on what is before it.
#[test]
fn calls_with_a_full_stop() {
    let help = |declarations: &str, call: &str| {
        let text = format!("{declarations}\ncondition c(x) = {call}");
        let report = report(&[("a.rules", &text)]);
        report.lines().find_map(|line| line.split_once("help: ")).map(|(_, help)| help.to_owned())
    };
    for (declarations, call, expected) in [
        ("", "github.pushed-to(x, \"main\")", "add `use std \"github\"` at the top of this file"),
        ("use std \"grafana\"", "grafana.firng(x)", "did you mean `grafana.firing`?"),
        ("", "x.startsWith(\"a\")", "write `text starts-with \"x\"`"),
        ("", "x.foo(1)", "values have no methods; functions are called as in `len(body.items)`"),
        (
            "",
            "slack.foo(1)",
            "values have no methods; functions are called as in `len(body.items)`",
        ),
    ] {
        assert_eq!(help(declarations, call).as_deref(), Some(expected), "{call}");
    }
}

#[test]
fn unreadable_files_and_cycles_are_reported() {
    insta::assert_snapshot!(report(&[("a.rules", "use \"none.rules\"")]), @r#"
    error[E0504]: `none.rules` cannot be read: there is no such file
     --> a.rules:1:5
      |
    1 | use "none.rules"
      |     ^^^^^^^^^^^^ used here
      |
      = help: a `use` is relative to the file that contains it
    "#);
    let cycle = [
        ("a.rules", "use \"b.rules\""),
        ("b.rules", "use \"c.rules\""),
        ("c.rules", "use \"a.rules\""),
    ];
    insta::assert_snapshot!(report(&cycle), @r#"
    error[E0505]: files use each other in a cycle
     --> c.rules:1:5
      |
    1 | use "a.rules"
      |     ^^^^^^^^^ this leads back to this file
      |
      = help: move the shared declarations into a third file that uses neither
    "#);
    let itself = [("a.rules", "use \"./a.rules\"")];
    insta::assert_snapshot!(report(&itself), @r#"
    error[E0505]: files use each other in a cycle
     --> a.rules:1:5
      |
    1 | use "./a.rules"
      |     ^^^^^^^^^^^ this leads back to this file
      |
      = help: move the shared declarations into a third file that uses neither
    "#);
    let diamond = [
        ("a.rules", "use \"b.rules\"\nuse \"c.rules\""),
        ("b.rules", "use \"d.rules\""),
        ("c.rules", "use \"d.rules\""),
        ("d.rules", "fuse g default on"),
    ];
    assert_eq!(report(&diamond), "", "used twice is no circle");
    assert!(
        Ruleset::load(&["none.rules"], &BTreeMap::new(), &registry())
            .unwrap_err()
            .to_string()
            .contains("E0504")
    );
}

#[test]
fn duplicates_are_found_across_files() {
    let files =
        [("a.rules", "use \"b.rules\"\nfuse g default on"), ("b.rules", "\n\nfuse g default off")];
    insta::assert_snapshot!(report(&files), @"
    error[E0204]: fuse `g` is declared twice
     --> b.rules:3:6
      |
    3 | fuse g default off
      |      ^ declared again here
      |
     ::: a.rules:2:6
      |
    2 | fuse g default on
      |      - first declared here
      |
      = help: rename one of them
    ");
}

#[test]
fn a_chain_of_many_uses_is_read_without_recursion() {
    let files: Vec<(String, String)> = (0..3_000)
        .map(|i| (format!("f{i}.rules"), format!("use \"f{}.rules\"", i + 1)))
        .chain([("f3000.rules".to_owned(), "fuse g default on".to_owned())])
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
    assert_eq!(report(&files), "");
}
