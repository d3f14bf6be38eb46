use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use reqwest::Method;

use crate::support::{ALERTS, Fuse, NOTIFICATION, Ports, Setup, example, until};

/// Connects to a port of the seed's rules and sends these bytes.
fn send(fuse: &Fuse, port: u16, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, fuse.port(port))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Sends these bytes and reads until the connection ends.
fn ask(fuse: &Fuse, port: u16, bytes: &[u8]) -> String {
    let mut stream = send(fuse, port, bytes);
    let mut answer = Vec::new();
    // A reset ends it too.
    let _ended = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn heads_have_limits_and_one_host() {
    let fuse = Setup::seed().start().await;
    let head =
        |headers: &str| format!("POST /webhook HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
    let large = format!("host: a\r\nx: {}\r\n", "x".repeat(64 << 10));
    let many: String = (0..120).map(|number| format!("x-{number}: 1\r\n")).collect();
    for (headers, status) in [
        (large.as_str(), "431"),
        (many.as_str(), "431"),
        ("", "400"),
        ("host: a\r\nhost: b\r\n", "400"),
        ("host: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n", "400"),
    ] {
        let answer = ask(&fuse, ALERTS.0, head(headers).as_bytes());
        assert_eq!(answer.get(9..12), Some(status), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let fuse = Setup::seed().start().await;
    let request = "POST /webhook HTTP/1.1\r\nhost: a\r\ncontent-length: 1048577\r\n\
                   expect: 100-continue\r\n\r\n";
    let answer = ask(&fuse, ALERTS.0, request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
    // Without an announcement, it is refused where it passes the limit.
    let chunk = format!("80000\r\n{}\r\n", "x".repeat(0x80000)).repeat(3);
    let request = format!(
        "POST /webhook HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
    );
    let answer = ask(&fuse, ALERTS.0, request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn pages_of_other_sites_are_refused_unless_they_are_allowed() {
    let toml = "[listen]\nallow_origins = [\"https://portal.example\"]\n";
    let fuse = Setup::seed().toml(toml).start().await;
    let post = async |headers: &[(&str, &str)]| {
        fuse.request(Method::POST, ALERTS, headers, example("alertmanager-empty.json")).await
    };
    let why = post(&[("origin", "https://evil.example")]).await.error(403);
    assert!(why.contains("allow_origins"), "{why}");
    post(&[("sec-fetch-site", "cross-site")]).await.error(403);
    post(&[("sec-fetch-site", "same-site")]).await.error(403);
    post(&[("origin", "https://portal.example"), ("sec-fetch-site", "cross-site")])
        .await
        .event(202);

    // A page whose name resolves to this machine reads nothing.
    let door = (Ports::ADMIN, "/metrics");
    let rebound = fuse.request(Method::GET, door, &[("host", "evil.example")], "").await;
    let why = rebound.error(421);
    assert!(why.contains("`evil.example`") && why.contains("`localhost`"), "{why}");
    let own = fuse.request(Method::GET, door, &[("host", "localhost:12080")], "").await;
    assert_eq!(own.status, 200);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_half_requests() {
    let mut fuse = Setup::seed().start().await;
    let head = "POST /webhook HTTP/1.1\r\nhost: a\r\n";
    let half = [
        send(&fuse, ALERTS.0, head.as_bytes()),
        send(&fuse, ALERTS.0, format!("{head}content-length: 9\r\n\r\n{{").as_bytes()),
        send(&fuse, NOTIFICATION.0, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
        send(&fuse, Ports::ADMIN, b"GET /healthz HTTP/1.1\r\n"),
    ];
    let open = format!("fuse_connections{{port=\"{}\"}}", fuse.port(ALERTS.0));
    until("both are open", async || fuse.metric(&open).await.filter(|count| *count >= 2.0)).await;
    let start = Instant::now();
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0), "{}", fuse.log());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(half);
}

#[tokio::test]
async fn a_full_buffer_is_answered_by_503_and_has_room_again() {
    let toml = "[listen]\nmax_buffered = \"4MiB\"\n";
    let fuse = Setup::seed().toml(toml).start().await;
    let length = 1 << 20;
    let start = format!("POST /webhook HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    let request = start + &"x".repeat(length - 1);
    let mut half = Vec::new();
    for _ in 0..3 {
        half.push(send(&fuse, ALERTS.0, request.as_bytes()));
    }
    let full = async || fuse.metric("fuse_buffered_bytes").await.filter(|used| *used > 3.0e6);
    until("the bodies arrived", full).await;
    let body = format!("{{\"a\": \"{}\"}}", "x".repeat(900_000));
    // They may be old enough to make room on a busy machine.
    let reply = fuse.post(ALERTS, body.clone()).await;
    if reply.status != 202 {
        reply.error(503);
        assert_eq!(reply.header("retry-after"), "1");
    }
    // A small event passes meanwhile, and a large one once those are two seconds old.
    fuse.post(ALERTS, example("alertmanager-empty.json")).await.event(202);
    until("there is room", async || {
        (fuse.post(ALERTS, body.clone()).await.status == 202).then_some(())
    })
    .await;
    drop(half);
    let empty = async || fuse.metric("fuse_buffered_bytes").await.filter(|used| *used < 1.0e5);
    until("all is given back", empty).await;
}

#[tokio::test]
async fn a_404_says_little() {
    let fuse = Setup::seed().start().await;
    let path = format!("/{}", "s".repeat(400));
    let why = fuse.request(Method::POST, (ALERTS.0, &path), &[], "{}").await.error(404);
    assert!(why.contains(&"s".repeat(199)) && !why.contains(&"s".repeat(201)), "{why}");
    assert!(!why.contains("/webhook"), "{why}");
    fuse.logged("/webhook").await;
    assert!(!fuse.log().contains("sss"), "{}", fuse.log());
}

#[tokio::test]
async fn headers_and_queries_are_utf8() {
    let fuse = Setup::seed().start().await;
    let body = example("alertmanager-empty.json");
    for (header, why) in [
        (&b"ce-id: \xff"[..], "the header `ce-id` is not UTF-8"),
        (b"x-note: a\xc3", "the header `x-note` is not UTF-8"),
        (b"ce-id: %ff", "not UTF-8 once it is percent-decoded"),
        (b"ce-subject: 100%", "CloudEvents writes a percent sign as `%25`"),
    ] {
        let length = body.len();
        let mut request = format!(
            "POST /webhook HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n"
        )
        .into_bytes();
        request.extend_from_slice(header);
        request.extend_from_slice(b"\r\n\r\n");
        request.extend_from_slice(body.as_bytes());
        let answer = ask(&fuse, ALERTS.0, &request);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains(why), "{answer}");
    }
    let why = fuse.post((ALERTS.0, "/webhook?a=%ff"), body.clone()).await.error(400);
    assert!(why.contains("the query is not UTF-8"), "{why}");
}

#[tokio::test]
async fn events_come_over_http2_too() {
    let fuse = Setup::seed().start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let post = async |body: String| {
        let reply = client.post(fuse.url(ALERTS.0, ALERTS.1)).body(body).send().await.unwrap();
        reply.status().as_u16()
    };
    // Larger than the windows of a stream and of a connection.
    assert_eq!(post(format!("{{\"a\": \"{}\"}}", "x".repeat(900_000))).await, 202);
    assert_eq!(post("x".repeat((1 << 20) + 1)).await, 413);
    assert_eq!(post(example("alertmanager-empty.json")).await, 202);
}
