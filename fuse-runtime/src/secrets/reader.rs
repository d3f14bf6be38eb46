//! Reads several secrets, none of which can hold up the others.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, join_all};

use super::{Secret, SecretError, SecretRef, SecretStore, Secrets};

/// How long one secret may take. A file on a network may hang.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// The secrets that could be read.
pub(crate) type ReadSecrets = BTreeMap<SecretRef, Secret>;

/// A read that has begun. It ends even if nobody waits for it.
type BegunRead = Shared<BoxFuture<'static, Result<Secret, SecretError>>>;

/// The reads of a store that have not ended. They are not started again, even if nobody waits for them any more, since
/// each may occupy a thread.
#[derive(Default)]
pub(super) struct BegunReads {
    reads: Mutex<BTreeMap<SecretRef, BegunRead>>,
}

impl BegunReads {
    /// The read of this secret that has begun, or a new one.
    fn begin(&self, reference: &SecretRef, store: &Arc<dyn SecretStore>) -> BegunRead {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        // Ended reads are not kept: they contain secrets.
        reads.retain(|_, read| read.peek().is_none());
        let begin = || {
            let (store, read) = (Arc::clone(store), reference.clone());
            let task = tokio::spawn(async move { store.read(&read).await });
            let reference = reference.clone();
            let ended = task.map(move |ended| match ended {
                Ok(result) => result,
                Err(panic) => Err(SecretError::io(&reference, io::Error::other(panic))),
            });
            ended.boxed().shared()
        };
        reads.entry(reference.clone()).or_insert_with(begin).clone()
    }

    fn forget(&self, reference: &SecretRef, read: &BegunRead) {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        if reads.get(reference).is_some_and(|begun| begun.ptr_eq(read)) {
            reads.remove(reference);
        }
    }
}

impl Secrets {
    /// Reads secrets at the same time, each within a second: the secrets, and what is wrong with those that are left
    /// out.
    pub(crate) async fn read_all(
        &self,
        references: BTreeSet<&SecretRef>,
    ) -> (ReadSecrets, Vec<SecretError>) {
        let (mut read, mut problems) = (ReadSecrets::new(), Vec::new());
        let reading = references
            .into_iter()
            .map(async |reference| (reference, self.read_in_time(reference).await));
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

    async fn read_in_time(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let read = self.begun.begin(reference, &self.store);
        match tokio::time::timeout(READ_WITHIN, read.clone()).await {
            Ok(result) => {
                self.begun.forget(reference, &read);
                result
            }
            Err(_elapsed) => {
                let why = "it takes longer than a second";
                Err(SecretError::io(reference, io::Error::new(io::ErrorKind::TimedOut, why)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
        // As if the task that reads were aborted.
        let read = secrets.read_all([&reference].into());
        assert!(tokio::time::timeout(READ_WITHIN / 2, read).await.is_err());
        for _ in 0..2 {
            let (read, problems) = secrets.read_all([&reference].into()).await;
            assert!(read.is_empty());
            let why = "environment variable `T` cannot be read: it takes longer than a second";
            assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [why]);
        }
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }
}
