//! How often, when and how long actions are attempted, if their rules say so.

use super::http_triggers::{Answer, Server};
use crate::support::Setup;

/// Sends an event to a rule with these clauses and fields of its trigger. Returns the report about the event once its
/// action is settled, and how many requests arrived.
async fn attempted(server: &Server, clauses: &str, fields: &str) -> (String, usize) {
    let url = &server.url;
    let fuse = Setup::rules(&format!(
        r#"
        source ci webhook {{ port = 12000, path = "/e", event e }}
        sensor s on ci.e {{
          rule r {{
            trigger http {clauses} {{
              url = "{url}"
              json = body
              {fields}
            }}
          }}
        }}"#
    ))
    .no_cluster()
    .start()
    .await;
    let event = fuse.post((12_000, "/e"), "{}").await.event(202);
    let report = fuse.settled(&event).await;
    let policy = &report["decisions"][0]["action"]["policy"];
    assert_eq!(policy, clauses, "{report:#}");
    (report.to_string(), server.arrived().len())
}

#[tokio::test]
async fn an_action_is_attempted_as_often_as_its_rule_says() {
    let answers =
        &[Answer::Status("503 Busy"), Answer::Status("503 Busy"), Answer::Status("201 Created")];
    for (clauses, requests, end) in [
        ("retry 2 backoff 100ms..150ms", 3, "201 Created"),
        ("retry 1 backoff 100ms..150ms", 2, "(tried 2 times)"),
        ("retry 0", 1, "(tried once)"),
    ] {
        let server = Server::start(answers);
        let (report, arrived) = attempted(&server, clauses, "repeat = true").await;
        assert!(report.contains(end), "{clauses}: {report}");
        assert_eq!(arrived, requests, "{clauses}: {report}");
        let keys = server.header("idempotency-key");
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
}

#[tokio::test]
async fn an_attempt_ends_after_the_timeout_of_its_rule() {
    let answers = &[Answer::Never, Answer::Status("201 Created")];
    let clauses = "retry 3 backoff 100ms..100ms timeout 200ms";
    let server = Server::start(answers);
    let (report, arrived) = attempted(&server, clauses, "repeat = true").await;
    assert!(report.contains("201 Created"), "{report}");
    assert_eq!(arrived, 2, "{report}");
    // The request may have had an effect, and a second one might do harm.
    let server = Server::start(answers);
    let (report, arrived) = attempted(&server, clauses, "").await;
    assert!(report.contains("uncertain") && report.contains("set `repeat = true`"), "{report}");
    assert_eq!(arrived, 1, "{report}");
    let server = Server::start(answers);
    let (report, _) = attempted(&server, "retry 0 timeout 200ms", "").await;
    let why = "the server did not answer within 200 ms (tried once); the request may have arrived";
    assert!(report.contains("uncertain") && report.contains(why), "{report}");
}
