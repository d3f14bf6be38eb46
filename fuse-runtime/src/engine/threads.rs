//! Messages of one thread take turns: each knows the message that began the thread.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::slots::Congested;
use crate::ledger::ThreadKey;

/// How long a thread is remembered after its last message.
pub(super) const MAX_QUIET: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);

/// The threads in which a message is being sent.
#[derive(Debug, Default)]
pub(crate) struct ThreadTurns {
    threads: Mutex<HashMap<ThreadKey, Weak<Turn<()>>>>,
}

impl ThreadTurns {
    fn of(&self, key: &ThreadKey) -> Arc<Turn<()>> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = threads.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        threads.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        threads.insert(key.clone(), Arc::downgrade(&turn));
        turn
    }

    /// Waits until no other message of the thread is being sent, but no longer than this.
    pub(super) async fn take(
        &self,
        key: &ThreadKey,
        max_wait: Option<Duration>,
    ) -> Result<OwnedMutexGuard<()>, Congested> {
        let turn = self.of(key).lock_owned();
        match max_wait {
            Some(max) => tokio::time::timeout(max, turn).await.map_err(|_elapsed| Congested),
            None => Ok(turn.await),
        }
    }
}
