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
            "argocd" => "argocd-notifications.notifications",
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

/// Secrets of headers stand in no explanation, as text or as JSON.
#[test]
fn secrets_in_headers_are_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("x.rules");
    std::fs::write(
        &rules,
        "source q webhook { port = 1, path = \"/q\"\n event e }\n\
         sensor s on q.e {\n\
         rule r { when headers.authorization == \"t0p-secret\"\n trigger log { message = \"m\" } }\n\
         rule o { once per headers.x-token within 1h\n trigger log { message = \"m\" } } }",
    )
    .unwrap();
    let event = folder.path().join("event.json");
    std::fs::write(&event, "{}").unwrap();
    let (rules, event) = (rules.to_str().unwrap(), event.to_str().unwrap());
    let of = ["--source", "q.e", "--event", event];
    let headers = ["--header", "Authorization: s3nt-value", "--header", "X-Token: s3nt-value"];
    for more in [&[][..], &["--format", "json"], &["--why", "r", "--why", "o"]] {
        let output = fuse(&[&["explain", rules], &of[..], &headers, more].concat());
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(!shown.contains("t0p-secret") && !shown.contains("s3nt-value"), "{shown}");
        assert!(shown.contains("`headers.authorization` is [hidden]"), "{shown}");
        if !more.contains(&"json") {
            assert!(shown.contains("once per [hidden] within 1h"), "{shown}");
            assert!(shown.contains("`headers.authorization` were another value"), "{shown}");
        }
    }
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
                "argocd-notifications.notifications",
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
    insta::assert_snapshot!(explained_by(rules, r#"{"s":"f","c":false}"#, &[]));
    insta::assert_snapshot!(explained_by(rules, r#"{"s":"f","a":"x","b":1,"c":true}"#, &[]));
    insta::assert_snapshot!(explained_by(
        rules,
        r#"{"s":"f","a":"x","b":1,"c":"no"}"#,
        &["--header", "X-Id: 7"]
    ));
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

const NESTED: &str = "\
source q webhook { port = 1, path = \"/\"
  event e }
const regions = [\"eu\", \"us\"]
condition known(region) = region in regions
condition ready(app) = known(app.region) and (any(p in app.pods: p.ok) or app.forced == true)
fuse gate default off
sensor apps on q.e {
  each app in body.apps
  when app.kind == \"web\"
  rule deploy { when ready(app) and not (app.paused or app.age < 2)
    when app.name is string
    once per app.name within 1h
    trigger log { message = \"deploy ${app.name}\" } }
  rule page { requires gate
    when all(p in app.pods: p.ok == false)
    trigger log { message = app.name } }
  rule note { when app.name == \"a\"
    trigger log { message = app.note } }
}
sensor others on q.e { rule page { trigger log { message = \"any\" } } }
";

const APPS: &str = r#"{"apps":[
  {"name":"a","kind":"web","region":"eu","pods":[{"ok":false},{"ok":true},{"ok":false}],"paused":false,"age":5},
  {"name":"a","kind":"web","region":"eu","pods":[{"ok":true}],"paused":false,"age":5,"note":"n"},
  {"name":"b","kind":"web","region":"ap","pods":[{"ok":false}],"paused":true,"age":5},
  {"name":"c","kind":"web","region":"us","pods":[{},{"ok":"no"}],"age":5},
  {"name":"d","kind":"job"},
  {"name":"e"}
]}"#;

#[test]
fn parts_of_conditions_are_told_as_far_as_they_decided() {
    insta::assert_snapshot!(explained_by(NESTED, APPS, &[]));
}

#[test]
fn why_tells_all_of_a_rule() {
    insta::assert_snapshot!(explained_by(NESTED, APPS, &["--why", "apps/deploy"]));
}

#[test]
fn why_not_tells_first_what_stands_in_the_way() {
    let more = ["--why-not", "deploy", "--why-not", "apps/page"];
    insta::assert_snapshot!(explained_by(NESTED, APPS, &more));
}

#[test]
fn why_of_what_did_not_fire_and_why_not_of_what_did() {
    let rules = "\
source q webhook { port = 1, path = \"/\"
  event e }
sensor s on q.e {
  rule yes { when body.a == 1  trigger log { message = \"yes\" } }
  rule no { when body.a is present and body.b == 1 or body.c.d == 2
    trigger log { message = \"no\" } }
}";
    let told = |more: &[&str]| explained_by(rules, r#"{"a":1,"b":2,"c":{}}"#, more);
    insta::assert_snapshot!(told(&["--why-not", "yes"]), @"
    exit 0
    q.e, from FOLDER/event.json, id `example`

    s/yes fired

    s/yes: fired, every condition holds
    ");
    insta::assert_snapshot!(told(&["--why", "no"]), @"
    exit 0
    q.e, from FOLDER/event.json, id `example`

    s/no did not fire

    s/no: unknown, so not fired
      because `body.c.d` is missing, so `body.c.d == 2` is unknown
      its conditions; `>` marks those that decided:
        > unknown  one of:    at FOLDER/test.rules:5:18
            false    all of:
              true     body.a is present    # `body.a` is 1
              false    body.b == 1    # `body.b` is 2
          > unknown  body.c.d == 2    # `body.c.d` is missing

    s/no would match if `body.b` were 1 instead of 2
    ");
    let json = told(&["--why", "no", "--format", "json"]);
    let json: serde_json::Value =
        serde_json::from_str(json.strip_prefix("exit 0\n").unwrap()).unwrap();
    let [decision] = json["decisions"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!(decision["rule"], "s/no");
    insta::assert_snapshot!(format!("{:#}", decision["conditions"]));
}

#[test]
fn an_event_that_is_refused() {
    let rules = "source q webhook { port = 1, path = \"/\"\n event e }\n\
        sensor s on q.e { rule r { when body.a == 1 and body.b == 1\n trigger log { message = \"x\" } } }";
    for more in [&[][..], &["--why", "r"], &["--why-not", "r"]] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(explained_by(rules, r#"{"a":1,"a":2}"#, more), @"
            exit 0
            q.e, from FOLDER/event.json, id `example`

            rejected as a whole, so no rule fires: the key `a` occurs twice in one object of the body, so its value is ambiguous (again at line 1, column 8)
            ");
        }
    }
}

#[test]
fn rules_that_are_not_there_are_told_which_are() {
    for (given, expected) in [
        ("deplyo", "there is no rule `deplyo` for `q.e`; did you mean `deploy`?"),
        ("app/note", "there is no rule `app/note` for `q.e`; did you mean `apps/note`?"),
        (
            "zzzzzz",
            "there is no rule `zzzzzz` for `q.e`; there are apps/deploy, apps/page, apps/note, others/page",
        ),
        ("page", "`page` could be any of apps/page, others/page"),
    ] {
        for flag in ["--why", "--why-not"] {
            let told = explained_by(NESTED, APPS, &[flag, given]);
            assert_eq!(told, format!("exit 2\n--- stderr\nfuse: {expected}\n"));
        }
    }
    let event = "rules/events/alertmanager-mixed.json";
    let of_another = ran(&[
        "explain",
        "rules",
        "--source",
        "alertmanager.slo-alerts",
        "--event",
        event,
        "--why",
        "unhealthy-app",
    ]);
    insta::assert_snapshot!(of_another, @"
    exit 2
    --- stderr
    fuse: `argocd-notifications/unhealthy-app` is a rule for `argocd-notifications.notifications`, not for `alertmanager.slo-alerts`
    ");
    let both = explained_by(NESTED, APPS, &["--why", "deploy", "--why-not", "note"]);
    assert!(both.starts_with("exit 2\n") && both.contains("cannot be used with"), "{both}");
}

/// What somebody reads who knows nothing of the rules.
#[test]
fn five_events_of_the_seed() {
    let mut all = String::new();
    for (source, event) in [
        ("alertmanager.slo-alerts", "alertmanager-mixed"),
        ("alertmanager.slo-alerts", "alertmanager-missing-labels"),
        ("argocd-notifications.notifications", "argocd-no-namespace"),
        ("argocd-notifications.notifications", "argocd-other"),
        ("backstage.provision", "backstage-provision-no-owner"),
    ] {
        let text = explained(source, event, &["--fuse", "cicd=on"]);
        all.push_str(&format!("{}\n", text.trim_start_matches("exit 0\n")));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn colours_are_for_terminals() {
    let folder = tempfile::tempdir().unwrap();
    let (rules, event) = (folder.path().join("test.rules"), folder.path().join("event.json"));
    std::fs::write(&rules, NESTED).unwrap();
    std::fs::write(&event, APPS).unwrap();
    let told = |setting: Option<&str>| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_fuse"))
            .args(["explain", "--source", "q.e", "--at", AT, "--event"])
            .args([&event, &rules])
            .env_clear()
            .envs(setting.map(|name| (name, "1")))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (coloured, plain) = (told(Some("CLICOLOR_FORCE")), told(None));
    assert!(
        coloured.contains("apps/note, app 1: \u{1b}[1m\u{1b}[32mfired\u{1b}[0m\n"),
        "{coloured:?}"
    );
    assert!(!plain.contains('\u{1b}'));
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
}
