//! Every subcommand refuses the rules, folders and events that `fuse run` refuses.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::ran_in;

const RULES: &str = r#"source q webhook {
  port = 12000
  path = "/q"
  id = body.id
  body-limit = 1KiB
  event e
  event asked { path = "/asked", method = "GET" }
}

sensor s on q.e {
  rule r {
    when any(x in body.xs: any(y in x.ys: y == 1))
    trigger log { message = "${headers.x-team ?? "none"} ${query.tenant ?? "none"}" }
  }
}

sensor asked on q.asked {
  rule r {
    when body.tenant == "acme"
    trigger log { message = query.tenant }
  }
}
"#;

/// Calls of all subcommands that load rules, except those that need a cluster.
const CALLS: &[&str] = &[
    "run --local",
    "check",
    "check --fix",
    "check --cost",
    "lint",
    "test",
    "fuzz --runs 1",
    "plan",
    "doc",
    "rbac",
    "doctor",
    "explain --source q.e --event e.json",
    "bench --events e.json --source q.e --time 1ms",
    "connect alertmanager --event q.e",
];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/a.rules"), RULES).unwrap();
    std::fs::write(folder.path().join("e.json"), "{}").unwrap();
    folder
}

/// The output of every call.
fn every(folder: &Path, check: impl Fn(&str, &str)) {
    for call in CALLS {
        let arguments: Vec<&str> = call.split(' ').chain(["rules"]).collect();
        check(call, &ran_in(folder, &arguments));
    }
}

#[test]
fn rules_that_cost_too_much() {
    let folder = folder();
    std::fs::write(folder.path().join("fuse.toml"), "[rules]\nmax_cost = 1000\n").unwrap();
    every(folder.path(), |call, output| {
        assert!(output.starts_with("exit 1\n") && output.contains("[E0509]"), "{call}: {output}");
    });
    // The limit of another file is in force as well.
    std::fs::write(folder.path().join("high.toml"), "[rules]\nmax_cost = 10000000\n").unwrap();
    let output = ran_in(folder.path(), &["test", "--config", "high.toml", "rules"]);
    assert!(output.starts_with("exit 0\n"), "{output}");
}

#[test]
fn a_fuse_that_would_set_the_log() {
    let folder = folder();
    let rules = format!("{RULES}\nfuse log default on\n");
    std::fs::write(folder.path().join("rules/a.rules"), rules).unwrap();
    every(folder.path(), |call, output| {
        assert!(output.starts_with("exit 1\n"), "{call}: {output}");
        assert!(output.contains("`FUSE_LOG` sets the level of the log"), "{call}: {output}");
        assert!(output.contains("rename the fuse"), "{call}: {output}");
    });
}

#[test]
fn a_folder_with_a_link_that_leads_nowhere() {
    let folder = folder();
    symlink("/no/such/volume.rules", folder.path().join("rules/b.rules")).unwrap();
    let why = "exit 2\n--- stderr\nfuse: `rules/b.rules` cannot be read: there is no such file\n";
    every(folder.path(), |call, output| assert_eq!(output, why, "{call}"));
    assert_eq!(ran_in(folder.path(), &["check", "rules/b.rules"]), why);
    assert_eq!(ran_in(folder.path(), &["fmt", "rules"]), why);
    std::fs::remove_file(folder.path().join("rules/b.rules")).unwrap();
    symlink("nowhere", folder.path().join("b.json")).unwrap();
    for arguments in [&["infer-type", "."][..], &["fuzz", "--runs", "1", "--events", ".", "rules"]]
    {
        let output = ran_in(folder.path(), arguments);
        assert!(
            output.starts_with("exit 2\n") && output.contains("`./b.json` cannot be read"),
            "{output}"
        );
    }
}

fn explained(folder: &Path, body: &str, more: &[&str]) -> String {
    std::fs::write(folder.join("e.json"), body).unwrap();
    let arguments = ["explain", "rules", "--source", "q.e", "--event", "e.json"];
    ran_in(folder, &[&arguments[..], more].concat())
}

#[test]
fn events() {
    let folder = folder();
    let long = "x".repeat(513);
    let id = format!("{{\"id\": \"{long}\"}}");
    let pad = format!("{{\"pad\": \"{}\"}}", "x".repeat(1024));
    let cases: [(&str, &[&str], &str); 8] = [
        ("{}", &["--id", "{{x}}"], "fuse would refuse this event: the event's id contains `{{`"),
        (r#"{"id": "{{x}}"}"#, &[], "fuse would refuse this event: the event's id contains `{{`"),
        ("{}", &["--id", &long], "the event's id is longer than 512 bytes"),
        (&id, &[], "the event's id is longer than 512 bytes"),
        (r#"{"id": 1, "id": 2}"#, &[], "the key `id` occurs twice"),
        (&pad, &[], "the body is larger than 1024 bytes, which is this source's `body-limit`"),
        ("{}", &["--header", "x team: a"], "`x team` is not the name of a header"),
        ("{}", &["--header", "ce-id: 100%"], "has a `%` without two hexadecimal digits"),
    ];
    for (body, more, why) in cases {
        let output = explained(folder.path(), body, more);
        assert!(output.starts_with("exit 2\n") && output.contains(why), "{why}: {output}");
        // The same event in a test.
        let header = more.iter().find_map(|text| text.split_once(": "));
        let test = match (header, more) {
            (None, ["--id", id]) => format!("body {{ id = \"{id}\" }}"),
            (Some((name, value)), _) => {
                format!("body {{}} headers {{ \"{name}\" = \"{value}\" }}")
            }
            _ => "from \"../e.json\"".into(),
        };
        let test = format!("{RULES}\ntest \"t\" {{\n  send q.e {test}\n  expect no s/r\n}}\n");
        std::fs::write(folder.path().join("rules/a.rules"), test).unwrap();
        let tested = ran_in(folder.path(), &["test", "rules"]);
        assert!(tested.contains("fuse would refuse this event: "), "{tested}");
        assert!(tested.starts_with("exit 1\n") && tested.contains(why), "{why}: {tested}");
        std::fs::write(folder.path().join("rules/a.rules"), RULES).unwrap();
    }
    let accepted = explained(folder.path(), "{}", &["--id", &"x".repeat(512)]);
    assert!(accepted.starts_with("exit 0\n"), "{accepted}");
}

/// `fuse explain` and `fuse test` refuse the events that a running fuse answers with 400.
#[test]
fn requests() {
    let folder = folder();
    let rules = "source q webhook {
  port = 12000
  path = \"/{tenant}/q\"
  event e {
    when body.kind == \"a\"
    decode = body.payload
  }
  event other { when body.kind == \"b\" }
}
";
    std::fs::write(folder.path().join("rules/a.rules"), rules).unwrap();
    let path = &["--path", "/acme/q"];
    for (body, why) in [
        (
            r#"{"kind": "a"}"#,
            "refuse this event: the body cannot be decoded: `body.payload` is missing",
        ),
        (
            r#"{"kind": "a", "kind": "b", "payload": 1}"#,
            "refuse this event: the key `kind` occurs twice",
        ),
        (r#"{"kind": "b"}"#, "is `q.other`"),
    ] {
        let output = explained(folder.path(), body, path);
        assert!(output.starts_with("exit 2\n") && output.contains(why), "{why}: {output}");
        let test = "test \"t\" {\n  send q.e from \"e.json\" path { tenant = \"acme\" }\n}\n";
        std::fs::write(folder.path().join("rules/a.rules"), format!("{rules}{test}")).unwrap();
        std::fs::write(folder.path().join("rules/e.json"), body).unwrap();
        let tested = ran_in(folder.path(), &["test", "rules"]);
        assert!(tested.starts_with("exit 1\n") && tested.contains(why), "{why}: {tested}");
        std::fs::write(folder.path().join("rules/a.rules"), rules).unwrap();
    }
    let body = r#"{"kind": "a", "payload": 1}"#;
    assert!(explained(folder.path(), body, path).starts_with("exit 0\n"));
    let without = explained(folder.path(), body, &[]);
    assert!(without.starts_with("exit 2\n"), "{without}");
    let why = "the path of the event has parameters; give it with `--path`, as in `--path /acme/q`";
    assert!(without.contains(why), "{without}");
}

/// The events of tests have the ids and headers that they have in a running fuse.
#[test]
fn events_of_tests_are_read_like_those_of_senders() {
    let folder = folder();
    let rules = r#"source q webhook { port = 12000, path = "/q"
  event e }
sensor s on q.e { rule r { trigger log { message = "${event.id} ${headers.ce-subject ?? "none"}" } } }
test "the id of GitHub" {
  send q.e body {} headers { X-GitHub-Delivery = "72d3" }
  expect r once { message = "72d3 none" }
}
test "a cloud event" {
  send q.e body {} headers { ce-id = "7", ce-source = "/a", ce-subject = "b%20c" }
  expect r once { message = "/a 7 b c" }
}
test "no id" {
  send q.e body {}
  expect r once { message = "test-1 none" }
}
"#;
    std::fs::write(folder.path().join("rules/a.rules"), rules).unwrap();
    let tested = ran_in(folder.path(), &["test", "rules"]);
    assert!(tested.starts_with("exit 0\n3 tests passed"), "{tested}");
}

#[test]
fn a_query_for_explain() {
    let folder = folder();
    let body = r#"{"xs": [{"ys": [1]}]}"#;
    let message = |output: &str| {
        let (_, rest) = output.split_once("\"message\": ").unwrap_or_else(|| panic!("{output}"));
        rest.lines().next().unwrap().trim_end_matches(',').to_owned()
    };
    let more = ["--query", "tenant=a b=c", "--query", "tenant=second", "--header", "X-Team: web"];
    assert_eq!(message(&explained(folder.path(), body, &more)), "\"web a b=c\"");
    let wrong = explained(folder.path(), body, &["--query", "tenant"]);
    assert!(wrong.contains("write it as in `--query tenant=acme`"), "{wrong}");
    let asked = |more: &[&str]| {
        ran_in(folder.path(), &[&["explain", "rules", "--source", "q.asked"], more].concat())
    };
    // With GET, the query is the body, and the body the query.
    let by_query = asked(&["--query", "tenant=acme"]);
    assert!(by_query.starts_with("exit 0\nq.asked, from its query, id `example`\n"), "{by_query}");
    assert_eq!(message(&by_query), "\"acme\"");
    std::fs::write(folder.path().join("e.json"), r#"{"tenant": "acme"}"#).unwrap();
    assert_eq!(message(&asked(&["--event", "e.json"])), "\"acme\"");
    let both = asked(&["--event", "e.json", "--query", "a=b"]);
    assert!(both.contains("the query is the body; give either `--query` or `--event`"), "{both}");
    std::fs::write(folder.path().join("e.json"), r#"{"tenant": 1}"#).unwrap();
    let number = asked(&["--event", "e.json"]);
    assert!(
        number.starts_with("exit 2\n") && number.contains("whose values are strings"),
        "{number}"
    );
    let none = ran_in(folder.path(), &["explain", "rules", "--source", "q.e", "--query", "a=b"]);
    assert_eq!(none, "exit 2\n--- stderr\nfuse: `q.e` has a body; give it with `--event FILE`\n");
}
