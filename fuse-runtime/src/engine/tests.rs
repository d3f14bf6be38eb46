//! What becomes of actions whose backend fails, by a backend that fails as it is told.

mod attempts;
mod blow;
mod concurrency;
mod extend;
mod faults;
mod gate;
mod held;
mod plant;
mod reactions;
mod replay;
mod replay_scope;
mod responses;
mod threads;
mod waits;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
use fuse_rules::{Fuses, Ruleset};
use tokio::sync::mpsc;

use super::{Policy, Step, Watcher};
use crate::backend::Backend;
use crate::generation::{ActiveGeneration, Generation};
use crate::ledger::{ActionState, DeadLetterKind};
use crate::sources::{
    BoundSource, EventBinding, Incoming, Source, SourceContext, SourceError, Sources,
};
use crate::tasks::TaskSet;
use crate::testing::MemoryBackend;
use crate::triggers::{ActionRequest, Done, Failure, Probe, RenderError, Trigger, Triggers};
use crate::{Runtime, registry};

/// A watcher that sends each step, and panics when this one happens for the first time.
fn panics_once(at: Option<Step>) -> (Watcher, mpsc::UnboundedReceiver<Step>) {
    let pending = Mutex::new(at);
    let (steps, stepped) = mpsc::unbounded_channel();
    let watcher = move |step| {
        // Nobody waits for it any more once everything is settled.
        let _gone = steps.send(step);
        let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
        if *pending == Some(step) {
            *pending = None;
            drop(pending);
            panic!("planted at {step:?}");
        }
    };
    (Arc::new(watcher), stepped)
}

/// A source that never sends anything of its own.
struct Silent;

#[async_trait]
impl Source for Silent {
    fn schema(&self) -> SourceSchema {
        SourceSchema::new(Schema::new("silent", "Sends nothing."), Schema::new("event", ""))
    }

    async fn bind(
        &self,
        _: Vec<EventBinding>,
        _: &SourceContext,
    ) -> Result<Box<dyn BoundSource>, SourceError> {
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl BoundSource for Silent {
    async fn serve(&mut self, _: &SourceContext) -> Result<(), SourceError> {
        Ok(())
    }
}

/// The schema of a trigger `say`, which says a text.
fn say_schema() -> Schema {
    let text = Field::required("text", FieldType::String, "What to say.");
    Schema::new("say", "Says something.").field(text)
}

/// The text that an action says.
fn text_of(request: &ActionRequest) -> &str {
    request.action.fields["text"].as_str().unwrap()
}

/// Gives the next of these results, and says that it was asked.
struct Scripted {
    results: Mutex<VecDeque<Result<Done, Failure>>>,
    fired: mpsc::UnboundedSender<()>,
}

#[async_trait]
impl Trigger for Scripted {
    fn schema(&self) -> Schema {
        Schema::new("scripted", "Does as it is told.")
    }

    fn render(&self, _: &ActionRequest) -> Result<serde_json::Value, RenderError> {
        Ok(serde_json::Value::Null)
    }

    async fn fire(&self, _: &ActionRequest) -> Result<Done, Failure> {
        let result = self.results.lock().unwrap().pop_front();
        self.fired.send(()).unwrap();
        result.unwrap_or_else(|| Ok(Done::new("done at last")))
    }

    async fn probe(&self, _: &ActionRequest) -> Probe {
        Probe::Absent
    }
}

fn failing(maybe_applied: bool) -> Result<Done, Failure> {
    Err(Failure::Retryable { reason: "the backend is away".into(), maybe_applied, after: None })
}

/// Runs one event through until the backend was asked so often; stops; gives the action's state.
async fn state_after(
    results: Vec<Result<Done, Failure>>,
    asked: usize,
    backoff: Duration,
) -> ActionState {
    let backend = MemoryBackend::new();
    let (fired, mut firings) = mpsc::unbounded_channel();
    let triggers = Triggers::new().with(Scripted { results: Mutex::new(results.into()), fired });
    let sources = Sources::new().with("silent", Silent);
    let text = "source q silent { event e }\nsensor s on q.e { rule r { trigger scripted {} } }";
    let ruleset = Ruleset::parse("test.rules", text, &registry(&sources, &triggers)).unwrap();
    let policy = Policy { attempts: 3, backoff, max_backoff: backoff, ..Policy::default() };
    let (recorded, mut records) = mpsc::unbounded_channel();
    let running = Runtime::new(ruleset, sources, triggers)
        .policy(policy)
        .watcher(Arc::new(move |step| {
            if step == super::Step::Recorded {
                // Nobody waits for it any more where the test stops earlier.
                let _gone = recorded.send(());
            }
        }))
        .start(backend.clone())
        .await
        .unwrap();
    let taken = running.intake().accept(Incoming::json("q", "e", "{}")).await.unwrap();
    for _ in 0..asked {
        firings.recv().await.unwrap();
    }
    if backoff < Duration::from_secs(1) {
        records.recv().await.unwrap();
    }
    assert!(running.stop().await, "the stop is in time");
    let mut found = backend.restarted().ledger().find(&taken.id).await.unwrap();
    found.remove(0).actions.remove(0).state
}

const SOON: Duration = Duration::from_millis(1);
const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn what_fails_for_a_while_is_done_in_the_end() {
    let state = state_after(vec![failing(false), failing(true)], 3, SOON).await;
    assert!(matches!(state, ActionState::Done { detail, .. } if detail == "done at last"));
}

#[tokio::test]
async fn what_keeps_failing_is_a_dead_letter_with_the_count() {
    let state = state_after(vec![failing(false), failing(true), failing(false)], 3, SOON).await;
    let ActionState::DeadLettered { kind, reason, .. } = state else { panic!("{state:?}") };
    assert_eq!(kind, DeadLetterKind::Exhausted);
    assert_eq!(reason, "the backend is away (tried 3 times)");
}

#[tokio::test]
async fn what_cannot_succeed_is_not_tried_again() {
    for (failure, expected) in [
        (Failure::Permanent("no".into()), DeadLetterKind::Permanent),
        (Failure::Conflict("no".into()), DeadLetterKind::Conflict),
        (Failure::Uncertain("no".into()), DeadLetterKind::Uncertain),
    ] {
        let state = state_after(vec![Err(failure)], 1, SOON).await;
        let ActionState::DeadLettered { kind, reason, .. } = state else { panic!("{state:?}") };
        assert_eq!((kind, reason.as_str()), (expected, "no"));
    }
}

/// Put down between two attempts, an action waits for the next one, and is as open as before the
/// first one unless that may have come through: only then may a later start be uncertain about it.
#[tokio::test]
async fn a_stop_between_attempts_leaves_no_doubt_where_there_is_none() {
    for maybe_applied in [false, true] {
        let state = state_after(vec![failing(maybe_applied)], 1, NEVER).await;
        let ActionState::Waiting { attempts, reason, last_attempt, .. } = state else {
            panic!("{state:?}")
        };
        assert_eq!((attempts, reason.as_str()), (1, "the backend is away"));
        assert_eq!(last_attempt.is_some(), maybe_applied);
    }
}

impl super::Engine {
    /// An engine that does not run.
    pub(crate) fn idle(backend: &impl Backend) -> Arc<Self> {
        let ruleset = Ruleset::parse("x.rules", "", &fuse_rules::Registry::new()).unwrap();
        let active = ActiveGeneration::new(Generation::new(ruleset, Fuses::default()));
        let (metrics, clock) =
            (Arc::new(crate::metrics::Metrics::new()), crate::clock::Clock::system());
        let (ledger, shared) = (backend.ledger(), Arc::clone(&metrics));
        let switchboard =
            crate::switchboard::Switchboard::new(ledger, active.clone(), shared, clock.clone());
        Arc::new(Self {
            switchboard: Arc::new(switchboard),
            bus: backend.bus(),
            ledger: backend.ledger(),
            waiters: Arc::new(crate::decision_waiters::DecisionWaiters::new(backend.ledger())),
            active,
            triggers: Triggers::new(),
            metrics,
            clock,
            policy: Policy::default(),
            watcher: Arc::new(|_| {}),
            pace: super::pace::Pace::default(),
            deciding: tokio::sync::Semaphore::new(super::MAX_DECIDING_KIB as usize),
            slots: super::Slots::new(2),
            threads: Default::default(),
            parked: Arc::default(),
            in_doubt: false.into(),
            waits_changed: Arc::default(),
            stops_changed: Arc::default(),
            keeper: super::keeper(&*backend.ledger()),
            working: TaskSet::default(),
        })
    }
}
