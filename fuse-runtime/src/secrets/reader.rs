//! Reads several secrets, none of which can hold up the others.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
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
    /// Reads that have not ended. They are not started again, since each may occupy a thread.
    hung: Mutex<BTreeMap<SecretRef, JoinHandle<Result<Secret, SecretError>>>>,
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
        let hung = || self.hung.lock().unwrap_or_else(PoisonError::into_inner);
        let known = hung().remove(reference);
        let mut reading = known.unwrap_or_else(|| {
            let (secrets, reference) = (secrets.clone(), reference.clone());
            tokio::spawn(async move { secrets.read(&reference).await })
        });
        let source = match tokio::time::timeout(READ_WITHIN, &mut reading).await {
            Ok(Ok(read)) => return read,
            Ok(Err(panic)) => io::Error::other(panic),
            Err(_elapsed) => {
                hung().insert(reference.clone(), reading);
                io::Error::new(io::ErrorKind::TimedOut, "it takes longer than a second")
            }
        };
        Err(SecretError::Io { reference: reference.clone(), source })
    }
}
