//! Watches the other replicas, and keeps the log short.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream::Stream;

use super::propose::Proposer;
use super::shared::{ALIVE_FOR, Shared};
use super::snapshot;
use crate::store::Store;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// How often it looks how long the log is.
const LOOK_AT_LOG_EVERY: Duration = Duration::from_secs(5);
/// How recently this replica must have been heard of itself, to say that others were not: it may be the one that is cut off.
const HEARD_MYSELF: Duration = Duration::from_secs(4);

/// Watches the other replicas. The keeper makes snapshots, too.
pub(super) struct Watchman {
    pub(super) shared: Arc<Shared>,
    pub(super) proposer: Arc<Proposer>,
    pub(super) store: Store,
    pub(super) stream: Stream,
    pub(super) snapshots: ObjectStore,
}

impl Watchman {
    /// Watches the other replicas, for ever.
    pub(super) async fn run(self: Arc<Self>) {
        let mut current_since = None;
        loop {
            tokio::time::sleep(EVERY).await;
            self.expire(&mut current_since).await;
        }
    }

    /// Makes snapshots when they are due, while this replica is the keeper.
    pub(super) async fn make_snapshots(self: Arc<Self>) {
        let keeper = self.shared.sharing().is_keeper;
        let mut last = None;
        loop {
            tokio::time::sleep(LOOK_AT_LOG_EVERY).await;
            if !*keeper.borrow() {
                last = None;
                continue;
            }
            let done = snapshot::make_if_due(&self.store, &self.stream, &self.snapshots, &mut last);
            if let Err(error) = done.await {
                tracing::warn!(%error, "cannot make a snapshot of the state");
            }
        }
    }

    /// Declares replicas dead that were not heard of for too long.
    async fn expire(&self, current_since: &mut Option<Instant>) {
        let now = Instant::now();
        let own = self.shared.id();
        let is_current = self
            .shared
            .last_batch_of(&own)
            .is_some_and(|(_, at)| now.duration_since(at) < HEARD_MYSELF);
        if !is_current {
            *current_since = None;
            return;
        }
        // After an outage of the broker, everybody was silent.
        let since = *current_since.get_or_insert(now);
        if now.duration_since(since) < ALIVE_FOR {
            return;
        }
        let members = self.shared.members.borrow().clone();
        for (id, member) in members {
            let Some((seen, at)) = self.shared.last_batch_of(&id) else { continue };
            if id != own && now.duration_since(at) > ALIVE_FOR {
                tracing::warn!(
                    replica = id,
                    name = member.name,
                    "a replica is not heard of; the others take over"
                );
                if let Err(error) = self.proposer.expire(id, seen).await {
                    tracing::warn!(%error, "cannot declare a replica dead");
                }
            }
        }
    }
}
