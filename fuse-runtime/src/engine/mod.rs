//! The engine: takes events off the bus, decides each once, commits that, then fires.
//!
//! ```text
//! bus.next -> evaluate -> ledger.decide -> for each action: gate, intend, fire, settle -> bus.ack
//!                                                             \-> set aside -> ... -> gate, ...
//! ```
//! Each arrow is durable before the next begins, so that a crash between any two resumes from what
//! is on record: an event is never decided twice, an action never fired without its intent.

mod aside;
mod decide;
mod fire;
mod follow;
mod gate;
mod pending;
mod shares;
#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fuse_rules::{Fuses, Plan};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::bus::{Bus, BusError, Delivery};
use crate::clock::Clock;
use crate::event::EventKey;
use crate::ledger::{EventAction, Ledger, LedgerError};
use crate::log_limit::LogLimit;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::triggers::{Guarded, Readiness, Triggers};

pub(crate) use aside::DiscardError;
pub use aside::discarded;
pub use decide::reject_unrenderable;
use fire::Waits;
pub(crate) use follow::{Follower, Watch};
pub(crate) use gate::Gate;
pub(crate) use pending::{Group, Pending};
pub(crate) use shares::Shares;

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
    /// It is durable that an action waits for something that is missing, or is held by a fuse.
    Held,
    /// It is durable that an action is to be tried again later.
    Waiting,
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
    /// How many actions are performed at once, in fair shares: one trigger gets up to a half, one rule
    /// up to a third.
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
    /// How many actions of one trigger may be held or wait to be tried again. Of those past it, the ones
    /// that lack something become dead letters; the others stay on the bus.
    pub held_most: usize,
}

impl Default for Policy {
    /// 64 events and 64 actions at once, 8 attempts from 1 s to 1 min apart, held after 3 where the
    /// backend is away, uncertain after 5 min; what is missing is looked for every 2 s, for a day, by 10,000 actions a trigger.
    fn default() -> Self {
        Self {
            events: 64,
            actions: 64,
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

/// How many KiB of bodies are decided on at once; a larger one is decided on alone.
pub(crate) const DECIDED_AT_ONCE: u32 = 8 << 10;
/// The longest wait before an event is handed out again for which something failed.
const LONGEST_NACK: Duration = Duration::from_secs(60);

/// All that the engine works with.
pub(crate) struct Engine {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) plan: Plan,
    /// The hash of the rules that the plan was made of.
    pub(crate) plan_hash: String,
    pub(crate) fuses: Fuses,
    pub(crate) gate: Gate,
    pub(crate) triggers: Triggers,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) policy: Policy,
    pub(crate) watcher: Watcher,
    /// Room for the bodies of events that are being decided, in KiB.
    pub(crate) deciding: Semaphore,
    /// Places for actions that are being performed.
    pub(crate) shares: Arc<Shares>,
    /// The actions that are off the bus.
    pub(crate) pending: Arc<Pending>,
    /// Whether something failed since it was last looked what is on record.
    pub(crate) in_doubt: AtomicBool,
    /// Work under way. It outlives a fault in what started it.
    pub(crate) working: Mutex<JoinSet<()>>,
}

/// Why work on an event was put down; a redelivery takes it up again.
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
    /// Works until told to stop.
    pub(crate) async fn run(self: Arc<Self>, stop: Shutdown) {
        let places = Arc::new(Semaphore::new(self.policy.events));
        let mut failures = 0;
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let delivery = tokio::select! {
                biased;
                () = stop.requested() => return,
                delivery = self.bus.next() => delivery,
            };
            match delivery {
                Ok(delivery) => {
                    failures = 0;
                    let (engine, stop) = (Arc::clone(&self), stop.clone());
                    self.spawn(async move {
                        engine.work(delivery, &stop).await;
                        drop(place);
                    });
                }
                Err(BusError::Closed) => return,
                Err(error) => {
                    self.tell_trouble(&error.into(), None, "cannot take an event off the bus");
                    self.pause(self.backoff(failures), &stop).await;
                    failures += 1;
                }
            }
        }
    }

    /// Waits until all work under way is finished or put down.
    pub(crate) async fn finish(&self) {
        loop {
            let mut working =
                std::mem::take(&mut *self.working.lock().unwrap_or_else(PoisonError::into_inner));
            if working.is_empty() {
                return;
            }
            // Where this future is dropped, so is the work.
            while working.join_next().await.is_some() {}
        }
    }

    /// Cuts all work under way short.
    pub(crate) async fn abort(&self) {
        let mut working =
            std::mem::take(&mut *self.working.lock().unwrap_or_else(PoisonError::into_inner));
        working.shutdown().await;
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        while working.try_join_next().is_some() {}
        working.spawn(work);
    }

    async fn work(self: &Arc<Self>, mut delivery: Delivery, stop: &Shutdown) {
        let key = delivery.event().key();
        let work = async {
            (self.watcher)(Step::Taken);
            self.settle_event(&mut delivery, stop).await
        };
        let wait = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Ok(())) => return,
            Ok(Err(Interrupted::Stopping | Interrupted::Bus(BusError::Closed))) => {
                tracing::info!(
                    source = key.source,
                    name = key.name,
                    event = key.id,
                    "put down until the next start"
                );
                return;
            }
            // There is room once something is released, which is found out at that pace.
            Ok(Err(Interrupted::Full)) => self.policy.recheck.saturating_mul(5),
            Ok(Err(error)) => {
                self.tell_trouble(&error, Some(&key), "cannot settle an event");
                self.backoff(delivery.redelivered())
            }
            Err(_) => {
                self.panicked("event", &key);
                self.backoff(delivery.redelivered())
            }
        };
        if let Err(error) = self.bus.nack(delivery, wait).await {
            self.tell_trouble(&error.into(), Some(&key), "an event waits for the next start");
        }
    }

    async fn settle_event(
        self: &Arc<Self>,
        delivery: &mut Delivery,
        stop: &Shutdown,
    ) -> Result<(), Interrupted> {
        let record = self.decided(delivery).await?;
        let (received, key) = (record.event.received, record.event.key());
        let mut open = Vec::new();
        for action in record.actions.into_iter().filter(|one| !one.state.is_settled()) {
            let off_bus = action.off_bus;
            let action = EventAction { event: key.clone(), action };
            if off_bus {
                // Somebody looks after it already, unless its setting aside was cut short.
                self.look_after(action, stop);
            } else if self.is_stuck(&action.action.action.trigger).await {
                return Err(Interrupted::Full);
            } else {
                open.push(self.perform(action, Waits::Event, stop));
            }
        }
        // All are tried, whatever becomes of the others.
        for result in join_all(open).await {
            result?;
        }
        self.bus.ack(delivery).await?;
        let took = self.clock.now().duration_since(received);
        self.metrics.settling(took.try_into().unwrap_or_default());
        (self.watcher)(Step::Acked);
        Ok(())
    }

    /// Whether a trigger's backend is away and as many of its actions wait as may, so that there is
    /// nothing to try.
    async fn is_stuck(&self, kind: &str) -> bool {
        if self.pending.has_room(kind, self.policy.held_most) {
            return false;
        }
        let Some(trigger) = self.triggers.get(kind) else { return false };
        let trigger = Guarded { trigger: trigger.as_ref(), kind, metrics: &self.metrics };
        matches!(trigger.readiness().await, Readiness::NotReady(_))
    }

    fn backoff(&self, failures: u32) -> Duration {
        self.policy.backoff.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_NACK)
    }

    /// Says that work failed and is done again, at a bounded rate.
    fn tell_trouble(&self, error: &Interrupted, event: Option<&EventKey>, what: &'static str) {
        static LIMIT: LogLimit = LogLimit::new();
        self.in_doubt.store(true, Ordering::Relaxed);
        if let Some(left_out) = LIMIT.pass() {
            let event = event.map(ToString::to_string).unwrap_or_default();
            tracing::error!(event, %error, left_out, "{what}; trying again");
        }
    }

    /// Says that a fault of fuse was met; the work is done again.
    fn panicked(&self, task: &'static str, event: &EventKey) {
        static LIMIT: LogLimit = LogLimit::new();
        self.in_doubt.store(true, Ordering::Relaxed);
        self.metrics.panicked(task);
        if let Some(left_out) = LIMIT.pass() {
            tracing::error!(
                task,
                %event,
                left_out,
                "a fault inside fuse interrupted work, which is done again; please report it"
            );
        }
    }

    /// Waits, but not past the time to stop.
    pub(crate) async fn pause(&self, time: Duration, stop: &Shutdown) {
        tokio::select! {
            () = stop.requested() => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}
