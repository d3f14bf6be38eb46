//! Certificates that change, names of clients, and handshakes over real sockets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::routing::get;
use rcgen::{CertificateParams, DistinguishedName, DnType, SanType};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::testing::{Authority, Issued};
use super::*;
use crate::http::{Limits, PortKind, Server};
use crate::metrics::{Counted, Metrics};
use crate::secrets::{Secret, SecretError, SecretRef, SecretStore, Secrets};
use crate::shutdown::Shutdown;

/// Secrets that tests change. The secret `env("NAME")` is the text with that name.
#[derive(Clone, Default)]
struct Files(Arc<Mutex<BTreeMap<String, String>>>);

impl Files {
    fn set(&self, name: &str, text: &str) {
        self.0.lock().unwrap().insert(name.into(), text.into());
    }

    fn keep(&self, issued: &Issued) {
        self.set("CERT", &issued.cert);
        self.set("KEY", &issued.key);
    }
}

#[async_trait]
impl SecretStore for Files {
    async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let SecretRef::Env { name } = reference else { panic!("{reference}") };
        let text = self.0.lock().unwrap().get(name).cloned();
        text.map(Secret::new).ok_or_else(|| SecretError::Missing(reference.clone()))
    }
}

fn certificate(has_client_ca: bool) -> Arc<ServerCertificate> {
    let file = |name: &str| SecretRef::Env { name: name.to_owned() };
    let client_ca = has_client_ca.then(|| file("CA"));
    let config = TlsConfig { cert: file("CERT"), key: file("KEY"), client_ca };
    Arc::new(ServerCertificate::new("port 1".into(), config))
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_former_certificate() {
    let (authority, files) = (Authority::new(), Files::default());
    let secrets = Secrets::new(files.clone());
    let (one, other) = (authority.issue(&["a.example"]), authority.issue(&["b.example"]));
    let certificate = certificate(true);
    let mut seen = Vec::new();
    let mut look = async |what: &str| {
        certificate.refresh(&secrets).await;
        let state = if certificate.in_use().is_some() { "in use" } else { "none" };
        let problem = certificate.problem().unwrap_or_else(|| "no problem".to_owned());
        seen.push(format!("{what}: {state}, {problem}"));
        certificate.in_use()
    };
    look("no file").await;
    files.keep(&one);
    look("no authorities").await;
    files.set("CA", "not a certificate");
    look("wrong authorities").await;
    files.set("CA", &authority.pem());
    let first = look("all files").await.unwrap();
    assert!(Arc::ptr_eq(&first, &look("the same files").await.unwrap()), "sessions go on");
    files.set("CERT", &other.cert);
    let kept = look("another certificate").await.unwrap();
    assert!(Arc::ptr_eq(&first, &kept));
    files.set("KEY", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    look("a broken key").await;
    files.set("KEY", &one.cert);
    look("a certificate as the key").await;
    files.set("KEY", &other.key);
    let second = look("another pair").await.unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    insta::assert_snapshot!(seen.join("\n"));
}

#[tokio::test]
async fn a_certificate_that_expires_is_a_warning() {
    let (authority, files) = (Authority::new(), Files::default());
    let certificate = certificate(false);
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2030, 6, 10);
    files.keep(&authority.issue_with(params));
    let at = |text: &str| text.parse().unwrap();
    assert_eq!(certificate.expiry_warning(at("2040-01-01T00:00:00Z")), None, "nothing is read");
    certificate.refresh(&Secrets::new(files.clone())).await;
    let warning = |verb: &str| {
        Some(format!("the certificate of port 1 {verb} at 2030-06-10T00:00:00Z: renew it"))
    };
    for (now, expected) in [
        ("2030-06-02T23:59:59Z", None),
        ("2030-06-03T00:00:00Z", warning("expires")),
        ("2030-06-09T23:59:59Z", warning("expires")),
        ("2030-06-10T00:00:00Z", warning("expired")),
        ("2031-01-01T00:00:00Z", warning("expired")),
    ] {
        assert_eq!(certificate.expiry_warning(at(now)), expected, "{now}");
    }
    // Of the chain, the certificate that expires first counts.
    let chain = authority.issue(&["localhost"]);
    let old = files.0.lock().unwrap()["CERT"].clone();
    files.keep(&chain);
    files.set("CERT", &(chain.cert.clone() + &old));
    certificate.refresh(&Secrets::new(files.clone())).await;
    assert_eq!(certificate.expiry_warning(at("2030-06-10T00:00:00Z")), warning("expired"));
    files.keep(&chain);
    certificate.refresh(&Secrets::new(files)).await;
    assert_eq!(certificate.expiry_warning(at("2030-06-10T00:00:00Z")), None, "it is renewed");
}

#[test]
fn a_client_has_the_names_of_its_certificate() {
    let authority = Authority::new();
    let with = |common: &str, names: Vec<SanType>| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common);
        params.subject_alt_names = names;
        ClientCertificate::from_der(&authority.issue_with(params).der)
    };
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let uri = |name: &str| SanType::URI(name.try_into().unwrap());
    let mail = |name: &str| SanType::Rfc822Name(name.try_into().unwrap());
    let has = |client: &ClientCertificate, name: &str| client.has_name(&["x".into(), name.into()]);

    let common = with("builds", Vec::new());
    assert!(has(&common, "builds") && !has(&common, "Builds") && !has(&common, "CN=builds"));
    let spiffe = "spiffe://cluster.example/ns/ci/sa/builds";
    let names = vec![
        dns("ci.example"),
        dns("*.wild.example"),
        uri(spiffe),
        mail("ci@example"),
        SanType::IpAddress("192.0.2.1".parse().unwrap()),
        SanType::IpAddress("2001:db8::1".parse().unwrap()),
    ];
    let client = with("builds", names);
    for name in [
        "ci.example",
        "CI.example",
        "*.wild.example",
        spiffe,
        "ci@example",
        "192.0.2.1",
        "2001:DB8::1",
    ] {
        assert!(has(&client, name), "{name}");
    }
    for name in ["builds", "a.wild.example", "ci.example.", "CI@example", "192.0.2.2", ""] {
        assert!(!has(&client, name), "{name}");
    }
    // A text in the place of another kind of name does not count as that kind.
    let odd = with("x", vec![dns("ci@example"), uri("ci.example"), mail("spiffe:a@b")]);
    for name in ["ci@example", "ci.example", "spiffe:a@b", "x"] {
        assert!(!odd.has_name(&[name.to_owned()]), "{name}");
    }
    assert!(!ClientCertificate::from_der(b"nothing").has_name(&[String::new()]));
}

struct Running {
    address: std::net::SocketAddr,
    metrics: Arc<Metrics>,
    stopper: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

async fn start(certificate: Arc<ServerCertificate>, limits: Limits) -> Running {
    let who = async |request: axum::extract::Request| {
        let client = request.extensions().get::<Arc<ClientCertificate>>();
        let is_named = client.map(|client| client.has_name(&["client.example".into()]));
        format!("{:?} {is_named:?}", request.version())
    };
    let router = Router::new().route("/", get(who));
    let metrics = Arc::new(Metrics::new());
    let server = Server::new(limits, Vec::new(), Arc::clone(&metrics));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stopper, stop) = Shutdown::new();
    let tls = PortTls::new(Some(certificate));
    let serving = tokio::spawn(async move {
        server.serve(listener, address, PortKind::Source, router, tls, stop).await;
    });
    Running { address, metrics, stopper, serving }
}

impl Running {
    async fn closed(&self, reason: &str) {
        let text = format!("fuse_connections_closed_total{{reason=\"{reason}\"}} 1");
        for _ in 0..1_000 {
            if self.metrics.render(&Counted::default()).contains(&text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no connection is closed because of {reason}");
    }

    async fn stop(self) {
        self.stopper.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(20), self.serving).await.unwrap().unwrap();
    }
}

/// A client that trusts an authority, and may have a certificate.
struct Client<'c> {
    authority: &'c Authority,
    versions: &'static [&'static SupportedProtocolVersion],
    protocol: &'static [u8],
    certificate: Option<&'c Issued>,
}

impl<'c> Client<'c> {
    fn new(authority: &'c Authority) -> Self {
        Self { authority, versions: rustls::ALL_VERSIONS, protocol: b"http/1.1", certificate: None }
    }

    async fn connect(&self, running: &Running) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.certificate {
            None => builder.with_no_client_auth(),
            Some(Issued { cert, key, .. }) => {
                let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![self.protocol.to_vec()];
        let stream = TcpStream::connect(running.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// The answer to one request over HTTP/1.1. With TLS 1.3, a client learns that its certificate is refused only
    /// when it reads.
    async fn ask(&self, running: &Running) -> std::io::Result<String> {
        let mut stream = self.connect(running).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer.rsplit("\r\n").next().unwrap().to_owned())
    }
}

/// The answer on a connection that stays open.
async fn ask_again(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4_096];
    let length = stream.read(&mut answer).await.unwrap();
    String::from_utf8(answer[..length].to_vec()).unwrap()
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let (authority, files) = (Authority::new(), Files::default());
    let secrets = Secrets::new(files.clone());
    let (one, other) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    files.keep(&one);
    let certificate = certificate(false);
    certificate.refresh(&secrets).await;
    let running = start(Arc::clone(&certificate), Limits::default()).await;
    let shown = |stream: &TlsStream<TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let mut kept = Client::new(&authority).connect(&running).await.unwrap();
    assert_eq!(shown(&kept), one.der);
    assert!(ask_again(&mut kept).await.ends_with("HTTP/1.1 None"));
    files.keep(&other);
    certificate.refresh(&secrets).await;
    let new = Client::new(&authority).connect(&running).await.unwrap();
    assert_eq!(shown(&new), other.der);
    assert!(ask_again(&mut kept).await.ends_with("HTTP/1.1 None"), "it stays open");
    drop((kept, new));
    running.stop().await;
}

#[tokio::test]
async fn versions_and_protocols_are_negotiated() {
    let (authority, files) = (Authority::new(), Files::default());
    files.keep(&authority.issue(&["localhost"]));
    let certificate = certificate(false);
    certificate.refresh(&Secrets::new(files)).await;
    let running = start(certificate, Limits::default()).await;
    static VERSIONS: [[&SupportedProtocolVersion; 1]; 2] =
        [[&rustls::version::TLS12], [&rustls::version::TLS13]];
    for versions in &VERSIONS {
        let client = Client { versions, ..Client::new(&authority) };
        assert_eq!(client.ask(&running).await.unwrap(), "HTTP/1.1 None");
    }
    let client = Client { protocol: b"h2", ..Client::new(&authority) };
    let mut stream = client.connect(&running).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "the settings of HTTP/2: {head:?}");
    let other = Client { protocol: b"spdy/3", ..Client::new(&authority) };
    assert!(other.connect(&running).await.is_err());
    drop(stream);
    running.stop().await;
}

#[tokio::test]
async fn clients_may_show_a_certificate_of_the_authority() {
    let (authority, stranger, files) = (Authority::new(), Authority::new(), Files::default());
    files.keep(&authority.issue(&["localhost"]));
    files.set("CA", &authority.pem());
    let certificate = certificate(true);
    certificate.refresh(&Secrets::new(files)).await;
    let running = start(certificate, Limits::default()).await;
    let own = authority.issue(&["client.example"]);
    let other = authority.issue(&["other.example"]);
    let strange = stranger.issue(&["client.example"]);
    let client = |certificate| Client { certificate, ..Client::new(&authority) };
    assert_eq!(client(None).ask(&running).await.unwrap(), "HTTP/1.1 None");
    assert_eq!(client(Some(&own)).ask(&running).await.unwrap(), "HTTP/1.1 Some(true)");
    assert_eq!(client(Some(&other)).ask(&running).await.unwrap(), "HTTP/1.1 Some(false)");
    let refused = client(Some(&strange)).ask(&running).await;
    assert!(refused.as_ref().is_err(), "{refused:?}");
    running.closed("handshake-failed").await;
    running.stop().await;
}

#[tokio::test]
async fn what_is_no_handshake_ends_the_connection() {
    let (authority, files) = (Authority::new(), Files::default());
    files.keep(&authority.issue(&["localhost"]));
    let limits = Limits {
        handshake_timeout: Duration::from_millis(200),
        linger: Duration::from_millis(20),
        ..Limits::default()
    };
    let unready = start(certificate(false), limits.clone()).await;
    assert!(Client::new(&authority).connect(&unready).await.is_err());
    unready.closed("no-certificate").await;
    unready.stop().await;

    let certificate = certificate(false);
    certificate.refresh(&Secrets::new(files)).await;
    let running = start(certificate, limits).await;
    let mut plain = TcpStream::connect(running.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(answer.contains(&format!("content-length: {}\r\n", body.len())), "{answer}");
    running.closed("handshake-failed").await;

    let mut silent = TcpStream::connect(running.address).await.unwrap();
    silent.write_all(b"\x16\x03\x01").await.unwrap();
    let mut end = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), silent.read_to_end(&mut end)).await;
    assert!(ended.is_ok() && end.is_empty());
    running.closed("handshake-timeout").await;
    running.stop().await;
}
