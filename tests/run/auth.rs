//! Who may send events: each scheme over the running binary.

use std::path::Path;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use reqwest::Method;
use ring::hmac;

use crate::support::{Fuse, Reply, Setup, until};

const RULES: &str = r#"
source locked webhook {
  port = 12000
  path = "/locked"
  auth {
    AUTH
  }
  event sent
}
source open webhook {
  port = 12001
  path = "/open"
  event sent
}
sensor s on locked.sent {
  rule r {
    trigger log { message = "sent by ${headers.x-token ?? "nobody"}" }
  }
}
"#;

const TOML: &str = "[secrets]\ndir = \"secrets\"\n";
const LOCKED: (u16, &str) = (12_000, "/locked");

/// `fuse run` with this `auth` and these values of keys of the secret `senders`.
async fn start(auth: &str, secrets: &[(&str, &str)]) -> Fuse {
    let mut fuse = Setup::rules(&RULES.replace("AUTH", auth)).toml(TOML).lay_out();
    for (key, value) in secrets {
        keep(fuse.folder(), key, value);
    }
    fuse.start_again().await;
    fuse
}

fn keep(folder: &Path, key: &str, value: &str) {
    let dir = folder.join("secrets/senders");
    std::fs::create_dir_all(&dir).unwrap();
    // Renamed, as Kubernetes replaces what it mounts.
    std::fs::write(dir.join(".new"), value).unwrap();
    std::fs::rename(dir.join(".new"), dir.join(key)).unwrap();
}

async fn post(fuse: &Fuse, headers: &[(&str, &str)], body: &str) -> Reply {
    fuse.request(Method::POST, LOCKED, headers, body.to_owned()).await
}

fn sign(secret: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    HEXLOWER.encode(hmac::sign(&key, text.as_bytes()).as_ref())
}

#[tokio::test]
async fn a_secret_header_is_required_and_not_stored() {
    let auth = r#"header { name = "X-Token", value = secret("senders", "token") }"#;
    let fuse = start(auth, &[("token", "s3cr3t\n")]).await;
    let id = post(&fuse, &[("x-token", "s3cr3t")], "{}").await.event(202);
    let decided = fuse.settled(&id).await.to_string();
    assert!(decided.contains("sent by nobody"), "{decided}");
    for headers in [&[][..], &[("x-token", "s3cr3")], &[("x-token", "s3cr3t"), ("x-token", "x")]] {
        let reply = post(&fuse, headers, "{}").await;
        assert_eq!(reply.error(401), "the request is not authenticated");
        assert!(!reply.headers.contains_key("www-authenticate"));
    }
    let counted = |result: &str| {
        format!(
            "fuse_events_received_total{{source=\"locked\",event=\"sent\",result=\"{result}\"}}"
        )
    };
    assert_eq!(fuse.metric(&counted("unauthenticated")).await, Some(3.0));
    assert_eq!(fuse.metric(&counted("accepted")).await, Some(1.0));
    let line = "a request is not authenticated";
    until("it is logged", async || fuse.log().contains(line).then_some(())).await;
    let log = fuse.log();
    assert_eq!(log.matches(line).count(), 1, "{log}");
    assert!(log.contains("127.0.0.1") && !log.contains("s3cr3"), "{log}");
    assert!(!log.contains("from anyone"), "only loopback reaches it: {log}");
}

#[tokio::test]
async fn what_is_refused_by_its_head_is_refused_before_the_body() {
    let auth = r#"any {
        bearer { token = secret("senders", "token") }
        basic { username = "ci", password = secret("senders", "token") }
    }"#;
    let fuse = start(auth, &[("token", "s3cr3t")]).await;
    post(&fuse, &[("authorization", "Bearer s3cr3t")], "{}").await.event(202);
    post(&fuse, &[("authorization", "Basic Y2k6czNjcjN0")], "{}").await.event(202);
    let large = "x".repeat(2 << 20);
    let reply = post(&fuse, &[("authorization", "Bearer s3cr3")], &large).await;
    assert_eq!(reply.error(401), "the request is not authenticated");
    let challenges: Vec<_> = reply.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges, ["Bearer realm=\"fuse\"", "Basic realm=\"fuse\", charset=\"UTF-8\""]);
    post(&fuse, &[("authorization", "Bearer s3cr3t")], &large).await.error(413);
}

#[tokio::test]
async fn other_addresses_are_forbidden() {
    let fuse = start("allow-from = [\"10.0.0.0/8\", \"192.0.2.1\"]", &[]).await;
    assert_eq!(post(&fuse, &[], "{}").await.error(403), "the request is not allowed");
    let fuse = start("allow-from = [\"127.0.0.0/8\"]", &[]).await;
    post(&fuse, &[], "{}").await.event(202);
}

#[tokio::test]
async fn a_signature_covers_the_body_and_its_time() {
    let auth = r#"hmac {
      secret = secret("senders", "slack")
      header = "X-Slack-Signature"
      prefix = "v0="
      signed = "v0:{timestamp}:{body}"
      timestamp-header = "X-Slack-Request-Timestamp"
    }"#;
    let fuse = start(auth, &[("slack", "s3cr3t")]).await;
    let body = r#"{ "n": 1 }"#;
    let now = Timestamp::now().as_second();
    let send = async |time: i64, signature: &str, body: &str| {
        let time = time.to_string();
        let headers = [("x-slack-request-timestamp", &*time), ("x-slack-signature", signature)];
        post(&fuse, &headers, body).await
    };
    let signed = |time: i64| format!("v0={}", sign("s3cr3t", &format!("v0:{time}:{body}")));
    send(now, &signed(now), body).await.event(202);
    // Right, but of another time: replayed, or with the time changed.
    send(now - 3600, &signed(now - 3600), body).await.error(401);
    send(now, &signed(now - 3600), body).await.error(401);
    send(now, &signed(now), r#"{ "n": 2 }"#).await.error(401);
    send(now, &format!("v0={}", sign("other", body)), body).await.error(401);
    send(now, "v0=", body).await.error(401);
    post(&fuse, &[("x-slack-signature", &*signed(now))], body).await.error(401);
    post(&fuse, &[], body).await.error(401);
}

#[tokio::test]
async fn a_rotated_secret_counts_without_a_restart() {
    let auth = r#"bearer { token = [secret("senders", "new"), secret("senders", "old")] }"#;
    let fuse = start(auth, &[("new", "one"), ("old", "zero")]).await;
    post(&fuse, &[("authorization", "Bearer one")], "{}").await.event(202);
    post(&fuse, &[("authorization", "Bearer zero")], "{}").await.event(202);
    keep(fuse.folder(), "old", "one");
    keep(fuse.folder(), "new", "two");
    let two = [("authorization", "Bearer two")];
    until("the secret is rotated", async || {
        (post(&fuse, &two, "{}").await.status == 202).then_some(())
    })
    .await;
    post(&fuse, &[("authorization", "Bearer zero")], "{}").await.error(401);

    // One of them is enough, and the other is reported.
    std::fs::remove_file(fuse.folder().join("secrets/senders/new")).unwrap();
    let problem = "source `webhook`: `locked` is ready, but has a problem with a secret: key `new` of secret `senders` is not set";
    until("the missing secret is reported", async || {
        (fuse.admin("/readyz").await.json()["not_ready"][0] == problem).then_some(())
    })
    .await;
    post(&fuse, &[("authorization", "Bearer one")], "{}").await.event(202);
    post(&fuse, &two, "{}").await.error(401);
}

#[tokio::test]
async fn a_missing_secret_keeps_only_its_source_from_being_ready() {
    let auth = r#"bearer { token = secret("senders", "token") }"#;
    let fuse = start(auth, &[]).await;
    let reply = post(&fuse, &[("authorization", "Bearer ")], "{}").await;
    assert_eq!(reply.error(503), "this source is not ready; send the event again later");
    assert_eq!(reply.header("retry-after"), "5");
    fuse.post((12_001, "/open"), "{}").await.event(202);
    let ready = fuse.admin("/readyz").await;
    assert_eq!(ready.status, 200);
    let problem = "source `webhook`: `locked` refuses its requests with 503: key `token` of secret `senders` is not set";
    assert_eq!(ready.json()["not_ready"][0], problem);

    keep(fuse.folder(), "token", "s3cr3t");
    let right = [("authorization", "Bearer s3cr3t")];
    until("the source is ready", async || {
        (post(&fuse, &right, "{}").await.status == 202).then_some(())
    })
    .await;
    until("fuse is ready", async || {
        (fuse.admin("/readyz").await.json()["ready"] == true).then_some(())
    })
    .await;
    // An empty one would let anyone in.
    keep(fuse.folder(), "token", "\n");
    until("the source is not ready", async || {
        (post(&fuse, &[("authorization", "Bearer ")], "{}").await.status == 503).then_some(())
    })
    .await;
}
