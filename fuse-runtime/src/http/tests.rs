//! The accept loop over real sockets, with small limits.

use std::time::Duration;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;

struct Running {
    server: Server,
    address: SocketAddr,
    stopper: watch::Sender<bool>,
    serving: JoinHandle<()>,
    /// Answers what `/slow` is asked.
    release: Arc<Semaphore>,
    /// Counts the requests that are at `/slow`.
    entered: Arc<Semaphore>,
}

async fn start(limits: Limits, kind: PortKind) -> Running {
    let (release, entered) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (at, gate) = (Arc::clone(&entered), Arc::clone(&release));
    let slow = move || async move {
        at.add_permits(1);
        gate.acquire().await.unwrap().forget();
        "slow"
    };
    let echo =
        async |Extension(_): Extension<Arc<InWork>>, body: Body| match to_bytes(body, usize::MAX)
            .await
        {
            Ok(bytes) => bytes.len().to_string(),
            Err(error) => format!("{:?}", BodyError::find(&error).unwrap()),
        };
    let (at, gate) = (Arc::clone(&entered), Arc::clone(&release));
    let stored = move |Extension(in_work): Extension<Arc<InWork>>, body: Body| async move {
        to_bytes(body, usize::MAX).await.unwrap();
        in_work.release();
        at.add_permits(1);
        gate.acquire().await.unwrap().forget();
        "stored"
    };
    let router = Router::new()
        .route("/stored", post(stored))
        .route("/fast", get(|| async { "fast" }).post(|| async { "posted" }))
        .route("/slow", get(slow))
        .route("/echo", post(echo))
        .route("/large", get(|| async { vec![b'x'; 8 << 20] }))
        .route("/panic", get(|| async { panic!("on purpose") as &str }));
    let server = Server::new(limits, Vec::new(), Arc::new(Metrics::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stopper, stop) = Shutdown::new();
    let own = server.clone();
    let serving = tokio::spawn(async move {
        own.serve(listener, address, kind, router, PortTls::default(), stop).await
    });
    Running { server, address, stopper, serving, release, entered }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Sends a request on a connection of its own, and reads until the end.
    async fn ask(&self, text: &str) -> String {
        end(self.send(text).await).await
    }

    async fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
            .await
    }

    /// Waits until nothing is left in the books.
    async fn is_empty(&self) -> bool {
        for _ in 0..1_000 {
            let (used, text) = (
                self.server.budget().used(),
                self.server.metrics().render(&crate::metrics::Counted::default()),
            );
            if used == 0
                && text.contains(&format!("fuse_connections{{port=\"{}\"}} 0", self.address.port()))
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    async fn stop(self) {
        self.stopper.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(20), self.serving).await.unwrap().unwrap();
    }
}

/// All that arrives until the connection ends, however it ends.
async fn end(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        // A reset ends it too.
        let _ended = stream.read_to_end(&mut bytes).await;
    };
    tokio::time::timeout(Duration::from_secs(30), reading).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

fn quick() -> Limits {
    Limits {
        head_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(400),
        write_timeout: Duration::from_millis(200),
        body_timeout: Duration::from_millis(300),
        linger: Duration::from_millis(50),
        ..Limits::default()
    }
}

#[tokio::test]
async fn heads_that_are_too_large_or_name_no_host_are_refused() {
    let running = start(Limits::default(), PortKind::Source).await;
    let long = "x".repeat(70 << 10);
    let answer = running.ask(&format!("GET /fast HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let many: String = (0..120).map(|number| format!("x-{number}: 1\r\n")).collect();
    let answer = running.ask(&format!("GET /fast HTTP/1.1\r\nhost: a\r\n{many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    for hosts in ["", "host: a\r\nhost: a\r\n"] {
        let answer =
            running.ask(&format!("GET /fast HTTP/1.1\r\n{hosts}connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert!(running.get("/fast").await.ends_with("fast"));
    running.stop().await;
}

#[tokio::test]
async fn long_targets_are_refused() {
    let running = start(Limits::default(), PortKind::Source).await;
    let answer = running.get(&format!("/fast?{}", "x".repeat(16 << 10))).await;
    assert!(answer.starts_with("HTTP/1.1 414 "), "{answer}");
    assert!(running.get(&format!("/fast?{}", "x".repeat(16_000))).await.ends_with("fast"));
    running.stop().await;
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

#[tokio::test]
async fn a_flood_of_resets_closes_an_http2_connection() {
    let running = start(Limits::default(), PortKind::Source).await;
    // `GET http://a/slow`, whose answer waits.
    let headers = b"\x82\x86\x04\x05/slow\x01\x01a";
    let mut stream = running.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    let flooding = async {
        for at in 0..2_000_u32 {
            let id = 2 * at + 1;
            let both = [frame(1, 5, id, headers), frame(3, 0, id, &[0, 0, 0, 8])].concat();
            if stream.write_all(&both).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        let mut rest = Vec::new();
        let _ended = stream.read_to_end(&mut rest).await;
    };
    tokio::time::timeout(Duration::from_secs(30), flooding).await.unwrap();
    assert!(running.get("/fast").await.ends_with("fast"));
    assert!(running.is_empty().await);
    running.stop().await;
}

#[tokio::test]
async fn timeouts_close_connections() {
    let running = start(quick(), PortKind::Source).await;
    let head = running.send("GET /fast HTTP/1.1\r\n").await;
    let idle = running.connect().await;
    let mut kept = running.send("GET /fast HTTP/1.1\r\nhost: a\r\n\r\n").await;
    kept.read_u8().await.unwrap();
    let body =
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nconnection: close\r\n\r\n123";
    assert!(running.ask(body).await.ends_with("TimedOut(0)"));
    assert_eq!(end(head).await, "");
    assert_eq!(end(idle).await, "");
    assert!(end(kept).await.ends_with("fast"));
    let text = running.server.metrics().render(&crate::metrics::Counted::default());
    assert!(text.contains("fuse_connections_closed_total{reason=\"head-timeout\"} 1"), "{text}");
    assert!(text.contains("fuse_connections_closed_total{reason=\"idle\"} 2"), "{text}");
    // One that reads nothing of a large answer.
    let _unread = running.send("GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let text = "fuse_connections_closed_total{reason=\"write-timeout\"} 1";
    let mut rest = 1_000;
    while !running.server.metrics().render(&crate::metrics::Counted::default()).contains(text) {
        rest -= 1;
        assert!(rest > 0, "it stays open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(running.is_empty().await);
    running.stop().await;
}

#[tokio::test]
async fn at_the_limit_connections_without_a_request_make_room() {
    let limits = Limits {
        max_connections_per_port: 4,
        idle_patience: Duration::from_millis(500),
        ..Limits::default()
    };
    let running = start(limits, PortKind::Source).await;
    let busy = running.send("GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    running.entered.acquire().await.unwrap().forget();
    let mut idle = Vec::new();
    for _ in 0..3 {
        idle.push(running.send("GET /fast HTTP/1.1\r\n").await);
    }
    // All of them are young, so the new one is closed.
    assert_eq!(running.get("/fast").await, "");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(running.get("/fast").await.ends_with("fast"));
    running.release.add_permits(1);
    assert!(end(busy).await.ends_with("slow"));
    drop(idle);
    assert!(running.is_empty().await);
    running.stop().await;
}

#[tokio::test]
async fn a_full_budget_refuses_and_recovers() {
    let limits = Limits {
        max_buffered: 1 << 20,
        body_patience: Duration::from_millis(300),
        ..Limits::default()
    };
    let running = start(limits, PortKind::Source).await;
    let post = |length: usize, sent: usize| {
        let head = "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
        format!("{head}content-length: {length}\r\n\r\n{}", "x".repeat(sent))
    };
    let half = running.send(&post(700_000, 699_999)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(running.ask(&post(400_000, 400_000)).await.ends_with("NoRoom"));
    assert!(running.ask(&post(20_000, 20_000)).await.ends_with("20000"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(running.ask(&post(400_000, 400_000)).await.ends_with("400000"));
    assert!(end(half).await.ends_with("GivenUp"));
    assert!(running.is_empty().await);
    running.stop().await;
}

#[tokio::test]
async fn a_request_that_waits_without_its_body_leaves_room_for_others() {
    let running =
        start(Limits { max_buffered: 1 << 20, ..Limits::default() }, PortKind::Source).await;
    let post = |path: &str, length: usize| {
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
        format!("{head}content-length: {length}\r\n\r\n{}", "x".repeat(length))
    };
    let waiting = running.send(&post("/stored", 700_000)).await;
    running.entered.acquire().await.unwrap().forget();
    assert!(running.ask(&post("/echo", 700_000)).await.ends_with("700000"));
    running.release.add_permits(1);
    assert!(end(waiting).await.ends_with("stored"));
    assert!(running.is_empty().await);
    running.stop().await;
}

#[tokio::test]
async fn a_panic_ends_its_connection_alone() {
    let running = start(Limits::default(), PortKind::Source).await;
    assert_eq!(running.ask("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await, "");
    assert!(running.get("/fast").await.ends_with("fast"));
    assert!(running.is_empty().await);
    running.stop().await;
}

#[tokio::test]
async fn a_stop_answers_what_is_complete_and_closes_the_rest() {
    let running = start(Limits::default(), PortKind::Source).await;
    let complete = running.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    running.entered.acquire().await.unwrap().forget();
    let head = running.send("GET /fast HTTP/1.1\r\nhost").await;
    let body = running.send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n1").await;
    let idle = running.connect().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.stopper.send(true).unwrap();
    for closed in [head, body, idle] {
        assert_eq!(end(closed).await, "");
    }
    assert!(TcpStream::connect(running.address).await.is_err());
    assert!(!running.serving.is_finished());
    running.release.add_permits(1);
    let answer = end(complete).await;
    assert!(answer.contains("connection: close") && answer.ends_with("slow"), "{answer}");
    tokio::time::timeout(Duration::from_secs(20), running.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_admin_port_checks_sites() {
    let running = start(Limits::default(), PortKind::Admin).await;
    let ask = async |method: &str, headers: &str| {
        let text = format!("{method} /fast HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
        running.ask(&text).await.get(9..12).unwrap_or_default().to_owned()
    };
    assert_eq!(ask("GET", "host: localhost:9\r\n").await, "200");
    assert_eq!(ask("POST", "host: localhost:9\r\n").await, "200");
    assert_eq!(ask("POST", "host: localhost:9\r\norigin: http://localhost:9\r\n").await, "200");
    assert_eq!(ask("POST", "host: localhost:9\r\norigin: http://evil.example\r\n").await, "403");
    assert_eq!(ask("POST", "host: localhost:9\r\nsec-fetch-site: cross-site\r\n").await, "403");
    running.stop().await;
}
