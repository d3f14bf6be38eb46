//! Replicas that share a ledger: one of them is the keeper, which does what is not part of handling an event. A process
//! that is alone is its own keeper.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::Engine;
use crate::ledger::{Ledger, OthersChanges};
use crate::shutdown::Shutdown;

/// Whether a process with this ledger starts as the keeper.
pub(crate) fn keeper(ledger: &dyn Ledger) -> Arc<watch::Sender<bool>> {
    let is_keeper = ledger.sharing().is_none_or(|sharing| *sharing.is_keeper.borrow());
    Arc::new(watch::Sender::new(is_keeper))
}

impl Engine {
    /// Whether this process retries held actions, resumes decisions that wait, and stops replaced work.
    pub(crate) fn is_keeper(&self) -> bool {
        *self.keeper.borrow()
    }

    /// Waits until this process is the keeper. Returns `false` if it has to stop.
    pub(crate) async fn until_keeper(&self, stop: &Shutdown) -> bool {
        let mut keeper = self.keeper.subscribe();
        tokio::select! {
            biased;
            () = stop.requested() => false,
            // The sender lives as long as the engine.
            is_keeper = keeper.wait_for(|is_keeper| *is_keeper) => is_keeper.is_ok(),
        }
    }

    /// Follows what other replicas change, until the shutdown is requested.
    pub(crate) async fn follow_others(self: Arc<Self>, stop: Shutdown) {
        let Some(mut sharing) = self.ledger.sharing() else { return stop.requested().await };
        loop {
            let is_keeper = *sharing.is_keeper.borrow_and_update();
            if self
                .keeper
                .send_if_modified(|before| std::mem::replace(before, is_keeper) != is_keeper)
            {
                let keeper = if is_keeper { "this replica" } else { "another replica" };
                tracing::info!("{keeper} is the keeper now");
                self.parked.accept(is_keeper);
                self.in_doubt.store(true, Ordering::Relaxed);
            }
            tokio::select! {
                () = stop.requested() => return,
                changed = sharing.is_keeper.changed() => if changed.is_err() {
                    return stop.requested().await;
                },
                changes = sharing.changes.recv() => match changes {
                    Ok(changes) => self.look_at(&changes, &stop).await,
                    Err(RecvError::Lagged(_)) => self.look_at_everything().await,
                    Err(RecvError::Closed) => return stop.requested().await,
                },
            }
        }
    }

    async fn look_at(self: &Arc<Self>, changes: &OthersChanges, stop: &Shutdown) {
        if changes.fuses {
            self.switchboard.blown().await;
        }
        if !self.is_keeper() {
            return;
        }
        if changes.waits {
            self.waits_changed.notify_one();
        }
        if changes.stops {
            self.stops_changed.notify_one();
        }
        for id in &changes.actions {
            match self.ledger.find_action(id).await {
                Ok(Some(action)) if action.action.state.is_settled() => {
                    if self.parked.take(id).is_some() {
                        self.parked.forget(id);
                    }
                }
                Ok(Some(action)) if action.action.off_bus => self.resume(action, stop),
                Ok(_) => {}
                Err(_) => self.in_doubt.store(true, Ordering::Relaxed),
            }
        }
    }

    /// Too many changes were missed to look at each.
    async fn look_at_everything(&self) {
        self.in_doubt.store(true, Ordering::Relaxed);
        self.waits_changed.notify_one();
        self.stops_changed.notify_one();
        self.switchboard.blown().await;
    }
}
