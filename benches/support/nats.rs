//! A nats-server for comparison: one node that flushes each message, as fuse flushes each event.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use bytes::Bytes;

/// The server. Dropping it kills it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The time until a server has stored so many messages, if the environment variable `FUSE_TEST_NATS` names its program. Each
/// sender waits until its message is stored before it sends the next one.
pub(crate) async fn measure(
    folder: &Path,
    body: &str,
    messages: u64,
    senders: usize,
) -> Option<Duration> {
    let program = std::env::var_os("FUSE_TEST_NATS")?;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = folder.join("nats.conf");
    let text = format!(
        "listen: 127.0.0.1:{port}\njetstream {{ store_dir: {folder:?}, sync_interval: always }}\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(program);
    command.arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Server(command.spawn().unwrap());
    let address = (Ipv4Addr::LOCALHOST.to_string(), port);
    let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
    let client = options.connect(format!("{}:{}", address.0, address.1)).await.unwrap();
    let context = jetstream::new(client);
    let stream = jetstream::stream::Config {
        name: "BENCH".to_owned(),
        subjects: vec!["bench".to_owned()],
        ..Default::default()
    };
    while context.create_stream(stream.clone()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (next, body) = (Arc::new(AtomicU64::new(0)), Bytes::copy_from_slice(body.as_bytes()));
    let start = Instant::now();
    let senders: Vec<_> = (0..senders)
        .map(|_| {
            let (next, body, context) = (Arc::clone(&next), body.clone(), context.clone());
            tokio::spawn(async move {
                while next.fetch_add(1, Ordering::Relaxed) < messages {
                    context.publish("bench", body.clone()).await.unwrap().await.unwrap();
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    Some(start.elapsed())
}
