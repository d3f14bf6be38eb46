//! Every module checks without problems and accepts the events of its sender.

mod conditions;

use serde_json::{Value as Json, json};

use super::MODULES;
use crate::accepts::Typed;
use crate::{Registry, Ruleset};

/// The types of events, and the example events of each.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "alertmanager.v4",
        &[
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
        &["argocd-health-degraded", "argocd-no-namespace", "argocd-other", "argocd-sync-failed"],
    ),
    (
        "backstage.provision",
        &["backstage-provision", "backstage-provision-hostile", "backstage-provision-strings"],
    ),
    ("bitbucket.push", &["bitbucket-push", "bitbucket-push-deleted"]),
    ("bitbucket.pull_request", &["bitbucket-pull-request"]),
    ("bitbucket.pull_request_comment", &["bitbucket-pull-request-comment"]),
    ("bitbucket.commit_status", &["bitbucket-commit-status"]),
    ("cloudevents.event", &["cloudevents-event"]),
    ("datadog.alert", &["datadog-alert"]),
    ("datadog.event", &["datadog-event"]),
    ("docker-hub.push", &["docker-hub-push"]),
    ("event-grid.events", &["event-grid-events"]),
    ("falco.alert", &["falco-alert"]),
    ("gitea.create", &["gitea-create"]),
    ("gitea.delete", &["gitea-delete"]),
    ("gitea.issue_comment", &["gitea-issue-comment"]),
    ("gitea.pull_request", &["gitea-pull-request"]),
    ("gitea.push", &["gitea-push"]),
    ("gitea.release", &["gitea-release"]),
    ("github.push", &["github-push", "github-push-deleted"]),
    ("github.pull_request", &["github-pull-request"]),
    ("github.release", &["github-release"]),
    ("github.workflow_run", &["github-workflow-run"]),
    ("github.issue_comment", &["github-issue-comment"]),
    ("gitlab.deployment", &["gitlab-deployment"]),
    ("gitlab.issue", &["gitlab-issue"]),
    ("gitlab.job", &["gitlab-job"]),
    ("gitlab.merge_request", &["gitlab-merge-request", "gitlab-merge-request-merged"]),
    ("gitlab.note", &["gitlab-note"]),
    ("gitlab.pipeline", &["gitlab-pipeline"]),
    ("gitlab.push", &["gitlab-push", "gitlab-push-deleted"]),
    ("gitlab.release", &["gitlab-release"]),
    ("gitlab.tag_push", &["gitlab-tag-push"]),
    ("grafana.notification", &["grafana-notification"]),
    ("harbor.artifact", &["harbor-artifact"]),
    ("harbor.quota", &["harbor-quota"]),
    ("harbor.replication", &["harbor-replication"]),
    ("harbor.scan", &["harbor-scan"]),
    ("opsgenie.action", &["opsgenie-action"]),
    (
        "pagerduty.v3",
        &[
            "pagerduty-annotated",
            "pagerduty-ping",
            "pagerduty-responder",
            "pagerduty-service",
            "pagerduty-status-update",
            "pagerduty-triggered",
        ],
    ),
    ("pubsub.push", &["pubsub-push"]),
    ("sentry.event_alert", &["sentry-event-alert"]),
    ("sentry.issue", &["sentry-issue"]),
    ("sentry.metric_alert", &["sentry-metric-alert"]),
    ("slack.block_actions", &["slack-block-actions"]),
    ("slack.command", &["slack-command"]),
    ("slack.event_callback", &["slack-event-callback"]),
    ("slack.view_submission", &["slack-view-submission"]),
    ("sns.alarm", &["sns-alarm"]),
    (
        "sns.message",
        &["sns-notification", "sns-subscription-confirmation", "sns-unsubscribe-confirmation"],
    ),
];

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
    for (ty, events) in EXAMPLES {
        let typed = typed(ty);
        for event in *events {
            assert_eq!(typed.mismatch(&example(event).to_string()), None, "{ty} and {event}");
        }
    }
    for (module, _) in MODULES {
        let of_module = |(ty, _): &&(&str, &[&str])| ty.split_once('.').unwrap().0 == *module;
        assert!(EXAMPLES.iter().any(|row| of_module(&row)), "`{module}` has no example event");
    }
}

/// Each type accepts only its own events, except where one payload contains all fields of another.
#[test]
fn types_tell_all_events_apart() {
    let alike = [
        ("alertmanager.v4", "grafana-notification"),
        ("bitbucket.pull_request", "bitbucket-pull-request-comment"),
    ];
    let mut confused = Vec::new();
    for (ty, own) in EXAMPLES {
        let typed = typed(ty);
        let events = EXAMPLES.iter().flat_map(|(_, events)| *events);
        for event in events.filter(|event| !own.contains(event)) {
            if typed.mismatch(&example(event).to_string()).is_none() {
                confused.push((*ty, *event));
            }
        }
    }
    assert_eq!(confused, alike);
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
        ("gitlab.merge_request", without("gitlab-merge-request", "changes")),
        (
            "gitlab.merge_request",
            with("gitlab-merge-request", "/object_attributes/source", Json::Null),
        ),
        ("gitlab.pipeline", with("gitlab-pipeline", "/object_attributes/duration", Json::Null)),
        ("gitlab.issue", with("gitlab-issue", "/object_kind", json!("work_item"))),
        (
            "bitbucket.pull_request",
            with("bitbucket-pull-request", "/pullrequest/merge_commit", Json::Null),
        ),
        ("gitea.push", with("gitea-push", "/commits", Json::Null)),
        ("grafana.notification", with("grafana-notification", "/alerts/0/values", Json::Null)),
        (
            "harbor.scan",
            with("harbor-scan", "/event_data/resources/0", json!({ "digest": "sha256:0" })),
        ),
        ("pubsub.push", with("pubsub-push", "/message/data", json!(""))),
        ("sns.message", with("sns-notification", "/Message", json!("not JSON"))),
        ("falco.alert", without("falco-alert", "tags")),
        ("sentry.issue", with("sentry-issue", "/actor/id", json!(7))),
        ("slack.command", with("slack-command", "/text", json!(""))),
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
        ("gitea.push", "gitea-release", "ref"),
        ("grafana.notification", "alertmanager-mixed", "orgId"),
        ("harbor.artifact", "docker-hub-push", "type"),
        ("sns.alarm", "sns-notification", "AlarmName"),
    ] {
        let why = typed(ty).mismatch(&example(event).to_string());
        assert_eq!(why, Some(format!("`body.{at}` is missing")), "{ty} and {event}");
    }
}

/// The lists in the documentation are complete.
#[test]
fn the_language_page_lists_modules_types_and_conditions() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/language.md");
    let page = std::fs::read_to_string(page).unwrap();
    for (module, text) in MODULES {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{module}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/language.md does not list `{module}`"));
        let types = EXAMPLES.iter().filter_map(|(ty, _)| ty.strip_prefix(&format!("{module}.")));
        let conditions = text.lines().filter_map(|line| line.strip_prefix("condition "));
        let conditions = conditions.filter_map(|line| line.split_once('(').map(|(name, _)| name));
        for name in types.chain(conditions) {
            assert!(row.contains(&format!("`{name}`")), "`{module}.{name}` is not in {row}");
        }
    }
}
