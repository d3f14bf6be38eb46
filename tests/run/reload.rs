//! Reloads of the running process: by changed files, by a signal and by the admin port.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Door, Fuse, Reply, Setup, until};

const RULES: &str = r#"
fuse line default on

source q webhook {
  port = 12000
  path = "/e"
  event e
}

sensor s on q.e {
  requires line
  rule r {
    trigger log { message = "version one" }
  }
}
"#;
const DOOR: Door = (12_000, "/e");
const FAILURES: &str = "fuse_rules_reload_failures_total";

/// The rules with another text, and with ports as this process has them.
fn version(fuse: &Fuse, text: &str) -> String {
    let rules = RULES.replace("version one", text);
    rules.replace("= 12000", &format!("= {}", fuse.port(DOOR.0)))
}

/// Replaces a file as editors do.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// What the rules do with a new event.
async fn message(fuse: &Fuse) -> String {
    let id = fuse.post(DOOR, "{}").await.event(202);
    let report = until("the event is settled or held", async || {
        let report = fuse.admin(&format!("/decisions?event={id}")).await.json();
        matches!(report["event"]["state"].as_str()?, "settled" | "held").then_some(report)
    })
    .await;
    let decision = &report["decisions"][0];
    match decision["outcome"].as_str().unwrap() {
        // The fuse was switched off after the decision.
        "fired" if report["event"]["state"] == "held" => "held".to_owned(),
        "fired" => decision["action"]["object"]["message"].as_str().unwrap().to_owned(),
        other => other.to_owned(),
    }
}

async fn until_message(fuse: &Fuse, expected: &str) {
    until(expected, async || (message(fuse).await == expected).then_some(())).await;
}

async fn reload(fuse: &Fuse) -> Reply {
    fuse.admin_as(Method::POST, "/-/reload", fuse.token().as_deref(), "").await
}

/// The hash of the rules that `/metrics` shows.
async fn hash(fuse: &Fuse) -> String {
    let text = fuse.admin("/metrics").await.text;
    let line = text.lines().find(|line| line.starts_with("fuse_rules_info{")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn broken_rules_keep_the_ones_in_use() {
    let mut fuse = Setup::rules(RULES).start().await;
    let file = fuse.folder().join("rules/test.rules");
    let first = hash(&fuse).await;
    let broken = version(&fuse, "version two").replace("rule r {", "rule r { when");
    replace(&file, &broken);
    let warnings = until("the problem is in /readyz", async || {
        fuse.admin("/readyz").await.json().get("warnings").cloned()
    })
    .await;
    let warning = warnings[0].as_str().unwrap();
    let is_shown = warning.contains("rules/test.rules:12:12: ") && warning.ends_with("(E0101)");
    assert!(is_shown, "{warning}");
    let ready = fuse.admin("/readyz").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &Value::Bool(true)));
    assert_eq!(fuse.metric(FAILURES).await, Some(1.0));
    assert_eq!((message(&fuse).await, hash(&fuse).await), ("version one".into(), first.clone()));
    // The answer to a request for a reload shows the whole problem.
    let refused = reload(&fuse).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let details = refused.json()["details"].as_str().unwrap().to_owned();
    assert!(details.contains("rule r { when"), "{details}");

    // The signal reloads, too.
    let before = jiff::Timestamp::now().as_second();
    let loaded = fuse.metric("fuse_rules_loaded_timestamp").await.unwrap();
    until("a second has passed", async || {
        (jiff::Timestamp::now().as_second() > before).then_some(())
    })
    .await;
    replace(&file, &version(&fuse, "version two"));
    fuse.hang_up();
    until_message(&fuse, "version two").await;
    let ready = fuse.admin("/readyz").await.json();
    assert_eq!(ready.get("warnings"), None, "{ready}");
    assert!(fuse.metric("fuse_rules_loaded_timestamp").await.unwrap() > loaded);
    assert_ne!(hash(&fuse).await, first);
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));
    let log = fuse.log();
    for text in ["cannot reload: the rules in use stay", "\"rules changed\"", "\"names\":\"s/r\""] {
        assert!(log.contains(text), "{text}\n{log}");
    }
}

#[tokio::test]
async fn a_configmap_and_a_fuse_are_picked_up() {
    let mut fuse = Setup::rules(RULES).toml("[fuses]\nline = true\n").lay_out();
    // As Kubernetes mounts a ConfigMap: links through a link that it swaps.
    let rules = fuse.folder().join("rules");
    for (name, text) in [("..v1", "version one"), ("..v2", "version two")] {
        std::fs::create_dir(rules.join(name)).unwrap();
        std::fs::write(rules.join(name).join("test.rules"), version(&fuse, text)).unwrap();
    }
    std::fs::remove_file(rules.join("test.rules")).unwrap();
    symlink("..v1", rules.join("..data")).unwrap();
    symlink("..data/test.rules", rules.join("test.rules")).unwrap();
    fuse.start_again().await;
    assert_eq!(message(&fuse).await, "version one");
    symlink("..v2", rules.join("..new")).unwrap();
    std::fs::rename(rules.join("..new"), rules.join("..data")).unwrap();
    until_message(&fuse, "version two").await;

    let toml = fuse.folder().join("fuse.toml");
    replace(&toml, "[fuses]\nline = false\n[state]\nkeep = \"1d\"\n");
    until_message(&fuse, "gated").await;
    assert_eq!(
        fuse.metric("fuse_fuse_on{fuse=\"line\",origin=\"configuration\"}").await,
        Some(0.0)
    );
    let report = reload(&fuse).await.json();
    assert_eq!(report["at_next_start"][0], "state.keep", "{report}");
    assert_eq!(report["changes"]["fuses"], Value::Array(Vec::new()));
    replace(&toml, "[fuses]\nline = 3\n");
    until("a configuration that is not valid", async || {
        fuse.admin("/readyz").await.json().get("warnings").cloned()
    })
    .await;
    // A file that somebody is replacing does not switch fuses on.
    std::fs::remove_file(&toml).unwrap();
    let gone = "`fuse.toml` is gone, and with it the values of fuses";
    until(gone, async || fuse.admin("/readyz").await.text.contains(gone).then_some(())).await;
    assert_eq!(message(&fuse).await, "gated");
    std::fs::write(&toml, "").unwrap();
    until_message(&fuse, "version two").await;
    fuse.logged("\"settings\":\"state.keep\"").await;
}

/// A fuse can be switched off while somebody edits the rules, and not on.
#[tokio::test]
async fn a_fuse_is_switched_off_although_the_rules_are_broken() {
    let fuse = Setup::rules(RULES).toml("").start().await;
    let file = fuse.folder().join("rules/test.rules");
    let toml = fuse.folder().join("fuse.toml");
    assert_eq!(message(&fuse).await, "version one");
    replace(&file, &version(&fuse, "version two").replace("rule r {", "rule r { when"));
    replace(&toml, "[fuses]\nline = false\n");
    until_message(&fuse, "gated").await;
    assert_eq!(
        fuse.metric("fuse_fuse_on{fuse=\"line\",origin=\"configuration\"}").await,
        Some(0.0)
    );
    let ready = fuse.admin("/readyz").await.json();
    let warning = ready["warnings"][0].as_str().unwrap();
    assert!(warning.ends_with("(E0101); switched off nevertheless: line"), "{warning}");

    replace(&toml, "[fuses]\nline = true\n");
    assert_eq!(reload(&fuse).await.status, 422);
    assert_eq!(message(&fuse).await, "gated");
    replace(&file, &version(&fuse, "version two"));
    until_message(&fuse, "version two").await;
}

/// 500 events per second while rules, a port and a route change: every event is accepted, nothing grows, and what was
/// accepted before a crash in the middle of a reload is decided after it.
#[tokio::test]
async fn reloads_under_load_lose_nothing() {
    const RELOADS: usize = 60;
    const SENDERS: u64 = 8;
    let mut fuse = Setup::rules(RULES).start().await;
    let file = fuse.folder().join("rules/test.rules");
    let moving = [fuse.port(12_001), fuse.port(12_002)];
    let rules: Vec<String> = (0..4)
        .map(|n| {
            let other = moving[n % 2];
            let source =
                format!("source m{n} webhook {{ port = {other}, path = \"/m\", event x }}\n");
            version(&fuse, &format!("version {n}")) + &source
        })
        .collect();
    let url = fuse.url(DOOR.0, DOOR.1);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut sending = tokio::task::JoinSet::new();
    // Together 500 events per second, unless the machine is too busy.
    for _ in 0..SENDERS {
        let (url, stopped) = (url.clone(), stopped.clone());
        sending.spawn(async move {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut every = tokio::time::interval(Duration::from_millis(2 * SENDERS));
            let mut answers = Vec::new();
            while !*stopped.borrow() {
                every.tick().await;
                let answer = client.post(&url).body("{}").send().await.expect("not refused");
                answers.push((answer.status().as_u16(), answer.text().await.unwrap()));
            }
            answers
        });
    }
    let mut reloaded = 0;
    let mut used = Vec::new();
    for n in 0..RELOADS {
        replace(&file, &rules[n % rules.len()]);
        let reply = reload(&fuse).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reloaded += usize::from(!reply.json()["changes"]["changed"].as_array().unwrap().is_empty());
        if n == RELOADS / 3 || n + 1 == RELOADS {
            used.push(fuse.resources());
        }
    }
    assert!(reloaded > RELOADS / 2, "{reloaded}");
    stop.send(true).unwrap();
    let mut ids = Vec::new();
    for (status, text) in sending.join_all().await.into_iter().flatten() {
        assert_eq!(status, 202, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        ids.push(answer["event"].as_str().unwrap().to_owned());
    }
    // Threads come and go with the load; files do, too, but not by the number of reloads.
    let [before, after] = used.as_slice() else { panic!() };
    assert!(after.files <= before.files + 20, "{used:?}");
    assert!(after.kibibytes < before.kibibytes * 3 / 2 + 8_192, "{used:?}");

    // Each event was decided once.
    let decided = "fuse_events_decided_total{source=\"q\",event=\"e\"}";
    let all = Some(ids.len() as f64);
    until("all are decided", async || (fuse.metric(decided).await >= all).then_some(())).await;
    assert_eq!(fuse.metric(decided).await, all);

    // The process is killed while it reloads many rules.
    let mut late = Vec::new();
    for _ in 0..20 {
        late.push(fuse.post(DOOR, "{}").await.event(202));
    }
    let many: String = (0..3_000)
        .map(|n| {
            format!("sensor x{n} on m1.x {{ rule r {{ when body.n == {n}  trigger log {{ message = \"x\" }} }} }}\n")
        })
        .collect();
    let reloads = |fuse: &Fuse| fuse.log().matches("\"reloaded\"").count();
    let before = reloads(&fuse);
    replace(&file, &(rules[1].clone() + &many));
    fuse.hang_up();
    late.push(fuse.post(DOOR, "{}").await.event(202));
    fuse.kill();
    assert_eq!(reloads(&fuse), before, "the reload has not ended");
    fuse.start_again().await;
    for id in late.iter().chain(ids.iter().step_by(10)) {
        let report = fuse.settled(id).await;
        let decisions = report["decisions"].as_array().unwrap();
        assert_eq!((decisions.len(), &decisions[0]["outcome"]), (1, &"fired".into()), "{report}");
    }
    let backlog = "fuse_backlog_events";
    until("all are settled", async || (fuse.metric(backlog).await == Some(0.0)).then_some(()))
        .await;
}
