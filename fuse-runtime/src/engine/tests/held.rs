//! What becomes of actions whose backend lacks something, by a backend that lacks it until told.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::Ruleset;
use fuse_rules::schema::Schema;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::Silent;
use super::plant::until;
use crate::backend::Backend;
use crate::clock::Clock;
use crate::engine::{Policy, Step};
use crate::ledger::{ActionState, DeadLetterKind, EventRecord, Observed, ObservedResult};
use crate::sources::{Incoming, Sources};
use crate::testing::MemoryBackend;
use crate::triggers::{
    ActionRequest, Done, Failure, Probe, Readiness, RenderError, Trigger, Triggers,
};
use crate::{Running, Runtime, registry};

/// What the backend lacks for an event, or for any (`*`); nothing where it has all.
type Lack = Arc<Mutex<Vec<(String, &'static str)>>>;

struct Lacking {
    lack: Lack,
    fired: mpsc::UnboundedSender<String>,
}

impl Lacking {
    fn lacks(&self, event: &str) -> Option<&'static str> {
        let lack = self.lack.lock().unwrap();
        lack.iter().find(|(of, _)| of == "*" || of == event).map(|(_, what)| *what)
    }
}

#[async_trait]
impl Trigger for Lacking {
    fn schema(&self) -> Schema {
        Schema::new("lacking", "Lacks something until told.")
    }

    fn render(&self, _: &ActionRequest) -> Result<serde_json::Value, RenderError> {
        Ok(serde_json::Value::Null)
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        if let Some(what) = self.lacks(&request.event.id) {
            return Err(Failure::NotReady(what.into()));
        }
        self.fired.send(request.id.clone()).unwrap();
        Ok(Done::new("done"))
    }

    async fn probe(&self, _: &ActionRequest) -> Probe {
        Probe::Absent
    }

    async fn readiness(&self) -> Readiness {
        match self.lacks("*") {
            Some(AWAY) => Readiness::NotReady(AWAY.into()),
            _ => Readiness::Ready,
        }
    }

    async fn readiness_for(&self, request: &ActionRequest) -> Readiness {
        match self.lacks(&request.event.id) {
            Some(what) => Readiness::NotReady(what.into()),
            None => Readiness::Ready,
        }
    }
}

const AWAY: &str = "the exchange is away";

/// A runtime that is started again and again on one backend.
struct House {
    backend: MemoryBackend,
    lack: Lack,
    now: Arc<Mutex<Timestamp>>,
    firings: mpsc::UnboundedReceiver<String>,
    fired: mpsc::UnboundedSender<String>,
    steps: mpsc::UnboundedReceiver<Step>,
    step: mpsc::UnboundedSender<Step>,
    policy: Policy,
}

impl House {
    fn new() -> Self {
        let (fired, firings) = mpsc::unbounded_channel();
        let (step, steps) = mpsc::unbounded_channel();
        Self {
            backend: MemoryBackend::new(),
            lack: Arc::new(Mutex::new(vec![("*".into(), "the pager is unplugged")])),
            now: Arc::new(Mutex::new(Timestamp::UNIX_EPOCH)),
            firings,
            fired,
            steps,
            step,
            policy: Policy { recheck: Duration::from_millis(1), ..Policy::default() },
        }
    }

    async fn start(&self) -> Running {
        let backend = Lacking { lack: Arc::clone(&self.lack), fired: self.fired.clone() };
        let triggers = Triggers::new().with(backend);
        let sources = Sources::new().with("silent", Silent);
        let text = "source q silent { event e }\nsensor s on q.e { rule r { trigger lacking {} } }";
        let ruleset = Ruleset::parse("test.rules", text, &registry(&sources, &triggers)).unwrap();
        let (now, step) = (Arc::clone(&self.now), self.step.clone());
        Runtime::new(ruleset, sources, triggers)
            .policy(self.policy.clone())
            .clock(Clock::manual(move || *now.lock().unwrap()))
            .watcher(Arc::new(move |taken| step.send(taken).unwrap()))
            .start(self.backend.restarted())
            .await
            .unwrap()
    }

    fn lacks(&self, lack: &[(&str, &'static str)]) {
        *self.lack.lock().unwrap() =
            lack.iter().map(|(event, what)| ((*event).to_owned(), *what)).collect();
    }

    async fn until(&mut self, step: Step) {
        while self.steps.recv().await.unwrap() != step {}
    }

    async fn record(&self, id: &str) -> EventRecord {
        let mut found = self.backend.restarted().ledger().find(id).await.unwrap();
        found.remove(0)
    }
}

async fn accept(running: &Running) -> String {
    running.intake().accept(Incoming::json("q", "e", "{}")).await.unwrap().id
}

#[tokio::test]
async fn what_is_held_leaves_the_bus_outlives_a_restart_and_is_done_once() {
    let mut house = House::new();
    let running = house.start().await;
    let id = accept(&running).await;
    house.until(Step::Acked).await;
    assert!(running.stop().await);
    let record = house.record(&id).await;
    let action = &record.actions[0];
    assert!(record.acked && action.off_bus && !record.is_settled());
    let ActionState::Held { reason, last_attempt, .. } = &action.state else {
        panic!("{:?}", action.state)
    };
    assert_eq!((reason.as_str(), last_attempt), ("the pager is unplugged", &None));

    let running = house.start().await;
    house.lack.lock().unwrap().clear();
    let fired = house.firings.recv().await.unwrap();
    house.until(Step::Recorded).await;
    assert!(running.stop().await);
    assert!(house.firings.try_recv().is_err(), "once");
    let record = house.record(&id).await;
    assert_eq!(record.actions[0].id, fired);
    assert!(record.is_settled() && matches!(record.actions[0].state, ActionState::Done { .. }));
}

#[tokio::test]
async fn when_something_else_is_missing_that_is_what_is_said() {
    let mut house = House::new();
    let running = house.start().await;
    let id = accept(&running).await;
    house.until(Step::Held).await;
    house.lacks(&[("*", "the line is cut")]);
    let ledger = running.ledger();
    loop {
        let found = ledger.find(&id).await.unwrap();
        match &found[0].actions[0].state {
            ActionState::Held { reason, .. } if reason == "the line is cut" => break,
            _ => tokio::task::yield_now().await,
        }
    }
    assert!(running.stop().await);
}

/// What one of those that waited together lacks now says nothing of the others.
#[tokio::test]
async fn each_goes_by_what_it_lacks_itself() {
    let mut house = House::new();
    let running = house.start().await;
    let (first, second) = (accept(&running).await, accept(&running).await);
    house.until(Step::Acked).await;
    house.until(Step::Acked).await;
    // The first one will never go; the second would.
    house.lacks(&[(&first, "nobody is on duty")]);
    house.firings.recv().await.unwrap();
    house.until(Step::Recorded).await;
    // Away and back: what was missing is still what is missing.
    house.lacks(&[("*", AWAY)]);
    let third = accept(&running).await;
    house.until(Step::Acked).await;
    house.lacks(&[(&first, "nobody is on duty")]);
    house.firings.recv().await.unwrap();
    house.until(Step::Recorded).await;
    assert!(running.stop().await);
    for id in [&second, &third] {
        assert!(house.record(id).await.is_settled());
    }
    let state = house.record(&first).await.actions.remove(0).state;
    assert!(
        matches!(&state, ActionState::Held { reason, .. } if reason == "nobody is on duty"),
        "{state:?}"
    );
}

#[tokio::test]
async fn actions_beyond_the_limit_are_given_up_with_a_reason() {
    let mut house = House::new();
    house.policy.max_held = 1;
    let running = house.start().await;
    let first = accept(&running).await;
    house.until(Step::Acked).await;
    let second = accept(&running).await;
    house.until(Step::Acked).await;
    assert!(running.stop().await);
    assert!(matches!(house.record(&first).await.actions[0].state, ActionState::Held { .. }));
    let state = house.record(&second).await.actions.remove(0).state;
    let ActionState::DeadLettered { kind, reason, .. } = state else { panic!("{state:?}") };
    assert_eq!(kind, DeadLetterKind::NotReady);
    assert_eq!(
        reason,
        "the pager is unplugged; 1 actions of its trigger wait already, which is the limit"
    );
}

#[tokio::test]
async fn while_the_backend_is_away_what_has_no_room_stays_on_the_bus() {
    let mut house = House::new();
    house.policy.max_held = 1;
    house.lacks(&[("*", AWAY)]);
    let running = house.start().await;
    let first = accept(&running).await;
    house.until(Step::Acked).await;
    let second = accept(&running).await;
    house.until(Step::Taken).await;
    // Handed out again and again, until the backend is back.
    house.until(Step::Taken).await;
    house.lack.lock().unwrap().clear();
    house.until(Step::Acked).await;
    house.firings.recv().await.unwrap();
    house.firings.recv().await.unwrap();
    assert!(running.stop().await);
    assert!(house.firings.try_recv().is_err(), "each once");
    for id in [first, second] {
        assert!(house.record(&id).await.is_settled());
    }
}

#[tokio::test]
async fn what_waits_too_long_is_given_up() {
    let mut house = House::new();
    let running = house.start().await;
    let id = accept(&running).await;
    house.until(Step::Held).await;
    *house.now.lock().unwrap() = "1970-01-02T00:00:01Z".parse().unwrap();
    house.until(Step::Recorded).await;
    assert!(running.stop().await);
    let state = house.record(&id).await.actions.remove(0).state;
    let ActionState::DeadLettered { kind, reason, .. } = state else { panic!("{state:?}") };
    assert_eq!(kind, DeadLetterKind::NotReady);
    assert_eq!(reason, "the pager is unplugged; held since 1970-01-01T00:00:00Z");
}

/// Something else changed the record of a held action, as an observation of its object does.
#[tokio::test]
async fn a_held_action_whose_record_changed_can_be_discarded() {
    let mut house = House::new();
    let running = house.start().await;
    let id = accept(&running).await;
    house.until(Step::Acked).await;
    let ledger = running.ledger();
    let action = ledger.find(&id).await.unwrap().remove(0).actions.remove(0).id;
    let held = ledger.find_action(&action).await.unwrap().unwrap();
    let observed = Observed {
        result: ObservedResult::Running,
        phase: "Running".into(),
        message: None,
        api_version: "batch/v1".into(),
        kind: "Job".into(),
        namespace: None,
        name: "job".into(),
        at: Timestamp::UNIX_EPOCH,
    };
    assert!(ledger.observe(&held.event, &action, observed).await.unwrap());
    until("discarded", async || running.engine.discard(&action, "ops", "").await.is_ok()).await;
    assert!(running.stop().await);
    assert!(house.record(&id).await.is_settled());
}
