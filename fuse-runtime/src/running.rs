//! A running runtime: where it listens, its ledger and intake, and how to stop it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fuse_rules::Fuses;
use tokio::sync::watch;

use crate::backend::Backend;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::ledger::Ledger;
use crate::reload::Reloader;
use crate::shutdown::Shutdown;
use crate::sources::Intake;
use crate::tasks::TaskSet;

/// How often old events are pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

/// A running runtime.
pub struct Running {
    pub(crate) listening: Vec<String>,
    pub(crate) admin_address: Option<SocketAddr>,
    pub(crate) intake: Intake,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) stopper: watch::Sender<bool>,
    pub(crate) tasks: TaskSet,
    pub(crate) reloader: Reloader,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) grace: Duration,
    /// Whether it is going to stop, for readiness.
    pub(crate) stops_soon: Arc<AtomicBool>,
}

impl Running {
    /// Where the sources and the admin port listen, for people.
    pub fn listening(&self) -> &[String] {
        &self.listening
    }

    /// The address of the admin port, if there is one. If port 0 was requested, it has the port that was
    /// opened.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// The values of all fuses that the rules declare, as they are now.
    pub fn fuses(&self) -> Fuses {
        self.engine.active.get().fuses.clone()
    }

    /// The record of decisions and actions.
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// The intake, where an embedder submits events of its own.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// Replaces the rules while the runtime runs.
    pub fn reloader(&self) -> &Reloader {
        &self.reloader
    }

    /// The same with another grace time.
    #[cfg(test)]
    pub(crate) fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Reports in `/readyz` that the runtime stops, while it still accepts events: for load balancers that need a moment
    /// until they send events elsewhere.
    pub fn announce_stop(&self) {
        self.stops_soon.store(true, Ordering::Relaxed);
    }

    /// Stops the runtime: no more events are accepted, and work in progress is finished or left to the
    /// next start. Takes no longer than the grace time. Returns `false` if work was aborted, or the
    /// backend did not close cleanly.
    pub async fn stop(self) -> bool {
        // Sending fails only if every task has ended already.
        let _ended = self.stopper.send(true).is_err();
        let (tasks, engine) = (&self.tasks, &self.engine);
        let finished = tokio::time::timeout(self.grace, async {
            tasks.finish().await;
            engine.finish().await;
        });
        let in_time = finished.await.is_ok();
        if !in_time {
            tracing::warn!("some work did not finish in time; the next start resumes it");
            self.tasks.abort().await;
            self.engine.abort().await;
        }
        if let Err(error) = self.backend.close().await {
            tracing::error!(%error, "the backend did not close cleanly");
            return false;
        }
        in_time
    }
}

/// Periodically prunes old events.
pub(crate) async fn prune(ledger: Arc<dyn Ledger>, clock: Clock, keep: Duration, stop: Shutdown) {
    loop {
        // One of several replicas does it for all.
        let is_keeper = ledger.sharing().is_none_or(|sharing| *sharing.is_keeper.borrow());
        if let Ok(before) = clock.steady().checked_sub(keep)
            && is_keeper
        {
            match ledger.prune(before).await {
                Ok(0) => {}
                Ok(count) => {
                    tracing::info!(count, "pruned old events")
                }
                Err(error) => tracing::warn!(%error, "cannot prune old events"),
            }
        }
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(PRUNE_EVERY) => {}
        }
    }
}
