//! Fuses that are turned off while an action is on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::schema::Schema;
use fuse_rules::{Fuses, Ruleset};
use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc};

use super::Silent;
use crate::backend::Backend as _;
use crate::engine::Policy;
use crate::ledger::{ActionState, DeadLetterKind, FuseSwitch, SwitchPosition};
use crate::sources::{Incoming, Sources};
use crate::testing::MemoryBackend;
use crate::triggers::{ActionRequest, Done, Failure, Probe, RenderError, Trigger, Triggers};
use crate::{LoadedRules, Runtime, registry};

const RULES: &str = "
    source q silent { event e }
    fuse line default on
    sensor s on q.e { requires line
 rule r { trigger slow {} } }
";

/// Looks something up for as long as a test wants before it acts.
#[derive(Clone)]
struct Slow {
    asked: mpsc::UnboundedSender<()>,
    answers: Arc<Semaphore>,
    fired: Arc<AtomicU32>,
}

#[async_trait]
impl Trigger for Slow {
    fn schema(&self) -> Schema {
        Schema::new("slow", "Looks something up first.")
    }

    fn render(&self, _: &ActionRequest) -> Result<serde_json::Value, RenderError> {
        Ok(serde_json::Value::Null)
    }

    async fn prepare(&self, _: &ActionRequest) -> Result<Option<String>, Failure> {
        self.asked.send(()).unwrap();
        self.answers.acquire().await.unwrap().forget();
        Ok(None)
    }

    async fn fire(&self, _: &ActionRequest) -> Result<Done, Failure> {
        self.fired.fetch_add(1, Ordering::SeqCst);
        Ok(Done::new("done"))
    }

    async fn probe(&self, _: &ActionRequest) -> Probe {
        Probe::Absent
    }
}

#[tokio::test]
async fn a_fuse_that_is_turned_off_while_the_trigger_prepares_stops_the_action() {
    let (asked, mut asks) = mpsc::unbounded_channel();
    let slow = Slow { asked, answers: Arc::new(Semaphore::new(0)), fired: Arc::default() };
    let triggers = Triggers::new().with(slow.clone());
    let sources = Sources::new().with("silent", Silent);
    let ruleset = || Ruleset::parse("x.rules", RULES, &registry(&sources, &triggers)).unwrap();
    let backend = MemoryBackend::new();
    let runtime = Runtime::new(ruleset(), sources.clone(), triggers.clone());
    let running = runtime.start(backend.clone()).await.unwrap();
    let event = running.intake().accept(Incoming::json("q", "e", "{}")).await.unwrap();
    asks.recv().await.unwrap();
    let off = LoadedRules::new(ruleset(), Fuses::default().set("line", false));
    running.reloader().apply(off).await.unwrap();
    slow.answers.add_permits(1);
    let state = loop {
        let record = running.ledger().find(&event.id).await.unwrap().remove(0);
        match &record.actions.first().unwrap().state {
            ActionState::Pending => tokio::task::yield_now().await,
            state => break state.clone(),
        }
    };
    let ActionState::Held { fuses, .. } = state else { panic!("{state:?}") };
    assert_eq!(
        (fuses.as_slice(), slow.fired.load(Ordering::SeqCst)),
        (&["line".to_owned()][..], 0)
    );
    assert!(running.stop().await);
}

/// Fails until a test lets it act.
#[derive(Clone)]
struct Busy {
    maybe_applied: bool,
    fired: mpsc::UnboundedSender<()>,
    probe: Probe,
}

#[async_trait]
impl Trigger for Busy {
    fn schema(&self) -> Schema {
        Schema::new("busy", "Fails.")
    }

    fn render(&self, _: &ActionRequest) -> Result<serde_json::Value, RenderError> {
        Ok(serde_json::Value::Null)
    }

    async fn fire(&self, _: &ActionRequest) -> Result<Done, Failure> {
        self.fired.send(()).unwrap();
        let (reason, maybe_applied) = ("the line is busy".into(), self.maybe_applied);
        Err(Failure::Retryable { reason, maybe_applied, after: None })
    }

    async fn probe(&self, _: &ActionRequest) -> Probe {
        self.probe.clone()
    }
}

/// An action that waits for its next attempt is given up at once. If the earlier attempt may have taken effect, the
/// dead letter is `uncertain`.
#[tokio::test]
async fn a_fuse_that_drops_gives_up_waiting_actions() {
    let rules = RULES.replace("default on", "default on { pending = drop }");
    let rules = rules.replace("trigger slow", "trigger busy");
    for (maybe_applied, probe, expected) in [
        (false, Probe::Absent, "dropped: the fuse `line` is off in the configuration"),
        (true, Probe::Absent, "dropped: the fuse `line` is off in the configuration"),
        (true, Probe::Repeatable, "took effect"),
        (true, Probe::Done(Done::new("done before")), "done before"),
    ] {
        let (fired, mut firings) = mpsc::unbounded_channel();
        let triggers = Triggers::new().with(Busy { maybe_applied, fired, probe });
        let sources = Sources::new().with("silent", Silent);
        let kinds = registry(&sources, &triggers);
        let ruleset = || Ruleset::parse("x.rules", &rules, &kinds).unwrap();
        let hour = Duration::from_secs(3600);
        let recheck = Duration::from_millis(2);
        let policy = Policy { backoff: hour, max_backoff: hour, recheck, ..Policy::default() };
        let runtime = Runtime::new(ruleset(), sources, triggers).policy(policy);
        let running = runtime.start(MemoryBackend::new()).await.unwrap();
        let event = running.intake().accept(Incoming::json("q", "e", "{}")).await.unwrap();
        firings.recv().await.unwrap();
        let off = LoadedRules::new(ruleset(), Fuses::default().set("line", false));
        running.reloader().apply(off).await.unwrap();
        let state = loop {
            let record = running.ledger().find(&event.id).await.unwrap().remove(0);
            match &record.actions.first().unwrap().state {
                state if state.is_settled() => break state.clone(),
                _ => tokio::task::yield_now().await,
            }
        };
        assert!(running.stop().await);
        let (kind, reason) = match state {
            ActionState::DeadLettered { kind, reason, .. } => (Some(kind), reason),
            ActionState::Done { detail, .. } => (None, detail),
            state => panic!("{state:?}"),
        };
        assert!(reason.ends_with(expected), "{reason}");
        let wanted = match expected {
            "done before" => None,
            "took effect" => Some(DeadLetterKind::Uncertain),
            _ => Some(DeadLetterKind::Dropped),
        };
        assert_eq!(kind, wanted, "{reason}");
        assert!(firings.try_recv().is_err(), "it was performed again");
    }
}

/// A switch on record is in effect from the first event on, whatever the configuration says, unless that fixes the fuse.
#[tokio::test]
async fn a_recorded_switch_is_in_effect_from_the_start() {
    for (fuses, expected) in [
        (crate::ConfiguredFuses::default().set("line", true), 0),
        (crate::ConfiguredFuses::default().fix("line", true), 1),
    ] {
        let (asked, mut asks) = mpsc::unbounded_channel();
        let slow = Slow { asked, answers: Arc::new(Semaphore::new(1)), fired: Arc::default() };
        let triggers = Triggers::new().with(slow.clone());
        let sources = Sources::new().with("silent", Silent);
        let ruleset = Ruleset::parse("x.rules", RULES, &registry(&sources, &triggers)).unwrap();
        let backend = MemoryBackend::new();
        let switch = FuseSwitch {
            to: SwitchPosition::Off,
            at: Timestamp::now(),
            since: Timestamp::now(),
            until: None,
            by: "ops".into(),
            reason: String::new(),
            blown_by: None,
        };
        backend.ledger().switch_fuse("line", switch).await.unwrap();
        let runtime = Runtime::new(ruleset, sources, triggers).fuses(fuses);
        let running = runtime.start(backend.clone()).await.unwrap();
        let event = running.intake().accept(Incoming::json("q", "e", "{}")).await.unwrap();
        loop {
            let record = running.ledger().find(&event.id).await.unwrap().remove(0);
            if record.is_settled() && record.decided.is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert!(running.stop().await);
        assert_eq!(slow.fired.load(Ordering::SeqCst), expected);
        assert_eq!(asks.try_recv().is_ok(), expected == 1);
    }
}
