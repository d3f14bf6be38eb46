//! Reloads of a whole runtime.

mod credentials;
mod idle;
mod loads;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::schema::Schema;
use fuse_rules::{Fuses, Ruleset};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{LoadedRules, ReloadError, ReloadReport};
use crate::backend::Backend as _;
use crate::engine::Policy;
use crate::ledger::{ActionState, EventRecord};
use crate::sources::{Incoming, SourceError, Sources, Webhook};
use crate::testing::MemoryBackend;
use crate::triggers::{ActionRequest, Done, Failure, Log, Probe, RenderError, Trigger, Triggers};
use crate::{Running, Runtime, registry};

/// Fails with these failures, and then succeeds.
struct Failing(Mutex<VecDeque<Failure>>);

#[async_trait]
impl Trigger for Failing {
    fn schema(&self) -> Schema {
        Schema::new("failing", "Fails at first.")
    }

    fn render(&self, _: &ActionRequest) -> Result<serde_json::Value, RenderError> {
        Ok(serde_json::Value::Null)
    }

    async fn fire(&self, _: &ActionRequest) -> Result<Done, Failure> {
        let failure = self.0.lock().unwrap().pop_front();
        failure.map_or_else(|| Ok(Done::new("done")), Err)
    }

    async fn probe(&self, _: &ActionRequest) -> Probe {
        Probe::Absent
    }
}

/// A runtime on loopback, whose rules a test replaces.
struct Reloaded {
    running: Running,
    backend: MemoryBackend,
    kinds: fuse_rules::Registry,
}

impl Reloaded {
    async fn start(rules: &str, failures: Vec<Failure>) -> Self {
        Self::start_with(rules, failures, |runtime| runtime).await
    }

    async fn start_with(
        rules: &str,
        failures: Vec<Failure>,
        set: impl FnOnce(Runtime) -> Runtime,
    ) -> Self {
        let sources = Sources::new().with("webhook", Webhook::new(LOOPBACK));
        let triggers = Triggers::new().with(Log).with(Failing(Mutex::new(failures.into())));
        let kinds = registry(&sources, &triggers);
        let backend = MemoryBackend::new();
        let soon = Duration::from_millis(5);
        let policy = Policy { backoff: soon, recheck: soon, ..Policy::default() };
        let ruleset = Ruleset::parse("test.rules", rules, &kinds).unwrap();
        let runtime = Runtime::new(ruleset, sources, triggers).policy(policy);
        let running = set(runtime).start(backend.clone()).await.unwrap();
        Self { running, backend, kinds }
    }

    async fn reload(&self, rules: &str) -> Result<ReloadReport, ReloadError> {
        self.reload_with(rules, Fuses::default()).await
    }

    async fn reload_with(&self, rules: &str, fuses: Fuses) -> Result<ReloadReport, ReloadError> {
        let ruleset = Ruleset::parse("test.rules", rules, &self.kinds)?;
        self.running.reloader().apply(LoadedRules::new(ruleset, fuses)).await
    }

    /// The record of an event, once this is true of it.
    async fn record(&self, id: &str, is: impl Fn(&EventRecord) -> bool) -> EventRecord {
        loop {
            let mut found = self.backend.ledger().find(id).await.unwrap();
            if let Some(record) = found.pop().filter(&is) {
                return record;
            }
            tokio::task::yield_now().await;
        }
    }
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A port that is free now.
async fn free_port() -> u16 {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

/// Posts over an open connection: the status and the event's id.
async fn post(connection: &mut TcpStream, path: &str) -> (u16, String) {
    post_as(connection, path, "", "{}").await
}

/// The same with lines of the head and a body.
async fn post_as(connection: &mut TcpStream, path: &str, head: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{head}\r\n{body}"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let mut chunk = [0; 1024];
        let count = connection.read(&mut chunk).await.unwrap();
        assert!(count > 0, "the connection is closed");
        answer.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.ends_with('}')
        {
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            return (status, body["event"].as_str().unwrap_or_default().to_owned());
        }
    }
}

fn source(name: &str, port: u16, event: &str) -> String {
    format!("source {name} webhook {{ port = {port}, event {event} {{ path = \"/{event}\" }} }}\n")
}

fn sensor(rule: &str, event: &str, message: &str) -> String {
    format!(
        "sensor s-{rule} on {event} {{ rule {rule} {{ trigger log {{ message = \"{message}\" }} }} }}\n"
    )
}

#[tokio::test]
async fn ports_open_and_close_and_connections_stay() {
    let (stays, closes, opens) = (free_port().await, free_port().await, free_port().await);
    let first = source("a", stays, "x") + &source("b", closes, "y") + &sensor("r", "a.x", "one");
    let fuse = Reloaded::start(&first, Vec::new()).await;
    let mut connection = TcpStream::connect((LOOPBACK, stays)).await.unwrap();
    let (status, id) = post(&mut connection, "/x").await;
    assert_eq!(status, 202);
    let old = fuse.record(&id, |record| record.decided.is_some()).await;
    assert_eq!(post(&mut connection, "/z").await.0, 404);

    let second = source("a", stays, "x")
        + &source("c", opens, "y")
        + &source("d", stays, "z")
        + &sensor("r", "a.x", "two")
        + &sensor("new", "d.z", "three");
    let report = fuse.reload(&second).await.unwrap();
    let at = |what: &str, port, path: &str| format!("{what} at POST http://127.0.0.1:{port}{path}");
    assert_eq!(report.changes.opened, [at("c.y", opens, "/y"), at("d.z", stays, "/z")]);
    assert_eq!(report.changes.closed, [at("b.y", closes, "/y")]);
    assert_eq!(
        (report.changes.added, report.changes.changed),
        (vec!["s-new/new".into()], vec!["s-r/r".into()])
    );
    assert_ne!(Some(&report.hash), old.plan.as_ref());

    // The connection that was open before reaches the new routes.
    for path in ["/x", "/z"] {
        let (status, id) = post(&mut connection, path).await;
        assert_eq!(status, 202, "{path}");
        let new = fuse.record(&id, |record| record.decided.is_some()).await;
        assert_eq!((new.plan.as_ref(), new.decisions.len()), (Some(&report.hash), 1));
    }
    let mut other = TcpStream::connect((LOOPBACK, opens)).await.unwrap();
    assert_eq!(post(&mut other, "/y").await.0, 202);
    while TcpStream::connect((LOOPBACK, closes)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    // A port that was just closed can be opened again.
    fuse.reload(&first).await.unwrap();
    assert_eq!(post(&mut TcpStream::connect((LOOPBACK, closes)).await.unwrap(), "/y").await.0, 202);
    assert!(fuse.running.stop().await);
}

#[tokio::test]
async fn a_reload_that_fails_changes_nothing() {
    let (stays, opens) = (free_port().await, free_port().await);
    let first = source("a", stays, "x") + &sensor("r", "a.x", "one");
    let fuse = Reloaded::start(&first, Vec::new()).await;
    let mut connection = TcpStream::connect((LOOPBACK, stays)).await.unwrap();
    let in_use = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let used = in_use.local_addr().unwrap();
    // The new port comes before the one that is in use.
    let second = sensor("r", "a.x", "two")
        + &source("a", stays, "x")
        + &source("b", opens.min(used.port()), "y")
        + &source("c", opens.max(used.port()), "z");
    let failed = fuse.reload(&second).await.unwrap_err();
    assert!(
        matches!(
            &failed,
            ReloadError::Source(error)
                if matches!(**error, SourceError::Listen { address, .. } if address == used)
        ),
        "{failed}"
    );
    let warning = fuse.running.reloader().warning().unwrap();
    assert!(
        warning.starts_with(
            "the last reload failed, so the rules in use may be old: cannot listen on"
        ),
        "{warning}"
    );
    assert!(TcpStream::connect((LOOPBACK, opens)).await.is_err(), "nothing stays open");
    let (status, id) = post(&mut connection, "/x").await;
    assert_eq!(status, 202);
    let record = fuse.record(&id, |record| !record.actions.is_empty()).await;
    assert_eq!(record.actions[0].action.fields["message"], "one");

    let none = fuse.running.reloader().reload().await;
    assert!(matches!(none, Err(ReloadError::NoLoader)));

    drop(in_use);
    fuse.reload(&second).await.unwrap();
    assert_eq!(fuse.running.reloader().warning(), None);
    assert!(TcpStream::connect(SocketAddr::new(LOOPBACK, opens)).await.is_ok());
    assert!(fuse.running.stop().await);
}

#[tokio::test]
async fn an_event_whose_source_is_gone_is_a_dead_letter() {
    let port = free_port().await;
    let gone = source("a", port, "x") + &sensor("r", "a.x", "one");
    let fuse = Reloaded::start(&gone, Vec::new()).await;
    fuse.reload("").await.unwrap();
    // As if it had been accepted before, and not decided.
    let accepted = fuse.running.intake().accept(Incoming::json("a", "x", "{}")).await.unwrap();
    let record = fuse.record(&accepted.id, |record| record.acked).await;
    let why = "the rules no longer declare the event `a.x`; they did when it was accepted";
    assert_eq!(record.rejected.as_deref(), Some(why));
    assert_eq!(fuse.backend.ledger().counts().await.unwrap().dead_letters, 1);
    // The same source and port again.
    fuse.reload(&gone).await.unwrap();
    let mut connection = TcpStream::connect((LOOPBACK, port)).await.unwrap();
    assert_eq!(post(&mut connection, "/x").await.0, 202);
    assert!(fuse.running.stop().await);
}

#[tokio::test]
async fn fuses_switch_and_actions_of_former_rules_go_on() {
    let port = free_port().await;
    let rules = "fuse line default on\n".to_owned()
        + &source("a", port, "x")
        + "sensor s on a.x { rule held { requires line  trigger failing {} } }";
    let away = || Failure::Retryable {
        reason: "the backend is away".into(),
        maybe_applied: false,
        after: None,
    };
    let fuse = Reloaded::start(&rules, vec![away(), away(), away()]).await;
    let mut connection = TcpStream::connect((LOOPBACK, port)).await.unwrap();
    let (_, id) = post(&mut connection, "/x").await;
    fuse.record(&id, |record| record.actions.iter().any(|one| one.off_bus)).await;

    // The fuse is off: the action that is retried is held by it, and a new event is gated.
    let report = fuse.reload_with(&rules, Fuses::default().set("line", false)).await.unwrap();
    assert_eq!(report.changes.fuses[0].to_string(), "line is off now");
    fuse.record(&id, |record| {
        matches!(&record.actions[0].state, ActionState::Held { fuses, .. } if fuses == &["line"])
    })
    .await;
    let (_, gated) = post(&mut connection, "/x").await;
    let gated = fuse.record(&gated, |record| record.decided.is_some()).await;
    assert_eq!(gated.decisions[0].outcome, fuse_rules::Outcome::Gated);

    // The rule is gone, and its fuse on: the action is performed as it was decided.
    let without = "fuse line default on\n".to_owned() + &source("a", port, "x");
    let report = fuse.reload(&without).await.unwrap();
    assert_eq!(report.changes.removed, ["s/held"]);
    fuse.record(&id, |record| matches!(record.actions[0].state, ActionState::Done { .. })).await;
    assert!(fuse.running.stop().await);
}

/// The id of an event is found by the rules that its route belongs to, also if they were not in use yet when the
/// first port was opened.
#[tokio::test]
async fn the_first_source_that_a_reload_adds_recognizes_repeated_events() {
    let port = free_port().await;
    let fuse = Reloaded::start("", Vec::new()).await;
    let rules = format!(
        "source q webhook {{ port = {port}, path = \"/e\", id = body.id
           event a {{ when body.kind == \"a\" }}
           event b {{ when body.kind == \"b\" }}
         }}
         sensor s on q.b {{ rule r {{ trigger log {{ message = \"b\" }} }} }}"
    );
    fuse.reload(&rules).await.unwrap();
    let mut connection = TcpStream::connect((LOOPBACK, port)).await.unwrap();
    let body = r#"{"id":"7","kind":"b"}"#;
    let (status, id) = post_as(&mut connection, "/e", "", body).await;
    assert_eq!(status, 202);
    assert_eq!(post_as(&mut connection, "/e", "", body).await, (200, id.clone()));
    let record = fuse.record(&id, |record| record.decided.is_some()).await;
    assert_eq!(record.decisions.len(), 1, "the second event of the address");
    assert!(fuse.running.stop().await);
}

/// Events are sent over one connection while ports, routes and rules change many times.
#[tokio::test]
async fn many_reloads_lose_no_event_and_leave_no_task() {
    const RELOADS: usize = 300;
    let (stays, moves) = (free_port().await, [free_port().await, free_port().await]);
    let version = |n: usize| {
        let mut rules = source("a", stays, "x");
        rules += &sensor("r", "a.x", &format!("version {}", n % 7));
        rules += &source("b", moves[n % 2], "y");
        rules
    };
    let fuse = Reloaded::start(&version(0), Vec::new()).await;
    // Those of all ports and connections are included.
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut open = Vec::new();
    for (port, path) in [(stays, "/x"), (moves[0], "/y")] {
        let mut connection = TcpStream::connect((LOOPBACK, port)).await.unwrap();
        assert_eq!(post(&mut connection, path).await.0, 202);
        open.push(connection);
    }
    let tasks = alive();
    let sent = async {
        let mut connection = TcpStream::connect((LOOPBACK, stays)).await.unwrap();
        let mut ids = Vec::new();
        loop {
            let (status, id) = post(&mut connection, "/x").await;
            assert_eq!(status, 202);
            ids.push(id);
            if fuse.running.reloader().warning().is_some() {
                return ids;
            }
        }
    };
    let reloads = async {
        for n in 1..=RELOADS {
            fuse.reload(&version(n)).await.unwrap();
        }
        // Ends the sender: a reload that fails leaves a warning.
        let unknown = fuse.kinds.clone().trigger(Schema::new("none", ""));
        let rules = version(0) + "sensor n on a.x { rule r { trigger none {} } }";
        let ruleset = Ruleset::parse("test.rules", &rules, &unknown).unwrap();
        let rules = LoadedRules::new(ruleset, Fuses::default());
        let failed = fuse.running.reloader().apply(rules).await.unwrap_err();
        assert!(matches!(failed, ReloadError::UnknownKind { what: "trigger", .. }), "{failed}");
    };
    let (ids, ()) = tokio::join!(sent, reloads);
    for id in &ids {
        let record = fuse.record(id, |record| record.acked).await;
        assert_eq!((record.decisions.len(), record.rejected), (1, None), "{id}");
    }
    assert!(ids.len() > RELOADS / 10, "{} events", ids.len());
    let ended = async {
        while alive() > tasks {
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
    assert!(ended.is_ok(), "{} tasks, and {tasks} before", alive());
    assert!(fuse.running.stop().await);
}
