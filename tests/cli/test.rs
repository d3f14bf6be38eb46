//! `fuse test`: outcomes, formats, coverage, planted faults, expectations written anew.

use super::{ran, ran_in};

const RULES: &str = r#"source q webhook {
  port = 12000
  path = "/q"
  event e
}

sensor s on q.e {
  rule told {
    when body.level >= 3
    trigger log { message = "level ${body.level}" }
  }
}
"#;

const TESTS: &str = r#"use "a.rules"

test "a high one is told" {
  send q.e from "high.json"
  expect told once { message = "level 5" }
}

test "a low one is not" {
  send q.e body { level = 2 }
  expect no told
}
"#;

/// A folder with rules, their tests in a file of their own, and an event.
fn folder(tests: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.rules"), RULES).unwrap();
    std::fs::write(folder.path().join("b.rules"), tests).unwrap();
    std::fs::write(folder.path().join("high.json"), "{\"level\": 5}").unwrap();
    folder
}

fn output(folder: &tempfile::TempDir, arguments: &[&str]) -> String {
    let all = ran_in(folder.path(), arguments);
    // Times differ from run to run.
    let mut out = String::new();
    for line in all.split_inclusive('\n') {
        match line.split_once(", in ") {
            Some((before, rest)) if rest.ends_with("s\n") => out += &format!("{before}, in TIME\n"),
            _ => out += line,
        }
    }
    out
}

#[test]
fn the_rules_of_this_repository_are_covered_and_every_planted_fault_is_found() {
    let output = ran(&["test", "rules", "--coverage", "--fail-under", "100", "--mutate"]);
    assert!(output.starts_with("exit 0"), "{output}");
    assert!(output.contains("coverage 100.0 %"), "{output}");
    assert!(output.contains(" found by tests, 0 not"), "{output}");
}

#[test]
fn tests_pass_and_fail() {
    let good = folder(TESTS);
    let bad = folder(&TESTS.replace("level 5", "level 6").replace("expect no told", "expect told"));
    let arguments = ["test", "a.rules", "b.rules", "--verbose"];
    insta::assert_snapshot!(output(&good, &arguments) + &output(&bad, &["test", "."]));
    // Tests of files that are only used are not run.
    assert!(output(&good, &["test", "a.rules"]).contains("0 tests passed"));
    let none = output(&bad, &["test", ".", "--filter", "like it"]);
    assert_eq!(none, "exit 2\n--- stderr\nfuse: no test name contains `like it`\n");
}

#[test]
fn formats_for_programs() {
    let bad = folder(&TESTS.replace("level 5", "level 6"));
    let seconds = |text: String| {
        let mut out = String::new();
        for (i, part) in text.split("\"seconds\":").enumerate() {
            let rest = if i == 0 { part } else { part.split_once(',').unwrap().1 };
            out += if i == 0 { "" } else { "\"seconds\":TIME," };
            out += rest;
        }
        let mut whole = String::new();
        for (i, part) in out.split(" time=\"").enumerate() {
            let rest = if i == 0 { part } else { part.split_once('"').unwrap().1 };
            whole += if i == 0 { "" } else { " time=\"TIME\"" };
            whole += rest;
        }
        whole
    };
    insta::assert_snapshot!(
        seconds(output(&bad, &["test", ".", "--format", "json"]))
            + &seconds(output(&bad, &["test", ".", "--format", "junit"]))
    );
}

#[test]
fn coverage_and_its_files() {
    let folder = folder(TESTS);
    let arguments =
        ["test", ".", "--coverage", "--fail-under", "90", "--html", "c.html", "--lcov", "c.info"];
    let text = output(&folder, &arguments);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    for percent in ["101", "-1", "many"] {
        let refused =
            output(&folder, &["test", ".", "--coverage", &format!("--fail-under={percent}")]);
        assert!(refused.contains("write a number from 0 to 100"), "{refused}");
    }
    let html = read("c.html");
    assert!(html.contains("data-missing=\"unknown\">body.level &gt;= 3</mark>"), "{html}");
    insta::assert_snapshot!(format!("{text}{}", read("c.info")));
}

#[test]
fn faults_that_no_test_finds() {
    insta::assert_snapshot!(output(&folder(TESTS), &["test", ".", "--mutate"]));
}

#[test]
fn expectations_are_written_anew() {
    let folder = folder(&TESTS.replace("level 5", "level 6"));
    let first = output(&folder, &["test", ".", "--update"]);
    assert_eq!(first, "exit 0\nupdated b.rules\n");
    assert_eq!(std::fs::read_to_string(folder.path().join("b.rules")).unwrap(), TESTS);
    let second = output(&folder, &["test", ".", "--update"]);
    assert_eq!(second, "exit 0\nevery expectation is met\n");
    // A test that sends nothing cannot be updated.
    std::fs::remove_file(folder.path().join("high.json")).unwrap();
    let third = output(&folder, &["test", ".", "--update"]);
    assert!(
        third.starts_with("exit 1\n") && third.contains("`high.json` cannot be read"),
        "{third}"
    );
}

/// The tests for surviving faults go to a new file, which uses the rules, or into a file of the rules.
#[test]
fn tests_for_faults_are_written() {
    for target in ["more.rules", "a.rules", "b.rules"] {
        let folder = folder(TESTS);
        let write = ["test", ".", "--mutate", "--write", target];
        let first = output(&folder, &write);
        let survived = first.matches("warning[E0607]").count();
        assert!(first.starts_with("exit 1") && survived > 0, "{first}");
        let added =
            format!("added {survived} test{} to {target}", if survived == 1 { "" } else { "s" });
        assert!(first.contains(&added), "{first}");
        let again = output(&folder, &write);
        assert!(again.starts_with("exit 0\n"), "{target}: {again}");
        assert!(again.contains(&format!("added 0 tests to {target}")), "{again}");
        let formatted = output(&folder, &["fmt", "--check", target]);
        assert!(formatted.starts_with("exit 0"), "{formatted}");
    }
    let alone = output(&folder(TESTS), &["test", ".", "--write", "more.rules"]);
    assert!(alone.contains("--mutate"), "{alone}");
}

/// One field per line, and durations as written.
#[test]
fn fields_that_differ_have_a_line_each() {
    let folder = folder(TESTS);
    let rules = RULES.replace(
        "trigger log { message = \"level ${body.level}\" }",
        "trigger job {\n image = \"page\"\n namespace = \"ci\"\n ttl = 4h\n env { LEVEL = body.level }\n }",
    );
    std::fs::write(folder.path().join("a.rules"), rules).unwrap();
    let tests = "use \"a.rules\"\n\ntest \"fields\" {\n  send q.e from \"high.json\"\n  expect told once { image = \"other\", ttl = 90m, env { LEVEL = 6 } }\n}\n";
    std::fs::write(folder.path().join("b.rules"), tests).unwrap();
    insta::assert_snapshot!(output(&folder, &["test", "."]));
    assert!(output(&folder, &["test", ".", "--update"]).starts_with("exit 0"));
    let updated = std::fs::read_to_string(folder.path().join("b.rules")).unwrap();
    assert!(
        updated.contains("ttl   = 4h") && updated.contains("env { LEVEL = \"5\" }"),
        "{updated}"
    );
}

/// As in a running fuse, rules do not see the headers and query parameters with a secret.
#[test]
fn rules_do_not_see_the_secrets_of_auth() {
    let folder = tempfile::tempdir().unwrap();
    let rules = r#"source q webhook {
          port = 12000
          path = "/q"
          auth { header { name = "X-Token", value = env("TOKEN") } }
          event e
        }
        sensor s on q.e {
          rule r { trigger log { message = "from ${headers.x-token ?? "nobody"} ${headers.x-kind}" } }
        }
        test "hidden" {
          send q.e body {} headers { x-token = "a", x-kind = "b" }
          expect r once { message = "from nobody b" }
        }
        source p webhook {
          port = 12000
          path = "/p"
          auth { query { name = "token", value = env("TOKEN") } }
          event e
        }
        sensor t on p.e {
          rule u { trigger log { message = "from ${query.token ?? "nobody"} ${query.kind}" } }
        }
        test "hidden parameter" {
          send p.e body {} query { token = "a", kind = "b" }
          expect u once { message = "from nobody b" }
        }"#;
    std::fs::write(folder.path().join("a.rules"), rules).unwrap();
    let tested = ran_in(folder.path(), &["test", "a.rules"]);
    assert!(tested.starts_with("exit 0"), "{tested}");
    std::fs::write(folder.path().join("e.json"), "{}").unwrap();
    let explain = [
        "explain",
        "a.rules",
        "--source",
        "q.e",
        "--event",
        "e.json",
        "--header",
        "x-token: a",
        "--header",
        "x-kind: b",
    ];
    let explained = ran_in(folder.path(), &explain);
    assert!(explained.contains("from nobody b"), "{explained}");
}

/// A condition of one's own must be tested with what the sender sends.
#[test]
fn a_test_sends_the_headers_of_a_preset_and_no_others() {
    let rules = |header: &str| {
        format!(
            r#"
        source hub github {{
          port   = 12000
          secret = env("S")
          event push {{ when headers.x-team == "a" }}
        }}
        sensor s on hub.push {{
          rule r {{ trigger log {{ message = "${{headers.x-github-event}}" }} }}
        }}
        test "pushed" {{
          send hub.push body {{}} {header}
          expect r once {{ message = "push" }}
        }}
        "#
        )
    };
    for (header, code) in [("", "exit 1"), (r#"headers { x-team = "a" }"#, "exit 0")] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("test.rules"), rules(header)).unwrap();
        let text = ran_in(folder.path(), &["test", "test.rules"]);
        assert!(text.starts_with(code), "{text}");
    }
}
