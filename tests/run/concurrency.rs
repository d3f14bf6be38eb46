use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::support::{Fuse, Setup, decision, until};

const DOOR: (u16, &str) = (12_000, "/q");

/// A server whose requests the test answers.
struct Backend(TcpListener);

impl Backend {
    /// The text of the next request, and the connection on which it waits for the answer.
    async fn request(&self) -> (String, TcpStream) {
        let (mut stream, _) = until("a request", async || self.0.accept().ok()).await;
        stream.set_nonblocking(false).unwrap();
        let (mut request, mut byte) = (Vec::new(), [0]);
        while !String::from_utf8_lossy(&request).ends_with('}') {
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        let request = String::from_utf8(request).unwrap();
        (request.lines().last().unwrap().to_owned(), stream)
    }
}

fn answer(mut stream: TcpStream) {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
}

async fn sent(fuse: &Fuse, id: &str, rule: &str) -> Value {
    fuse.post(DOOR, json!({ "id": id, "app": "web", "rule": rule }).to_string()).await.event(202);
    until("it is decided", async || {
        let report = fuse.admin(&format!("/decisions?event={id}")).await.json();
        (report["event"]["state"] != "queued").then_some(report)
    })
    .await
}

fn outcome(report: &Value, rule: &str) -> (String, String) {
    let decision = decision(report, rule, None);
    let text = |key: &str| decision[key].as_str().unwrap().to_owned();
    (text("outcome"), text("reason"))
}

/// The place of a request that is on its way is kept across a kill, and then goes to the first one that waits.
#[tokio::test]
async fn a_place_is_kept_across_a_kill_and_then_goes_to_the_next() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let backend = Backend(listener);
    let rules = format!(
        "limiter one {{ concurrency 1 }}
source q webhook {{ port = 12000, path = \"/q\", id = body.id, event e : {{ id: string, app: string, rule: string }} }}
sensor s on q.e {{
  rule queue {{
    when body.rule == \"queue\"
    concurrency one per body.app
    trigger http {{ url = \"{url}\", repeat = true, json = {{ id = body.id }} }}
  }}
  rule skip {{
    when body.rule == \"skip\"
    concurrency one per body.app else skip
    trigger http {{ url = \"{url}\", repeat = true, json = {{ id = body.id }} }}
  }}
}}"
    );
    let mut fuse = Setup::rules(&rules).no_cluster().start().await;
    sent(&fuse, "a", "queue").await;
    let (first, stream) = backend.request().await;
    assert_eq!(first, r#"{"id":"a"}"#);
    for id in ["c", "b"] {
        let (outcome, why) = outcome(&sent(&fuse, id, "queue").await, "queue");
        assert_eq!(outcome, "waiting");
        let full = "waits for a place: 1 of 1 in progress, the oldest for event `a` since 20";
        assert!(why.starts_with(&format!("`concurrency one per \"web\"` {full}")), "{why}");
    }
    let (skipped, why) = outcome(&sent(&fuse, "d", "skip").await, "skip");
    assert_eq!(skipped, "suppressed");
    assert!(why.contains("else skip` is reached: 1 of 1 in progress"), "{why}");
    assert_eq!(fuse.metric("fuse_waiting_decisions").await, Some(2.0));

    fuse.kill();
    drop(stream);
    fuse.start_again().await;
    let (again, stream) = backend.request().await;
    assert_eq!(again, r#"{"id":"a"}"#);
    assert_eq!(outcome(&sent(&fuse, "e", "skip").await, "skip").0, "suppressed");
    answer(stream);
    // They arrived in this order.
    for id in ["c", "b"] {
        let (request, stream) = backend.request().await;
        assert_eq!(request, format!(r#"{{"id":"{id}"}}"#));
        assert!(backend.0.accept().is_err(), "two requests at once");
        answer(stream);
    }
    for id in ["a", "b", "c"] {
        let report = fuse.settled(id).await;
        assert_eq!(outcome(&report, "queue").0, "fired", "{report:#}");
    }
    sent(&fuse, "f", "skip").await;
    let (request, stream) = backend.request().await;
    assert_eq!(request, r#"{"id":"f"}"#);
    answer(stream);
    assert_eq!(outcome(&fuse.settled("f").await, "skip").0, "fired");
}
