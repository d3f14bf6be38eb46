//! Every module checks without problems and accepts the events of its sender.

use serde_json::{Value as Json, json};

use super::MODULES;
use crate::accepts::Typed;
use crate::{Registry, Ruleset};

/// An example event of the repository, by the name of its file.
fn example(name: &str) -> Json {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules/events");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// An event of a type of the library.
fn typed(ty: &str) -> Typed {
    let (module, _) = ty.split_once('.').unwrap();
    Typed::new(&format!("use std \"{module}\""), ty)
}

#[test]
fn modules_can_be_used_and_have_docs() {
    for (module, text) in MODULES {
        assert!(text.starts_with("# "), "{module}");
        let rules = format!("use std \"{module}\"");
        Ruleset::parse("t.rules", &rules, &Registry::new()).unwrap();
    }
    let count = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/std")).unwrap().count();
    assert_eq!(MODULES.len(), count, "a file of `std` is not compiled in");
}

#[test]
fn types_accept_the_example_events() {
    for (ty, events) in [
        (
            "alertmanager.v4",
            vec![
                "alertmanager-apart",
                "alertmanager-both",
                "alertmanager-empty",
                "alertmanager-missing-labels",
                "alertmanager-mixed",
                "alertmanager-resolved",
            ],
        ),
        (
            "argocd.notification",
            vec![
                "argocd-health-degraded",
                "argocd-no-namespace",
                "argocd-other",
                "argocd-sync-failed",
            ],
        ),
        (
            "backstage.provision",
            vec![
                "backstage-provision",
                "backstage-provision-hostile",
                "backstage-provision-strings",
            ],
        ),
        ("cloudevents.event", vec!["cloudevents-event"]),
        ("github.push", vec!["github-push", "github-push-deleted"]),
        ("github.pull_request", vec!["github-pull-request"]),
        ("github.release", vec!["github-release"]),
        ("github.workflow_run", vec!["github-workflow-run"]),
        ("github.issue_comment", vec!["github-issue-comment"]),
    ] {
        let typed = typed(ty);
        for event in events {
            assert_eq!(typed.mismatch(&example(event).to_string()), None, "{ty} and {event}");
        }
    }
}

/// Parts that differ between senders and events.
#[test]
fn types_accept_variations() {
    let with = |event: &str, pointer: &str, value: Json| {
        let mut event = example(event);
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let without = |event: &str, key: &str| {
        let mut event = example(event);
        event.as_object_mut().unwrap().shift_remove(key).unwrap();
        event
    };
    for (ty, event) in [
        ("alertmanager.v4", without("alertmanager-both", "truncatedAlerts")),
        ("backstage.provision", with("backstage-provision", "/replicas", json!("2"))),
        (
            "cloudevents.event",
            json!({ "specversion": "1.0", "id": "1", "source": "/", "type": "t", "data_base64": "AAE=" }),
        ),
        ("github.push", without("github-push", "sender")),
        ("github.push", without("github-push", "organization")),
        ("github.push", with("github-push", "/repository/pushed_at", Json::Null)),
        ("github.push", with("github-push", "/pusher", json!({ "name": "deploy key" }))),
        ("github.pull_request", with("github-pull-request", "/pull_request/user", Json::Null)),
        ("github.pull_request", with("github-pull-request", "/pull_request/body", json!("text"))),
        ("github.pull_request", with("github-pull-request", "/action", json!("enqueued"))),
        ("github.release", with("github-release", "/release/author", Json::Null)),
        ("github.release", with("github-release", "/release/published_at", Json::Null)),
        ("github.workflow_run", with("github-workflow-run", "/workflow", Json::Null)),
        (
            "github.workflow_run",
            with("github-workflow-run", "/workflow_run/head_branch", Json::Null),
        ),
        (
            "github.workflow_run",
            with("github-workflow-run", "/workflow_run/conclusion", Json::Null),
        ),
        ("github.issue_comment", with("github-issue-comment", "/comment/user", Json::Null)),
    ] {
        assert_eq!(typed(ty).mismatch(&event.to_string()), None, "{ty}: {event}");
    }
}

#[test]
fn types_reject_other_events() {
    for (ty, event, at) in [
        ("alertmanager.v4", "github-push", "version"),
        ("argocd.notification", "backstage-provision", "app"),
        ("backstage.provision", "argocd-sync-failed", "appName"),
        ("backstage.provision", "backstage-provision-no-owner", "owner"),
        ("cloudevents.event", "github-push", "id"),
        ("github.push", "github-pull-request", "ref"),
        ("github.pull_request", "github-push", "action"),
        ("github.release", "github-pull-request", "release"),
        ("github.workflow_run", "github-release", "workflow"),
        ("github.issue_comment", "github-release", "comment"),
    ] {
        let why = typed(ty).mismatch(&example(event).to_string());
        assert_eq!(why, Some(format!("`body.{at}` is missing")), "{ty} and {event}");
    }
}
