//! The engine: takes events from the bus, decides each once, commits the decision, then fires its
//! actions.
//!
//! ```text
//! bus.next -> evaluate -> ledger.decide -> for each action: gate, intend, fire, settle -> bus.ack
//!                                                             \-> park -> ... -> gate, ...
//! ```
//! Each step except the acknowledgement is durable before the next one begins. After a crash between two steps, the
//! engine continues from the record: it never decides an event with decisions twice, and never fires an action without
//! an intent on record. An event that no rule matches may be decided again after a crash. An action that cannot be performed now is *parked*: it leaves the bus, and is
//! retried later.

mod answer;
mod attempts;
mod decide;
mod doubt;
mod end;
mod fire;
mod followers;
mod gate;
mod keeper;
mod observe;
mod pace;
mod parked;
mod reactions;
mod replaced;
mod replay;
mod retry;
mod slots;
#[cfg(test)]
mod tests;
mod threads;
mod wake;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::{Notify, Semaphore, watch};

use crate::bus::{Bus, BusError, Delivery};
use crate::clock::Clock;
use crate::decision_waiters::DecisionWaiters;
use crate::event::EventKey;
use crate::generation::ActiveGeneration;
use crate::ledger::{EventAction, Ledger, LedgerError};
use crate::log_limit::LogLimit;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::switchboard::Switchboard;
use crate::tasks::TaskSet;
use crate::triggers::{Guarded, Readiness, Triggers};

pub(crate) use answer::AnswerError;
pub use decide::reject_unrenderable;
use fire::Caller;
pub(crate) use followers::{Followers, watches};
pub(crate) use gate::Gate;
pub(crate) use keeper::keeper;
pub(crate) use observe::{Follower, Watch};
pub(crate) use parked::{Group, Parked};
pub(crate) use replay::ReplayRequest;
pub use replay::{ReplayError, discard_dead_letter};
pub(crate) use retry::DiscardError;
pub use retry::discarded;
pub(crate) use slots::Slots;

/// A point in the life of an event, for watchers of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The bus delivered an event.
    Taken,
    /// Its decisions are recorded, and durable if there are any.
    Decided,
    /// The intent to fire an action is durable.
    Intended,
    /// The trigger reports that the action was performed.
    Fired,
    /// The terminal state of an action is durable.
    Recorded,
    /// It is durable that an action is held, because something is missing or a fuse is off.
    Held,
    /// It is durable that an action is retried later.
    Waiting,
    /// The event has left the bus.
    Acked,
    /// It is durable what became of the decisions about an event that waited until now.
    Woken,
    /// The event that replays another one is durable, and the replay is not recorded yet.
    Replayed,
}

/// A function that is called at every step.
pub type Watcher = Arc<dyn Fn(Step) + Send + Sync>;

/// How the engine retries, and how much it does concurrently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many events are processed concurrently.
    pub events: usize,
    /// How many actions are performed concurrently. One trigger gets up to a half of these slots, one
    /// rule up to a third.
    pub actions: usize,
    /// How many times an action is attempted before it becomes a dead letter, unless its rule says so.
    pub attempts: u32,
    /// The delay before the second attempt. It doubles with each further attempt.
    pub backoff: Duration,
    /// The longest delay between attempts, unless the backend asks for a longer one.
    pub max_backoff: Duration,
    /// How old an intent may be before an action that left no trace counts as uncertain.
    pub uncertain_after: Duration,
    /// After how many failed attempts the engine asks the trigger whether it could perform the action at
    /// all. If not, the action is held.
    pub hold_after: u32,
    /// How often the engine checks whether held actions can be performed.
    pub recheck: Duration,
    /// How long an action may be held before it becomes a dead letter.
    pub held_for: Duration,
    /// How many actions of one trigger may be held or wait for a retry. Beyond that, actions that lack
    /// something become dead letters, and the others stay on the bus.
    pub max_held: usize,
}

impl Default for Policy {
    /// 64 events and 64 actions concurrently; 8 attempts, 1 s to 1 min apart; held after 3 attempts if the
    /// backend is unavailable; uncertain after 5 min. Held actions are checked every 2 s, for a day, up to
    /// 10,000 per trigger.
    fn default() -> Self {
        Self {
            events: 64,
            actions: 64,
            attempts: 8,
            backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(60),
            uncertain_after: Duration::from_secs(300),
            hold_after: 3,
            recheck: Duration::from_secs(2),
            held_for: Duration::from_secs(24 * 3600),
            max_held: 10_000,
        }
    }
}

/// How many KiB of event bodies are decided concurrently. A larger body is decided alone.
pub(crate) const MAX_DECIDING_KIB: u32 = 8 << 10;
/// The longest delay before an event is delivered again after an error.
const MAX_NACK_DELAY: Duration = Duration::from_secs(60);

/// How often the delivery of an event is extended while its actions are performed.
const EXTEND_EVERY: Duration = Duration::from_secs(10);

/// Everything that the engine works with.
pub(crate) struct Engine {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) ledger: Arc<dyn Ledger>,
    /// The sources that wait for decisions.
    pub(crate) waiters: Arc<DecisionWaiters>,
    /// The rules and fuses in use. A reload replaces them.
    pub(crate) active: ActiveGeneration,
    /// Puts fuses that blew into effect.
    pub(crate) switchboard: Arc<Switchboard>,
    pub(crate) triggers: Triggers,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) policy: Policy,
    pub(crate) watcher: Watcher,
    /// Whether to decide events on the current thread.
    pub(crate) pace: pace::Pace,
    /// Limits the bodies of the events that are being decided, in KiB.
    pub(crate) deciding: Semaphore,
    /// Limits the actions that are being performed.
    pub(crate) slots: Arc<Slots>,
    /// Orders the messages of each thread.
    pub(crate) threads: Arc<threads::ThreadTurns>,
    /// The actions that left the bus.
    pub(crate) parked: Arc<Parked>,
    /// Whether something failed since the parked actions were last compared with the ledger.
    pub(crate) in_doubt: AtomicBool,
    /// Notified when a decision waits, which may be due before all others.
    pub(crate) waits_changed: Arc<Notify>,
    /// Notified when actions may have to be stopped, because newer ones replace them.
    pub(crate) stops_changed: Arc<Notify>,
    /// Whether this process is the keeper; see `keeper.rs`.
    pub(crate) keeper: Arc<watch::Sender<bool>>,
    /// The tasks in progress. They survive a panic of the task that started them.
    pub(crate) working: TaskSet,
}

/// A part of the engine that runs until the shutdown is requested.
type EngineTask = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Starts a part of the engine.
type EngineLoop = fn(Arc<Engine>, Shutdown) -> EngineTask;

/// The parts of the engine, with their names for people. Each is restarted if it ends.
pub(crate) const LOOPS: [(&str, EngineLoop); 6] = [
    ("changes of other replicas", |engine, stop| Box::pin(engine.follow_others(stop))),
    ("held actions", |engine, stop| Box::pin(engine.recheck_held(stop))),
    ("waiting actions", |engine, stop| Box::pin(engine.run_due(stop))),
    ("waiting decisions", |engine, stop| Box::pin(engine.wake_waiting(stop))),
    ("replaced actions", |engine, stop| Box::pin(engine.stop_replaced(stop))),
    ("deciding events", |engine, stop| Box::pin(engine.run(stop))),
];

/// Why work on an event was interrupted. A redelivery resumes it.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error("the runtime is stopping")]
    Stopping,
    #[error("a backend is unavailable, and the largest number of actions waits for it")]
    Full,
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl Interrupted {
    /// Whether the record of an action changed meanwhile, so that it must be read again.
    fn is_superseded(&self) -> bool {
        matches!(self, Self::Ledger(LedgerError::Taken { .. } | LedgerError::Fenced(_)))
    }
}

impl Engine {
    /// Processes events until the shutdown is requested.
    pub(crate) async fn run(self: Arc<Self>, stop: Shutdown) {
        let slots = Arc::new(Semaphore::new(self.policy.events));
        let mut failures = 0;
        loop {
            // The semaphore is never closed.
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
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
                        drop(slot);
                    });
                }
                Err(BusError::Closed) => return,
                Err(error) => {
                    self.log_error(&error.into(), None, "cannot take an event from the bus");
                    self.pause(self.backoff(failures), &stop).await;
                    failures += 1;
                }
            }
        }
    }

    /// Waits until all tasks are finished or interrupted.
    pub(crate) async fn finish(&self) {
        self.working.finish().await;
    }

    /// Aborts all tasks, and waits until they have ended.
    pub(crate) async fn abort(&self) {
        self.working.abort().await;
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // tokio moves a task when it ends, and this one is large.
        self.working.spawn(Box::pin(work));
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
                    "interrupted until the next start"
                );
                return;
            }
            // There is room once held actions are performed, which is checked at that rate.
            Ok(Err(Interrupted::Full)) => self.policy.recheck.saturating_mul(5),
            Ok(Err(error)) => {
                self.log_error(&error, Some(&key), "cannot settle an event");
                self.backoff(delivery.nacks())
            }
            Err(_) => {
                self.panicked("event", &key);
                self.backoff(delivery.nacks())
            }
        };
        if let Err(error) = self.bus.nack(delivery, wait).await {
            self.log_error(&error.into(), Some(&key), "an event waits for the next start");
        }
    }

    async fn settle_event(
        self: &Arc<Self>,
        delivery: &mut Delivery,
        stop: &Shutdown,
    ) -> Result<(), Interrupted> {
        let record = self.decided(delivery).await?;
        let (received, key) = (record.event.received, record.event.key());
        let is_acked = record.acked;
        let mut open = Vec::new();
        for action in record.actions.into_iter().filter(|one| !one.state.is_settled()) {
            let off_bus = action.off_bus;
            let action = EventAction { event: key.clone(), action };
            if off_bus {
                // It is parked already, unless that was interrupted.
                self.resume(action, stop);
            } else if self.is_blocked(&action.action.action.trigger).await {
                return Err(Interrupted::Full);
            } else {
                open.push(self.perform(action, Caller::Event, stop));
            }
        }
        // Every action is attempted, whether or not others fail.
        for result in self.while_extending(delivery, join_all(open)).await {
            result?;
        }
        if !is_acked {
            self.bus.ack(delivery).await?;
        }
        let took = self.clock.now().duration_since(received);
        self.metrics.settling(took.try_into().unwrap_or_default());
        (self.watcher)(Step::Acked);
        Ok(())
    }

    /// Does `work`, and keeps the delivery alive meanwhile.
    async fn while_extending<T>(&self, delivery: &Delivery, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            match tokio::time::timeout(EXTEND_EVERY, work.as_mut()).await {
                Ok(done) => return done,
                Err(_elapsed) => {
                    if let Err(error) = self.bus.extend(delivery).await {
                        tracing::debug!(%error, "cannot extend a delivery");
                    }
                }
            }
        }
    }

    /// Whether the backend of a trigger is unavailable and the largest number of its actions waits, so
    /// that an attempt is pointless.
    async fn is_blocked(&self, kind: &str) -> bool {
        if self.parked.has_room(kind, self.policy.max_held) {
            return false;
        }
        let Some(trigger) = self.triggers.get(kind) else { return false };
        let trigger = Guarded { trigger: trigger.as_ref(), kind, metrics: &self.metrics };
        matches!(trigger.readiness().await, Readiness::NotReady(_))
    }

    fn backoff(&self, failures: u32) -> Duration {
        self.policy.backoff.saturating_mul(2_u32.saturating_pow(failures)).min(MAX_NACK_DELAY)
    }

    /// Logs an error after which the work is retried, at a bounded rate.
    fn log_error(&self, error: &Interrupted, event: Option<&EventKey>, what: &'static str) {
        static LIMIT: LogLimit = LogLimit::new();
        self.in_doubt.store(true, Ordering::Relaxed);
        if error.is_superseded() {
            tracing::debug!(%error, "{what}; reading it again");
        } else if let Some(left_out) = LIMIT.pass() {
            let event = event.map(ToString::to_string).unwrap_or_default();
            tracing::error!(event, %error, left_out, "{what}; retrying");
        }
    }

    /// Logs a panic after which the work is retried, at a bounded rate.
    fn panicked(&self, task: &'static str, event: &EventKey) {
        static LIMIT: LogLimit = LogLimit::new();
        self.in_doubt.store(true, Ordering::Relaxed);
        self.metrics.panicked(task);
        if let Some(left_out) = LIMIT.pass() {
            tracing::error!(
                task,
                %event,
                left_out,
                "a fault inside fuse interrupted work, which is retried; please report it"
            );
        }
    }

    /// Sleeps, but not past the request to shut down.
    pub(crate) async fn pause(&self, time: Duration, stop: &Shutdown) {
        tokio::select! {
            () = stop.requested() => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}
