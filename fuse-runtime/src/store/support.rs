//! What the tests of the bus, the ledger and the store share.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Store, StoreError};
use crate::event::Envelope;

/// 2026-08-01T10:00:00Z and so many seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_785_578_400 + seconds).unwrap()
}

pub(crate) fn envelope(source: &str, id: &str, body: &str) -> Envelope {
    Envelope {
        id: id.into(),
        source: source.into(),
        name: "push".into(),
        received: at(0),
        headers: BTreeMap::from([("content-type".into(), "application/json".into())]),
        query: BTreeMap::new(),
        rejected: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// Keeps the writer busy with a batch of one, so that what comes now waits for the next batch.
pub(crate) struct Gate {
    open: mpsc::Sender<()>,
    through: JoinHandle<Result<(), StoreError>>,
}

impl Gate {
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

/// Lets the other tasks run until so many writes wait.
pub(crate) async fn until_waiting(store: &Store, writes: usize) {
    for _ in 0..100_000 {
        if store.waiting() >= writes {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{} of {writes} writes wait", store.waiting());
}

/// Makes a store's file fail. Clones are the same switch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    full: Arc<AtomicBool>,
    broken: Arc<AtomicBool>,
}

impl Faults {
    /// Nothing can be written from now on, as on a full disk; or can again.
    pub(crate) fn full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// Nothing can be read or written from now on; or can again.
    pub(crate) fn broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    pub(crate) fn strike(&self, writes: bool) -> io::Result<()> {
        if writes && self.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        Ok(())
    }
}

impl Store {
    /// The switch that makes this store's file fail.
    pub(crate) fn faults(&self) -> Faults {
        self.inner.core.opener.faults.clone()
    }
}
