//! A runtime that runs: what it listens on, what it knows, and stopping it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::engine::Engine;
use crate::ledger::Ledger;
use crate::shutdown::Shutdown;
use crate::sources::Intake;
use crate::store::Store;

/// How often what is past its time is removed from the ledger.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

/// A runtime that runs.
pub struct Running {
    pub(crate) listening: Vec<String>,
    pub(crate) admin_address: Option<SocketAddr>,
    pub(crate) intake: Intake,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) stopper: watch::Sender<bool>,
    pub(crate) tasks: JoinSet<()>,
    pub(crate) store: Store,
    pub(crate) grace: Duration,
}

impl Running {
    /// What listens where, for people.
    pub fn listening(&self) -> &[String] {
        &self.listening
    }

    /// The admin port's address, where there is one: with the port that was opened, if 0 was
    /// asked for.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// What was decided and done, to be read.
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// Where an embedding service hands in events of its own.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// The same with another grace time.
    #[cfg(test)]
    pub(crate) fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Stops: nothing more is taken in, what is under way is finished or put down for the next
    /// start. Takes no longer than the grace time; `false` if something had to be cut short, or the
    /// store did not close cleanly.
    pub async fn stop(mut self) -> bool {
        // Nobody listens any more only where everything has ended already.
        let _ended = self.stopper.send(true).is_err();
        let (tasks, engine) = (&mut self.tasks, &self.engine);
        let finished = tokio::time::timeout(self.grace, async {
            while tasks.join_next().await.is_some() {}
            engine.finish().await;
        });
        let in_time = finished.await.is_ok();
        if !in_time {
            tracing::warn!("something did not finish in time; the next start takes it up");
            self.tasks.shutdown().await;
            self.engine.abort().await;
        }
        if let Err(error) = self.store.close().await {
            tracing::error!(%error, "the store did not close cleanly");
            return false;
        }
        in_time
    }
}

/// Removes what is past its time, now and then.
pub(crate) async fn prune(ledger: Arc<dyn Ledger>, clock: Clock, keep: Duration, stop: Shutdown) {
    loop {
        if let Ok(before) = clock.steady().checked_sub(keep) {
            match ledger.prune(before).await {
                Ok(0) => {}
                Ok(count) => {
                    tracing::info!(count, "removed settled events that are past their time")
                }
                Err(error) => tracing::warn!(%error, "cannot remove what is past its time"),
            }
        }
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(PRUNE_EVERY) => {}
        }
    }
}
