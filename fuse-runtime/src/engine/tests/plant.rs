//! A runtime on a folder of its own, with a backend that fails as it is told and remembers what it did.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::schema::Schema;
use fuse_rules::{Fuses, Ruleset};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::Silent;
use crate::backend::{Backend as _, Embedded};
use crate::clock::Clock;
use crate::engine::{Policy, Step};
use crate::ledger::{ActionState, EventRecord};
use crate::sources::{Incoming, Sources};
use crate::store::Store;
use crate::triggers::{
    ActionRequest, Done, Failure, Probe, Readiness, RenderError, Trigger, Triggers,
};
use crate::{Running, Runtime, registry};

pub(super) const RULES: &str = "
    source q silent {
      event e
      event f
    }
    fuse line default on
    sensor s on q.e { requires line
 rule r { trigger act {} } }
    sensor other on q.f { rule r { once per body.key within 1h trigger act {} } }
";

/// What the backend does when it is asked, by the source's event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Works,
    /// Fails for now.
    Fails,
    /// Lacks something.
    Lacks,
    /// Does not answer.
    Hangs,
    /// Panics before it does anything, or after.
    PanicsBefore,
    PanicsAfter,
}

/// Does each action once, and remembers.
#[derive(Clone, Default)]
pub(super) struct ScriptedBackend {
    pub(super) moods: Arc<Mutex<BTreeMap<String, Mood>>>,
    /// How often each action was done, by its event.
    pub(super) done: Arc<Mutex<BTreeMap<String, u32>>>,
    pub(super) asked: Arc<AtomicU32>,
}

impl ScriptedBackend {
    pub(super) fn mood(&self, request: &ActionRequest) -> Mood {
        self.moods.lock().unwrap().get(&request.event.name).copied().unwrap_or(Mood::Works)
    }

    pub(super) fn set(&self, event: &str, mood: Mood) {
        self.moods.lock().unwrap().insert(event.into(), mood);
    }

    pub(super) fn done(&self, id: &str) -> u32 {
        self.done.lock().unwrap().get(id).copied().unwrap_or_default()
    }
}

#[async_trait]
impl Trigger for ScriptedBackend {
    fn schema(&self) -> Schema {
        Schema::new("act", "Acts.")
    }

    fn render(&self, _: &ActionRequest) -> Result<serde_json::Value, RenderError> {
        Ok(serde_json::Value::Null)
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mood = self.mood(request);
        match mood {
            Mood::Works | Mood::PanicsAfter => {}
            Mood::Fails => {
                let reason = "the line is busy".into();
                return Err(Failure::Retryable { reason, maybe_applied: false, after: None });
            }
            Mood::Lacks => return Err(Failure::NotReady("the line is cut".into())),
            Mood::Hangs => std::future::pending().await,
            Mood::PanicsBefore => panic!("a fault made on purpose"),
        }
        *self.done.lock().unwrap().entry(request.event.id.clone()).or_default() += 1;
        assert!(mood != Mood::PanicsAfter, "a fault made on purpose");
        Ok(Done::new("done"))
    }

    async fn probe(&self, request: &ActionRequest) -> Probe {
        match self.done(&request.event.id) {
            0 => Probe::Absent,
            _ => Probe::Done(Done::new("done before")),
        }
    }

    async fn readiness_for(&self, request: &ActionRequest) -> Readiness {
        match self.mood(request) {
            Mood::Lacks => Readiness::NotReady("the line is cut".into()),
            _ => Readiness::Ready,
        }
    }
}

/// A folder with a runtime that is started again and again.
pub(super) struct Plant {
    pub(super) folder: TempDir,
    pub(super) backend: ScriptedBackend,
    pub(super) policy: Policy,
    pub(super) fuses: Fuses,
    /// Panics at the step that it counts down to, where it counts.
    pub(super) fault: Arc<Mutex<Option<(Step, u32)>>>,
    /// By how many seconds the time of day is wrong.
    pub(super) wrong_by: Arc<AtomicI64>,
}

impl Plant {
    pub(super) fn new() -> Self {
        let short = Duration::from_millis(2);
        Self {
            folder: tempfile::tempdir().unwrap(),
            backend: ScriptedBackend::default(),
            policy: Policy {
                backoff: short,
                max_backoff: short,
                recheck: short,
                attempts: 100_000,
                ..Policy::default()
            },
            fuses: Fuses::default(),
            fault: Arc::default(),
            wrong_by: Arc::default(),
        }
    }

    pub(super) async fn start(&self) -> (Running, Store) {
        let triggers = Triggers::new().with(self.backend.clone());
        let sources = Sources::new().with("silent", Silent);
        let ruleset = Ruleset::parse("x.rules", RULES, &registry(&sources, &triggers)).unwrap();
        let fault = Arc::clone(&self.fault);
        let backend = Embedded::open(self.folder.path()).await.unwrap();
        let store = backend.store().clone();
        let wrong_by = Arc::clone(&self.wrong_by);
        let clock = Clock::with_wall(move || {
            Timestamp::now() + SignedDuration::from_secs(wrong_by.load(Ordering::SeqCst))
        });
        let running = Runtime::new(ruleset, sources, triggers)
            .clock(clock)
            .keep(Duration::from_secs(3600))
            .policy(self.policy.clone())
            .fuses(self.fuses.clone())
            .watcher(Arc::new(move |step| {
                let mut fault = fault.lock().unwrap();
                if let Some((at, left)) = &mut *fault
                    && *at == step
                {
                    *left -= 1;
                    if *left == 0 {
                        *fault = None;
                        drop(fault);
                        panic!("a fault made on purpose");
                    }
                }
            }))
            .start(backend)
            .await
            .unwrap();
        (running, store)
    }

    pub(super) async fn record(&self, id: &str) -> EventRecord {
        let backend = Embedded::open(self.folder.path()).await.unwrap();
        backend.ledger().find(id).await.unwrap().remove(0)
    }
}

impl Plant {
    /// The record of an event of a running runtime.
    pub(super) async fn record_of(&self, running: &Running, id: &str) -> Option<EventRecord> {
        running.ledger().find(id).await.unwrap().pop()
    }
}

pub(super) async fn accept(running: &Running, event: &str) -> String {
    // A key of its own for each.
    let body = format!("{{\"key\": \"{}\"}}", uuid::Uuid::now_v7());
    running.intake().accept(Incoming::json("q", event, body)).await.unwrap().id
}

/// Accepts an event of the other sensor with this id and key; whether it was known.
pub(super) async fn accept_as(running: &Running, id: &str, key: &str) -> bool {
    let body = format!("{{\"key\": {key:?}}}");
    let incoming = Incoming { id: Some(id.into()), ..Incoming::json("q", "f", body) };
    running.intake().accept(incoming).await.unwrap().is_duplicate()
}

/// Waits until something is so; fails loudly where it does not become so.
pub(super) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..20_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never happened: {what}");
}

pub(super) async fn state(running: &Running, id: &str) -> Option<ActionState> {
    let found = running.ledger().find(id).await.ok()?;
    Some(found.first()?.actions.first()?.state.clone())
}
