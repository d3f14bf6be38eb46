/// The same history on both backends.
mod history;
mod laws;
/// Moving a state to the broker and back.
mod migrate;
/// The broker is gone, or lost something.
mod outage;
/// What fuse may do at the broker, and what it says if it may not.
mod permissions;
/// New replicas take the places of old ones.
mod report;
mod rolling;
mod sharing;
/// Copies of the state at the broker.
mod snapshots;
mod tls;

use std::sync::atomic::{AtomicU64, Ordering};

use fuse_runtime::backend::{JetStream, JetStreamError, JetStreamOptions};
use fuse_runtime::event::Envelope;
use fuse_runtime::store::StoreError;
use jiff::Timestamp;
use tempfile::TempDir;

use crate::support::Nats;

/// Options for a stream that no other test has.
fn options(nats: &Nats) -> JetStreamOptions {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
    JetStreamOptions { name, ..JetStreamOptions::new(nats.url()) }
}

/// Opens a replica in a folder that another one may have had until a moment ago.
async fn open(options: &JetStreamOptions, folder: &TempDir) -> Result<JetStream, JetStreamError> {
    let folder = Some(folder.path().to_owned());
    let options = JetStreamOptions { folder, ..options.clone() };
    loop {
        match JetStream::open(options.clone()).await {
            // The tasks of a replica that is dropped end a little later.
            Err(JetStreamError::Store(StoreError::Locked { .. })) => {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            opened => return opened,
        }
    }
}

fn event(id: &str) -> Envelope {
    Envelope::new("github", "push", id, Timestamp::UNIX_EPOCH, "{}")
}

/// A replica in a folder of its own.
async fn replica(options: &JetStreamOptions) -> (JetStream, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (open(options, &folder).await.unwrap(), folder)
}
