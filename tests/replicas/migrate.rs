use crate::support::{Fuse, Nats, Setup, until};

/// One that waits for a fuse, one that is done, and a limit.
const RULES: &str = r#"
fuse line default off

source q webhook {
  port = 12000
  path = "/e"
  id   = body.id
  event e
}

sensor s on q.e {
  rule done {
    when body.n >= 0
    limit 2 per 1h
    trigger log { message = "done" }
  }
  rule held {
    requires line else hold 1h
    when body.n == 1
    trigger job { namespace = "apps", name-prefix = "made-", image = "busybox" }
  }
}
"#;

async fn send(fuse: &Fuse, n: usize) -> u16 {
    fuse.post((12_000, "/e"), format!(r#"{{"id":"{n}","n":{n}}}"#)).await.status
}

/// The outcome of the first rule, once it is decided and performed.
async fn outcome(fuse: &Fuse, id: &str) -> String {
    until("it is decided", async || {
        let report = fuse.admin(&format!("/decisions?event={id}")).await.json();
        let decision = &report["decisions"][0];
        let is_done = matches!(decision["action"]["state"].as_str(), None | Some("done"));
        decision["outcome"].as_str().filter(|_| is_done).map(str::to_owned)
    })
    .await
}

#[tokio::test]
async fn a_state_moves_to_the_broker_and_back() {
    let Some(nats) = Nats::alone().await else { return };
    let setup = Setup::rules(RULES);
    let mut fuse = setup.start().await;
    assert_eq!(send(&fuse, 1).await, 202);
    assert_eq!(outcome(&fuse, "1").await, "fired");
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));

    let url = nats.url();
    let (code, said) =
        fuse.command(&["backend", "migrate", "--from", ".fuse-local", "--backend", &url]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 event, 1 action (0 not settled), no damaged record"), "{said}");
    let (code, said) =
        fuse.command(&["backend", "migrate", "--from", ".fuse-local", "--backend", &url]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("has a state already"), "{said}");

    // With a folder of its own, and what the other one had.
    std::fs::write(
        fuse.folder().join("fuse.toml"),
        format!("[backend]\nurl = {url:?}\n[state]\ndir = \"shared\"\n"),
    )
    .unwrap();
    fuse.start_again().await;
    assert_eq!(send(&fuse, 1).await, 200, "it is known");
    assert_eq!((send(&fuse, 2).await, send(&fuse, 3).await), (202, 202));
    assert_eq!(outcome(&fuse, "2").await, "fired");
    assert_eq!(outcome(&fuse, "3").await, "suppressed", "the limit remembers the first one");
    assert_eq!(fuse.metric("fuse_waiting_decisions{clause=\"requires\"}").await, Some(1.0));
    let ready = fuse.admin("/readyz").await.json();
    assert_eq!(ready["sharing"], serde_json::json!({ "replicas": 1, "keeper": true }));
    let (code, said) = fuse.command(&["backend", "migrate", "--to", "alone", "--backend", &url]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("is in use by"), "{said}");
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));

    // The copy is nobody's state.
    let (code, said) =
        fuse.command(&["run", "rules", "--local", "--state", "shared", "--config", "none.toml"]);
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = fuse.command(&["backend", "migrate", "--to", "alone", "--backend", &url]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 events, 2 actions (0 not settled), no damaged record"), "{said}");
    std::fs::write(fuse.folder().join("fuse.toml"), "[state]\ndir = \"alone\"\n").unwrap();
    fuse.start_again().await;
    assert_eq!(send(&fuse, 3).await, 200, "it is known");
    let (code, said) =
        fuse.command(&["switch", "line", "on", "--reason", "test", "--state", "alone"]);
    assert_eq!(code, Some(0), "{said}");
    until("what waited is made", async || (fuse.manifests().len() == 1).then_some(())).await;
}
