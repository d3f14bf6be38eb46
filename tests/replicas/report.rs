use fuse_runtime::backend::{JetStream, JetStreamOptions};

use crate::support::{Nats, until};

#[tokio::test]
async fn the_room_of_the_account_and_the_clock_are_known() {
    let account = "accounts { fuse { jetstream { max_file: 1MB }, users: [{ user: fuse, password: secret }] } }";
    let Some(nats) = Nats::with(account).await else { return };
    let options = JetStreamOptions::new(nats.url().replace("nats://", "nats://fuse:secret@"));
    let report = JetStream::init(&options).await.unwrap();
    assert!(report.room.is_some_and(|room| room > 1_000_000 && room <= 1 << 20), "{report:?}");
    // Servers before 2.11 have no level.
    assert_eq!(report.api_level.is_some(), !report.server.starts_with("2.10."), "{report:?}");
    assert!(report.skew.is_some_and(|skew| skew.is_zero()), "{report:?}");
    let [copies] = &report.warnings()[..] else { panic!("{report:?}") };
    assert!(copies.contains("is 1, not 3"), "{copies}");
}

#[tokio::test]
async fn a_server_whose_copy_is_behind_is_named() {
    let Some(mut nats) = Nats::three().await else { return };
    let options = JetStreamOptions::new(nats.url());
    // Servers that started a moment ago may not know each other yet.
    let report = until("the stream is made", async || JetStream::init(&options).await.ok()).await;
    assert_eq!(report.warnings(), Vec::<String>::new(), "{report:?}");
    nats.kill(2);
    until("the server is named", async || {
        let report = JetStream::check(&options).await.ok()?;
        report.behind.iter().any(|server| server.starts_with("server `node2` is ")).then_some(())
    })
    .await;
    nats.start_again(2).await;
    until("it is up to date", async || {
        JetStream::check(&options).await.ok()?.behind.is_empty().then_some(())
    })
    .await;
}
