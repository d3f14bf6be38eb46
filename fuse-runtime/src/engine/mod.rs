//! The engine: takes events off the bus, decides each once, commits that, then fires.
//!
//! ```text
//! bus.next -> evaluate -> ledger.decide -> for each action: intend, fire, settle -> bus.ack
//!                                                             \-> hold -> ... -> fire, settle
//! ```
//! Each arrow is durable before the next begins, so that a crash between any two resumes from what
//! is on record: an event is never decided twice, an action never fired without its intent.

mod decide;
mod fire;
mod follow;
mod held;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use fuse_rules::{Fuses, Plan};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::bus::{Bus, BusError, Delivery};
use crate::clock::Clock;
use crate::ledger::{ActionRecord, EventAction, Ledger, LedgerError};
use crate::metrics::Metrics;
use crate::sources::Stop;
use crate::triggers::Triggers;

pub use decide::reject_unrenderable;
pub(crate) use follow::{Follower, Watch};
pub(crate) use held::{Group, Waiting};

/// A point in the life of an event, for who watches the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// An event was taken off the bus.
    Taken,
    /// Its decisions are durable.
    Decided,
    /// The intent to fire an action is durable.
    Intended,
    /// The trigger backend says that the action was performed.
    Fired,
    /// That is durable.
    Recorded,
    /// It is durable that an action waits for something that is missing.
    Held,
    /// The event is off the bus for good.
    Acked,
}

/// Is called at every step.
pub type Watcher = Arc<dyn Fn(Step) + Send + Sync>;

/// How the engine tries again, and how much it does at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many events are worked on at once.
    pub events: usize,
    /// How many actions are fired at once.
    pub actions: usize,
    /// How often an action is tried in all before it becomes a dead letter.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles with each further one.
    pub backoff: Duration,
    /// The longest wait between attempts, unless the backend asks for a longer one.
    pub longest_backoff: Duration,
    /// How old an intent without a trace may be before the action counts as uncertain.
    pub uncertain_after: Duration,
    /// After how many attempts it is asked whether the backend could do the action at all. Where it
    /// could not, the action is held.
    pub hold_after: u32,
    /// How often it is looked whether what held actions wait for is there.
    pub recheck: Duration,
    /// How long an action may be held before it becomes a dead letter.
    pub held_for: Duration,
    /// How many actions of one trigger may be held; those past it become dead letters.
    pub held_most: usize,
}

impl Default for Policy {
    /// 64 events and 16 actions at once, 8 attempts from 1 s to 1 min apart, held after 3 where the
    /// backend is away, uncertain after 5 min; what is missing is looked for every 2 s, for a day, by 10,000 actions a trigger.
    fn default() -> Self {
        Self {
            events: 64,
            actions: 16,
            attempts: 8,
            backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(60),
            uncertain_after: Duration::from_secs(300),
            hold_after: 3,
            recheck: Duration::from_secs(2),
            held_for: Duration::from_secs(24 * 3600),
            held_most: 10_000,
        }
    }
}

/// All that the engine works with.
pub(crate) struct Engine {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) plan: Plan,
    /// The hash of the rules that the plan was made of.
    pub(crate) plan_hash: String,
    pub(crate) fuses: Fuses,
    pub(crate) triggers: Triggers,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) policy: Policy,
    pub(crate) watcher: Watcher,
    /// Places for actions that are being fired.
    pub(crate) firing: Semaphore,
    pub(crate) waiting: Arc<Waiting>,
}

/// Why work on an event was put down; a restart takes it up again.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error("the runtime is stopping")]
    Stopping,
    #[error("what actions wait for is away, and as many of them wait as may")]
    Full,
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl Engine {
    /// Works until told to stop, then finishes or puts down what is under way.
    pub(crate) async fn run(self: Arc<Self>, stop: Stop) {
        let places = Arc::new(Semaphore::new(self.policy.events));
        let mut working = JoinSet::new();
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                break;
            };
            let delivery = tokio::select! {
                biased;
                () = stop.requested() => break,
                delivery = self.bus.next() => delivery,
            };
            match delivery {
                Ok(delivery) => {
                    let (engine, stop) = (Arc::clone(&self), stop.clone());
                    working.spawn(async move {
                        engine.work(delivery, &stop).await;
                        drop(place);
                    });
                }
                Err(BusError::Closed) => break,
                Err(error) => {
                    tracing::error!(%error, "cannot take an event off the bus; trying again");
                    self.pause(self.policy.backoff, &stop).await;
                }
            }
            while working.try_join_next().is_some() {}
        }
        while working.join_next().await.is_some() {}
    }

    async fn work(&self, delivery: Delivery, stop: &Stop) {
        (self.watcher)(Step::Taken);
        let key = delivery.event().key();
        match self.settle_event(&delivery, stop).await {
            Ok(()) => {}
            Err(Interrupted::Stopping | Interrupted::Bus(BusError::Closed)) => {
                tracing::info!(
                    source = key.source,
                    name = key.name,
                    event = key.id,
                    "put down until the next start"
                );
            }
            Err(Interrupted::Full) => {
                self.pause(self.policy.recheck, stop).await;
                if let Err(error) = self.bus.give_back(delivery).await {
                    tracing::error!(source = key.source, name = key.name, event = key.id, %error, "the event waits for the next start");
                }
            }
            Err(error) => {
                tracing::error!(source = key.source, name = key.name, event = key.id, %error, "cannot settle the event; trying again");
                self.pause(self.policy.backoff, stop).await;
                if let Err(error) = self.bus.give_back(delivery).await {
                    tracing::error!(source = key.source, name = key.name, event = key.id, %error, "the event waits for the next start");
                }
            }
        }
    }

    async fn settle_event(&self, delivery: &Delivery, stop: &Stop) -> Result<(), Interrupted> {
        let record = self.decided(delivery.event()).await?;
        // What was held is looked after elsewhere, and no longer the delivery's.
        let is_open = |action: &ActionRecord| !action.state.is_settled() && !action.off_bus;
        let open = record.actions.into_iter().filter(is_open);
        let fired = open
            .map(|action| self.perform(EventAction { event: record.event.key(), action }, stop));
        // All are tried, whatever becomes of the others.
        for result in join_all(fired).await {
            result?;
        }
        self.bus.ack(delivery).await?;
        let took = (self.clock)().duration_since(record.event.received);
        self.metrics.settling(took.try_into().unwrap_or_default());
        (self.watcher)(Step::Acked);
        Ok(())
    }

    /// Waits, but not past the time to stop.
    pub(crate) async fn pause(&self, time: Duration, stop: &Stop) {
        tokio::select! {
            () = stop.requested() => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}

/// Drives all futures at once, in this task.
pub(crate) async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    use std::task::Poll;
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for (future, output) in &mut pending {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *output = Some(value),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    pending.into_iter().filter_map(|(_, output)| output).collect()
}
