//! What rules do because they may not act, or because their actions failed.

use super::http_triggers::{Answer, Server};
use crate::support::{Setup, decision, until};

const DOOR: crate::support::Door = (12_000, "/e");

fn rules(failing: &Server, told: &Server) -> Setup {
    let (failing, told) = (&failing.url, &told.url);
    let tell = |what: &str| {
        format!(
            r#"trigger http {{
              url = "{told}"
              json = {{ {what} = outcome.reason, app = body.app, of = outcome.rule }}
              repeat = true
            }}"#
        )
    };
    let (gated, failed, suppressed) = (tell("gated"), tell("failed"), tell("suppressed"));
    Setup::rules(&format!(
        r#"
        fuse tickets default on
        source ci webhook {{ port = 12000, path = "/e", event e }}
        sensor s on ci.e {{
          rule r {{
            requires tickets
            once per body.app within 1h
            trigger http {{ url = "{failing}", json = body }}
            on gated {{ {gated} }}
            on failure {{ {failed} }}
            on suppressed {{
              limit 1 per 1h
              {suppressed}
            }}
          }}
        }}"#
    ))
    .no_cluster()
}

#[tokio::test]
async fn somebody_is_told_once_across_a_kill_and_a_temporary_failure() {
    let failing = Server::start(&[Answer::Status("400 Bad")]);
    // The first is answered so late that the process is gone.
    let told = Server::start(&[
        Answer::Status("503 Busy\r\nretry-after: 0"),
        Answer::Status("201 Created"),
    ]);
    let mut fuse = rules(&failing, &told).start().await;
    let first = fuse.post(DOOR, r#"{"app": "a"}"#).await.event(202);
    until("the request failed", async || (!failing.arrived().is_empty()).then_some(())).await;
    fuse.kill();
    fuse.start_again().await;
    let report = fuse.settled(&first).await;
    assert_eq!(decision(&report, "r", None)["outcome"], "fired", "{report:#}");
    assert_eq!(decision(&report, "r on failure", None)["outcome"], "fired", "{report:#}");
    let bodies = |told: &Server| -> Vec<String> {
        told.arrived().iter().map(|one| one.split_once("\r\n\r\n").unwrap().1.to_owned()).collect()
    };
    let sent = bodies(&told);
    assert!(sent.len() <= 3 && sent.iter().all(|one| *one == sent[0]), "{sent:?}");
    assert!(sent[0].contains(r#""failed":"#) && sent[0].contains(r#""of":"s/r""#), "{sent:?}");
    let keys = told.header("idempotency-key");
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let letters = fuse.admin("/dead-letters").await.json();
    assert_eq!(letters["letters"].as_array().unwrap().len(), 1, "{letters:#}");

    // Suppressed twice, told once.
    let before = bodies(&told).len();
    let tells = async |count: usize, what: &str| {
        until(what, async || (told.arrived().len() == count).then_some(())).await;
        let last = bodies(&told).pop().unwrap();
        assert!(last.contains(what), "{last}");
    };
    for _ in 0..2 {
        let event = fuse.post(DOOR, r#"{"app": "a"}"#).await.event(202);
        let report = fuse.settled(&event).await;
        assert_eq!(decision(&report, "r", None)["outcome"], "suppressed", "{report:#}");
    }
    tells(before + 1, "already fired").await;

    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));
    fuse.set("FUSE_TICKETS", "off");
    fuse.start_again().await;
    let event = fuse.post(DOOR, r#"{"app": "b"}"#).await.event(202);
    let report = fuse.settled(&event).await;
    assert_eq!(decision(&report, "r", None)["outcome"], "gated", "{report:#}");
    // The second suppressed event told nobody: the reaction has a limit of its own.
    tells(before + 2, "fuse `tickets` is off").await;
    let line = r#"fuse_decisions_total{rule="s/r on gated",outcome="fired"}"#;
    assert_eq!(fuse.metric(line).await, Some(1.0));
}

#[tokio::test]
async fn a_reaction_that_fails_is_a_dead_letter_that_is_not_replayed_alone() {
    let failing = Server::start(&[Answer::Status("400 Bad")]);
    let told = Server::start(&[Answer::Status("404 Not Found")]);
    let fuse = rules(&failing, &told).start().await;
    let event = fuse.post(DOOR, r#"{"app": "a"}"#).await.event(202);
    fuse.settled(&event).await;
    let letters = fuse.admin("/dead-letters").await.json();
    let letters = letters["letters"].as_array().unwrap().clone();
    assert_eq!(letters.len(), 2, "{letters:#?}");
    let reaction = letters.iter().find(|one| one["rule"] == "s/r on failure").unwrap();
    let id = reaction["id"].as_str().unwrap();
    let (code, why) = fuse.command(&["replay", id, "--server", &fuse.server()]);
    assert_ne!(code, Some(0), "{why}");
    assert!(why.contains("is a reaction of `s/r`"), "{why}");
    assert_eq!(told.arrived().len(), 1);
}
