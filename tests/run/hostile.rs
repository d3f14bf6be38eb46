use reqwest::Method;
use serde_json::json;

use crate::support::{Setup, decision};

const RULES: &str = r#"
source q webhook {
  port = 12000
  path = "/q"
  id   = body.id
  event e
}
sensor s on q.e {
  rule dear { when any(x in body.a: any(y in body.b: x == y))  trigger log { message = "m" } }
  rule labelled {
    when body.labels is present
    once per body.key within 1h
    trigger workflow { template = "t", namespace = "n", labels = body.labels }
  }
}
"#;
const DOOR: (u16, &str) = (12_000, "/q");

#[tokio::test]
async fn an_event_that_asks_for_endless_work_holds_nothing_up() {
    let fuse = Setup::rules(RULES).start().await;
    let long = |value: u32| vec![value; 6_000];
    let body = json!({ "id": 0, "a": long(1), "b": long(2) }).to_string();
    assert_eq!(fuse.post(DOOR, body).await.event(202), "0");
    // While it is being decided, the admin port and the other events go on.
    assert_eq!(fuse.admin("/healthz").await.status, 200);
    let id =
        fuse.post(DOOR, json!({ "id": "light", "a": [1], "b": [1] }).to_string()).await.event(202);
    let report = fuse.settled(&id).await;
    assert_eq!(decision(&report, "dear", None)["outcome"], "fired");
    let report = fuse.settled("0").await;
    let dear = decision(&report, "dear", None);
    assert_eq!(dear["outcome"], "rejected");
    assert!(dear["reason"].as_str().unwrap().contains("examine more than"), "{dear}");
}

#[tokio::test]
async fn what_cannot_be_rendered_is_rejected_and_uses_no_key_up() {
    let fuse = Setup::rules(RULES).start().await;
    let post = async |id: &str, labels: serde_json::Value| {
        let body = json!({ "id": id, "key": "k", "labels": labels }).to_string();
        fuse.settled(&fuse.post(DOOR, body).await.event(202)).await
    };
    let report = post("1", json!({ "bad key": "v" })).await;
    let labelled = decision(&report, "labelled", None);
    assert_eq!(labelled["outcome"], "rejected");
    assert!(labelled["reason"].as_str().unwrap().contains("`bad key`"), "{labelled}");
    let report = post("2", json!({ "good": "v" })).await;
    assert_eq!(decision(&report, "labelled", None)["outcome"], "fired");
    assert_eq!(fuse.manifest()["metadata"]["labels"]["good"], "v");
}

#[tokio::test]
async fn ids_with_two_readings_or_templates_are_refused() {
    let fuse = Setup::rules(RULES).start().await;
    let reply = fuse.post(DOOR, r#"{"id":9,"id":9}"#).await;
    assert!(reply.error(400).contains("`id` occurs twice"));
    let reply = fuse.post(DOOR, r#"{"id":"{{workflow.uid}}"}"#).await;
    assert!(reply.error(400).contains("{{"));
    // A CloudEvents source with a space in it is not another one's with its id.
    let mut ids = Vec::new();
    for (source, id) in [("a b", "c"), ("a", "b c"), ("a%20b", "c"), ("a%2520b", "c")] {
        let headers = [("ce-source", source), ("ce-id", id)];
        ids.push(fuse.request(Method::POST, DOOR, &headers, "{}").await);
    }
    let ids: Vec<String> = ids
        .into_iter()
        .map(|reply| reply.json()["event"].as_str().unwrap_or_default().to_owned())
        .collect();
    // The third is the first, percent-encoded as CloudEvents does it.
    assert_eq!(ids, ["a%20b c", "a b c", "a%20b c", "a%2520b c"]);
}
