//! `fuse check`

use super::{fuse, ran, root};

#[test]
fn the_seeds_rules_are_clean() {
    insta::assert_snapshot!(ran(&["check", "rules"]), @"
    exit 0
    no problems in 7 files: 3 events, 4 rules
    ");
    insta::assert_snapshot!(ran(&["check", "--format", "json", "rules"]), @"exit 0");
}

#[test]
fn every_file_of_the_corpus() {
    let mut files: Vec<_> = std::fs::read_dir(root().join("tests/corpus"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert!(files.len() >= 4);
    for file in files {
        let path = format!("tests/corpus/{file}");
        assert_eq!(found(&path), wanted(&path), "{path}");
        insta::assert_snapshot!(file.replace(".rules", ""), ran(&["check", &path]));
    }
}

/// What a file of the corpus says is wrong with it: below a line, `#~`, the code and the text that
/// it marks.
fn wanted(path: &str) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    let mut wanted = Vec::new();
    let mut last = 0;
    for (number, line) in (1..).zip(text.lines()) {
        match line.trim_start().strip_prefix("#~ ") {
            Some(problem) => wanted.push((last, problem.to_owned())),
            None => last = number,
        }
    }
    wanted
}

/// What is found in it: the line, the code and the text that is marked, to the end of its line.
fn found(path: &str) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    let output = fuse(&["check", "--format", "json", path]);
    let problems = String::from_utf8(output.stdout).unwrap();
    problems
        .lines()
        .map(|line| {
            let problem: serde_json::Value = serde_json::from_str(line).unwrap();
            let at = |end: &str, part: &str| -> usize {
                problem[end][part].as_u64().unwrap().try_into().unwrap()
            };
            let line = at("start", "line");
            let start = at("start", "column") - 1;
            let length = if at("end", "line") == line {
                at("end", "column") - 1 - start
            } else {
                usize::MAX
            };
            let shown = text.lines().nth(line - 1).unwrap();
            let marked: String = shown.chars().skip(start).take(length).collect();
            (line, format!("{} {marked}", problem["code"].as_str().unwrap()).trim_end().to_owned())
        })
        .collect()
}

#[test]
fn five_mistakes_in_three_rules_are_five_problems_each_at_its_place() {
    let output = fuse(&["check", "--format", "json", "tests/corpus/five-mistakes.rules"]);
    assert_eq!(output.status.code(), Some(1));
    let places: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let problem: serde_json::Value = serde_json::from_str(line).unwrap();
            format!(
                "{} {}:{}",
                problem["code"].as_str().unwrap(),
                problem["start"]["line"],
                problem["start"]["column"]
            )
        })
        .collect();
    assert_eq!(places, ["E0201 14:10", "E0102 20:27", "E0401 25:7", "E0309 31:24", "E0101 33:28"]);
}

#[test]
fn what_rules_can_cost() {
    insta::assert_snapshot!(ran(&["check", "--cost", "rules"]));
    insta::assert_snapshot!(ran(&[
        "check",
        "--cost",
        "--format",
        "json",
        "rules/slo-remediation.rules"
    ]));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("fuse.toml");
    let limited = |toml: &str| {
        std::fs::write(&config, toml).unwrap();
        ran(&["check", "--config", config.to_str().unwrap(), "rules/slo-remediation.rules"])
    };
    insta::assert_snapshot!(limited("[rules]\nmax_cost = 100"));
    assert!(limited("[rules]\nmax_cost = 100000").starts_with("exit 0"));
}

#[test]
fn rules_that_cost_too_much_do_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("fuse.toml");
    std::fs::write(&config, "[rules]\nmax_cost = 100").unwrap();
    let config = config.to_str().unwrap();
    let output = fuse(&["run", "--local", "--config", config, "rules/slo-remediation.rules"]);
    assert_eq!(output.status.code(), Some(1));
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(why.contains("the rules have problems") && why.contains("E0509"), "{why}");
}

#[test]
fn what_cannot_be_read_is_told_from_what_is_wrong() {
    insta::assert_snapshot!(ran(&["check", "no-such.rules"]), @"
    exit 2
    --- stderr
    fuse: `no-such.rules` cannot be read: there is no such file
    ");
    insta::assert_snapshot!(ran(&["check", "docs"]), @"
    exit 2
    --- stderr
    fuse: there is no `.rules` file in `docs`
    ");
    let usage = fuse(&["check", "--no-such-option"]);
    assert_eq!(usage.status.code(), Some(2));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.rules");
    std::fs::write(&file, b"fuse \xff default on").unwrap();
    let output = fuse(&["check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("it is not UTF-8 from byte 5 on"));
}

/// The README has one block of rules. It passes every check that its readers may run.
#[test]
fn the_rules_of_the_readme_pass_every_check() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut blocks = readme.split("\n```rules\n").skip(1);
    let rules = blocks.next().unwrap().split("\n```\n").next().unwrap();
    assert_eq!(blocks.next(), None, "the README has one block of rules");
    assert!(rules.lines().count() <= 45, "short enough to be read at once");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("readme.rules");
    std::fs::write(&file, format!("{rules}\n")).unwrap();
    let file = file.to_str().unwrap();
    let checks: [&[&str]; 4] = [
        &["check", file],
        &["lint", "--deny", "warnings", file],
        &["fmt", "--check", file],
        &["test", file],
    ];
    for arguments in checks {
        let output = fuse(arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?}\n{text}");
    }
}

/// Rules that are looked at for every event are named.
#[test]
fn rules_that_nothing_finds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.rules");
    let rules = "source q webhook { port = 1, path = \"/\"\n event e }\nsensor s on q.e {\n\
        rule found { when body.a == 1  trigger log { message = \"x\" } }\n\
        rule not-found { when len(body.b) > 1  trigger log { message = \"x\" } } }\n";
    std::fs::write(&file, rules).unwrap();
    let output = fuse(&["check", "--cost", file.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("evaluated for every event"));
    let wanted =
        "evaluated for every event, since the index cannot find them (see fuse plan): s/not-found";
    assert_eq!(line, Some(wanted), "{text}");
}

#[test]
fn what_a_reload_would_change_is_shown_with_events() {
    const OLD: &str = r#"
fuse night default off
source q webhook {
  port = 12000
  auth { bearer { token = env("TOKEN") } }
  event e : { severity: int, team?: string } { path = "/e" }
}
condition is-high(e) = e.severity >= 4
sensor s on q.e {
  rule wider { when body.severity > 4  trigger log { message = "a" } }
  rule narrower { when is-high(body)  trigger log { message = "b" } }
  rule gone { when body.team == "db"  trigger log { message = "c" } }
  rule other-action { when body.severity == 1  trigger log { message = "d" } }
  rule rewritten { when is-high(body)  trigger log { message = "e" } }
  rule same { when body.team == "web"  trigger log { message = "f" } }
}
"#;
    let new = OLD
        .replace("body.severity > 4", "body.severity >= 4")
        .replace("rule narrower { when is-high(body)", "rule narrower { when body.severity > 10")
        .replace("rule gone { when body.team", "rule new { when body.team")
        .replace("message = \"d\"", "message = \"D\"")
        .replace(
            "rule rewritten { when is-high(body)",
            "rule rewritten { when not (body.severity < 4)",
        )
        .replace("night default off", "night default on")
        .replace("port = 12000\n  auth { bearer { token = env(\"TOKEN\") } }", "port = 12001");
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("old", OLD), ("new", new.as_str())] {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("a.rules"), text).unwrap();
    }
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let against = |old: &str, new: &str| ran(&["check", "--against", &path(old), &path(new)]);
    insta::assert_snapshot!(against("old", "new"), @r#"
    exit 0
    added          s/new
    removed        s/gone
    changed        s/narrower
      no longer    q.e {"severity":10}
    changed        s/other-action
                   its fuses, flow control or triggers differ
    changed        s/wider
      now matches  q.e {"severity":4}
    rewritten      s/rewritten (decides and acts alike)
    event          q.e: auth removed; port changed
    fuse           night is on by default
    opens          q.e at POST port 12001, /e
    closes         q.e at POST port 12000, /e

    no problems in 1 file: 1 event, 6 rules
    "#);
    insta::assert_snapshot!(against("new", "new"), @"
    exit 0
    a reload would change nothing
    no problems in 1 file: 1 event, 6 rules
    ");
}
