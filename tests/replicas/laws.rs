//! The laws of every backend.

use std::sync::Arc;

use async_trait::async_trait;
use fuse_runtime::backend::{Backend, BackendError, JetStreamOptions};
use fuse_runtime::testing::backend_laws::{Fixture, check};
use tempfile::TempDir;

use super::{open, options};
use crate::support::Nats;

/// A stream of its own, and one replica after the other.
struct OneReplica {
    options: JetStreamOptions,
    folder: TempDir,
}

impl OneReplica {
    fn new(nats: &Nats) -> Self {
        Self { options: options(nats), folder: tempfile::tempdir().unwrap() }
    }
}

#[async_trait]
impl Fixture for OneReplica {
    async fn open(&self) -> Result<Arc<dyn Backend>, BackendError> {
        let opened = open(&self.options, &self.folder).await;
        Ok(Arc::new(opened.map_err(BackendError::new)?))
    }

    async fn open_with_max_backlog(
        &self,
        max_backlog: u64,
    ) -> Result<Option<Arc<dyn Backend>>, BackendError> {
        let options = JetStreamOptions { max_backlog, ..self.options.clone() };
        let opened = open(&options, &self.folder).await;
        Ok(Some(Arc::new(opened.map_err(BackendError::new)?)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_server_keeps_every_law() {
    let Some(nats) = Nats::alone().await else { return };
    check(|| OneReplica::new(&nats)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_servers_keep_every_law() {
    let Some(nats) = Nats::three().await else { return };
    check(|| OneReplica::new(&nats)).await.unwrap();
}
