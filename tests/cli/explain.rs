//! `fuse explain`

use super::{fuse, ran, root};

const AT: &str = "2026-08-01T10:05:00Z";

fn explained(source: &str, event: &str, more: &[&str]) -> String {
    let event = format!("rules/events/{event}.json");
    let mut arguments = vec!["explain", "rules", "--source", source, "--event", &event, "--at", AT];
    arguments.extend(more);
    ran(&arguments)
}

#[test]
fn a_mixed_group_with_the_fuse_on() {
    insta::assert_snapshot!(explained(
        "alertmanager.slo-alerts",
        "alertmanager-mixed",
        &["--fuse", "cicd=on"]
    ));
}

#[test]
fn a_mixed_group_as_json() {
    let more = ["--fuse", "cicd=on", "--format", "json"];
    insta::assert_snapshot!(explained("alertmanager.slo-alerts", "alertmanager-mixed", &more));
}

/// Every example event, in one line a decision.
#[test]
fn every_example_event_of_the_seed() {
    let mut names: Vec<String> = std::fs::read_dir(root().join("rules/events"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.replace(".json", ""))
        .collect();
    names.sort();
    let mut all = String::new();
    for name in names {
        let source = match name.split('-').next().unwrap() {
            "alertmanager" => "alertmanager.slo-alerts",
            "backstage" => "backstage.provision",
            "argocd" => "argocd.notification",
            _ => continue,
        };
        let more = ["--fuse", "cicd=on", "--format", "json"];
        let text = explained(source, &name, &more);
        all.push_str(&format!("{name}\n"));
        let Some(json) = text.strip_prefix("exit 0\n") else {
            all.push_str(&format!("  {}\n", text.replace('\n', " ").trim()));
            continue;
        };
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        for decision in json["decisions"].as_array().unwrap() {
            let text = |key: &str| decision[key].as_str().unwrap().to_owned();
            let parameters = &decision["action"]["object"]["spec"]["arguments"]["parameters"];
            all.push_str(&format!(
                "  {} {} {}: {}\n",
                text("rule"),
                decision["element"],
                text("outcome"),
                text("reason")
            ));
            for parameter in parameters.as_array().into_iter().flatten() {
                all.push_str(&format!("    {} = {}\n", parameter["name"], parameter["value"]));
            }
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn headers_and_the_id_reach_the_rules() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("x.rules");
    std::fs::write(
        &rules,
        "source q webhook { port = 1, path = \"/q\"\n event e }\n\
         sensor s on q.e { rule r { when headers[\"X-Kind\"] == \"push\"\n\
         trigger log { message = \"${event.id} ${headers.x-kind}\" } } }",
    )
    .unwrap();
    let event = folder.path().join("event.json");
    std::fs::write(&event, "{}").unwrap();
    let (rules, event) = (rules.to_str().unwrap(), event.to_str().unwrap());
    let output = fuse(&[
        "explain",
        rules,
        "--source",
        "q.e",
        "--event",
        event,
        "--header",
        "X-Kind: push",
        "--id",
        "7",
        "--format",
        "json",
    ]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["decisions"][0]["action"]["object"]["message"], "7 push");
}

#[test]
fn wrong_calls_say_what_there_is() {
    let event = "rules/events/alertmanager-mixed.json";
    for (name, arguments) in [
        ("unknown event", vec!["explain", "rules", "--source", "alertmanager.x", "--event", event]),
        (
            "unknown fuse",
            vec![
                "explain",
                "rules",
                "--source",
                "alertmanager.slo-alerts",
                "--event",
                event,
                "--fuse",
                "cidc=on",
            ],
        ),
        (
            "no value",
            vec![
                "explain",
                "rules",
                "--source",
                "alertmanager.slo-alerts",
                "--event",
                event,
                "--fuse",
                "cicd",
            ],
        ),
        (
            "no event",
            vec!["explain", "rules", "--source", "alertmanager.slo-alerts", "--event", "none.json"],
        ),
        (
            "no JSON",
            vec![
                "explain",
                "rules",
                "--source",
                "argocd.notification",
                "--event",
                "rules/events/argocd-broken.json",
            ],
        ),
        (
            "no header",
            vec![
                "explain",
                "rules",
                "--source",
                "alertmanager.slo-alerts",
                "--event",
                event,
                "--header",
                "x",
            ],
        ),
    ] {
        insta::assert_snapshot!(name.replace(' ', "-"), ran(&arguments));
    }
}

/// Explains one event by rules of its own.
fn explained_by(rules: &str, body: &str, more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (rules, event) = (file("test.rules", rules), file("event.json", body));
    let mut arguments = vec!["explain", &rules, "--source", "q.e", "--event", &event, "--at", AT];
    arguments.extend(more);
    ran(&arguments).replace(folder.path().to_str().unwrap(), "FOLDER")
}

#[test]
fn the_place_is_that_of_the_clause_that_decided() {
    let rules = "\
source q webhook { port = 1, path = \"/\", id = headers.x-id
  event e }
sensor s on q.e { rule r {
  when body.s == \"f\" and body.a == \"x\"
  when body.b is present
  when not body.c
  trigger log { message = \"x\" }
} }";
    insta::assert_snapshot!(explained_by(rules, r#"{"s":"f","c":false}"#, &[]), @"
    exit 0
    q.e, from FOLDER/event.json, id `example`

    s/r: not matched
      because `body.b is present` is false: `body.b` is missing
        at FOLDER/test.rules:5:8
    ");
    insta::assert_snapshot!(explained_by(rules, r#"{"s":"f","a":"x","b":1,"c":true}"#, &[]), @"
    exit 0
    q.e, from FOLDER/event.json, id `example`

    s/r: not matched
      because `not body.c` is false: `body.c` is true
        at FOLDER/test.rules:6:8
    ");
    insta::assert_snapshot!(explained_by(rules, r#"{"s":"f","a":"x","b":1,"c":"no"}"#, &["--header", "X-Id: 7"]), @"
    exit 0
    q.e, from FOLDER/event.json, id `7`

    s/r: unknown
      because `body.c` is a string, not true or false
        at FOLDER/test.rules:6:8
    ");
}

#[test]
fn once_holds_back_within_the_event_and_the_id_is_the_senders() {
    let rules = "\
source q webhook { port = 1, path = \"/\", id = body.id
  event e }
sensor s on q.e {
  each a in body.as
  rule r { once per a.k within 2h
    trigger log { message = a.k }
    trigger log { message = event.id } }
}";
    let body = r#"{"id":"d1","as":[{"k":"x"},{"k":"y"},{"k":"x"},{"k":null}]}"#;
    insta::assert_snapshot!(explained_by(rules, body, &[]));
}
