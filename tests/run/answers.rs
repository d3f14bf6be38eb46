use reqwest::Method;
use serde_json::json;

use crate::support::{
    ALERTS, NOTIFICATION, PROVISION, Setup, decision, example, parameters, until,
};

#[tokio::test]
async fn invalid_json_is_answered_with_its_place() {
    let fuse = Setup::seed().start().await;
    let body = example("argocd-broken.json");
    let reply = fuse.post(NOTIFICATION, body.clone()).await;
    let why = reply.error(400);
    let (line, column) = (&reply.json()["line"], &reply.json()["column"]);
    // At the first letter after the text that ended too early: `"error: field "` ends before
    // `spec`.
    let at = body.find("spec.replicas").unwrap();
    let start = body[..at].rfind('\n').unwrap() + 1;
    assert_eq!(*line, body[..at].lines().count());
    assert_eq!(*column, at - start + 1);
    assert!(why.contains(&format!("line {line}")), "{why}");

    for (body, line, column) in [("", 1, 1), ("{\"a\": 01}", 1, 8), ("[1,\n 2", 2, 2)] {
        let reply = fuse.post(NOTIFICATION, body).await;
        let place = (&reply.json()["line"], &reply.json()["column"]);
        assert_eq!((reply.status, place), (400, (&json!(line), &json!(column))), "{body}");
    }
    assert_eq!(fuse.metric("fuse_backlog_events").await, Some(0.0));
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let fuse = Setup::seed().start().await;
    for path in ["/", "/webhook/more", "/Webhook", "/argocd/notifications"] {
        let why = fuse.post((ALERTS.0, path), "{}").await.error(404);
        assert_eq!(why, format!("no event is sent to `{path}` here"));
    }
}

#[tokio::test]
async fn a_get_for_a_post_event_is_told_which_method() {
    let fuse = Setup::seed().start().await;
    let door = (NOTIFICATION.0, "/argocd/notifications?app=payments");
    let reply = fuse.request(Method::GET, door, &[], "").await;
    let why = reply.error(405);
    assert_eq!(reply.header("allow"), "POST");
    assert!(why.contains("accepts POST, not GET"), "{why}");
    let reply = fuse.request(Method::OPTIONS, NOTIFICATION, &[], "").await;
    assert_eq!((reply.status, reply.header("allow")), (204, "POST, OPTIONS"));
    // HEAD is no GET here.
    for method in [Method::HEAD, Method::PUT] {
        let reply = fuse.request(method, NOTIFICATION, &[], "").await;
        assert_eq!((reply.status, reply.header("allow")), (405, "POST"));
    }
}

#[tokio::test]
async fn with_the_method_get_the_query_becomes_the_body() {
    let rules = include_str!("../../rules/argocd-notifications.rules")
        .replace("use \"sources.rules\"", "")
        + r#"
fuse cicd default on
limiter healing { concurrency 1 }
source argocd-notifications webhook {
  port   = 12002
  path   = "/argocd/notifications"
  method = "GET"
  event notifications
}
"#;
    let fuse = Setup::rules(&rules).start().await;
    let path = "/argocd/notifications?eventType=argocd.app.sync.failed&app=pay%26go&namespace=pay";
    let reply = fuse.request(Method::GET, (NOTIFICATION.0, path), &[], "").await;
    let report = fuse.settled(&reply.event(202)).await;
    assert_eq!(decision(&report, "unhealthy-app", None)["outcome"], "fired");
    assert_eq!(parameters(&fuse.manifest())["app-name"], "pay&go");
    let reply = fuse.post(NOTIFICATION, "{}").await;
    assert_eq!((reply.status, reply.header("allow")), (405, "GET"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let rules = "
source small webhook {
  port       = 12000
  path       = \"/small\"
  body-limit = 1KiB
  event thing
}
sensor things on small.thing { rule note { when body.a == 1  trigger log { message = \"a\" } } }
";
    let fuse = Setup::rules(rules).start().await;
    let body = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    let why = fuse.post((12_000, "/small"), body(1025)).await.error(413);
    assert!(why.contains("1024 bytes") && why.contains("body-limit"), "{why}");
    fuse.post((12_000, "/small"), body(1024)).await.event(202);

    // The default is 1 MiB.
    let fuse = Setup::seed().start().await;
    fuse.post(ALERTS, body((1 << 20) + 1)).await.error(413);
    fuse.post(ALERTS, body(1 << 20)).await.event(202);
}

#[tokio::test]
async fn the_same_id_with_another_body_is_a_conflict_and_the_first_stands() {
    let fuse = Setup::seed().armed().start().await;
    let id = fuse.post_as(ALERTS, "1", example("alertmanager-mixed.json")).await.event(202);
    fuse.settled(&id).await;
    let written = fuse.manifests();
    let reply = fuse.post_as(ALERTS, "1", example("alertmanager-both.json")).await;
    let why = reply.error(409);
    assert!(why.contains("another body"), "{why}");
    let report = fuse.settled(&id).await;
    assert_eq!(report["event"]["conflicts"], 1);
    assert_eq!(fuse.manifests(), written);
}

#[tokio::test]
async fn a_full_queue_sends_senders_away_for_a_while() {
    let fuse = Setup::seed().armed().toml("[state]\nmax_backlog = 1\n[held]\nmax = 0\n").lay_out();
    // No manifest can be written, and no action may be held: the first event stays in the queue.
    std::fs::write(fuse.out(), "in the way").unwrap();
    let mut fuse = fuse;
    fuse.start_again().await;
    let body = example("alertmanager-mixed.json");
    let first = fuse.post_as(ALERTS, "1", body.clone()).await.event(202);
    fuse.decisions(&first, "decided").await;

    let second = example("backstage-provision.json");
    let reply = fuse.post_as(PROVISION, "2", second.clone()).await;
    let why = reply.error(503);
    assert_eq!(reply.header("retry-after"), "5");
    assert!(why.contains("the queue is full"), "{why}");
    // One that is known takes no room.
    assert_eq!(fuse.post_as(ALERTS, "1", body).await.event(200), first);
    let ready = fuse.admin("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text.contains("the queue is full"), "{ready:?}");

    // Once the cause is gone, so is the effect: nothing was lost, and there is room again.
    std::fs::remove_file(fuse.out()).unwrap();
    fuse.settled(&first).await;
    assert_eq!(fuse.manifests().len(), 1);
    let second = until("there is room", async || {
        let reply = fuse.post_as(PROVISION, "2", second.clone()).await;
        (reply.status != 503).then(|| reply.event(202))
    })
    .await;
    fuse.settled(&second).await;
    assert_eq!(fuse.manifests().len(), 2);
}

#[tokio::test]
async fn the_admin_port_answers_what_is_asked_wrongly() {
    let fuse = Setup::seed().start().await;
    let why = fuse.admin("/decisions").await.error(400);
    assert!(why.contains("/decisions?event=ID"), "{why}");
    let why = fuse.admin("/decisions?event=none").await.error(404);
    assert!(why.contains("`none`"), "{why}");
    assert_eq!(fuse.admin("/healthz").await.json()["status"], "ok");
    assert_eq!(fuse.admin("/").await.status, 404);
}
