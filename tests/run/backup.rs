//! `fuse state backup`, `verify` and `restore`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Fuse, Setup, until};

const DOOR: (u16, &str) = (12_000, "/q");
const RULES: &str = "source q webhook { port = 12000, path = \"/q\", id = body.id, event e : { id: string, app: string } }
sensor s on q.e {
  rule first {
    once per body.app within 4h
    trigger log { message = \"first ${body.app}\" }
  }
  rule later {
    when body.app == \"slow\"
    quiet 1h per body.app
    trigger log { message = \"later ${body.app}\" }
  }
}";

async fn sent(fuse: &Fuse, id: &str, app: &str) {
    fuse.post(DOOR, json!({ "id": id, "app": app }).to_string()).await.event(202);
    until("it is decided", async || {
        let report = fuse.admin(&format!("/decisions?event={id}")).await.json();
        (report["event"]["state"] != "queued").then_some(())
    })
    .await;
}

/// What is on record about an event.
async fn record(fuse: &Fuse, id: &str) -> Value {
    fuse.admin(&format!("/decisions?event={id}")).await.json()["decisions"].take()
}

fn told(fuse: &Fuse, arguments: &[&str], code: i32) -> Value {
    let (found, said) = fuse.command(&[arguments, &["--format", "json"]].concat());
    assert_eq!(found, Some(code), "{said}");
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"))
}

#[tokio::test]
async fn a_backup_of_a_running_fuse_is_put_back_after_a_loss() {
    let mut fuse = Setup::rules(RULES).no_cluster().start().await;
    let server = fuse.server();
    for (id, app) in [("a", "web"), ("b", "slow")] {
        sent(&fuse, id, app).await;
    }
    fuse.settled("a").await;
    let before = [record(&fuse, "a").await, record(&fuse, "b").await];
    // Events arrive while the copy is made.
    let load = async {
        for number in 0..200 {
            let body = json!({ "id": format!("n{number}"), "app": "web" }).to_string();
            fuse.post(DOOR, body).await.event(202);
        }
    };
    let copied = async {
        let folder = fuse.folder().to_owned();
        let server = server.clone();
        let command = move || {
            std::process::Command::new(env!("CARGO_BIN_EXE_fuse"))
                .args(["state", "backup", "kept.redb", "--format", "json", "--server", &server])
                .current_dir(folder)
                .output()
                .unwrap()
        };
        tokio::task::spawn_blocking(command).await.unwrap()
    };
    let ((), output) = tokio::join!(load, copied);
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["events"].as_u64() >= Some(2) && report["damaged"] == 0, "{report:#}");
    let again = ["state", "backup", "kept.redb", "--server", &server];
    let (code, why) = fuse.command(&again);
    assert!(code == Some(2) && why.contains("there is such a file already"), "{why}");
    assert_eq!(fuse.command(&["state", "restore", "kept.redb", "--state", ".fuse"]).0, Some(2));

    // The machine is lost.
    fuse.kill();
    let (code, why) = fuse.command(&["state", "verify", ".fuse"]);
    assert!(code == Some(2) && why.contains("its fuse was killed"), "{why}");
    std::fs::rename(fuse.folder().join(".fuse"), fuse.folder().join("lost")).unwrap();
    assert_eq!(told(&fuse, &["state", "verify", "kept.redb"], 0)["events"], report["events"]);
    let restored = told(&fuse, &["state", "restore", "kept.redb", "--state", ".fuse"], 0);
    assert_eq!(restored["events"], report["events"]);
    fuse.start_again().await;
    assert_eq!([record(&fuse, "a").await, record(&fuse, "b").await], before);
    // It is known, `once` holds, and what waits goes on waiting.
    fuse.post(DOOR, json!({ "id": "a", "app": "web" }).to_string()).await.event(200);
    sent(&fuse, "c", "web").await;
    let decisions = record(&fuse, "c").await;
    assert_eq!(decisions[0]["outcome"], "suppressed", "{decisions:#}");
    let (_, waiting) = fuse.command(&["waiting", "--server", &fuse.server()]);
    assert!(waiting.contains("s/later"), "{waiting}");

    // A stopped fuse is copied, too. Its copy is checked like any other.
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));
    let stopped = told(&fuse, &["state", "backup", "stopped.redb", "--state", ".fuse"], 0);
    assert_eq!(told(&fuse, &["state", "verify", ".fuse"], 0)["events"], stopped["events"]);
    let file = fuse.folder().join("stopped.redb");
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(12).position(|text| text == b"\"app\":\"slow\"").unwrap();
    bytes[at + 8] = b'f';
    std::fs::write(&file, &bytes).unwrap();
    let damaged = told(&fuse, &["state", "verify", "stopped.redb"], 1);
    assert_eq!(damaged["damaged"], 1, "{damaged:#}");
    assert!(damaged["problems"][0].as_str().unwrap().contains("checksum"), "{damaged:#}");
    std::fs::write(&file, b"something else").unwrap();
    let (code, why) = fuse.command(&["state", "verify", "stopped.redb"]);
    assert!(code == Some(2) && why.contains("stopped.redb"), "{why}");
}

#[tokio::test]
async fn a_backup_needs_the_right_to_read_bodies() {
    let fuse = Setup::rules(RULES).start().await;
    let refused = fuse.admin_as(Method::GET, "/state/backup", None, "").await;
    assert_eq!(refused.status, 401);
    let (code, why) =
        fuse.command(&["state", "backup", "kept.redb", "--server", "http://127.0.0.1:1"]);
    assert!(code == Some(2) && why.contains("no fuse responds"), "{why}");
    assert!(!fuse.folder().join("kept.redb").exists());
}

#[tokio::test]
async fn the_state_of_a_stopped_fuse_is_exported_and_compacted() {
    let mut fuse = Setup::rules(RULES).no_cluster().start().await;
    sent(&fuse, "a", "web").await;
    sent(&fuse, "b", "slow").await;
    fuse.settled("a").await;
    // fuse is still running.
    let (code, why) = fuse.command(&["state", "export", "--state", ".fuse"]);
    assert!(code == Some(2) && why.contains("in use by another process"), "{why}");
    // What was answered is there, whether or not the process had the time to close the state.
    fuse.kill();
    let (code, text) = fuse.command(&["state", "export", "--state", ".fuse"]);
    assert_eq!(code, Some(0), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<_> = lines.iter().map(|line| line["event"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["b", "a"]);
    assert_eq!(lines[1]["event"]["body"], json!({ "id": "a", "app": "web" }).to_string());
    assert_eq!(lines[1]["decisions"][0]["outcome"], "fired", "{:#}", lines[1]);
    assert_eq!(lines[0]["decisions"].as_array().unwrap().len(), 2, "{:#}", lines[0]);

    let sizes = told(&fuse, &["state", "compact", "--state", ".fuse"], 0);
    assert!(sizes["after"].as_u64().unwrap() <= sizes["before"].as_u64().unwrap(), "{sizes}");
    assert_eq!(told(&fuse, &["state", "verify", ".fuse"], 0)["events"], 2);
    let (code, why) = fuse.command(&["state", "export", "--state", "elsewhere"]);
    assert!(code == Some(2) && why.contains("`elsewhere` contains no fuse state"), "{why}");
    assert!(!fuse.folder().join("elsewhere").exists());
}
