use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::{NOTIFICATION, Setup, client, parameters};

const EVENTS: usize = 60;
const SENDERS: usize = 6;
const KILL_EVERY: usize = 10;

/// How a sender's event was answered in the end, and how often it had to be sent before.
struct Sent {
    status: u16,
    retries: u32,
}

/// Sends events until none is left. What is not answered is sent again, as senders do.
async fn send(url: String, events: Arc<Mutex<VecDeque<usize>>>, done: mpsc::Sender<Sent>) {
    let client = client();
    loop {
        let Some(event) = events.lock().unwrap().pop_front() else {
            return;
        };
        let body = json!({
            "eventType": "argocd.app.sync.failed", "app": format!("app-{event}"), "namespace": "pay"
        });
        let mut retries = 0;
        let status = loop {
            let request = client
                .post(&url)
                .header("ce-id", event.to_string())
                .header("ce-source", "test")
                .body(body.to_string());
            match request.send().await {
                Ok(response) => break response.status().as_u16(),
                Err(error) if retries == 3_000 => panic!("no answer: {error:?}"),
                Err(_) => retries += 1,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        // Whoever counts waits for all of them.
        done.send(Sent { status, retries }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_kill_9_every_event_has_its_manifest_and_none_has_two() {
    let mut fuse = Setup::seed().armed().start().await;
    let events = Arc::new(Mutex::new((0..EVENTS).collect::<VecDeque<_>>()));
    let (done, mut sent) = mpsc::channel(1);
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let url = fuse.url(NOTIFICATION.0, NOTIFICATION.1);
        senders.spawn(send(url, Arc::clone(&events), done.clone()));
    }
    drop(done);

    let (mut answered, mut known, mut retries, mut kills) = (0, 0, 0, 0);
    let mut seen: BTreeMap<String, std::time::SystemTime> = BTreeMap::new();
    while let Some(one) = sent.recv().await {
        assert!(matches!(one.status, 200 | 202), "{}", one.status);
        answered += 1;
        known += usize::from(one.status == 200);
        retries += one.retries;
        if answered % KILL_EVERY == 0 {
            fuse.kill();
            kills += 1;
            // What is written is never written again.
            for name in fuse.manifests().into_keys() {
                let made = std::fs::metadata(fuse.out().join(&name)).unwrap();
                let made = made.modified().unwrap();
                assert_eq!(*seen.entry(name.clone()).or_insert(made), made, "{name}");
            }
            fuse.start_again().await;
        }
    }
    while let Some(sender) = senders.join_next().await {
        sender.unwrap();
    }
    assert_eq!((answered, kills), (EVENTS, EVENTS / KILL_EVERY));

    for event in 0..EVENTS {
        let report = fuse.settled(&format!("test {event}")).await;
        let [decision] = report["decisions"].as_array().unwrap().as_slice() else {
            panic!("{report:#}");
        };
        assert_eq!(decision["outcome"], "fired", "{report:#}");
        assert_eq!(decision["action"]["state"], "done", "{report:#}");
    }
    let manifests = fuse.manifests();
    let mut written: Vec<(String, String)> = manifests
        .values()
        .map(|object| {
            let event = &object["metadata"]["annotations"]["fuse.rules/event-id"];
            let app = &parameters(object)["app-name"];
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            (text(event), text(app))
        })
        .collect();
    written.sort();
    let mut expected: Vec<(String, String)> =
        (0..EVENTS).map(|event| (format!("test {event}"), format!("app-{event}"))).collect();
    expected.sort();
    assert_eq!(written, expected);
    assert_eq!(fuse.metric("fuse_backlog_events").await, Some(0.0));
    assert_eq!(fuse.metric("fuse_dead_letters").await, Some(0.0));
    println!(
        "{EVENTS} events, {kills} kills, {retries} posts without an answer, {known} answered 200: \
         {} manifests",
        manifests.len()
    );
}
