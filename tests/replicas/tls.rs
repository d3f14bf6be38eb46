use fuse_runtime::backend::{JetStream, JetStreamOptions};

use crate::support::Nats;
use crate::support::tls::Authority;

#[tokio::test]
async fn servers_with_tls_need_the_authority_that_issued_their_certificate() {
    let authority = Authority::new();
    let issued = authority.issue(&["localhost", "127.0.0.1"]);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let (cert, key) = (file("tls.crt", &issued.cert), file("tls.key", &issued.key));
    let tls = format!("tls {{ cert_file: {cert:?}, key_file: {key:?} }}");
    let Some(nats) = Nats::with(&tls).await else { return };
    let trusting = |authority: &Authority, name| JetStreamOptions {
        ca_file: Some(file(name, &authority.pem())),
        ..JetStreamOptions::new(nats.url())
    };
    let report = JetStream::init(&trusting(&authority, "ca.crt")).await.unwrap();
    assert_eq!(report.stream, "FUSE_LOG");
    let other = JetStream::check(&trusting(&Authority::new(), "other.crt")).await.unwrap_err();
    assert!(other.to_string().contains("cannot connect to the NATS servers"), "{other}");
}
