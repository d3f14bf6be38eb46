//! Ids, and the objects that backends render from rules.

use std::path::Path;

use fuse_rules::{Action, Event, Fuses, Ruleset};

use super::object;
use crate::event::EventKey;
use crate::registry;
use crate::sources::{Sources, Webhook};
use crate::triggers::{ActionFiles, ActionRequest, Failure, Probe, Readiness, Triggers, action_id};

fn action(rule: &str, element: Option<Vec<u32>>, ordinal: u32) -> Action {
    let fields = serde_json::Map::new();
    Action {
        trigger: "log".into(),
        rule: rule.into(),
        element,
        ordinal,
        fields,
        attempts: Default::default(),
    }
}

/// A request for a Namespace called `x`.
fn named(id: &str) -> ActionRequest {
    let fields = serde_json::json!({ "api-version": "v1", "kind": "Namespace", "name": "x" });
    let mut action = action("s/r", None, 0);
    action.fields = fields.as_object().unwrap().clone();
    let event = EventKey { source: "q".into(), name: "e".into(), id: id.into() };
    ActionRequest { id: id.into(), ..ActionRequest::new(action, event) }
}

#[test]
fn an_id_tells_apart_all_that_makes_an_action() {
    let named = |source: &str, name: &str, id: &str| EventKey {
        source: source.into(),
        name: name.into(),
        id: id.into(),
    };
    let key = |source, id| named(source, "e", id);
    let ids = [
        action_id(&key("a", "1"), &action("s/r", None, 0)),
        action_id(&key("a1", ""), &action("s/r", None, 0)),
        action_id(&named("a", "e1", ""), &action("s/r", None, 0)),
        action_id(&named("a", "f", "1"), &action("s/r", None, 0)),
        action_id(&key("a", "2"), &action("s/r", None, 0)),
        action_id(&key("a", "1"), &action("s/q", None, 0)),
        action_id(&key("a", "1"), &action("s/r", Some(vec![0]), 0)),
        action_id(&key("a", "1"), &action("s/r", Some(vec![0, 1]), 0)),
        action_id(&key("a", "1"), &action("s/r", Some(vec![1]), 0)),
        action_id(&key("a", "1"), &action("s/r", None, 1)),
    ];
    let mut distinct = ids.to_vec();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len());
    // Ids outlive versions: objects on clusters carry them.
    assert_eq!(ids[0], "911816a300082e3e8bc2d6100a995a42a97f5256bf611270e6726ff0bd1438c8");
}

/// Rules with these triggers, and files that they include.
fn ruleset(triggers: &str) -> Result<Ruleset, fuse_rules::Diagnostics> {
    let sources = Sources::new().with("webhook", Webhook::new([127, 0, 0, 1].into()));
    let backends = Triggers::local(ActionFiles::new("unused"));
    let triggers = match triggers.trim_start().starts_with("trigger") {
        true => triggers.to_owned(),
        false => format!("trigger {triggers}"),
    };
    let text = format!(
        "source q webhook {{ port = 1, path = \"/\"\n event e }}\nsensor s on q.e {{ rule Some_Rule {{ {triggers} }} }}"
    );
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns-${name}\n";
    let files = std::collections::BTreeMap::from([
        ("test.rules", text.as_str()),
        ("ns.yaml", namespace),
        ("broken.yaml", "a: ["),
    ]);
    Ruleset::load(&["test.rules"], &files, &registry(&sources, &backends))
}

/// The rendered actions of one rule's triggers for this event, one after the other.
fn rendered(triggers: &str) -> String {
    let backends = Triggers::local(ActionFiles::new("unused"));
    let ruleset = ruleset(triggers).unwrap_or_else(|problems| panic!("{problems}"));
    let body = br#"{"name":"pay","n":2.0,"team":"Retail","cmd":["sh","-c"],"evil":"$(TOKEN)"}"#;
    let event = Event::new("q", "e", body).unwrap();
    let mut out = String::new();
    for decision in ruleset.plan().evaluate(&event, &Fuses::default()).decisions {
        let Some(action) = decision.action else {
            out.push_str(&format!("{}: {}\n", decision.outcome, decision.reason));
            continue;
        };
        let kind = action.trigger.clone();
        let event = EventKey { source: "q".into(), name: "e".into(), id: "1".into() };
        let request = ActionRequest::new(action, event);
        match backends.get(&kind).unwrap().render(&request) {
            Ok(object) => out.push_str(&format!("{object:#}\n")),
            Err(why) => out.push_str(&format!("cannot be rendered: {why}\n")),
        }
    }
    out
}

#[test]
fn workflows() {
    insta::assert_snapshot!(rendered(
        r#"
        trigger workflow {
          cluster-template = "shared.build", namespace = "cicd"
          parameters { name = body.name, n = body.n, gone? = body.gone }
          labels { team = body.team, "app.kubernetes.io/part-of" = "x" }
          annotations { why = "for ${body.name}" }
        }
        trigger workflow { template = "t", namespace = body.name }
        trigger workflow { template = "t", namespace = body.team }
        trigger workflow { template = "t", namespace = "n", parameters { a = body.evil } }
        trigger workflow { namespace = "n", spec { entrypoint = "m", templates = [{ name = "m", container = { image = "i", args = ["{{workflow.name}}", body.evil] } }] } }
        trigger workflow { namespace = "n", spec { entrypoint = "m", templates = [{ name = "m", container = { image = "i", args = ["{{workflow.name}}", body.name] } }] }, parameters { a = body.name } }
        trigger workflow { template = "t", namespace = "n", labels { "not a key" = "x" } }
        "#
    ));
}

#[test]
fn jobs() {
    insta::assert_snapshot!(rendered(
        r#"
        trigger job {
          namespace = "cicd", image = "busybox:1", command = body.cmd, args = ["echo", body.n]
          env { NAME = body.name, COUNT = body.n }
          service-account = "runner", backoff-limit = 2, ttl = 1h, deadline = 1500ms
        }
        trigger job {
          namespace = "cicd", name-prefix = "mine-"
          pod-template {
            spec { containers = [{ name = "a", image = "i", env = [{ name = "NAME", value = "old" }, { name = "X", value = "x" }] }, { name = "b", image = "i" }], restartPolicy = "OnFailure" }
          }
          env { NAME = body.name }
        }
        trigger job { namespace = "cicd", pod-template { spec { containers = [] } } }
        trigger job { from-cronjob = "backup/nightly", env { NAME = body.name }, service-account = "runner", deadline = 10m }
        trigger job { from-cronjob = "backup/nightly", namespace = "cicd", name-prefix = "now-" }
        trigger job { namespace = "cicd", image = "i", env { A = body.evil } }
        trigger job { namespace = "cicd", image = "i", args = ["--of=${body.evil}"] }
        trigger job { namespace = "cicd", pod-template { spec { containers = [{ name = "a", args = [body.evil] }] } } }
        trigger job { namespace = "cicd", image = "i", env { A = raw(body.evil), B = "$(A)" }, args = ["$(A)", "{{x}}"] }
        "#
    ));
}

#[test]
fn objects() {
    insta::assert_snapshot!(rendered(
        r#"
        trigger object { api-version = "v1", kind = "Namespace", name = body.name, labels { team = body.team } }
        trigger object {
          operation = "apply"
          manifest { apiVersion = "v1", kind = "ConfigMap", metadata { name = "x", namespace = "n" }, data { team = body.team, count = string(body.n) } }
          annotations { why = "for ${body.name}" }
        }
        trigger object { api-version = "v1", kind = "ConfigMap", namespace = "n", name-prefix = "cm-" }
        trigger object {
          operation = "patch", api-version = "apps/v1", kind = "Deployment", namespace = "n", name = body.name
          patch = { spec = { replicas = body.n } }, patch-type = "strategic"
        }
        trigger object {
          operation = "patch", api-version = "apps/v1", kind = "Deployment", namespace = "n", name = "x"
          patch = [{ op = "replace", path = "/spec/replicas", value = body.n }], patch-type = "json"
        }
        trigger object { operation = "delete", api-version = "external-secrets.io/v1", kind = "ExternalSecret", namespace = "n", name = body.name }
        trigger object { operation = "delete", api-version = "v1", kind = "ConfigMap", namespace = "n", name = body.team }
        "#
    ));
}

/// The messages about blocks that are not valid.
#[test]
fn blocks_that_cannot_be_are_refused_before_any_event() {
    let told = |trigger: &str| {
        let problems = ruleset(trigger).unwrap_err().to_string();
        problems.lines().next().unwrap().to_owned()
    };
    let cases = [
        "job { namespace = \"n\", pod-template { spec { containers = [] } }, args = [\"x\"] }",
        "job { image = \"i\" }",
        "job { from-cronjob = \"nightly\" }",
        "workflow { namespace = \"n\" }",
        "object { kind = \"Pod\", name = \"x\" }",
        "object { api-version = \"v1\", kind = \"Pod\" }",
        "object { api-version = \"v1\", kind = \"Pod\", name = \"x\", patch = {} }",
        "object { operation = \"patch\", api-version = \"v1\", kind = \"Pod\", name = \"x\" }",
        "object { operation = \"delete\", api-version = \"v1\", kind = \"Pod\", name = \"x\", labels { a = \"b\" } }",
        "object { manifest { apiVersion = \"v1\", kind = \"Pod\", metadata { generateName = \"x-\", name = \"x\" } } }",
        "object { api-version = \"v1\", kind = \"Pod\", name = \"x\", name-prefix = \"x-\" }",
        "object { template-file = \"gone.yaml\" }",
        "object { template-file = \"ns.yaml\" }",
        "object { template-file = \"ns.yaml\", values { name = body.name, size = 1 } }",
        "object { template-file = \"broken.yaml\" }",
    ];
    let told: Vec<String> = cases.iter().map(|case| format!("{case}\n  {}", told(case))).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_template_file_is_filled_in() {
    insta::assert_snapshot!(rendered(
        "trigger object { template-file = \"ns.yaml\", values { name = body.name } }"
    ));
}

#[test]
fn log_lines() {
    insta::assert_snapshot!(rendered(
        r#"
        trigger log { message = "${body.name} has ${body.n}" }
        trigger log { message = body.n, level = "warn", fields { cmd = body.cmd } }
        "#
    ));
}

#[tokio::test]
async fn a_file_appears_once_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let files = ActionFiles::new(folder.path().join("out"));
    let local =
        |files: &ActionFiles| Triggers::local(files.clone()).get("object").cloned().unwrap();
    let trigger = local(&files);
    // Two ids whose files have one name.
    let request = |last: &str| named(&format!("{}{last}", "a".repeat(62)));
    assert_eq!(trigger.probe(&request("01")).await, Probe::Absent);
    let done = trigger.fire(&request("01")).await.unwrap();
    assert_eq!(trigger.fire(&request("01")).await, Ok(done.clone()), "the same action");
    assert_eq!(trigger.probe(&request("01")).await, Probe::Done(done));
    let conflict = trigger.fire(&request("02")).await.unwrap_err();
    assert!(
        matches!(&conflict, Failure::Conflict(why) if why.contains("created by action \"aaa")),
        "{conflict}"
    );
    let names = |path: &Path| {
        let entries = std::fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>()
    };
    assert_eq!(names(files.folder()), ["x-vkvkvkvkvkvkvkvk.json"], "no half-written file is left");
    assert_eq!(trigger.readiness().await, Readiness::Ready);

    std::fs::write(folder.path().join("file"), "").unwrap();
    let blocked = local(&ActionFiles::new(folder.path().join("file")));
    let failure = blocked.fire(&request("01")).await.unwrap_err();
    assert!(matches!(failure, Failure::NotReady(_)), "{failure}");
    assert!(matches!(blocked.readiness().await, Readiness::NotReady(_)));

    // A name that no file can have is for good.
    let mut endless = object::change(&request("02")).unwrap();
    endless.target.name = "x".repeat(300);
    let failure = files.write(super::submit::file(&endless)).await.unwrap_err();
    assert!(matches!(failure, Failure::Permanent(_)), "{failure}");
}
