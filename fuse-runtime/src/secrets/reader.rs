//! Reads several secrets, none of which can hold up the others.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::{Secret, SecretError, SecretRef, Secrets};

/// How long one secret may take. A file on a network may hang.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// The secrets that could be read.
pub(crate) type ReadSecrets = BTreeMap<SecretRef, Secret>;

/// Reads secrets at the same time, each within a second.
#[derive(Default)]
pub(crate) struct SecretReader {
    /// Reads that have not ended. They are not started again, even if nobody waits for them any more, since each may
    /// occupy a thread.
    begun: Mutex<BTreeMap<SecretRef, JoinHandle<Result<Secret, SecretError>>>>,
}

impl SecretReader {
    /// The secrets, and what is wrong with those that are left out.
    pub(crate) async fn read(
        &self,
        references: BTreeSet<&SecretRef>,
        secrets: &Secrets,
    ) -> (ReadSecrets, Vec<SecretError>) {
        let (mut read, mut problems) = (ReadSecrets::new(), Vec::new());
        let reading = references
            .into_iter()
            .map(async |reference| (reference, self.read_one(reference, secrets).await));
        for (reference, secret) in join_all(reading).await {
            match secret {
                // Whatever the store: such a secret would let anyone in.
                Ok(secret) if secret.expose().trim().is_empty() => {
                    problems.push(SecretError::Empty(reference.clone()));
                }
                Ok(secret) => drop(read.insert(reference.clone(), secret)),
                Err(problem) => problems.push(problem),
            }
        }
        (read, problems)
    }

    async fn read_one(
        &self,
        reference: &SecretRef,
        secrets: &Secrets,
    ) -> Result<Secret, SecretError> {
        let reading = poll_fn(|context| {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            let read = begun.entry(reference.clone()).or_insert_with(|| {
                let (secrets, reference) = (secrets.clone(), reference.clone());
                tokio::spawn(async move { secrets.read(&reference).await })
            });
            let ended = Pin::new(read).poll(context);
            if ended.is_ready() {
                begun.remove(reference);
            }
            ended
        });
        let source = match tokio::time::timeout(READ_WITHIN, reading).await {
            Ok(Ok(read)) => return read,
            Ok(Err(panic)) => io::Error::other(panic),
            Err(_elapsed) => {
                io::Error::new(io::ErrorKind::TimedOut, "it takes longer than a second")
            }
        };
        Err(SecretError::Io { reference: reference.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::secrets::SecretStore;

    /// Counts its reads, which never end.
    struct Hanging(Arc<AtomicUsize>);

    #[async_trait]
    impl SecretStore for Hanging {
        async fn read(&self, _: &SecretRef) -> Result<Secret, SecretError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_hangs_is_started_once_even_if_its_reader_gives_up() {
        let begun = Arc::new(AtomicUsize::new(0));
        let secrets = Secrets::new(Hanging(Arc::clone(&begun)));
        let reference = SecretRef::Env { name: "T".into() };
        let reader = SecretReader::default();
        // As if the task that reads were aborted.
        let read = reader.read([&reference].into(), &secrets);
        assert!(tokio::time::timeout(READ_WITHIN / 2, read).await.is_err());
        for _ in 0..2 {
            let (read, problems) = reader.read([&reference].into(), &secrets).await;
            assert!(read.is_empty());
            let why = "environment variable `T` cannot be read: it takes longer than a second";
            assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [why]);
        }
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }
}
