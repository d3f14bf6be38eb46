//! Tools for the tests of the bus, the ledger and the store.

use std::sync::mpsc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::faults::Faults;
use super::{Store, StoreError};

/// Keeps the writer busy with a batch of one, so that later writes wait for the next batch.
pub(crate) struct WriterGate {
    open: mpsc::Sender<()>,
    through: JoinHandle<Result<(), StoreError>>,
}

impl WriterGate {
    pub(crate) async fn shut(store: &Store) -> Self {
        let (entered, inside) = oneshot::channel();
        let (open, opened) = mpsc::channel();
        let mut entered = Some(entered);
        let store = store.clone();
        let through = tokio::spawn(async move {
            store
                .write(move |_| {
                    if let Some(entered) = entered.take() {
                        entered.send(()).unwrap();
                    }
                    opened.recv().unwrap();
                    Ok(())
                })
                .await
        });
        inside.await.unwrap();
        Self { open, through }
    }

    pub(crate) async fn open(self) {
        self.open.send(()).unwrap();
        self.through.await.unwrap().unwrap();
    }
}

/// Lets other tasks run until this many writes wait.
pub(crate) async fn until_waiting(store: &Store, writes: usize) {
    for _ in 0..100_000 {
        if store.waiting() >= writes {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{} of {writes} writes wait", store.waiting());
}

impl Store {
    /// The switch that makes this store's file fail.
    pub(crate) fn faults(&self) -> Faults {
        self.inner.core.opener.faults.clone()
    }
}

/// Random text of this length, which LZ4 cannot compress.
pub(crate) fn incompressible(length: usize) -> String {
    let mut random = fastrand::Rng::with_seed(1);
    (0..length).map(|_| random.alphanumeric()).collect()
}
