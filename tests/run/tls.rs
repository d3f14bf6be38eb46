use std::time::{Duration, Instant};

use crate::support::tls::{Authority, Issued, Secured, mount, post};
use crate::support::{Fuse, Setup, until};

const RULES: &str = r#"
source web webhook {
  port = 12000
  path = "/web"
  tls {
    cert = secret("web", "tls.crt")
    key  = secret("web", "tls.key")
    CLIENT
  }
  AUTH
  event sent
}
source plain webhook {
  port = 12001
  path = "/plain"
  event sent
}
sensor s on web.sent {
  rule r {
    trigger log { message = "sent" }
  }
}
"#;

const TOML: &str = "[secrets]\ndir = \"secrets\"\n";
const PLAIN: (u16, &str) = (12_001, "/plain");

fn setup(client: &str, auth: &str) -> Setup {
    let rules = RULES.replace("CLIENT", client).replace("AUTH", auth);
    Setup::rules(&rules).toml(TOML)
}

fn keep(fuse: &Fuse, version: &str, files: &[(&str, &str)]) {
    mount(&fuse.folder().join("secrets/web"), version, files);
}

async fn not_ready(fuse: &Fuse) -> String {
    let reply = fuse.admin("/readyz").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["not_ready"].to_string()
}

/// Waits until new connections get this certificate. Meanwhile, requests on new connections and on the one that stays
/// open are accepted.
async fn until_shown(certificate: &Issued, authority: &Authority, port: u16, kept: &mut Secured) {
    until("the new certificate is used", async || {
        let mut new = Secured::connect(authority, port, None).unwrap();
        assert_eq!(new.status(&post("/web")).unwrap(), "202");
        assert_eq!(kept.status(&post("/web")).unwrap(), "202", "it stays open");
        (new.shown() == certificate.der).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_renewed_certificate_is_used_within_two_seconds_and_refuses_no_request() {
    let authority = Authority::new();
    let (one, other) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let mut fuse = setup("", "").lay_out();
    keep(&fuse, "v1", &[("tls.crt", &one.cert), ("tls.key", &one.key)]);
    fuse.start_again().await;
    fuse.logged("web.sent at POST https://").await;
    let port = fuse.port(12_000);
    let mut kept = Secured::connect(&authority, port, None).unwrap();
    assert_eq!(kept.status(&post("/web")).unwrap(), "202");
    keep(&fuse, "v2", &[("tls.crt", &other.cert), ("tls.key", &other.key)]);
    let swapped = Instant::now();
    until_shown(&other, &authority, port, &mut kept).await;
    // A machine that does nothing else needs one second.
    assert!(swapped.elapsed() < Duration::from_secs(4), "{:?}", swapped.elapsed());

    keep(&fuse, "v3", &[("tls.crt", &one.cert), ("tls.key", &other.key)]);
    let problem = until("the pair is reported", async || {
        Some(not_ready(&fuse).await).filter(|problems| problems.contains("port"))
    })
    .await;
    assert!(problem.contains("uses a former certificate: `key` does not belong"), "{problem}");
    let mut new = Secured::connect(&authority, port, None).unwrap();
    assert_eq!(new.shown(), other.der);
    assert_eq!(new.status(&post("/web")).unwrap(), "202");
    assert!(!fuse.log().contains("BEGIN"), "{}", fuse.log());
}

/// Clients refuse it, but fuse may not know their clocks.
#[tokio::test]
async fn an_expired_certificate_is_a_warning() {
    let authority = Authority::new();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 2);
    let expired = authority.issue_with(params);
    let mut fuse = setup("", "").lay_out();
    keep(&fuse, "v1", &[("tls.crt", &expired.cert), ("tls.key", &expired.key)]);
    fuse.start_again().await;
    let warning = format!(
        "the certificate of port {} expired at 2020-01-02T00:00:00Z: renew it",
        fuse.port(12_000)
    );
    let warnings = async || fuse.admin("/readyz").await.json().get("warnings").cloned();
    let shown = until("it is a warning", warnings).await;
    assert_eq!((shown[0].as_str(), not_ready(&fuse).await.as_str()), (Some(&*warning), "[]"));
    fuse.logged("the certificate has expired: renew it").await;
    let renewed = authority.issue(&["localhost"]);
    keep(&fuse, "v2", &[("tls.crt", &renewed.cert), ("tls.key", &renewed.key)]);
    until("it is renewed", async || warnings().await.is_none().then_some(())).await;
}

#[tokio::test]
async fn a_missing_certificate_keeps_only_its_port_from_being_ready() {
    let authority = Authority::new();
    let issued = authority.issue(&["localhost"]);
    let fuse = setup("", "").start().await;
    fuse.post(PLAIN, "{}").await.event(202);
    let port = fuse.port(12_000);
    assert!(Secured::connect(&authority, port, None).is_err());
    let problems = until("it is reported", async || {
        Some(not_ready(&fuse).await).filter(|problems| problems.contains("port"))
    })
    .await;
    assert!(problems.contains(&format!("TLS of port {port} refuses connections")), "{problems}");
    assert!(problems.contains("key `tls.crt` of secret `web` is not set"), "{problems}");
    keep(&fuse, "v1", &[("tls.crt", &issued.cert), ("tls.key", &issued.key)]);
    until("it is ready", async || {
        let mut stream = Secured::connect(&authority, port, None).ok()?;
        (stream.status(&post("/web")).ok()? == "202").then_some(())
    })
    .await;
    until("nothing is reported", async || (not_ready(&fuse).await == "[]").then_some(())).await;
}

#[tokio::test]
async fn senders_have_a_certificate_with_one_of_the_names() {
    let authority = Authority::new();
    let issued = authority.issue(&["localhost"]);
    let client = r#"client-ca = secret("web", "ca.crt")"#;
    let auth = r#"auth { mtls { subjects = ["ci.example", "spiffe://cluster/ci"] } }"#;
    let mut fuse = setup(client, auth).lay_out();
    let pem = authority.pem();
    let files = [("tls.crt", &*issued.cert), ("tls.key", &issued.key), ("ca.crt", &pem)];
    keep(&fuse, "v1", &files);
    fuse.start_again().await;
    let port = fuse.port(12_000);
    let status = |name: Option<&str>, request: &str| {
        let certificate = name.map(|name| authority.issue(&[name]));
        Secured::connect(&authority, port, certificate.as_ref()).unwrap().status(request).unwrap()
    };
    assert_eq!(status(Some("ci.example"), &post("/web")), "202");
    assert_eq!(status(Some("other.example"), &post("/web")), "401");
    assert_eq!(status(None, &post("/web")), "401");
    // Probes have no certificate.
    let probe = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    assert_eq!(status(None, probe), "200");
    let strange = Authority::new().issue(&["ci.example"]);
    let refused = Secured::connect(&authority, port, Some(&strange))
        .and_then(|mut stream| stream.status(&post("/web")));
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test]
async fn sources_of_one_port_have_one_certificate() {
    let rules = RULES.replace("12001", "12000").replace("CLIENT", "").replace("AUTH", "");
    let (code, why) = Setup::rules(&rules).lay_out().start_in_vain().await;
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains("sources with the same `port` must have the same `tls`"), "{why}");
    for (client, auth, expected) in [
        ("", "auth { mtls {} }", "which needs the authorities of client certificates"),
        (r#"client-ca = secret("web", "ca.crt")"#, "", "nothing requires a client certificate"),
    ] {
        let (_, why) = setup(client, auth).lay_out().start_in_vain().await;
        assert!(why.contains(expected), "{why}");
    }
}

#[tokio::test]
async fn a_reload_changes_the_certificate_of_a_port() {
    let authority = Authority::new();
    let (one, other) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let mut fuse = setup("", "").lay_out();
    keep(&fuse, "v1", &[("tls.crt", &one.cert), ("tls.key", &one.key)]);
    let files = [("tls.crt", &*other.cert), ("tls.key", &other.key)];
    mount(&fuse.folder().join("secrets/other"), "v1", &files);
    fuse.start_again().await;
    let port = fuse.port(12_000);
    let mut kept = Secured::connect(&authority, port, None).unwrap();
    let path = fuse.folder().join("rules/test.rules");
    let rules = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, rules.replace("secret(\"web\"", "secret(\"other\"")).unwrap();
    until_shown(&other, &authority, port, &mut kept).await;
}
