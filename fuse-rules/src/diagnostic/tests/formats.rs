//! The formats: text, JSON lines, SARIF and GitHub's commands.

use std::collections::BTreeMap;

use super::kinds::registry;
use crate::diagnostic::{Code, Diagnostics, Style};
use crate::lint::Lints;
use crate::ruleset::Ruleset;

/// Problems of every shape: with and without a span, a fix, related spans, odd characters.
fn problems() -> Diagnostics {
    let a = "use \"b.rules\"\nuse \"none.rules\"\nfuse é default on\nfuse cicd default off\nsensor s on gh.push {\n  when body.état == 1 && body.b == null\n  when body.b == '%x,:'\n}\n";
    let b =
        "fuse cicd default on\nsource gh webhook {\n  port = 1\n  path = \"/a\"\n  event push\n}\n";
    let files = BTreeMap::from([("a b.rules", a), ("b.rules", b)]);
    Ruleset::load(&["a b.rules", "absent.rules"], &files, &registry()).unwrap_err()
}

fn warnings() -> Ruleset {
    let text = "source gh webhook {\n  port = 1\n  path = \"/a\"\n  event push\n}\nsensor s on gh.push {\n  rule r { trigger log { message = \"hi $body.x\" } }\n}\n";
    Ruleset::parse("w.rules", text, &registry()).unwrap()
}

#[test]
fn text_shows_the_lines_and_what_to_write_instead() {
    insta::assert_snapshot!(problems().to_text(Style::Plain));
    assert!(!problems().to_text(Style::Plain).contains('\u{1b}'));
    assert!(problems().to_text(Style::Colour).contains('\u{1b}'));
}

#[test]
fn json_lines_carry_the_fixes() {
    insta::assert_snapshot!(problems().to_json_lines());
}

#[test]
fn commands_of_github_escape_what_ends_them() {
    insta::assert_snapshot!(problems().to_github());
}

#[test]
fn warnings_let_the_rules_through() {
    let ruleset = warnings();
    assert!(!ruleset.warnings().has_errors());
    insta::assert_snapshot!(ruleset.warnings(), @r#"
    warning[E0110]: `$body.x` is not filled in
     --> w.rules:7:40
      |
    7 |   rule r { trigger log { message = "hi $body.x" } }
      |                                        ^^^^^^^ plain text
      |
    help: write `${body.x}`
      |
    7 -   rule r { trigger log { message = "hi $body.x" } }
    7 +   rule r { trigger log { message = "hi ${body.x}" } }
      |
    "#);
    insta::assert_snapshot!(ruleset.warnings().to_github(), @"::warning file=w.rules,line=7,endLine=7,col=40,endColumn=47,title=E0110 text that looks like interpolation and is not::`$body.x` is not filled in%0Ahelp: write `${body.x}`");
}

#[test]
fn sarif_is_what_its_schema_says() {
    let mut schema: serde_json::Value =
        serde_json::from_str(include_str!("sarif-schema-2.1.0.json")).unwrap();
    // The schema's pattern for languages has an extra bracket and is not a valid pattern. fuse does
    // not set a language.
    for part in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][part]["properties"]["language"];
        language.as_object_mut().unwrap().remove("pattern");
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    let check = |log: &str| {
        let log: serde_json::Value = serde_json::from_str(log).unwrap();
        let errors: Vec<String> = validator.iter_errors(&log).map(|e| e.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        log
    };
    check(&warnings().warnings().to_sarif());
    let found = Lints::default().run(&warnings());
    assert!(found.iter().any(|problem| problem.topic.as_str() == "undocumented-rule"));
    check(&found.to_sarif());
    let none = Ruleset::parse("e.rules", "", &registry()).unwrap();
    check(&none.warnings().to_sarif());
    let mut log = check(&problems().to_sarif());
    // The pages are long, and other tests show them.
    for rule in log["runs"][0]["tool"]["driver"]["rules"].as_array_mut().unwrap() {
        let code: Code = rule["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(rule["help"]["markdown"], code.page());
        rule["help"].take();
    }
    log["runs"][0]["tool"]["driver"]["version"].take();
    insta::assert_json_snapshot!(log);
    // The schema does reject some documents.
    assert!(!validator.is_valid(&serde_json::json!({"version": "2.0.0", "runs": []})));
}

#[test]
fn places_of_sarif_count_characters_and_names_are_escaped() {
    let log = problems().to_sarif();
    assert!(log.contains("\"uri\": \"a%20b.rules\""));
    assert!(log.contains("\"columnKind\": \"unicodeCodePoints\""));
}
