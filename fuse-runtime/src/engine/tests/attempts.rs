//! The clauses `retry` and `timeout` of triggers: how often actions are attempted, when, and for how long.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::Ruleset;
use fuse_rules::schema::Schema;
use jiff::{SignedDuration, Timestamp};

use super::Silent;
use super::plant::{state, until};
use crate::clock::Clock;
use crate::engine::Policy;
use crate::ledger::{ActionState, DeadLetterKind};
use crate::sources::{Incoming, Sources};
use crate::testing::MemoryBackend;
use crate::triggers::{
    ActionRequest, Done, Failure, Probe, Readiness, RenderError, Trigger, Triggers,
};
use crate::{Running, Runtime, registry};

/// What is known about an attempt that ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trace {
    Nothing,
    Done,
    Unknown,
}

/// Fails, or does not answer, and counts.
#[derive(Clone)]
struct Stubborn {
    hangs: bool,
    trace: Trace,
    attempts: Arc<Mutex<u32>>,
}

#[async_trait]
impl Trigger for Stubborn {
    fn schema(&self) -> Schema {
        Schema::new("act", "Acts.")
    }

    fn render(&self, _: &ActionRequest) -> Result<serde_json::Value, RenderError> {
        Ok(serde_json::Value::Null)
    }

    async fn fire(&self, _: &ActionRequest) -> Result<Done, Failure> {
        *self.attempts.lock().unwrap() += 1;
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Err(Failure::Retryable { reason: "busy".into(), maybe_applied: false, after: None })
    }

    async fn probe(&self, _: &ActionRequest) -> Probe {
        match self.trace {
            Trace::Nothing => Probe::Absent,
            Trace::Done => Probe::Done(Done::new("it was done")),
            Trace::Unknown => Probe::Unknown("nobody knows".into()),
        }
    }

    async fn readiness_for(&self, _: &ActionRequest) -> Readiness {
        Readiness::Ready
    }
}

struct Setup {
    trigger: Stubborn,
    seconds: Arc<AtomicI64>,
    running: Running,
    event: String,
}

impl Setup {
    /// Sends an event to a rule with these clauses of its trigger.
    async fn new(clauses: &str, hangs: bool, trace: Trace) -> Self {
        let trigger = Stubborn { hangs, trace, attempts: Arc::default() };
        let triggers = Triggers::new().with(trigger.clone());
        let sources = Sources::new().with("silent", Silent);
        let text = format!(
            "source q silent {{ event e }}\nsensor s on q.e {{ rule r {{ trigger act {clauses} {{}} }} }}"
        );
        let ruleset = Ruleset::parse("x.rules", &text, &registry(&sources, &triggers)).unwrap();
        let seconds: Arc<AtomicI64> = Arc::default();
        let (start, passed) = (Timestamp::now(), Arc::clone(&seconds));
        let clock =
            Clock::manual(move || start + SignedDuration::from_secs(passed.load(Ordering::SeqCst)));
        let (backoff, max_backoff) = (Duration::from_millis(2), Duration::from_millis(100));
        let policy = Policy { attempts: 2, backoff, max_backoff, ..Policy::default() };
        let running = Runtime::new(ruleset, sources, triggers)
            .clock(clock)
            .policy(policy)
            .start(MemoryBackend::new())
            .await
            .unwrap();
        let event = running.intake().accept(Incoming::json("q", "e", "{}")).await.unwrap().id;
        Self { trigger, seconds, running, event }
    }

    fn attempts(&self) -> u32 {
        *self.trigger.attempts.lock().unwrap()
    }

    /// Waits until the action is settled, and returns its state.
    async fn settled(&self) -> ActionState {
        until("settled", async || {
            state(&self.running, &self.event).await.is_some_and(|state| state.is_settled())
        })
        .await;
        state(&self.running, &self.event).await.unwrap()
    }
}

impl Setup {
    /// Waits until the action waits after so many attempts. Returns for how many seconds, and whether the result of the
    /// last attempt is unknown.
    async fn waits(&self, after: u32) -> (i64, bool) {
        let waiting = async || match state(&self.running, &self.event).await {
            Some(ActionState::Waiting { attempts, until, last_attempt, .. })
                if attempts == after =>
            {
                let now = self.running.engine.clock.steady();
                Some((until.duration_since(now).as_secs(), last_attempt.is_some()))
            }
            _ => None,
        };
        until("it waits", async || waiting().await.is_some()).await;
        waiting().await.unwrap()
    }

    fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Waits until the action is given up, and returns the kind of the dead letter and the reason.
    async fn given_up(&self) -> (DeadLetterKind, String) {
        match self.settled().await {
            ActionState::DeadLettered { kind, reason, .. } => (kind, reason),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_rule_sets_how_often_and_when_its_action_is_attempted_again() {
    let setup = Setup::new("retry 3 backoff 10s..30s", false, Trace::Nothing).await;
    for (after, delay) in [(1, 10), (2, 20), (3, 30)] {
        assert_eq!(setup.waits(after).await, (delay, false));
        setup.pass(delay - 1);
        assert_eq!(setup.waits(after).await, (1, false));
        assert_eq!(setup.attempts(), after);
        setup.pass(1);
    }
    let why = "busy (tried 4 times)".to_owned();
    assert_eq!(setup.given_up().await, (DeadLetterKind::Exhausted, why));
    assert_eq!(setup.attempts(), 4);
    assert!(setup.running.stop().await);
}

#[tokio::test]
async fn a_rule_can_forbid_further_attempts_or_leave_the_delays_to_the_policy() {
    for (clauses, attempts, why) in [
        ("", 2, "busy (tried 2 times)"),
        ("retry 0", 1, "busy (tried once)"),
        ("timeout 1m", 2, "busy (tried 2 times)"),
        ("retry 1", 2, "busy (tried 2 times)"),
    ] {
        let setup = Setup::new(clauses, false, Trace::Nothing).await;
        if attempts == 2 {
            // 2 ms.
            assert_eq!(setup.waits(1).await, (0, false), "{clauses}");
            setup.pass(1);
        }
        assert_eq!(setup.given_up().await, (DeadLetterKind::Exhausted, why.to_owned()));
        assert_eq!(setup.attempts(), attempts, "{clauses}");
        assert!(setup.running.stop().await);
    }
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_treated_like_an_interrupted_one() {
    let why = "the attempt took longer than 20 ms";
    // It left no trace, so it is made again.
    let setup = Setup::new("retry 1 backoff 100ms..100ms timeout 20ms", true, Trace::Nothing).await;
    assert_eq!(setup.waits(1).await, (0, true));
    setup.pass(1);
    let exhausted = (DeadLetterKind::Exhausted, format!("{why} (tried 2 times)"));
    assert_eq!(setup.given_up().await, exhausted);
    assert_eq!(setup.attempts(), 2);
    assert!(setup.running.stop().await);
    // It took effect, so it is not made again: before the second attempt, or instead of a failure.
    for clauses in ["retry 1 backoff 100ms..100ms timeout 20ms", "retry 0 timeout 20ms"] {
        let setup = Setup::new(clauses, true, Trace::Done).await;
        if clauses.starts_with("retry 1") {
            setup.waits(1).await;
            setup.pass(1);
        }
        let state = setup.settled().await;
        assert!(
            matches!(&state, ActionState::Done { detail, .. } if detail == "it was done"),
            "{state:?}"
        );
        assert_eq!(setup.attempts(), 1);
        assert!(setup.running.stop().await);
    }
    // Nobody knows, so a person has to decide.
    let setup = Setup::new("retry 0 timeout 20ms", true, Trace::Unknown).await;
    let uncertain = (DeadLetterKind::Uncertain, format!("{why} (tried once); nobody knows"));
    assert_eq!(setup.given_up().await, uncertain);
    assert!(setup.running.stop().await);
}

/// A reload or an upgrade does not change actions that are decided.
#[tokio::test]
async fn what_the_rule_says_is_recorded_with_the_action() {
    let setup = Setup::new("retry 3 backoff 10s..30s timeout 5s", false, Trace::Nothing).await;
    setup.waits(1).await;
    let record = setup.running.ledger().find(&setup.event).await.unwrap().remove(0);
    let action = &record.actions[0].action;
    assert_eq!(action.attempts.to_string(), "retry 3 backoff 10s..30s timeout 5s");
    let mut json = serde_json::to_value(action).unwrap();
    assert_eq!(serde_json::from_value::<fuse_rules::Action>(json.clone()).unwrap(), *action);
    // A record of an earlier version.
    json.as_object_mut().unwrap().remove("attempts");
    let older: fuse_rules::Action = serde_json::from_value(json).unwrap();
    assert!(older.attempts.is_empty());
    assert!(!serde_json::to_string(&older).unwrap().contains("attempts"));
    assert!(setup.running.stop().await);
}
