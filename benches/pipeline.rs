//! What an event costs through the whole runtime: from its HTTP request until it is settled.
//!
//! ```sh
//! cargo bench --bench pipeline [-- CASE]            # a part of the name of a rule
//! FUSE_BENCH_STATE=. cargo bench --bench pipeline   # with the state on the disk of this folder
//! ```
//!
//! Prints events per second, CPU time per event (of all threads, with the sender), and how much of that it takes
//! to validate the body as JSON once. With the environment variable `FUSE_TEST_NATS`, it also prints how many messages per
//! second this nats-server stores on the same disk, if it flushes each of them. The state is on a RAM disk where there is one, and logging is off, so
//! the figures are those of fuse and not of the disk. `benches/process` measures a running process with both.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up must fail loudly")]
#![allow(clippy::print_stdout, reason = "its table is its output")]

#[path = "support/nats.rs"]
mod nats;

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fuse_rules::{Event, Ruleset};
use fuse_runtime::backend::Embedded;
use fuse_runtime::engine::Step;
use fuse_runtime::sources::{Sources, Webhook};
use fuse_runtime::triggers::{ActionFiles, Triggers};
use fuse_runtime::{Runtime, registry};
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// How many connections send events at the same time.
const CONNECTIONS: [usize; 3] = [1, 64, 256];
/// How many events each case sends.
const EVENTS: u64 = 20_000;
/// The bodies, by their sizes in bytes.
const BODIES: [usize; 2] = [200, 9_000];
/// How many different applications the events are about.
const APPS: u64 = 10_000;
/// The triggers and clauses of flow control, each as a rule.
const RULES: [(&str, &str); 5] = [
    ("nothing", r#"rule r { when body.size == 1  trigger log { message = "never" } }"#),
    ("log", r#"rule r { when body.size == 0  trigger log { message = "event ${event.id}" } }"#),
    (
        "log, limited per application",
        r#"rule r {
             when body.size == 0
             limit 3 per 1h per body.app
             trigger log { message = "event ${event.id}" }
           }"#,
    ),
    (
        "log, after a wait",
        r#"rule r {
             when body.size == 0
             quiet 1h per body.app
             trigger log { message = "event ${event.id}" }
           }"#,
    ),
    (
        "manifest",
        r#"rule r {
             when body.size == 0
             trigger job { namespace = "apps", name-prefix = "job-", image = "busybox" }
           }"#,
    ),
];

/// A folder in memory if the machine has one, unless another place is asked for.
fn folder() -> TempDir {
    if let Some(place) = std::env::var_os("FUSE_BENCH_STATE") {
        return TempDir::new_in(place).unwrap();
    }
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// A body of about this many bytes, with many small values as in an alert group.
fn body(bytes: usize) -> String {
    let alert = r#"{"status":"firing","labels":{"severity":"page","team":"db"},"value":12.5}"#;
    let alerts = vec![alert; (bytes / (alert.len() + 1)).saturating_sub(1).max(1)];
    let (text, alerts) = ("x".repeat(68), alerts.join(","));
    format!(r#"{{"size":0,"app":"app-{}","text":"{text}","alerts":[{alerts}]}}"#, app(0))
}

/// The name of the application of an event. All names have the same length.
fn app(event: u64) -> String {
    format!("{:04}", event % APPS)
}

/// Sends events one after the other on a connection, until `next` reaches `last`.
async fn send(port: u16, body: Arc<str>, next: Arc<AtomicU64>, last: u64) {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        // The others were faster, and fuse has stopped.
        assert!(next.load(Ordering::Relaxed) >= last, "fuse does not listen");
        return;
    };
    stream.set_nodelay(true).unwrap();
    let mut answer = [0; 1024];
    let (before, after) = body.split_once(&app(0)).unwrap();
    loop {
        let id = next.fetch_add(1, Ordering::Relaxed);
        if id >= last {
            return;
        }
        let request = format!(
            "POST /e HTTP/1.1\r\nHost: localhost:{port}\r\nce-id: {id}\r\nce-source: bench\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{before}{}{after}",
            body.len(),
            app(id)
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let length = stream.read(&mut answer).await.unwrap();
        let status = answer.get(..length).unwrap_or_default();
        assert!(status.starts_with(b"HTTP/1.1 202"), "{}", String::from_utf8_lossy(status));
    }
}

/// The wall and CPU time of so many events.
async fn measure(rule: &str, body: &str, events: u64, connections: usize) -> (Duration, Duration) {
    let folder = folder();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rules = format!(
        "source q webhook {{\n port = {port}\n path = \"/e\"\n event e\n}}\nsensor s on q.e {{\n{rule}\n}}"
    );
    let sources = Sources::new().with("webhook", Webhook::new(Ipv4Addr::LOCALHOST.into()));
    let triggers = Triggers::local(ActionFiles::new(folder.path().join("manifests")));
    let ruleset = Ruleset::parse("bench.rules", &rules, &registry(&sources, &triggers)).unwrap();
    let (settled, all) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
    let watcher = {
        let (settled, all) = (Arc::clone(&settled), Arc::clone(&all));
        move |step| {
            if step == Step::Acked && settled.fetch_add(1, Ordering::Relaxed) + 1 == events {
                all.notify_one();
            }
        }
    };
    let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let runtime = Runtime::new(ruleset, sources, triggers).admin(admin).watcher(Arc::new(watcher));
    let backend = Embedded::open(&folder.path().join("state")).await.unwrap();
    let running = runtime.start(backend).await.unwrap();
    let (wall, used) = (Instant::now(), cpu());
    let (next, body) = (Arc::new(AtomicU64::new(0)), Arc::<str>::from(body));
    for _ in 0..connections {
        tokio::spawn(send(port, Arc::clone(&body), Arc::clone(&next), events));
    }
    all.notified().await;
    let times = (wall.elapsed(), cpu() - used);
    assert!(running.stop().await, "it stops cleanly");
    times
}

/// How long it takes to validate a body as JSON.
fn validation(body: &str) -> Duration {
    const TIMES: u32 = 20_000;
    let start = Instant::now();
    for _ in 0..TIMES {
        black_box(Event::new("q", "e", black_box(body.as_bytes())).unwrap());
    }
    start.elapsed() / TIMES
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let case = arguments.iter().find(|argument| !argument.starts_with('-'));
    let events = if is_test { 200 } else { EVENTS };
    let threads = tokio::runtime::Runtime::new().unwrap();
    println!("| rule | body | senders | events/s | µs of CPU per event | JSON once |");
    println!("|---|---|---|---|---|---|");
    let cases = RULES.iter().filter(|(name, _)| case.is_none_or(|case| name.contains(case)));
    for ((name, rule), bytes) in cases.flat_map(|rule| BODIES.map(|bytes| (rule, bytes))) {
        for connections in CONNECTIONS {
            // One sender waits for the disk each time.
            let events = if connections == 1 { events / 10 } else { events };
            let body = body(bytes);
            let json = validation(&body);
            let (wall, used) = threads.block_on(measure(rule, &body, events, connections));
            let per_event = used.as_secs_f64() * 1e6 / events as f64;
            println!(
                "| {name} | {} B | {connections} | {:.0} | {per_event:.1} | {:.2} µs, {:.1} % |",
                body.len(),
                events as f64 / wall.as_secs_f64(),
                json.as_secs_f64() * 1e6,
                json.as_secs_f64() * 1e8 / per_event,
            );
        }
    }
    for bytes in BODIES {
        for connections in CONNECTIONS {
            let (folder, body) = (folder(), body(bytes));
            let events = if connections == 1 { events / 10 } else { events };
            let stored = nats::measure(folder.path(), &body, events, connections);
            let Some(wall) = threads.block_on(stored) else { return };
            let rate = events as f64 / wall.as_secs_f64();
            println!("| nats-server stores | {} B | {connections} | {rate:.0} | | |", body.len());
        }
    }
}
