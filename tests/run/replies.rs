//! What fuse answers in place of 202: the `reply` of an event, and its decisions.

use reqwest::Method;
use serde_json::json;

use crate::support::{Fuse, Reply, Setup, until};

const DOOR: (u16, &str) = (12_000, "/in");

/// `fuse run` with these fields of the event `sent`, which is one of two at an address.
async fn start(event: &str) -> Fuse {
    let rules = format!(
        r#"
        source s webhook {{
          port = 12000
          path = "/in"
          id   = body.id
          event sent {{
            when body.kind == "sent"
            {event}
          }}
          event other {{ when body.kind == "other" }}
        }}
        fuse gate default off
        sensor rules on s.sent {{
          rule large {{ when body.n > 10  trigger log {{ message = "large" }} }}
          rule small {{ when body.n < 5  trigger log {{ message = "small" }} }}
          rule gated {{ requires gate  trigger log {{ message = "gated" }} }}
        }}
        "#
    );
    Setup::rules(&rules).start().await
}

async fn send(fuse: &Fuse, body: &str) -> Reply {
    fuse.request(Method::POST, DOOR, &[("x-ticket", "t-7")], body.to_owned()).await
}

#[tokio::test]
async fn a_reply_is_computed_from_the_event_that_was_accepted() {
    let fuse = start(
        r#"reply {
             status = if body.n > 10 then 201 else 200
             headers { location = "/tickets/${headers.x-ticket ?? "none"}", x-number = body.n ?? 0 }
             body { challenge = body.challenge ?? "none", event = event.id }
           }"#,
    )
    .await;
    let event = |n: u32| format!(r#"{{"id": "{n}", "kind": "sent", "n": {n}, "challenge": "c"}}"#);
    for (n, status) in [(7, 200), (11, 201), (11, 201)] {
        let reply = send(&fuse, &event(n)).await;
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(reply.json(), json!({ "challenge": "c", "event": n.to_string() }));
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("location"), "/tickets/t-7");
        assert_eq!(reply.header("x-number"), n.to_string());
    }
    // It is stored first, and decided.
    assert!(fuse.settled("11").await.to_string().contains("rules/large"));
    // Another event of the address, no event, the same id with another body, and no JSON.
    send(&fuse, r#"{"id": "o", "kind": "other"}"#).await.event(202);
    assert_eq!(send(&fuse, r#"{"id": "p"}"#).await.status, 202);
    send(&fuse, r#"{"id": "11", "kind": "sent", "n": 0}"#).await.error(409);
    send(&fuse, "{").await.error(400);
}

#[tokio::test]
async fn a_text_is_a_body_as_it_is() {
    let fuse = start(
        r#"reply { headers { content-type = "text/vnd.example" }, body = string(body.challenge ?? "none") }"#,
    )
    .await;
    let reply = send(&fuse, r#"{"id": "1", "kind": "sent", "challenge": "<b>é"}"#).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "<b>é"));
    assert_eq!(reply.header("content-type"), "text/vnd.example");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn a_reply_that_cannot_be_computed_falls_back_and_is_logged() {
    let fuse =
        start(r#"reply { headers { x-name = body.name ?? "a" }, status = body.status ?? 200 }"#)
            .await;
    for (id, more) in
        [("1", r#""name": "a\nb: c""#), ("2", r#""status": 99"#), ("3", r#""status": "x""#)]
    {
        let body = format!(r#"{{"id": "{id}", "kind": "sent", {more}}}"#);
        assert_eq!(send(&fuse, &body).await.event(202), id);
        fuse.settled(id).await;
    }
    let line = "the `reply` cannot be computed: fuse answers 202";
    until("it is logged", async || fuse.log().contains(line).then_some(())).await;
    let log = fuse.log();
    assert!(!log.contains("b: c"), "{log}");
}

#[tokio::test]
async fn decisions_are_the_answer_once_there_are_any() {
    let fuse = start(r#"respond = "decided""#).await;
    let body = r#"{"id": "1", "kind": "sent", "n": 11}"#;
    let reply = send(&fuse, body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    insta::assert_json_snapshot!(reply.json(), @r#"
    {
      "event": "1",
      "decisions": [
        {
          "rule": "rules/large",
          "outcome": "fired",
          "reason": "every condition holds"
        },
        {
          "rule": "rules/gated",
          "outcome": "gated",
          "reason": "fuse `gate` is off"
        }
      ]
    }
    "#);
    // A repetition has the same decisions.
    let again = send(&fuse, body).await;
    assert_eq!((again.status, again.json()), (200, reply.json()));
    send(&fuse, r#"{"id": "o", "kind": "other"}"#).await.event(202);
    // Many at the same time.
    let fuse = &fuse;
    let all = (10..60).map(|n| async move {
        let reply = send(fuse, &format!(r#"{{"id": "{n}", "kind": "sent", "n": {n}}}"#)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["event"], n.to_string());
        let decided = reply.json()["decisions"].to_string();
        assert_eq!(decided.contains("rules/large"), n > 10, "{decided}");
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn an_event_that_is_not_decided_in_time_is_answered_nevertheless() {
    let fuse = start(r#"respond = "decided", respond-within = 0s"#).await;
    // Decided before it is looked for, or not.
    let mut id = 0;
    let answered = until("it is not decided at once", async || {
        id += 1;
        let reply = send(&fuse, &format!(r#"{{"id": "{id}", "kind": "sent", "n": 11}}"#)).await;
        (reply.status == 202).then_some(reply)
    })
    .await;
    assert_eq!(answered.json()["note"], "the event is stored, and not decided yet");
    fuse.settled(&answered.event(202)).await;
}

#[tokio::test]
async fn a_reload_changes_the_reply_alone() {
    let fuse = start(r#"reply { status = 201, body = { version = "one" } }"#).await;
    let body = r#"{"id": "1", "kind": "sent"}"#;
    let reply = send(&fuse, body).await;
    assert_eq!((reply.status, reply.json()), (201, json!({ "version": "one" })));
    let file = fuse.folder().join("rules/test.rules");
    let rules = std::fs::read_to_string(&file).unwrap();
    let rules = rules.replace("status = 201", "status = 203").replace("\"one\"", "\"two\"");
    std::fs::write(&file, rules).unwrap();
    fuse.hang_up();
    let reply = until("the reply changes", async || {
        let reply = send(&fuse, body).await;
        (reply.status != 201).then_some(reply)
    })
    .await;
    assert_eq!((reply.status, reply.json()), (203, json!({ "version": "two" })));
}
