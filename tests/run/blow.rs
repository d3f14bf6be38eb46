//! Fuses that blow while fuse runs.

use serde_json::{Value, json};

use crate::support::{Door, Fuse, JOB_OF_LINE, Setup, until};

const FUSES: &str = "
# The line to the shop.
fuse line default on {
  blow after 2 actions within 1h
  reset after 2h
}
";
const DOOR: Door = (12_000, "/e");
const WHY: &str = "`blow after 2 actions within 1h` is reached: 2 of 2 actions within 1h passed; \
                   `s/make` had one more for event `test 3`";

async fn line(fuse: &Fuse) -> Value {
    fuse.admin("/fuses").await.json()["fuses"][0].clone()
}

/// The decision about a new event: its outcome and reason.
async fn decision(fuse: &Fuse, id: &str) -> (String, String) {
    let event = fuse.post_as(DOOR, id, "{}").await.event(202);
    let decision = fuse.settled(&event).await["decisions"][0].clone();
    let text = |field: &str| decision[field].as_str().unwrap().to_owned();
    (text("outcome"), text("reason"))
}

/// The third action blows the fuse, which everything shows, also after `kill -9`. A person closes it.
#[tokio::test]
async fn a_fuse_blows_and_a_person_closes_it() {
    let mut fuse = Setup::rules(&[FUSES, JOB_OF_LINE].concat()).start().await;
    for id in ["1", "2"] {
        assert_eq!(decision(&fuse, id).await.0, "fired");
    }
    let (outcome, reason) = decision(&fuse, "3").await;
    assert_eq!(outcome, "gated");
    assert!(reason.starts_with("fuse `line` blows: `blow after 2 actions"), "{reason}");
    assert_eq!(decision(&fuse, "4").await, ("gated".into(), "fuse `line` is off".into()));
    let logged = "\"message\":\"a fuse blew\"";
    until("it is logged", async || fuse.log().contains(logged).then_some(())).await;

    fuse.kill();
    fuse.start_again().await;
    let shown = line(&fuse).await;
    assert_eq!((&shown["on"], &shown["origin"]), (&json!(false), &json!("blown")), "{shown:#}");
    assert_eq!(
        (&shown["switched"]["to"], &shown["switched"]["reason"]),
        (&json!("blown"), &json!(WHY))
    );
    assert_eq!(
        (&shown["blow"][0], &shown["reset_after"]),
        (&json!("blow after 2 actions within 1h"), &json!("2h"))
    );
    let (code, printed) = fuse.command(&["fuses", "--server", &fuse.server()]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("blown, by fuse at 20") && printed.contains(WHY), "{printed}");
    assert_eq!(fuse.metric("fuse_fuse_on{fuse=\"line\",origin=\"blown\"}").await, Some(0.0));
    let ready = fuse.admin("/readyz").await.json();
    let warning = ready["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("the fuse `line` blew at 20"), "{ready}");
    assert!(!warning.contains("s/make"), "{warning}");
    assert_eq!(decision(&fuse, "5").await.0, "gated");
    assert_eq!(fuse.manifests().len(), 2);

    // It blows by itself only.
    let body = json!({ "to": "blown" }).to_string();
    let token = fuse.token();
    let path = "/fuses/line/switch";
    let reply = fuse.admin_as(reqwest::Method::POST, path, token.as_deref(), body).await;
    assert_eq!(reply.status, 400);

    let (code, printed) = fuse.command(&["switch", "line", "reset", "--server", &fuse.server()]);
    assert_eq!(code, Some(0), "{printed}");
    for (id, outcome) in [("6", "fired"), ("7", "fired"), ("8", "gated")] {
        assert_eq!(decision(&fuse, id).await.0, outcome, "{id}");
    }
}

/// A fuse reacts once when it blows, also if the process is killed at that moment, and although it is off.
#[tokio::test]
async fn a_fuse_reacts_when_it_blows() {
    let on_blown = r#"  reset after 2h
  on blown {
    trigger http retry 20 backoff 100ms..200ms {
      url  = "https://chat.example.com/alerts"
      json = { fuse = outcome.fuse, rule = outcome.rule, event = outcome.event }
    }
  }"#;
    let rules = [FUSES, JOB_OF_LINE].concat().replace("  reset after 2h", on_blown);
    let mut fuse = Setup::rules(&rules).start().await;
    for id in ["1", "2"] {
        assert_eq!(decision(&fuse, id).await.0, "fired");
    }
    let event = fuse.post_as(DOOR, "3", "{}").await.event(202);
    fuse.kill();
    fuse.start_again().await;
    let report = fuse.settled(&event).await;
    let decisions = report["decisions"].as_array().unwrap();
    let reacted: Vec<_> =
        decisions.iter().filter(|one| one["rule"] == "fuse line on blown").collect();
    assert_eq!(reacted.len(), 1, "{report:#}");
    assert_eq!(reacted[0]["outcome"], "fired", "{report:#}");
    assert_eq!(reacted[0]["action"]["policy"], "retry 20 backoff 100ms..200ms");
    assert_eq!(decision(&fuse, "4").await.0, "gated");
    // Two Jobs and the request.
    assert_eq!(fuse.manifests().len(), 3);
}
