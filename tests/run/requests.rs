use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;

use crate::support::{Fuse, Reply, Setup, until};

const RULES: &str = r#"
source web webhook {
  port = 12000
  path = "/web"
  AUTH
  event sent
}
sensor s on web.sent {
  rule r {
    when body.kind == "build"
    trigger log { message = "a build" }
  }
}
"#;

const WEB: (u16, &str) = (12_000, "/web");

async fn start(items: &str) -> Fuse {
    Setup::rules(&RULES.replace("AUTH", items)).start().await
}

fn gzip(body: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

async fn compressed(fuse: &Fuse, coding: &str, body: Vec<u8>) -> Reply {
    fuse.request(Method::POST, WEB, &[("content-encoding", coding)], body).await
}

#[tokio::test]
async fn compressed_bodies_are_read_and_bombs_refused() {
    let fuse = start("").await;
    // Only the head of the request for the metrics is in memory.
    let buffered = async || fuse.metric("fuse_buffered_bytes").await.unwrap();
    let idle = buffered().await;
    let id = compressed(&fuse, "gzip", gzip(r#"{"kind": "build"}"#)).await.event(202);
    assert_eq!(fuse.settled(&id).await["decisions"][0]["outcome"], "fired");
    let reply = compressed(&fuse, "lz4", gzip("{}")).await;
    let why = reply.error(415);
    assert!(why.contains("`Content-Encoding: lz4`") && why.contains("gzip"), "{why}");
    assert_eq!(reply.header("accept-encoding"), "gzip, deflate, br, zstd");
    let why = compressed(&fuse, "gzip", b"{}".to_vec()).await.error(400);
    assert!(why.contains("not valid gzip"), "{why}");
    let bomb = gzip(&" ".repeat(1_000_000));
    let why = compressed(&fuse, "gzip", bomb).await.error(413);
    assert!(why.contains("200 times"), "{why}");
    let large: String =
        (0..320_000).map(|n: u32| format!("{:x}", n.wrapping_mul(n) % 9973)).collect();
    let why = compressed(&fuse, "gzip", gzip(&large)).await.error(413);
    assert!(why.contains("1048576 bytes"), "{why}");
    assert!(buffered().await <= idle, "refused bodies stay counted");
}

#[tokio::test]
async fn paths_and_methods_are_answered_by_one_rule() {
    let fuse = start("").await;
    let ask = async |method: Method, path: &'static str| {
        fuse.request(method, (12_000, path), &[], "{}").await
    };
    for path in ["/web/", "/%77eb", "/we%62/"] {
        ask(Method::POST, path).await.event(202);
    }
    for path in ["/web//", "//web", "/WEB", "/web%2F", "/web/x"] {
        ask(Method::POST, path).await.error(404);
    }
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let reply = ask(method, "/web").await;
        let why = reply.error(405);
        assert!(why.contains("`/web` accepts POST"), "{why}");
        assert_eq!(reply.header("allow"), "POST");
    }
    let head = ask(Method::HEAD, "/web").await;
    assert_eq!((head.status, head.header("allow"), &*head.text), (405, "POST", ""));
    let options = ask(Method::OPTIONS, "/web").await;
    assert_eq!((options.status, options.header("allow")), (204, "POST, OPTIONS"));
    assert_eq!(ask(Method::GET, "/healthz").await.json()["status"], "ok");
    assert_eq!(ask(Method::HEAD, "/healthz").await.status, 200);
    ask(Method::POST, "/healthz").await.error(404);
}

#[tokio::test]
async fn trusted_proxies_report_the_client() {
    let rules = RULES.replace("AUTH", r#"auth { allow-from = ["203.0.113.0/24"] }"#);
    let toml = "[listen]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n";
    let fuse = Setup::rules(&rules).toml(toml).start().await;
    let from = async |forwarded: &'static str| {
        fuse.request(Method::POST, WEB, &[("x-forwarded-for", forwarded)], "{}").await
    };
    from("203.0.113.9").await.event(202);
    from("203.0.113.9, 10.0.0.1").await.event(202);
    from("203.0.113.9, 198.51.100.7").await.error(403);
    from("unknown").await.error(403);
    until("the client is logged", async || fuse.log().contains("198.51.100.7").then_some(())).await;
    let fuse = Setup::rules(&rules).start().await;
    fuse.request(Method::POST, WEB, &[("x-forwarded-for", "203.0.113.9")], "{}").await.error(403);
}

#[tokio::test]
async fn a_source_accepts_requests_at_a_rate() {
    let fuse = start("rate { per-peer = 1, burst = 3 }").await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let reply = fuse.post(WEB, "{}").await;
        if reply.status == 429 {
            assert_eq!(reply.header("retry-after"), "1");
        }
        statuses.push(reply.status);
    }
    assert_eq!(statuses[..3], [202, 202, 202]);
    assert!(statuses.contains(&429), "{statuses:?}");
    let counted = "fuse_events_received_total{source=\"web\",event=\"sent\",result=\"limited\"}";
    assert!(fuse.metric(counted).await >= Some(1.0));
    let line = "exceeds the `rate`";
    until("it is logged", async || fuse.log().contains(line).then_some(())).await;
    let log = fuse.log();
    assert_eq!(log.matches(line).count(), 1, "{log}");
}
