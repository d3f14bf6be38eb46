//! The conditions of the standard library.

use serde_json::{Value as Json, json};

use super::example;
use crate::decision::Outcome;
use crate::schema::{Schema, SourceSchema};
use crate::{Event, Fuses, Registry, Ruleset};

/// The type of an event, a condition, an example event, changes to it, and the outcome.
type Case<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, Json)], Outcome);

/// What a condition decides about an event, or about the first of its alerts.
fn decided(ty: &str, condition: &str, event: &Json) -> Outcome {
    let (module, _) = ty.split_once('.').unwrap();
    let each = if condition.contains("(alert)") { "each alert in body.alerts" } else { "" };
    let rules = format!(
        "use std \"{module}\"\nsource q queue {{ event e : {ty} }}\n\
         sensor s on q.e {{ {each} rule r {{ when {condition} trigger note {{}} }} }}"
    );
    let source = SourceSchema::new(Schema::new("queue", ""), Schema::new("event", ""));
    let registry = Registry::new().source(source).trigger(Schema::new("note", ""));
    let ruleset = Ruleset::parse("t.rules", &rules, &registry);
    let plan = ruleset.unwrap_or_else(|problems| panic!("{problems}")).plan();
    let body = event.to_string();
    let event = Event::new("q", "e", body.as_bytes()).unwrap();
    plan.evaluate_all(&event, &Fuses::default()).decisions[0].outcome
}

#[test]
fn conditions_decide() {
    use Outcome::{Fired, NotMatched, Unknown};
    let missing = Json::String("missing".into());
    let main = json!("refs/heads/main");
    let cases: &[Case<'_>] = &[
        ("alertmanager.v4", "alertmanager.firing(alert)", "alertmanager-both", &[], Fired),
        (
            "alertmanager.v4",
            "alertmanager.firing(alert)",
            "alertmanager-both",
            &[("/alerts/0/status", json!("resolved"))],
            NotMatched,
        ),
        ("grafana.notification", "grafana.firing(alert)", "grafana-notification", &[], Fired),
        (
            "grafana.notification",
            "grafana.firing(alert)",
            "grafana-notification",
            &[("/alerts/0/status", json!("resolved"))],
            NotMatched,
        ),
        (
            "github.push",
            "github.pushed-to(body, \"main\")",
            "github-push",
            &[("/ref", main.clone())],
            Fired,
        ),
        (
            "github.push",
            "github.pushed-to(body, \"main\")",
            "github-push",
            &[("/ref", json!("refs/tags/main"))],
            NotMatched,
        ),
        (
            "github.push",
            "github.pushed-to(body, \"main\")",
            "github-push",
            &[("/ref", main.clone()), ("/deleted", json!(true))],
            NotMatched,
        ),
        (
            "github.push",
            "github.pushed-to(body, \"main\")",
            "github-push",
            &[("/ref", json!(7))],
            Unknown,
        ),
        ("gitlab.push", "gitlab.pushed-to(body, \"main\")", "gitlab-push", &[], Fired),
        (
            "gitlab.push",
            "gitlab.pushed-to(body, \"fix-1\")",
            "gitlab-push-deleted",
            &[],
            NotMatched,
        ),
        ("gitea.push", "gitea.pushed-to(body, \"main\")", "gitea-push", &[], Fired),
        ("gitea.push", "gitea.pushed-to(body, \"mai\")", "gitea-push", &[], NotMatched),
        (
            "github.push",
            "github.touches(body, \"charts/\")",
            "github-push",
            &[("/commits/0", json!({ "added": [], "removed": ["charts/a.yaml"] }))],
            Fired,
        ),
        (
            "github.push",
            "github.touches(body, \"charts/\")",
            "github-push",
            &[("/commits", json!([{}]))],
            NotMatched,
        ),
        (
            "github.push",
            "github.touches(body, \"charts/\")",
            "github-push",
            &[("/commits", missing)],
            Unknown,
        ),
        ("gitlab.push", "gitlab.touches(body, \"services/cards/\")", "gitlab-push", &[], Fired),
        ("gitlab.push", "gitlab.touches(body, \"services/mail/\")", "gitlab-push", &[], NotMatched),
        (
            "gitlab.push",
            "gitlab.touches(body, \"services/mail/\")",
            "gitlab-push",
            &[("/total_commits_count", json!(21))],
            Fired,
        ),
        ("gitea.push", "gitea.touches(body, \"services/\")", "gitea-push", &[], Fired),
        ("gitea.push", "gitea.touches(body, \"docs/\")", "gitea-push", &[], NotMatched),
        (
            "gitea.push",
            "gitea.touches(body, \"docs/\")",
            "gitea-push",
            &[("/commits", Json::Null)],
            NotMatched,
        ),
        (
            "github.pull_request",
            "github.from-fork(body)",
            "github-pull-request",
            &[("/pull_request/head/repo", json!({ "id": 1 }))],
            Fired,
        ),
        (
            "github.pull_request",
            "github.from-fork(body)",
            "github-pull-request",
            &[("/pull_request/head/repo", Json::Null)],
            Fired,
        ),
        (
            "github.pull_request",
            "github.from-fork(body)",
            "github-pull-request",
            &[("/pull_request/head/repo", json!({ "id": 7001 }))],
            NotMatched,
        ),
        ("gitlab.merge_request", "gitlab.from-fork(body)", "gitlab-merge-request", &[], NotMatched),
        (
            "gitlab.merge_request",
            "gitlab.from-fork(body)",
            "gitlab-merge-request",
            &[("/object_attributes/source_project_id", json!(43))],
            Fired,
        ),
        ("gitea.pull_request", "gitea.from-fork(body)", "gitea-pull-request", &[], NotMatched),
        (
            "gitea.pull_request",
            "gitea.from-fork(body)",
            "gitea-pull-request",
            &[("/pull_request/head/repo", Json::Null)],
            Fired,
        ),
    ];
    for (ty, condition, event, changes, outcome) in cases {
        let mut body = example(event);
        for (pointer, value) in *changes {
            *body.pointer_mut(pointer).unwrap() = value.clone();
        }
        assert_eq!(
            decided(ty, condition, &body),
            *outcome,
            "{condition} of {event} with {changes:?}"
        );
    }
}
