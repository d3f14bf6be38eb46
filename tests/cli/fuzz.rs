//! `fuse fuzz`: clean rules stay so, planted faults are found, and what is found becomes tests.

use super::{ran, ran_in};

const RULES: &str = r#"source q webhook {
  port = 12000
  path = "/q"
  event e
}

# Opens previews.
sensor previews on q.e {
  rule never {
    when body.size > 10 and body.state == "open"
    when body.size < 5
    trigger log { message = "odd" }
  }

  rule opened {
    when body.action == "opened"
    trigger workflow {
      template  = "preview"
      namespace = "ci"
      parameters { branch = body.pull_request.head.ref, owner = body.owner }
    }
  }
}
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.rules"), RULES).unwrap();
    folder
}

#[test]
fn nothing_is_found_in_the_rules_of_this_repository() {
    for seed in ["1", "2", "3"] {
        let output = ran(&["fuzz", "rules", "--seed", seed, "--runs", "2000"]);
        assert!(output.starts_with("exit 0\nnothing found: 2000 events decided"), "{output}");
        assert!(output.contains("4 of 4 rules fired"), "{output}");
    }
    let seeded =
        ran(&["fuzz", "rules", "--runs", "500", "--events", "rules/events", "--seed", "4"]);
    assert!(seeded.starts_with("exit 0"), "{seeded}");
}

#[test]
fn planted_faults_are_told_and_become_tests() {
    let folder = folder();
    let arguments = ["fuzz", ".", "--seed", "1", "--runs", "2000", "--save", "found"];
    let text = ran_in(folder.path(), &arguments);
    assert!(text.starts_with("exit 1"), "{text}");
    for found in [
        "its conditions exclude each other",
        "`body.owner`, which is missing",
        "passes untrusted text to",
    ] {
        assert!(text.contains(found), "{found} in {text}");
    }
    insta::assert_snapshot!(text);
    // The tests say what happens, so they pass; and with them nothing of it is news.
    assert!(ran_in(folder.path(), &["test", "found"]).starts_with("exit 0"));
    let again = ran_in(folder.path(), &["fuzz", ".", "found", "--seed", "1", "--runs", "2000"]);
    assert!(!again.contains("`body.owner`, which is missing"), "{again}");
}

/// The tests of an earlier run stay, and are not lost by one that finds others.
#[test]
fn what_was_saved_before_stays() {
    let folder = folder();
    let saved = |paths: &[&str], runs: &str| {
        let options = ["--seed", "1", "--runs", runs, "--save", "found"];
        ran_in(folder.path(), &[&["fuzz"], paths, &options].concat());
        std::fs::read_to_string(folder.path().join("found/found.rules")).unwrap()
    };
    let first = saved(&["."], "40");
    let second = saved(&[".", "found"], "2000");
    let tests = |text: &str| text.matches("\ntest ").count();
    assert!(tests(&second) > tests(&first) && tests(&first) > 0, "{first}\n{second}");
    assert!(second.starts_with(&first), "{second}");
    let tested = ran_in(folder.path(), &["test", "found"]);
    assert!(tested.starts_with("exit 0"), "{tested}");
}

#[test]
fn one_rule_alone_as_json() {
    let folder = folder();
    let arguments =
        ["fuzz", ".", "--seed", "1", "--runs", "1", "--rule", "never", "--format", "json"];
    let text = ran_in(folder.path(), &arguments);
    let (_, line) = text.split_once('\n').unwrap();
    let first: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(first["kind"], "never-fired");
    assert_eq!(first["rule"], "previews/never");
    let unknown = ran_in(folder.path(), &["fuzz", ".", "--rule", "nevr"]);
    assert_eq!(
        unknown,
        "exit 2\n--- stderr\nfuse: there is no rule `nevr`; there are previews/never, previews/opened\n"
    );
}

/// What is found may say anything, and stands in the name of a test.
#[test]
fn findings_with_odd_texts_become_tests_all_the_same() {
    let folder = folder();
    let rules = RULES.replace("namespace = \"ci\"", "namespace = body.namespace");
    std::fs::write(folder.path().join("a.rules"), rules).unwrap();
    let arguments = ["fuzz", ".", "--seed", "3", "--runs", "4000", "--save", "found"];
    assert!(ran_in(folder.path(), &arguments).starts_with("exit 1"));
    let saved = std::fs::read_to_string(folder.path().join("found/found.rules")).unwrap();
    assert!(saved.contains("`namespace` is"), "{saved}");
    let tested = ran_in(folder.path(), &["test", "found"]);
    assert!(tested.starts_with("exit 0"), "{tested}");
}

#[test]
fn what_is_no_event_is_left_out_aloud() {
    let folder = folder();
    std::fs::write(folder.path().join("bad.json"), "{\"a\":").unwrap();
    let told = ran_in(folder.path(), &["fuzz", ".", "--runs", "1", "--events", "bad.json"]);
    assert!(told.contains("`bad.json` is skipped: it is not an event"), "{told}");
    std::fs::write(folder.path().join("twice.json"), "{\"a\":1,\"a\":2}").unwrap();
    let told = ran_in(folder.path(), &["fuzz", ".", "--runs", "1", "--events", "twice.json"]);
    assert!(told.contains("`twice.json` is skipped: it has a duplicate key"), "{told}");
}

/// A test of a finding sends all parameters of the path, and the body as it arrives.
#[test]
fn findings_about_paths_and_decoded_bodies_become_tests() {
    let folder = folder();
    let rules = RULES.replace("\"/q\"", "\"/q/{tenant}\"").replace(
        "when body.action == \"opened\"",
        "when body.action == \"opened\" and event.path.tenant == \"acme\"",
    );
    let rules = rules.replace("  event e\n", "  event e { decode = parse-json(body.payload) }\n");
    std::fs::write(folder.path().join("a.rules"), rules).unwrap();
    let arguments = ["fuzz", ".", "--seed", "1", "--runs", "2000", "--save", "found"];
    assert!(ran_in(folder.path(), &arguments).starts_with("exit 1"));
    let saved = std::fs::read_to_string(folder.path().join("found/found.rules")).unwrap();
    assert!(saved.contains("path { \"tenant\" = \"acme\" }"), "{saved}");
    let tested = ran_in(folder.path(), &["test", "found"]);
    assert!(tested.starts_with("exit 0"), "{tested}");
}
