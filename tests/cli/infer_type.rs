//! `fuse infer-type`

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{fuse, ran, root};

/// Paths of example events whose names begin with this.
fn examples(prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(root().join("rules/events"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(prefix))
        .map(|name| format!("rules/events/{name}"))
        .collect();
    names.sort();
    names
}

fn inferred(prefix: &str, more: &[&str]) -> String {
    let examples = examples(prefix);
    let paths: Vec<&str> = examples.iter().map(String::as_str).collect();
    ran(&[&["infer-type"], more, &paths].concat())
}

#[test]
fn the_repositorys_events() {
    insta::assert_snapshot!(inferred("alertmanager-", &["--name", "group"]), @"
    exit 0
    type group = {
      receiver: string
      status: string
      alerts: list<{
        status: string
        labels: {
          alertname: string
          slo?: string
          name?: string
          severity?: string
          dest_namespace?: string
          namespace?: string
          ...
        }
        annotations: {
          summary: string
          ...
        }
        startsAt: timestamp
        endsAt: timestamp
        generatorURL: string
        fingerprint: string
        ...
      }>
      notification_reason: string
      groupLabels: {
        alertname: string
        ...
      }
      commonLabels: {
        alertname: string
        severity: string
        ...
      }
      commonAnnotations: map<any>
      routeLabels: map<any>
      externalURL: string
      version: string
      groupKey: string
      truncatedAlerts: int
      ...
    }
    ");
    insta::assert_snapshot!(inferred("backstage-", &["--name", "provision"]), @"
    exit 0
    type provision = {
      eventType: string
      appName: string
      repoUrl: string
      businessUnit: string
      owner?: string
      environment: string
      containerPort: string | int
      replicas: string | int
      dockerRegistry: string
      dockerImageName: string
      dockerImageTag: string
      ...
    }
    ");
}

/// What is printed is read again, with an event that has the type.
#[test]
fn a_type_can_be_put_into_rules() {
    for prefix in ["alertmanager-", "backstage-", "cloudevents-", "github-push", "github-pull"] {
        let text = inferred(prefix, &[]);
        let ty = text.strip_prefix("exit 0\n").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.rules");
        let source = "source s webhook { port = 9000, path = \"/\", event e : payload }";
        std::fs::write(&file, format!("{ty}{source}\n")).unwrap();
        let checked = ran(&["check", file.to_str().unwrap()]);
        assert!(checked.starts_with("exit 0\n"), "{checked}\n{ty}");
    }
}

#[test]
fn a_folder_and_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.json"), r#"{"id": 1}"#).unwrap();
    std::fs::write(folder.path().join("b.txt"), "no JSON").unwrap();
    let mut fuse = Command::new(env!("CARGO_BIN_EXE_fuse"))
        .args(["infer-type", "-"])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    fuse.stdin.take().unwrap().write_all(br#"{"id": "x"}"#).unwrap();
    let output = fuse.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "type payload = {\n  id: string | int\n  ...\n}\n");
}

#[test]
fn what_is_no_event_is_refused() {
    insta::assert_snapshot!(ran(&["infer-type", "rules/events/argocd-broken.json"]), @"
    exit 2
    --- stderr
    fuse: `rules/events/argocd-broken.json` is not an event: the body is not JSON: expected `,` or `}` at line 5, column 29
    ");
    insta::assert_snapshot!(ran(&["infer-type", "none.json"]), @"
    exit 2
    --- stderr
    fuse: `none.json` cannot be read: there is no such file
    ");
    insta::assert_snapshot!(ran(&["infer-type", "docs"]), @"
    exit 2
    --- stderr
    fuse: there is no `.json` file in `docs`
    ");
    let cloudevent = "rules/events/cloudevents-event.json";
    insta::assert_snapshot!(ran(&["infer-type", cloudevent, "--name", "a b"]), @"
    exit 2
    --- stderr
    fuse: a type cannot be called `a b`; write a name as in `--name order-placed`
    ");
    assert_eq!(fuse(&["infer-type"]).status.code(), Some(2));
}
