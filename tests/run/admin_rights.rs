//! What tokens of the admin port permit, and its certificate.

use reqwest::Method;
use serde_json::Value;

use crate::support::tls::{Authority, Secured};
use crate::support::{Door, Fuse, Ports, Setup, until};

const RULES: &str = r#"
use "shared.rules"

source q webhook {
  port = 12000
  path = "/q"
  id = body.id
  event e
}

sensor s on q.e {
  rule r {
    when body.n > limit
    trigger log { message = "large" }
  }
}
"#;
const DOOR: Door = (12_000, "/q");
const EVENT: &str = r#"{"id": "1", "n": 1.50, "note": "private"}"#;
const TOKENS: &str = r#"
[admin.tokens]
reader = { env = "READER", rights = ["read"] }
operator = { env = "OPERATOR" }
auditor = { env = "AUDITOR", rights = ["read", "payloads"] }
"#;

fn setup() -> Setup {
    let setup = Setup::rules(RULES).file("shared.rules", "const limit = 1\n").toml(TOKENS);
    let names = ["READER", "OPERATOR", "AUDITOR"];
    names.iter().fold(setup, |setup, name| setup.variable(name, &name.to_lowercase()))
}

#[tokio::test]
async fn rights_separate_reading_changing_and_bodies() {
    let mut fuse = setup().start().await;
    fuse.settled(&fuse.post(DOOR, EVENT).await.event(202)).await;
    let status = async |method: Method, path: &str, token: Option<&str>| {
        fuse.admin_as(method, path, token, r#"{"id": "none"}"#).await.status
    };
    let tokens = [None, Some("reader"), Some("operator"), Some("auditor")];
    for (method, path, expected) in [
        (Method::GET, "/events", [200, 200, 200, 200]),
        (Method::GET, "/rules/files", [401, 200, 200, 200]),
        (Method::GET, "/payload?event=1", [401, 403, 403, 200]),
        (Method::GET, "/state/backup", [401, 403, 403, 200]),
        (Method::POST, "/replay", [401, 403, 404, 403]),
        (Method::POST, "/-/reload", [401, 403, 200, 403]),
        (Method::POST, "/state/preview", [401, 400, 400, 400]),
    ] {
        for (token, expected) in tokens.iter().zip(expected) {
            let found = status(method.clone(), path, *token).await;
            assert_eq!(found, expected, "{method} {path} {token:?}");
        }
    }
    let refused = fuse.admin_as(Method::GET, "/payload?event=1", Some("reader"), "").await;
    let why = "`reader` may not do this: it needs the right `payloads`, which `[admin]` in fuse.toml gives";
    assert_eq!(refused.error(403), why);

    // The body as it arrived, also from the state of a stopped fuse.
    let server = fuse.server();
    let payload = ["events", "--payload", "1"];
    std::fs::write(fuse.folder().join("auditor"), "auditor").unwrap();
    let asked = ["--server", &server, "--token-file", "auditor"];
    let (code, shown) = fuse.command(&[&payload[..], &asked].concat());
    assert_eq!(code, Some(0), "{shown}");
    let content: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&content["source"], &content["body"]["note"]), (&"q".into(), &"private".into()));
    assert!(shown.contains("1.50"), "{shown}");
    let log = "the body of an event was read";
    until("it is logged", async || fuse.log().contains(log).then_some(())).await;
    assert!(fuse.log().contains("\"by\":\"auditor\""), "{}", fuse.log());
    let stopped = [&payload[..], &["--state", ".fuse-local"]].concat();
    assert_eq!(fuse.command(&stopped), (Some(0), shown.clone()));
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));
    assert_eq!(fuse.command(&stopped), (Some(0), shown));
}

/// `fuse check --against URL` shows what a reload of the running fuse would change.
#[tokio::test]
async fn rules_are_compared_with_those_that_are_in_use() {
    let fuse = setup().start().await;
    let server = fuse.server();
    let against = |from: &str, more: &[&str]| {
        fuse.command(&[&["check", "--against", from], more, &["rules"]].concat())
    };
    let (code, same) = against(&server, &[]);
    assert_eq!(code, Some(0), "{same}");
    assert!(same.starts_with("a reload would change nothing\n"), "{same}");
    let rules = fuse.folder().join("rules");
    std::fs::create_dir(fuse.folder().join("in-use")).unwrap();
    for file in ["test.rules", "shared.rules"] {
        std::fs::copy(rules.join(file), fuse.folder().join("in-use").join(file)).unwrap();
    }
    std::fs::write(rules.join("shared.rules"), "const limit = 2\n").unwrap();
    let (code, changed) = against(&server, &[]);
    assert_eq!((code, &changed), (Some(0), &against("in-use", &[]).1));
    assert!(changed.contains("changed        s/r\n  no longer    q.e "), "{changed}");
    std::fs::write(fuse.folder().join("wrong"), "guess").unwrap();
    let (code, refused) = against(&server, &["--token-file", "wrong"]);
    assert!(code == Some(2) && refused.contains("the bearer token is wrong"), "{refused}");
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
}

/// Waits until the admin port has a usable certificate.
async fn secured(fuse: &Fuse, authority: &Authority) -> Secured {
    until("the admin port has a certificate", async || {
        Secured::connect(authority, fuse.port(Ports::ADMIN), None).ok()
    })
    .await
}

#[tokio::test]
async fn the_admin_port_serves_https_and_asks_others_for_a_certificate() {
    let authority = Authority::new();
    let (issued, client) = (authority.issue(&["localhost"]), authority.issue(&["ops"]));
    let toml = r#"
[admin.tls]
cert = { file = "tls.crt" }
key = { file = "tls.key" }
client_ca = { file = "ca.crt" }
"#;
    let mut fuse = setup().toml(&format!("{toml}{TOKENS}")).lay_out();
    let folder = fuse.folder().to_owned();
    let keep = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    for (name, text) in [
        ("tls.crt", issued.cert.clone()),
        ("tls.key", issued.key.clone()),
        ("ca.crt", authority.pem()),
        ("client", client.cert.clone() + &client.key),
        ("reader", "reader".to_owned()),
    ] {
        keep(name, &text);
    }
    fuse.start_again().await;
    let mut local = secured(&fuse, &authority).await;
    assert_eq!(local.shown(), issued.der);
    fuse.logged("admin at https://").await;
    assert_eq!(local.status(&get("/readyz", "")).unwrap(), "200");
    assert_eq!(local.status(&get("/events", "")).unwrap(), "200");
    // As if it came from elsewhere.
    let bearer = "x-forwarded-for: 203.0.113.9\r\nauthorization: Bearer reader\r\n";
    let refused = local.ask(&get("/events", bearer)).unwrap();
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    let port = fuse.port(Ports::ADMIN);
    let mut named = Secured::connect(&authority, port, Some(&client)).unwrap();
    assert_eq!(named.status(&get("/events", bearer)).unwrap(), "200");
    let plain = fuse.request(Method::GET, (Ports::ADMIN, "/events"), &[], "").await;
    assert!(plain.error(400).contains("https://"));

    // The commands: with the authority, and on this machine with the state folder alone.
    let server = format!("https://localhost:{port}");
    let asked = ["fuses", "--server", &server];
    let (code, printed) = fuse.command(&asked);
    assert!(code == Some(2) && printed.contains("no fuse responds"), "{printed}");
    let shown = ["--ca-file", "ca.crt", "--client-cert", "client", "--token-file", "reader"];
    let (code, printed) = fuse.command(&[&asked[..], &shown].concat());
    assert_eq!(code, Some(0), "{printed}");
    let (code, printed) = fuse.command(&["events", "--state", ".fuse-local"]);
    assert_eq!(code, Some(0), "{printed}");

    // It is renewed like those of sources; one that cannot be read leaves the former.
    let renewed = authority.issue(&["localhost"]);
    keep("tls.key", "nothing");
    until("the problem is reported", async || {
        let answer = local.ask(&get("/readyz", "")).unwrap();
        let text = if answer.contains("not_ready") { answer } else { String::new() };
        text.contains("TLS of the admin port uses a former certificate").then_some(())
    })
    .await;
    keep("tls.crt", &renewed.cert);
    keep("tls.key", &renewed.key);
    until("the renewed certificate is used", async || {
        let connection = Secured::connect(&authority, port, None).unwrap();
        (connection.shown() == renewed.der).then_some(())
    })
    .await;
}
