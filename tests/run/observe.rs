use serde_json::json;

use crate::support::{ALERTS, NOTIFICATION, PROVISION, Setup, example, until};

#[tokio::test]
async fn metrics_count_what_happened() {
    let fuse = Setup::seed().armed().start().await;
    let both = example("alertmanager-mixed.json");
    for (door, id, name) in [
        (ALERTS, "1", "alertmanager-mixed.json"),
        (ALERTS, "2", "alertmanager-mixed.json"),
        (ALERTS, "3", "alertmanager-missing-labels.json"),
        (PROVISION, "4", "backstage-provision-hostile.json"),
    ] {
        let id = fuse.post_as(door, id, example(name)).await.event(202);
        fuse.settled(&id).await;
    }
    fuse.post_as(ALERTS, "1", both).await.event(200);
    fuse.post_as(ALERTS, "1", "{}").await.error(409);
    fuse.post(NOTIFICATION, example("argocd-broken.json")).await.error(400);

    let reply = fuse.admin("/metrics").await;
    assert!(reply.header("content-type").starts_with("application/openmetrics-text"));
    for kind in [
        "fuse_events_received counter",
        "fuse_decisions counter",
        "fuse_unknown_paths counter",
        "fuse_actions counter",
        "fuse_fuse_on gauge",
        "fuse_backlog_events gauge",
        "fuse_unsettled_actions gauge",
        "fuse_dead_letters gauge",
        "fuse_decide_seconds histogram",
        "fuse_settle_seconds histogram",
    ] {
        assert!(reply.text.contains(&format!("# TYPE {kind}\n")), "{kind}: {}", reply.text);
    }
    assert!(reply.text.ends_with("# EOF\n"));

    let received = |source: &str, event: &str, result: &str| {
        format!(
            "fuse_events_received_total{{source=\"{source}\",event=\"{event}\",result=\"{result}\"}}"
        )
    };
    let decided = |rule: &str, outcome: &str| {
        format!("fuse_decisions_total{{rule=\"{rule}\",outcome=\"{outcome}\"}}")
    };
    let unhealthy = "slo-remediation/argocd-unhealthy";
    let path = "alert.labels.slo";
    for (name, value) in [
        (received("alertmanager", "slo-alerts", "accepted"), 3.0),
        (received("alertmanager", "slo-alerts", "known"), 1.0),
        (received("alertmanager", "slo-alerts", "conflict"), 1.0),
        (received("argocd-notifications", "notifications", "invalid"), 1.0),
        (decided(unhealthy, "fired"), 1.0),
        (decided(unhealthy, "suppressed"), 1.0),
        (decided(unhealthy, "rejected"), 1.0),
        (decided("app-provisioning/provision-app", "rejected"), 1.0),
        (
            format!(
                "fuse_unknown_paths_total{{source=\"alertmanager\",event=\"slo-alerts\",path=\"{path}\"}}"
            ),
            1.0,
        ),
        ("fuse_events_decided_total{source=\"alertmanager\",event=\"slo-alerts\"}".to_owned(), 3.0),
        ("fuse_actions_total{trigger=\"workflow\",result=\"done\"}".into(), 1.0),
        ("fuse_fuse_on{fuse=\"cicd\",origin=\"environment\"}".into(), 1.0),
        ("fuse_backlog_events".into(), 0.0),
        ("fuse_unsettled_actions".into(), 0.0),
        // The two rejected decisions.
        ("fuse_dead_letters".into(), 2.0),
        ("fuse_decide_seconds_count".into(), 4.0),
        ("fuse_settle_seconds_count".into(), 4.0),
    ] {
        assert_eq!(fuse.metric(&name).await, Some(value), "{name}\n{}", reply.text);
    }
}

#[tokio::test]
async fn readyz_names_what_is_in_the_way_until_it_is_gone() {
    let fuse = Setup::seed().start().await;
    let ready = fuse.admin("/readyz").await;
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (200, Some(true)));

    // Being asked made the folder.
    std::fs::remove_dir(fuse.out()).unwrap();
    std::fs::write(fuse.out(), "in the way").unwrap();
    let ready = fuse.admin("/readyz").await;
    // Events are still taken in, so senders must not be turned away.
    let told = ready.json();
    assert_eq!((ready.status, told["accepting"].as_bool()), (200, Some(true)));
    assert_eq!(told["ready"].as_bool(), Some(false));
    let problems = ready.json()["not_ready"].as_array().unwrap().clone();
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    let problem = problem.as_str().unwrap();
    assert!(problem.starts_with("trigger `workflow`: cannot write to `manifests`"), "{problem}");

    std::fs::remove_file(fuse.out()).unwrap();
    assert_eq!(fuse.admin("/readyz").await.json()["ready"].as_bool(), Some(true));
    assert_eq!(fuse.admin("/healthz").await.status, 200);
}

#[tokio::test]
async fn the_log_carries_no_payload() {
    const MARKER: &str = "s3cr3t-marker";
    const HELD: &str = "held until the missing resource is there";
    let mut fuse = Setup::seed().armed().start().await;
    let marked = |name: &str| example(name).replace("payments", MARKER).replace("acme", MARKER);
    let double = format!("{{\"app\": \"{MARKER}\", \"app\": \"{MARKER}\"}}");
    for (door, body) in [
        (ALERTS, marked("alertmanager-mixed.json")),
        (ALERTS, marked("alertmanager-missing-labels.json")),
        (PROVISION, marked("backstage-provision.json")),
        (PROVISION, marked("backstage-provision-hostile.json")),
        (NOTIFICATION, double),
        // `once` holds it back, with the marker in the key.
        (NOTIFICATION, marked("argocd-sync-failed.json")),
        (NOTIFICATION, marked("argocd-health-degraded.json")),
    ] {
        assert!(body.contains(MARKER));
        let id = fuse.post(door, body).await.event(202);
        fuse.settled(&id).await;
    }
    fuse.post(NOTIFICATION, marked("argocd-broken.json")).await.error(400);
    fuse.post(NOTIFICATION, format!("\"{MARKER}")).await.error(400);
    // What is held is logged as well.
    std::fs::remove_dir_all(fuse.out()).unwrap();
    std::fs::write(fuse.out(), "in the way").unwrap();
    let body = json!({
        "eventType": "argocd.app.sync.failed", "app": "late", "namespace": "pay", "message": MARKER
    });
    let id = fuse.post(NOTIFICATION, body.to_string()).await.event(202);
    until("it is held", async || fuse.log().contains(HELD).then_some(())).await;
    std::fs::remove_file(fuse.out()).unwrap();
    fuse.settled(&id).await;
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));

    let log = fuse.log();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    // The log is not merely empty.
    for said in
        ["\"fired\"", "\"decided\"", HELD, &id, "listening: argocd-notifications.notifications"]
    {
        assert!(log.contains(said), "{said}\n{log}");
    }
    assert!(!log.contains(MARKER), "{log}");
}
