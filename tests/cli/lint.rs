//! `fuse lint`

use std::fs;
use std::path::Path;

use super::{fuse, ran, root};

/// Rules in which several lints find something, at their files' names in a folder.
const RULES: &str = r#"use std "github"

source gh webhook {
  port = 12000
  path = "/gh"
  event pull : github.pull_request
}

const unused = 1

# What happens to pull requests.
sensor pulls on gh.pull {
  # Builds it.
  rule build {
    when body.action == "opened" or body.action == "reopened" and body.number > 10
    trigger workflow {
      template   = "build"
      namespace  = "ci"
      parameters { branch = body.pull_request.head.ref }
    }
  }

  # fuse: allow(no-fuse) because it only asks
  rule ask {
    when body.action == "closed"
    trigger workflow {
      template  = "ask"
      namespace = "ci"
    }
  }
}
"#;

/// Runs `fuse lint` on these rules, in a folder of their own.
fn linted(rules: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    in_folder(folder.path(), rules, arguments)
}

fn in_folder(folder: &Path, rules: &str, arguments: &[&str]) -> String {
    let file = folder.join("x.rules");
    fs::write(&file, rules).unwrap();
    let mut all = vec!["lint"];
    all.extend(arguments);
    all.push(file.to_str().unwrap());
    ran(&all).replace(folder.to_str().unwrap(), "FOLDER")
}

#[test]
fn the_seeds_rules_are_clean() {
    insta::assert_snapshot!(ran(&["lint", "rules"]), @"
    exit 0
    nothing found in 7 files: 3 events, 4 rules
    ");
    insta::assert_snapshot!(ran(&["lint", "--deny", "warnings", "--format", "json", "rules"]), @"exit 0");
    insta::assert_snapshot!(ran(&["lint", "--deny", "warnings", "--templates", "deploy/workflows", "rules"]), @"
    exit 0
    nothing found in 7 files: 3 events, 4 rules
    ");
    // One file alone does not look as if all that it uses were unused.
    let standard = std::fs::read_dir(root().join("rules/std")).unwrap();
    let standard = standard.map(|file| file.unwrap().file_name().into_string().unwrap());
    let standard = standard.map(|name| format!("rules/std/{name}"));
    let own = ["rules/sources.rules", "rules/slo-remediation.rules"].map(str::to_owned);
    for file in own.into_iter().chain(standard) {
        let found = ran(&["lint", "--deny", "all", &file]);
        assert!(found.starts_with("exit 0"), "{file}: {found}");
    }
}

#[test]
fn what_is_found_is_printed_as_problems_are() {
    insta::assert_snapshot!("text", linted(RULES, &[]));
    insta::assert_snapshot!("json", linted(RULES, &["--format", "json"]));
    insta::assert_snapshot!("github", linted(RULES, &["--format", "github"]));
    let sarif = linted(RULES, &["--format", "sarif"]);
    let (exit, log) = sarif.split_once('\n').unwrap();
    assert_eq!(exit, "exit 0");
    let mut log: serde_json::Value = serde_json::from_str(log).unwrap();
    // The pages are long, and shown elsewhere.
    for rule in log["runs"][0]["tool"]["driver"]["rules"].as_array_mut().unwrap() {
        let page = format!("docs/lints/{}.md", rule["id"].as_str().unwrap());
        assert_eq!(rule["help"]["markdown"], fs::read_to_string(root().join(page)).unwrap());
        rule["help"].take();
    }
    log["runs"][0]["tool"]["driver"]["version"].take();
    insta::assert_json_snapshot!("sarif", log);
}

/// The names of what is found, and how the command ends.
fn names(output: &str) -> String {
    let mut names: Vec<&str> = output
        .lines()
        .filter_map(|line| line.split_once("]: ")?.0.split_once('['))
        .map(|(severity, name)| if severity == "error" { name } else { name.trim() })
        .collect();
    names.sort_unstable();
    names.dedup();
    format!("{}: {}", output.lines().next().unwrap(), names.join(" "))
}

#[test]
fn levels_come_from_the_lint_the_configuration_and_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("fuse.toml");
    let found = |toml: &str, arguments: &[&str]| {
        fs::write(&config, toml).unwrap();
        let mut all = vec!["--config", config.to_str().unwrap()];
        all.extend(arguments);
        names(&in_folder(folder.path(), RULES, &all))
    };
    let all = "mixed-and-or no-fuse rule-without-test unauthenticated-source undocumented-rule untrusted-text unused-const";
    assert_eq!(found("", &[]), format!("exit 0: {all}"));
    assert_eq!(found("", &["--deny", "warnings"]), format!("exit 1: {all}"));
    assert_eq!(found("", &["--deny", "unused-const"]), format!("exit 1: {all}"));
    assert_eq!(found("", &["--deny", "unused-use"]), format!("exit 0: {all}"));
    assert_eq!(found("", &["--allow", "all"]), "exit 0: ");
    assert_eq!(found("", &["--allow", "all", "--deny", "no-fuse"]), "exit 1: no-fuse");
    let toml = "[lint]\nunused-const = \"deny\"\nmixed-and-or = \"allow\"\n";
    assert_eq!(found(toml, &[]), format!("exit 1: {}", all.replace("mixed-and-or ", "")));
    let given = ["--allow", "unused-const", "--warn", "mixed-and-or"];
    assert_eq!(found(toml, &given), format!("exit 0: {}", all.replace(" unused-const", "")));
    // The stricter of two counts.
    let twice = ["--allow", "unused-const", "--deny", "unused-const"];
    assert_eq!(found("", &twice), format!("exit 1: {all}"));
    // `fuse check` and `fuse run` read the same file.
    let check = |toml: &str| {
        fs::write(&config, toml).unwrap();
        let file = folder.path().join("x.rules");
        names(&ran(&["check", "--config", config.to_str().unwrap(), file.to_str().unwrap()]))
    };
    assert_eq!(check(""), "exit 0: ");
    assert_eq!(check("[lint]\nunused-const = \"deny\""), "exit 1: unused-const");
    assert_eq!(check("[lint]\nunused-const = \"warn\""), "exit 0: ");
}

/// They have no level, and are no lint's.
#[test]
fn warnings_of_the_checks_are_denied_with_the_others() {
    let rules = "source q webhook {\n  port = 1\n  path = \"/q\"\n  event e\n}\nsensor s on q.e {\n  rule r {\n    trigger log { message = \"hi $body.a\" }\n  }\n}\n";
    assert_eq!(names(&linted(rules, &["--allow", "all"])), "exit 0: E0110");
    let denied = ["--allow", "all", "--deny", "warnings"];
    assert_eq!(names(&linted(rules, &denied)), "exit 1: E0110");
}

#[test]
fn an_unknown_lint_in_the_configuration_has_a_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("fuse.toml");
    fs::write(&config, "[lint]\nunused-cosnt = \"deny\"\n").unwrap();
    let config = config.to_str().unwrap();
    for command in ["lint", "check", "run"] {
        let output = ran(&[command, "--config", config, "rules"]);
        assert!(output.starts_with("exit 2"), "{output}");
        assert!(output.contains("did you mean `unused-const`?"), "{output}");
    }
}

#[test]
fn comments_that_allow_nothing_or_say_too_little() {
    let rules = RULES
        .replace("because it only asks", "")
        .replace("const unused", "# fuse: allow(unused-cosnt) because of later\nconst unused")
        .replace(
            "    when body.action == \"closed\"",
            "    # fuse: allow(mixed-and-or) because it is one\n    when body.action == \"closed\"",
        );
    let arguments = [
        "--allow",
        "all",
        "--deny",
        "malformed-allow",
        "--warn",
        "unused-allow",
        "--warn",
        "mixed-and-or",
    ];
    insta::assert_snapshot!(linted(&rules, &arguments));
}

#[test]
fn what_is_safe_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let rules = RULES.replace(
        "    when body.action == \"closed\"",
        "    # fuse: allow(mixed-and-or) because it is one\n    when body.action == \"closed\"",
    );
    let rules = format!("use std \"argocd\"\n{rules}");
    let output = in_folder(folder.path(), &rules, &["--fix", "--allow", "unused-const"]);
    assert!(output.starts_with("exit 0\nfixed FOLDER/x.rules:"), "{output}");
    let written = fs::read_to_string(folder.path().join("x.rules")).unwrap();
    let wanted = RULES.replace(
        "body.action == \"reopened\" and body.number > 10",
        "(body.action == \"reopened\" and body.number > 10)",
    );
    assert_eq!(written, wanted);
    let again = in_folder(folder.path(), &written, &["--fix"]);
    assert!(!again.contains("fixed"), "{again}");
}

const TEMPLATES: &str = "\
# Builds and asks.
kind: WorkflowTemplate
metadata:
  name: build
spec:
  entrypoint: main
  arguments:
    parameters:
      - name: branch
      - name: mode
        enum: [fast, safe]
        value: fast
  templates:
    - name: main
      script:
        command: [bash]
        source: |
          git switch {{workflow.parameters.branch}}
---
kind: WorkflowTemplate
metadata:
  name: ask
spec:
  arguments:
    parameters:
      - name: whom
";

#[test]
fn templates_are_held_against_the_rules() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("build.yaml"), TEMPLATES).unwrap();
    let rules = RULES
        .replace("branch = body.pull_request.head.ref }", "branch = body.pull_request.head.ref, mode = \"fsat\", modes = 1 }")
        .replace("rule ask {", "rule gone {\n    trigger workflow { template = \"biuld\", namespace = \"ci\" }\n  }\n\n  rule ask {");
    let lints = [
        "unknown-template",
        "unknown-parameter",
        "missing-parameter",
        "impossible-parameter",
        "unsafe-parameter",
    ];
    let mut arguments = vec!["--templates", folder.path().to_str().unwrap(), "--allow", "all"];
    lints.iter().for_each(|lint| arguments.extend(["--deny", lint]));
    insta::assert_snapshot!("templates", in_folder(folder.path(), &rules, &arguments));
    insta::assert_snapshot!(
        "templates-json",
        in_folder(folder.path(), &rules, &[&arguments[..], &["--format", "json"]].concat())
    );
    // Without the templates, nothing is known of them.
    assert!(in_folder(folder.path(), &rules, &arguments[2..]).starts_with("exit 0"));
}

#[test]
fn templates_that_cannot_be_read_are_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let lint = || ran(&["lint", "--templates", path, "rules"]).replace(path, "FOLDER");
    insta::assert_snapshot!(lint(), @"
    exit 2
    --- stderr
    fuse: there is no `.yaml` file in `FOLDER`
    ");
    fs::write(folder.path().join("a.yml"), "a: [").unwrap();
    assert!(lint().contains("fuse: `FOLDER/a.yml` is not YAML: "), "{}", lint());
}

/// The rules of the repository with one edit in one of their files.
fn edited(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join("rules")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "rules") {
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    folder
}

#[test]
fn slips_in_the_seeds_rules_are_found_at_their_place() {
    let slo = "slo-remediation.rules";
    for (name, file, from, to) in [
        ("group", slo, "alert.status ==", "body.status =="),
        ("index", slo, "alert.labels.slo ==", "body.alerts[0].labels.slo =="),
        ("unknown", slo, "app-name  = alert.labels.name", "app-nmae  = alert.labels.name"),
        ("missing", slo, "        namespace = alert.labels.dest_namespace\n", ""),
        ("template", slo, "\"remediate-argocd-unhealthy\"", "\"remediate-argocd-unhealty\""),
    ] {
        let folder = edited(file, from, to);
        let path = folder.path().to_str().unwrap();
        let output = ran(&["lint", "--deny", "warnings", "--templates", "deploy/workflows", path]);
        insta::assert_snapshot!(format!("slip-{name}"), output.replace(path, "FOLDER"));
    }
}

#[test]
fn what_is_no_lint_is_wrong_usage() {
    let output = ran(&["lint", "--deny", "unused-cost", "rules"]);
    let shown: Vec<_> = output.lines().filter(|line| !line.contains("possible values")).collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    exit 2
    --- stderr
    error: invalid value 'unused-cost' for '--deny <LINT>'

      tip: a similar value exists: 'unused-const'

    For more information, try '--help'.
    ");
    assert_eq!(fuse(&["lint", "--no-such-option"]).status.code(), Some(2));
}
