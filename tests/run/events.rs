use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Fuse, Reply, Setup, decision, outcomes};

const RULES: &str = r#"
source hub webhook {
  port = 12000
  path = "/hub"
  event push { when headers.x-event == "push" }
  event opened {
    when headers.x-event == "pull_request"
    when body.action == "opened"
  }
}
source sns webhook {
  port   = 12001
  path   = "/sns/{tenant}"
  decode = body.message
  id     = body.id
  event alarm
}
source cloud webhook {
  port = 12002
  path = "/cloud"
  event happened
}
sensor pushes on hub.push {
  rule pushed { when body.ref == "main"  trigger log { message = event.name } }
}
sensor pulls on hub.opened {
  rule pulled { when body.number > 1  trigger log { message = event.name } }
}
sensor alarms on sns.alarm {
  rule rang { when body.state == "ALARM" and event.path.tenant == "a/b"  trigger log { message = "x" } }
}
sensor clouds on cloud.happened {
  rule seen { when event.type == "made" and event.subject == "Euro €" and body.n == 1  trigger log { message = "x" } }
}
"#;

async fn send(fuse: &Fuse, door: (u16, &str), headers: &[(&str, &str)], body: &Value) -> Reply {
    fuse.request(Method::POST, door, headers, body.to_string()).await
}

#[tokio::test]
async fn one_address_has_several_events_and_the_rest_starts_nothing() {
    let fuse = Setup::rules(RULES).start().await;
    let hub = (12_000, "/hub");
    let post = async |kind: &str, body: Value| {
        send(&fuse, hub, &[("x-event", kind), ("x-github-delivery", kind)], &body).await
    };
    let id = post("push", json!({ "ref": "main" })).await.event(202);
    let report = fuse.settled(&id).await;
    assert_eq!(report["event"]["name"], "push", "{report:#}");
    assert_eq!(decision(&report, "pushed", None)["outcome"], "fired");
    assert_eq!(post("push", json!({ "ref": "main" })).await.event(200), id);

    let pull = json!({ "action": "opened", "number": 7 });
    let report = fuse.settled(&post("pull_request", pull).await.event(202)).await;
    assert_eq!(report["event"]["name"], "opened", "{report:#}");
    assert_eq!(decision(&report, "pulled", None)["outcome"], "fired");

    for (kind, body) in [("pull_request", json!({ "action": "closed" })), ("ping", json!({}))] {
        let reply = post(kind, body).await;
        assert_eq!((reply.status, &reply.json()["event"]), (202, &Value::Null), "{reply:?}");
    }
    let unrouted = "fuse_events_unrouted_total{source=\"hub\"}";
    assert_eq!(fuse.metric(unrouted).await, Some(2.0));
    assert_eq!(fuse.metric("fuse_backlog_events").await, Some(0.0));
    // Conditions on the headers decide alone, but a body that is an event must be JSON.
    let reply = fuse.request(Method::POST, hub, &[("x-event", "push")], "{").await;
    assert!(reply.error(400).contains("not JSON"));
}

#[tokio::test]
async fn a_body_is_decoded_at_the_door_and_the_path_has_parameters() {
    let fuse = Setup::rules(RULES).start().await;
    let door = (12_001, "/sns/a%2Fb");
    let body =
        |id: &str, more: u32| json!({ "id": id, "message": { "state": "ALARM" }, "more": more });
    let id = send(&fuse, door, &[], &body("1", 1)).await.event(202);
    assert_eq!(id, "1", "the id is one of the body that arrives");
    let report = fuse.settled(&id).await;
    assert_eq!(decision(&report, "rang", None)["outcome"], "fired", "{report:#}");
    // Whether an event is known is decided by the bytes that arrived.
    assert_eq!(send(&fuse, door, &[], &body("1", 1)).await.event(200), "1");
    assert!(send(&fuse, door, &[], &body("1", 2)).await.error(409).contains("another body"));
    let why = send(&fuse, door, &[], &json!({ "id": "2" })).await.error(400);
    assert_eq!(why, "the body cannot be decoded: `body.message` is missing");

    let other = send(&fuse, (12_001, "/sns/c"), &[], &body("3", 1)).await.event(202);
    assert!(!outcomes(&fuse.settled(&other).await).contains("fired"));
    for path in ["/sns", "/sns/", "/sns/a/b"] {
        send(&fuse, (12_001, path), &[], &body("4", 1)).await.error(404);
    }
    for path in ["/sns/%ff", "/sns/a%00", "/sns/a%0Ab"] {
        send(&fuse, (12_001, path), &[], &body("5", 1)).await.error(400);
    }
}

/// A batch must not multiply its headers in memory.
#[tokio::test]
async fn a_batch_is_limited_and_only_where_there_is_a_body() {
    let rules = "source cloud webhook {
          port = 12000
          event posted { path = \"/post\" }
          event asked { path = \"/get\", method = \"GET\" }
        }";
    let fuse = Setup::rules(rules).toml("[listen]\nmax_buffered = \"4MiB\"\n").start().await;
    let batch = ("content-type", "application/cloudevents-batch+json");
    let numbers = |count: usize| json!(vec![1; count]);
    let why = send(&fuse, (12_000, "/post"), &[batch], &numbers(1_001)).await.error(400);
    assert!(why.starts_with("the batch has 1001 events"), "{why}");
    let reply = send(&fuse, (12_000, "/post"), &[batch], &numbers(1_000)).await;
    assert_eq!(reply.json()["refused"], 1_000);
    assert_eq!(reply.json()["errors"].as_array().unwrap().len(), 10);

    let large = "x".repeat(6_000);
    let reply =
        send(&fuse, (12_000, "/post"), &[batch, ("x-large", &large)], &numbers(1_000)).await;
    assert!(reply.error(503).contains("in memory"), "{reply:?}");

    let reply = fuse.request(Method::GET, (12_000, "/get?a=1"), &[batch], String::new()).await;
    reply.event(202);
}

#[tokio::test]
async fn cloud_events_are_the_same_in_each_mode() {
    let fuse = Setup::rules(RULES).start().await;
    let door = (12_002, "/cloud");
    let structured = |id: &str, data: (&str, Value)| {
        json!({
            "specversion": "1.0", "id": id, "source": "/here", "type": "made", "subject": "Euro €",
            data.0: data.1,
        })
    };
    let event = ("content-type", "application/cloudevents+json");
    let fires = async |id: String, expected: &str| {
        assert_eq!(id, expected);
        let report = fuse.settled(&id).await;
        assert_eq!(decision(&report, "seen", None)["outcome"], "fired", "{report:#}");
    };
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/here"),
        ("ce-type", "made"),
        ("ce-subject", "Euro%20%E2%82%AC"),
        ("content-type", "application/json"),
    ];
    fires(send(&fuse, door, &binary, &json!({ "n": 1 })).await.event(202), "/here 1").await;
    let reply = send(&fuse, door, &[event], &structured("2", ("data", json!({ "n": 1 })))).await;
    fires(reply.event(202), "/here 2").await;
    let encoded = structured("3", ("data_base64", json!("eyJuIjoxfQ==")));
    fires(send(&fuse, door, &[event], &encoded).await.event(202), "/here 3").await;

    let batch = [("content-type", "application/cloudevents-batch+json; charset=utf-8")];
    let all = json!([structured("4", ("data", json!({ "n": 1 }))), encoded]);
    let reply = send(&fuse, door, &batch, &all).await;
    assert_eq!((reply.status, reply.json()), (202, json!({ "events": ["/here 4", "/here 3"] })));
    fires("/here 4".into(), "/here 4").await;
    assert_eq!(send(&fuse, door, &batch, &all).await.status, 200);

    let broken = json!([structured("5", ("data", json!({}))), { "id": "6" }, 7]);
    let reply = send(&fuse, door, &batch, &broken).await;
    let why = reply.error(400);
    assert!(why.starts_with("event 2 of 3: the body is not a CloudEvent: it has no `"), "{why}");
    let (all, refused) = (reply.json()["errors"].clone(), reply.json()["refused"].clone());
    assert_eq!(
        (refused, all[0]["event"].clone(), all[1]["event"].clone()),
        (json!(2), json!(2), json!(3))
    );
    assert!(all[1]["error"].as_str().unwrap().contains("not a CloudEvent"), "{all}");
    assert!(send(&fuse, door, &batch, &json!({})).await.error(400).contains("not a batch"));
    let why = send(&fuse, door, &[event], &json!({ "n": 1 })).await.error(400);
    assert!(why.contains("it has no `specversion`"), "{why}");
}
