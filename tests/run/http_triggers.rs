//! The triggers that send HTTP requests, from a process without a cluster.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};

use crate::support::{Fuse, Setup, until};

/// A server that answers each request in turn; the last answer stays.
pub(super) struct Server {
    pub(super) url: String,
    /// The heads and bodies of the requests.
    arrived: Arc<Mutex<Vec<String>>>,
}

/// What a server does with a request.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    Status(&'static str),
    /// This status, with this JSON.
    Json(&'static str, &'static str),
    /// It closes the connection after it has read the request.
    Lost,
    /// It does not answer, and keeps the connection.
    Never,
}

impl Server {
    pub(super) fn start(answers: &'static [Answer]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let arrived: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&arrived);
        std::thread::spawn(move || {
            let mut unanswered = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut chunk = [0; 4096];
                while !is_whole(&request) {
                    match stream.read(&mut chunk) {
                        Ok(count @ 1..) => request.extend_from_slice(&chunk[..count]),
                        _ => break,
                    }
                }
                let mut kept = kept.lock().unwrap();
                let answer = answers.get(kept.len()).or(answers.last()).unwrap();
                kept.push(String::from_utf8(request).unwrap());
                let (status, body) = match answer {
                    Answer::Status(status) => (status, ""),
                    Answer::Json(status, body) => (status, *body),
                    Answer::Lost => continue,
                    Answer::Never => {
                        unanswered.push(stream);
                        continue;
                    }
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            }
        });
        Self { url, arrived }
    }

    pub(super) fn arrived(&self) -> Vec<String> {
        self.arrived.lock().unwrap().clone()
    }

    /// The value of a header in each request.
    pub(super) fn header(&self, name: &str) -> Vec<String> {
        let value = |request: &String| {
            let mut lines = request.lines();
            lines.find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
        };
        self.arrived().iter().map(|request| value(request).unwrap_or_default()).collect()
    }
}

/// Whether a request has arrived with its body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

fn rules(server: &Server, fields: &str) -> Setup {
    reacting(server, fields, "")
}

/// The same for a rule with these reactions.
fn reacting(server: &Server, fields: &str, reactions: &str) -> Setup {
    let url = &server.url;
    let rules = format!(
        r#"
        source ci webhook {{ port = 12000, path = "/ci", event failed }}
        fuse tickets default on
        sensor s on ci.failed {{
          requires tickets
          rule r {{
            trigger http {{
              url = "{url}"
              path = ["apps", body.app]
              auth {{ bearer {{ token = env("TICKETS_TOKEN") }} }}
              json = {{ app = body.app }}
              {fields}
            }}
            {reactions}
          }}
        }}"#
    );
    Setup::rules(&rules).no_cluster()
}

async fn failed(fuse: &Fuse) -> String {
    fuse.post((12_000, "/ci"), r#"{"app": "a/b"}"#).await.event(202)
}

#[tokio::test]
async fn a_request_is_sent_without_a_cluster_and_again_after_a_temporary_failure() {
    let server = Server::start(&[
        Answer::Status("503 Busy\r\nretry-after: 0"),
        Answer::Status("201 Created"),
    ]);
    let fuse = rules(&server, "").variable("TICKETS_TOKEN", "s3cr3t").start().await;
    assert!(
        fuse.log().contains("no cluster is configured, and the rules need none"),
        "{}",
        fuse.log()
    );
    let event = failed(&fuse).await;
    // A server that is busy may have done it, for all that fuse knows.
    let decided = fuse.settled(&event).await.to_string();
    assert!(decided.contains("uncertain") && decided.contains("set `repeat = true`"), "{decided}");
    assert_eq!(server.arrived().len(), 1);

    let server = Server::start(&[
        Answer::Status("503 Busy\r\nretry-after: 0"),
        Answer::Lost,
        Answer::Status("201 Created"),
    ]);
    let fuse = rules(&server, "repeat = true").variable("TICKETS_TOKEN", "s3cr3t").start().await;
    let event = failed(&fuse).await;
    let decided = fuse.settled(&event).await.to_string();
    assert!(decided.contains("/apps/a%2Fb: 201 Created"), "{decided}");
    let arrived = server.arrived();
    assert_eq!(arrived.len(), 3, "{arrived:?}");
    assert!(arrived[0].starts_with("POST /apps/a%2Fb HTTP/1.1\r\n"), "{arrived:?}");
    assert!(arrived[0].ends_with("{\"app\":\"a/b\"}"), "{arrived:?}");
    assert_eq!(server.header("authorization"), ["Bearer s3cr3t"; 3]);
    let keys = server.header("idempotency-key");
    assert!(keys[0].len() == 64 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert!(!fuse.log().contains("s3cr3t") && !decided.contains("s3cr3t"), "{}", fuse.log());
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_with_the_process_is_sent_once() {
    // The server answers nothing, so that the process ends while it waits.
    let server = Server::start(&[Answer::Lost]);
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", held.local_addr().unwrap());
    for (fields, repeats) in [("", false), ("repeat = true", true)] {
        let setup = rules(&server, fields).with(&server.url, &url);
        let mut fuse = setup.variable("TICKETS_TOKEN", "s3cr3t").start().await;
        let event = failed(&fuse).await;
        let (mut first, _) = held.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !is_whole(&request) {
            first.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        fuse.kill();
        drop(first);
        held.set_nonblocking(true).unwrap();
        fuse.start_again().await;
        let second = if repeats {
            let second = until("it is sent again", async || held.accept().ok()).await;
            Some(second)
        } else {
            let decided = fuse.settled(&event).await.to_string();
            assert!(decided.contains("uncertain"), "{decided}");
            held.accept().ok()
        };
        assert_eq!(second.is_some(), repeats);
        held.set_nonblocking(false).unwrap();
        fuse.kill();
        drop(second);
    }
}

#[tokio::test]
async fn what_is_kept_of_a_response_is_on_record_and_read_by_reactions() {
    let server = Server::start(&[
        Answer::Json(
            "201 Created",
            r#"{"data": {"id": "OPS-7"}, "token": "t0ps3cret", "echo": "s3cr3t"}"#,
        ),
        Answer::Json("422 Unprocessable Content", r#"{"errors": [{"message": "no such app"}]}"#),
    ]);
    let keep = r#"keep { ticket = "data.id", why = "errors[0].message", echo = "echo" }"#;
    let reactions = r#"
        on success { trigger log { message = "opened ${outcome.response.ticket ?? "?"} with ${outcome.response.status}" } }
        on failure { trigger log { message = "not opened: ${outcome.response.status ?? 0} ${outcome.response.why ?? "?"}" } }"#;
    let setup = reacting(&server, keep, reactions).variable("TICKETS_TOKEN", "s3cr3t");
    let mut fuse = setup.start().await;
    let opened = failed(&fuse).await;
    let decided = fuse.settled(&opened).await;
    let response =
        |decided: &serde_json::Value| decided["decisions"][0]["action"]["response"].clone();
    // Only what the rule names is kept, and the secrets of the request are hidden.
    let expected = serde_json::json!({ "status": 201, "ticket": "OPS-7", "echo": "[hidden]" });
    assert_eq!(response(&decided), expected, "{decided}");
    assert!(!decided.to_string().contains("t0ps3cret"), "{decided}");
    fuse.logged("opened OPS-7 with 201").await;

    let refused = failed(&fuse).await;
    let decided = fuse.settled(&refused).await;
    let expected = serde_json::json!({ "status": 422, "why": "no such app" });
    assert_eq!(response(&decided), expected, "{decided}");
    fuse.logged("not opened: 422 no such app").await;

    // The record survives a restart, and nothing reacts again.
    fuse.kill();
    fuse.start_again().await;
    let again = fuse.settled(&refused).await;
    assert_eq!(response(&again), expected, "{again}");
    assert_eq!(again["decisions"].as_array().map(Vec::len), Some(2), "{again}");
    assert_eq!(server.arrived().len(), 2);
}

#[tokio::test]
async fn an_action_waits_for_its_secret_and_its_fuse() {
    let server = Server::start(&[Answer::Status("200 OK")]);
    let mut fuse = rules(&server, "").start().await;
    let event = failed(&fuse).await;
    let why = "environment variable `TICKETS_TOKEN` is not set";
    until("it is held", async || {
        let held = fuse.admin("/held").await.text;
        held.contains(why).then_some(())
    })
    .await;
    assert_eq!(server.arrived().len(), 0);
    fuse.kill();
    fuse.set("TICKETS_TOKEN", "s3cr3t");
    fuse.start_again().await;
    fuse.settled(&event).await;
    assert_eq!(server.arrived().len(), 1);
}
