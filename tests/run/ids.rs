use reqwest::Method;
use serde_json::json;

use crate::support::{ALERTS, PROVISION, Reply, Setup, client, example, until};

const WITH_ID: &str = r#"
source tickets webhook {
  port = 12000
  path = "/tickets"
  id   = body.id
  event opened
}
sensor urgent on tickets.opened {
  rule note { when body.severity >= 4  trigger log { message = "urgent" } }
}
"#;
const TICKETS: (u16, &str) = (12_000, "/tickets");

#[tokio::test]
async fn the_sources_expression_gives_the_id_and_goes_before_headers() {
    let fuse = Setup::rules(WITH_ID).start().await;
    let headers = [("x-github-delivery", "delivery"), ("ce-id", "1"), ("ce-source", "a")];
    let body = json!({"id": "T-17", "severity": 5}).to_string();
    let reply = fuse.request(Method::POST, TICKETS, &headers, body.clone()).await;
    assert_eq!(reply.event(202), "T-17");
    assert_eq!(fuse.post(TICKETS, body).await.event(200), "T-17");

    // A number is its text, and where the expression has no value, the headers are asked.
    let body = json!({"id": 18, "severity": 5}).to_string();
    assert_eq!(fuse.post(TICKETS, body).await.event(202), "18");
    let body = json!({"severity": 5}).to_string();
    let reply = fuse.request(Method::POST, TICKETS, &headers, body).await;
    assert_eq!(reply.event(202), "delivery");
}

#[tokio::test]
async fn headers_give_the_id_else_one_is_made() {
    let fuse = Setup::seed().start().await;
    let body = example("alertmanager-empty.json");
    let post = async |headers: &[(&str, &str)]| {
        fuse.request(Method::POST, ALERTS, headers, body.clone()).await
    };
    let delivery = ("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958");
    assert_eq!(post(&[delivery]).await.event(202), delivery.1);
    assert_eq!(post(&[delivery]).await.event(200), delivery.1);

    let cloud = [("ce-id", "7"), ("ce-source", "/prober")];
    assert_eq!(post(&cloud).await.event(202), "/prober 7");
    assert_eq!(post(&cloud).await.event(200), "/prober 7");
    // Ids of cloud events are unique within their source alone.
    let other = [("ce-id", "7"), ("ce-source", "/other")];
    assert_eq!(post(&other).await.event(202), "/other 7");

    // Half of one is none: each of these is an event of its own.
    let half = [("ce-id", "7")];
    let (first, second) = (post(&half).await.event(202), post(&half).await.event(202));
    assert_ne!(first, second);
    // Made ids sort by time.
    assert!(first < second, "{first} {second}");
}

#[tokio::test]
async fn the_same_id_at_another_source_is_another_event() {
    let fuse = Setup::seed().start().await;
    let body = example("alertmanager-empty.json");
    fuse.post_as(ALERTS, "1", body.clone()).await.event(202);
    let id = fuse.post_as(PROVISION, "1", body).await.event(202);
    // Which one is meant must be said then.
    let path = format!("/decisions?event={}", id.replace(' ', "%20"));
    let why = fuse.admin(&path).await.error(409);
    assert!(why.contains("alertmanager.slo-alerts, backstage.provision"), "{why}");
    let one = fuse.admin(&format!("{path}&source=backstage")).await.json();
    assert_eq!(one["event"]["name"], "provision");
}

const LIFE: &str = r#"
source tickets webhook {
  port = 12000
  id   = body.id
  event opened { path = "/opened" }
  event closed { path = "/closed" }
}
source other webhook {
  port = 12001
  event opened { path = "/opened" }
}
sensor opening on tickets.opened {
  rule note { trigger log { message = "opened" } }
}
sensor closing on tickets.closed {
  rule note { trigger log { message = "closed" } }
}
"#;
const OPENED: (u16, &str) = (12_000, "/opened");
const CLOSED: (u16, &str) = (12_000, "/closed");

/// What is opened and later closed has one id, and perhaps one body.
#[tokio::test]
async fn the_same_id_at_another_event_of_the_source_is_another_event() {
    let fuse = Setup::rules(LIFE).start().await;
    let body = json!({"id": "T-17"}).to_string();
    assert_eq!(fuse.post(OPENED, body.clone()).await.event(202), "T-17");
    assert_eq!(fuse.post(CLOSED, body.clone()).await.event(202), "T-17");
    // To each of them it is known now, and another body is another matter.
    fuse.post(OPENED, body.clone()).await.event(200);
    fuse.post(CLOSED, body).await.event(200);
    let other = json!({"id": "T-17", "x": 1}).to_string();
    fuse.post(OPENED, other).await.error(409);

    // `source=` may name the source, where that is enough, or the event.
    const PATH: &str = "/decisions?event=T-17";
    for path in [PATH.to_owned(), format!("{PATH}&source=tickets")] {
        let why = fuse.admin(&path).await.error(409);
        assert!(why.contains("tickets.closed, tickets.opened"), "{why}");
        assert!(why.contains("&source=NAME.EVENT"), "{why}");
    }
    fuse.admin(&format!("{PATH}&source=tickets.gone")).await.error(404);
    for (name, conflicts) in [("opened", 1), ("closed", 0)] {
        let path = format!("{PATH}&source=tickets.{name}");
        let report = until("it is settled", async || {
            let report = fuse.admin(&path).await.json();
            (report["event"]["state"] == "settled").then_some(report)
        })
        .await;
        assert_eq!(report["event"]["name"], name, "{report:#}");
        assert_eq!(report["event"]["conflicts"], conflicts, "{report:#}");
        let decisions = report["decisions"].as_array().unwrap();
        assert_eq!(decisions.len(), 1, "{report:#}");
        assert_eq!(decisions[0]["action"]["state"], "done", "{report:#}");
        assert_eq!(decisions[0]["action"]["object"]["message"], name, "{report:#}");
    }

    let ours = [("x-github-delivery", "T-17")];
    let elsewhere = (12_001, "/opened");
    fuse.request(Method::POST, elsewhere, &ours, "{}").await.event(202);
    let why = fuse.admin(PATH).await.error(409);
    assert!(why.contains("other.opened, tickets.closed, tickets.opened"), "{why}");
    let report = fuse.admin(&format!("{PATH}&source=other")).await.json();
    assert_eq!(report["event"]["source"], "other", "{report:#}");
}

#[tokio::test]
async fn an_id_that_is_too_long_is_refused() {
    let fuse = Setup::seed().start().await;
    let long = "x".repeat(600);
    let headers = [("x-github-delivery", long.as_str())];
    let reply = fuse.request(Method::POST, ALERTS, &headers, "{}").await;
    let why = reply.error(400);
    assert!(why.contains("512 bytes"), "{why}");
}

#[tokio::test]
async fn of_several_posts_of_one_event_at_once_one_is_the_first() {
    let fuse = Setup::seed().armed().start().await;
    let body = example("alertmanager-mixed.json");
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let url = fuse.url(ALERTS.0, ALERTS.1);
        let request = client().post(url).body(body.clone());
        let request = request.header("ce-id", "1").header("ce-source", "test");
        posts.spawn(async move { Reply::of(request.send().await.unwrap()).await.unwrap() });
    }
    let mut statuses = Vec::new();
    for reply in posts.join_all().await {
        assert_eq!(reply.event(reply.status), "test 1");
        statuses.push(reply.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 202]);
    fuse.settled("test 1").await;
    assert_eq!(fuse.manifests().len(), 1);
}
