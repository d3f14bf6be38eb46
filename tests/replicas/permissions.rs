use fuse_runtime::backend::{Backend as _, JetStream, JetStreamOptions, Login, permissions};
use fuse_runtime::bus::Published;
use fuse_runtime::secrets::Secret;

use super::event;
use crate::support::Nats;

#[tokio::test]
async fn the_printed_permissions_are_enough() {
    let least = permissions(&JetStreamOptions::new(""));
    let users = format!(
        "accounts {{ fuse {{ jetstream: enabled, users: [\n  {{ user: fuse, password: secret, {least} }}\n] }} }}"
    );
    let Some(nats) = Nats::with(&users).await else { return };
    let login = |password: &str| Login::Password("fuse".into(), Secret::new(password));
    let wrong = JetStreamOptions { login: login("wrong"), ..JetStreamOptions::new(nats.url()) };
    let refused = JetStream::open(wrong).await.unwrap_err().to_string();
    assert!(refused.starts_with("cannot connect to the NATS servers nats://127."), "{refused}");
    assert!(refused.contains("authorization violation"), "{refused}");

    let options = JetStreamOptions { login: login("secret"), ..JetStreamOptions::new(nats.url()) };
    let in_url = nats.url().replace("nats://", "nats://fuse:secret@");
    JetStream::init(&JetStreamOptions::new(in_url)).await.unwrap();
    let report = JetStream::init(&options).await.unwrap();
    assert_eq!((report.stream.as_str(), report.copies, report.snapshot), ("FUSE_LOG", 1, None));
    let one = JetStream::open(options.clone()).await.unwrap();
    assert_eq!(one.bus().publish(event("1")).await, Ok(Published::Accepted));
    one.snapshot().await.unwrap();
    let two = JetStream::open(options.clone()).await.unwrap();
    assert_eq!(two.bus().publish(event("1")).await, Ok(Published::Known));
    let report = JetStream::check(&options).await.unwrap();
    assert!(report.snapshot.is_some_and(|name| name.starts_with("state-")));
    let missing = JetStreamOptions { name: "other".into(), ..options };
    let problem = JetStream::check(&missing).await.unwrap_err().to_string();
    assert!(problem.contains("cannot find the stream `OTHER_LOG`"), "{problem}");
}
