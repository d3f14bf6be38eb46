//! Messages of one thread, sent to a Slack on this machine.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use fuse_rules::Ruleset;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Silent, panics_once};
use crate::backend::{Backend, Embedded};
use crate::engine::{Policy, Step};
use crate::ledger::EventRecord;
use crate::secrets::{SecretRef, Secrets};
use crate::sources::{Incoming, Sources};
use crate::testing::MemoryBackend;
use crate::triggers::{HttpAddresses, Triggers};
use crate::{Runtime, registry};

const RULES: &str = r##"
source q silent { event e }
sensor s on q.e {
  each x in body
  when x.text is string
  rule reply {
    when x.update == false
    trigger slack {
      token = env("TOKEN"), channel = x.channel, thread-key = "incident ${x.key}", text = x.text
    }
  }
  rule update {
    when x.update == true
    trigger slack {
      token = env("TOKEN"), channel = x.channel, thread-key = "incident ${x.key}", text = x.text
      update = true
    }
  }
}
"##;

/// A Slack that numbers its messages.
#[derive(Default)]
struct Chat {
    /// The methods and bodies of the requests.
    arrived: Vec<(String, Value)>,
    count: usize,
    /// The `ts` that were deleted.
    deleted: Vec<String>,
}

type Shared = Arc<Mutex<Chat>>;

async fn answer(
    State(chat): State<Shared>,
    Path(method): Path<String>,
    Json(body): Json<Value>,
) -> Json<Value> {
    let mut chat = chat.lock().unwrap();
    chat.count += 1;
    let ts = format!("{}.0", chat.count);
    let names = body["ts"].as_str().or(body["thread_ts"].as_str()).map(str::to_owned);
    chat.arrived.push((method, body));
    Json(match names {
        Some(first) if chat.deleted.contains(&first) => {
            json!({ "ok": false, "error": "message_not_found" })
        }
        _ => json!({ "ok": true, "channel": "C1", "ts": ts }),
    })
}

/// The chat, and the address of its API.
async fn chat() -> (Shared, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    let chat = Shared::default();
    let app = Router::new().route("/api/{method}", post(answer)).with_state(Arc::clone(&chat));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (chat, url)
}

/// Runs until this event is settled.
async fn send(opened: impl Backend + Clone, api: &str, id: &str, body: Value) {
    send_with(opened, api, (id, body), None).await;
}

/// The same, with a fault at this step.
async fn send_with(
    opened: impl Backend + Clone,
    api: &str,
    (id, body): (&str, Value),
    panics_once_at: Option<Step>,
) {
    let token = SecretRef::Env { name: "TOKEN".into() };
    let secrets = Secrets::from_map([(token, "xoxb".to_owned())].into());
    let triggers = Triggers::new().with_slack_at(secrets, HttpAddresses::default(), api);
    let sources = Sources::new().with("silent", Silent);
    let ruleset = Ruleset::parse("x.rules", RULES, &registry(&sources, &triggers)).unwrap();
    let soon = Duration::from_millis(1);
    let (watcher, mut stepped) = panics_once(panics_once_at);
    let running = Runtime::new(ruleset, sources, triggers)
        .policy(Policy { backoff: soon, recheck: soon, ..Policy::default() })
        .watcher(watcher)
        .start(opened.clone())
        .await
        .unwrap();
    let body: &'static str = Box::leak(body.to_string().into_boxed_str());
    let event = Incoming { id: Some(id.to_owned()), ..Incoming::json("q", "e", body) };
    running.intake().accept(event).await.unwrap();
    while !opened.ledger().find(id).await.unwrap().iter().all(EventRecord::is_settled) {
        stepped.recv().await.unwrap();
    }
    assert!(running.stop().await, "the stop is in time");
}

fn message(channel: &str, key: u32, text: &str, update: bool) -> Value {
    json!({ "channel": channel, "key": key, "text": text, "update": update })
}

/// The requests: the method, the channel, and the message that they answer or replace.
fn arrived(chat: &Shared) -> Vec<(String, String, String)> {
    let arrived = std::mem::take(&mut chat.lock().unwrap().arrived);
    let of = |(method, body): (String, Value)| {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        (method, text("channel"), text("ts") + &text("thread_ts"))
    };
    arrived.into_iter().map(of).collect()
}

fn request(method: &str, channel: &str, first: &str) -> (String, String, String) {
    (format!("chat.{method}"), channel.to_owned(), first.to_owned())
}

#[tokio::test]
async fn later_messages_answer_or_replace_the_first_one_after_a_restart() {
    let (chat, api) = chat().await;
    let folder = tempfile::tempdir().unwrap();
    for (id, body, expected) in [
        ("1", message("#ops", 7, "down", false), request("postMessage", "#ops", "")),
        ("2", message("#ops", 7, "still down", false), request("postMessage", "C1", "1.0")),
        ("3", message("#ops", 7, "up", true), request("update", "C1", "1.0")),
        // Each key and each channel has a thread of its own.
        ("4", message("#ops", 8, "down", true), request("postMessage", "#ops", "")),
        ("5", message("#dev", 7, "down", false), request("postMessage", "#dev", "")),
    ] {
        let opened = Embedded::open(folder.path()).await.unwrap();
        send(opened, &api, id, json!([body])).await;
        assert_eq!(arrived(&chat), [expected], "{id}");
    }
}

#[tokio::test]
async fn of_messages_at_the_same_time_one_begins_the_thread() {
    let (chat, api) = chat().await;
    let backend = MemoryBackend::new();
    let many: Vec<_> =
        (0..12).map(|number| message("#ops", 7, &number.to_string(), false)).collect();
    send(backend.restarted(), &api, "1", json!(many)).await;
    let found = arrived(&chat);
    assert_eq!(found.first(), Some(&request("postMessage", "#ops", "")));
    assert_eq!(found.len(), 12);
    assert!(
        found.iter().skip(1).all(|one| *one == request("postMessage", "C1", "1.0")),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_thread_whose_first_message_is_lost_begins_again() {
    let (chat, api) = chat().await;
    let backend = MemoryBackend::new();
    let send = async |id: &str, update| {
        send(backend.restarted(), &api, id, json!([message("#ops", 7, "x", update)])).await;
    };
    send("1", false).await;
    chat.lock().unwrap().deleted.push("1.0".into());
    send("2", true).await;
    send("3", false).await;
    let expected = [
        request("postMessage", "#ops", ""),
        request("update", "C1", "1.0"),
        request("postMessage", "#ops", ""),
        request("postMessage", "C1", "3.0"),
    ];
    assert_eq!(arrived(&chat), expected);
}

/// What a crash between the answer of Slack and the commit leads to.
#[tokio::test]
async fn a_first_message_that_is_not_on_record_is_sent_again() {
    let (chat, api) = chat().await;
    let backend = MemoryBackend::new();
    let body = json!([message("#ops", 7, "down", false)]);
    send_with(backend.restarted(), &api, ("1", body.clone()), Some(Step::Fired)).await;
    send(backend.restarted(), &api, "2", body).await;
    let first = request("postMessage", "#ops", "");
    assert_eq!(arrived(&chat), [first.clone(), first, request("postMessage", "C1", "2.0")]);
}
