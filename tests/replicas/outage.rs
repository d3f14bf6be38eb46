use std::time::Duration;

use async_nats::jetstream;
use fuse_runtime::backend::Backend as _;
use fuse_runtime::bus::Published;

use super::{event, open, options, replica};
use crate::support::{Nats, Setup, until};

const RULES: &str = r#"
source q webhook {
  port = 12000
  path = "/e"
  id   = body.id
  event e
}

sensor s on q.e {
  rule told {
    when body.id == "1"
    trigger log { message = "event" }
  }
}
"#;

#[tokio::test]
async fn without_a_broker_senders_get_503_and_the_reason_is_shown() {
    let Some(mut nats) = Nats::alone().await else { return };
    let toml = format!("[backend]\nurl = {:?}\n", nats.url());
    let fuse = Setup::rules(RULES).toml(&toml).start().await;
    let send = async |id: &str| fuse.post((12_000, "/e"), format!(r#"{{"id":"{id}"}}"#)).await;
    assert_eq!(send("1").await.status, 202);
    nats.kill(0);
    let start = std::time::Instant::now();
    assert_eq!(send("2").await.status, 503);
    assert!(start.elapsed() > Duration::from_secs(9), "it waits for a new leader");
    let ready = fuse.admin("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text.contains("the broker cannot be used"), "{}", ready.text);
    assert_eq!(fuse.admin("/healthz").await.status, 200, "a restart would not help");
    nats.start_again(0).await;
    until("it is ready again", async || (fuse.admin("/readyz").await.status == 200).then_some(()))
        .await;
    // The request that was not answered may have been accepted, and is not accepted twice.
    assert!([200, 202].contains(&send("2").await.status));
    assert_eq!(send("2").await.status, 200);
}

#[tokio::test]
async fn a_log_that_lost_messages_is_noticed_and_the_next_start_makes_a_new_copy() {
    let Some(nats) = Nats::alone().await else { return };
    let options = options(&nats);
    let (one, folder) = replica(&options).await;
    one.bus().publish(event("1")).await.unwrap();
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let config = context.get_stream(options.stream()).await.unwrap().cached_info().config.clone();
    context.delete_stream(options.stream()).await.unwrap();
    context.create_stream(config).await.unwrap();
    let failing = until("it notices", async || one.bus().health().failing_for).await;
    assert!(failing < Duration::from_secs(60));
    let problem = one.bus().health().problem.unwrap();
    assert!(problem.contains("does not continue the local copy"), "{problem}");
    assert!(folder.path().join("unusable").exists());
    drop(one);
    let one = open(&options, &folder).await.unwrap();
    assert!(folder.path().join("fuse.redb.old").exists());
    assert_eq!(one.bus().publish(event("1")).await, Ok(Published::Accepted), "the log is new");
}
