//! Ids, and the objects that backends render from rules.

use std::path::Path;

use fuse_rules::{Event, Fuses, Ruleset};

use super::*;
use crate::registry;
use crate::sources::{Sources, Webhook};

fn action(rule: &str, element: Option<Vec<u32>>, ordinal: u32) -> Action {
    let fields = serde_json::Map::new();
    Action { trigger: "log".into(), rule: rule.into(), element, ordinal, fields }
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

/// What the triggers of one rule would submit for this event, one after the other.
fn rendered(triggers: &str) -> String {
    let sources = Sources::new().with("webhook", Webhook::new([127, 0, 0, 1].into()));
    let backends = Triggers::local(Manifests::new("unused"));
    let text = format!(
        "source q webhook {{ port = 1, path = \"/\"\n event e }}\nsensor s on q.e {{ rule Some_Rule {{ {triggers} }} }}"
    );
    let ruleset = Ruleset::parse("test.rules", &text, &registry(&sources, &backends))
        .unwrap_or_else(|problems| panic!("{problems}"));
    let body = br#"{"name":"pay","n":2.0,"team":"Retail","cmd":["sh","-c"]}"#;
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
        trigger job { namespace = "cicd", pod-template { spec { containers = [{ name = "a" }] } }, args = ["x"] }
        "#
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
    let manifests = Manifests::new(folder.path().join("out"));
    let object = |id: &str| serde_json::json!({ "metadata": { "name": "x", "annotations": { "fuse.rules/action-id": id } } });
    assert_eq!(manifests.find(Ok(object("1"))).await, Probe::Absent);
    let done = manifests.submit(Ok(object("1"))).await.unwrap();
    assert_eq!(manifests.submit(Ok(object("1"))).await, Ok(done.clone()), "the same action");
    assert_eq!(manifests.find(Ok(object("1"))).await, Probe::Done(done));
    let conflict = manifests.submit(Ok(object("2"))).await.unwrap_err();
    assert!(
        matches!(&conflict, Failure::Conflict(why) if why.contains("made by action \"1\"")),
        "{conflict}"
    );
    let names = |path: &Path| {
        let entries = std::fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>()
    };
    assert_eq!(names(manifests.folder()), ["x.json"], "no half-written file is left");
    assert_eq!(manifests.readiness().await, Readiness::Ready);

    std::fs::write(folder.path().join("file"), "").unwrap();
    let blocked = Manifests::new(folder.path().join("file"));
    let failure = blocked.submit(Ok(object("1"))).await.unwrap_err();
    assert!(matches!(failure, Failure::Retryable { perhaps_done: false, .. }), "{failure}");
    assert!(matches!(blocked.readiness().await, Readiness::NotReady(_)));
}
