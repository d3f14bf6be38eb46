//! The backend against real NATS servers.

mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;

use super::{JetStream, JetStreamError, JetStreamOptions};
use crate::backend::{Backend, BackendError};
use crate::store::StoreError;
use crate::testing::backend_laws::{Fixture, LawError, check};
use server::Nats;

/// A stream and a folder of their own on a server that others use, too.
struct OnServer {
    options: JetStreamOptions,
    _folder: TempDir,
}

impl OnServer {
    fn new(nats: &Nats) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = tempfile::tempdir().unwrap();
        let options = JetStreamOptions {
            name: format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            folder: Some(folder.path().to_owned()),
            ..JetStreamOptions::new(&nats.url)
        };
        Self { options, _folder: folder }
    }

    async fn open_with(&self, options: JetStreamOptions) -> Result<JetStream, JetStreamError> {
        loop {
            // A backend that is dropped has tasks that end a little later.
            match JetStream::open(options.clone()).await {
                Err(JetStreamError::Store(StoreError::Locked { .. })) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                opened => return opened,
            }
        }
    }
}

#[async_trait]
impl Fixture for OnServer {
    async fn open(&self) -> Result<Arc<dyn Backend>, BackendError> {
        let opened = self.open_with(self.options.clone()).await;
        Ok(Arc::new(opened.map_err(BackendError::new)?))
    }

    async fn open_with_max_backlog(
        &self,
        max_backlog: u64,
    ) -> Result<Option<Arc<dyn Backend>>, BackendError> {
        let opened = self.open_with(JetStreamOptions { max_backlog, ..self.options.clone() }).await;
        Ok(Some(Arc::new(opened.map_err(BackendError::new)?)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_server_keeps_every_law() -> Result<(), LawError> {
    let Some(nats) = Nats::single().await else { return Ok(()) };
    if let Ok(only) = std::env::var("ONLY") {
        for law in crate::testing::backend_laws::laws() {
            if law.name().contains(&only) {
                let start = std::time::Instant::now();
                let done =
                    tokio::time::timeout(Duration::from_secs(20), law.check(&OnServer::new(&nats)))
                        .await;
                eprintln!("{} {:?} {:?}", law.name(), start.elapsed(), done);
            }
        }
        return Ok(());
    }
    check(|| OnServer::new(&nats)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_servers_keep_every_law() -> Result<(), LawError> {
    let Some(nats) = Nats::start(3).await else { return Ok(()) };
    check(|| OnServer::new(&nats)).await
}
