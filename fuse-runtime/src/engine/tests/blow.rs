//! Fuses that blow while the engine runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fuse_rules::{Fuses, Outcome, Ruleset};
use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::Silent;
use super::reactions::Say;
use crate::backend::Backend as _;
use crate::engine::{Policy, Step};
use crate::fuses::ConfiguredFuses;
use crate::ledger::{ActionRecord, DecisionRecord, EventRecord, SwitchPosition};
use crate::sources::{Incoming, Sources};
use crate::testing::MemoryBackend;
use crate::triggers::Triggers;
use crate::{Running, Runtime, registry};

const ACTIONS: &str = r#"
fuse line default on { blow after 3 actions within 1h }
source q silent { event e }
sensor s on q.e {
  requires line
  rule r {
    each x in body.apps
    trigger say { text = "heal ${x}" }
    on gated {
      limit 1 per 1h
      trigger say { text = "call a person" }
    }
  }
}
"#;

/// A runtime of these rules on a state, what it said, and its steps.
struct Started {
    running: Running,
    backend: MemoryBackend,
    said: mpsc::UnboundedReceiver<String>,
    steps: mpsc::UnboundedReceiver<Step>,
}

impl Started {
    async fn new(
        rules: &str,
        fuses: impl Into<ConfiguredFuses>,
        backend: &MemoryBackend,
        fails: &[&'static str],
    ) -> Self {
        let (say, said) = mpsc::unbounded_channel();
        let (step, steps) = mpsc::unbounded_channel();
        let fails = Mutex::new(fails.iter().copied().collect());
        let triggers = Triggers::new().with(Say { fails, said: say });
        let sources = Sources::new().with("silent", Silent);
        let ruleset = Ruleset::parse("x.rules", rules, &registry(&sources, &triggers)).unwrap();
        let (backend, soon) = (backend.restarted(), Duration::from_millis(1));
        let running = Runtime::new(ruleset, sources, triggers)
            .fuses(fuses)
            .policy(Policy { backoff: soon, recheck: soon, ..Policy::default() })
            .watcher(Arc::new(move |at| {
                // Nobody waits for it any more once everything is settled.
                let _gone = step.send(at);
            }))
            .start(backend.clone())
            .await
            .unwrap();
        Self { running, backend, said, steps }
    }

    /// Accepts an event with these applications, and waits until it is decided.
    async fn decide(&mut self, id: &str, apps: &[&str]) -> EventRecord {
        self.accept(id, apps).await;
        self.wait(id, |record| record.decided.is_some()).await
    }

    async fn accept(&self, id: &str, apps: &[&str]) {
        let body = serde_json::json!({ "apps": apps }).to_string();
        let event = Incoming { id: Some(id.to_owned()), ..Incoming::json("q", "e", body) };
        self.running.intake().accept(event).await.unwrap();
    }

    async fn wait(&mut self, id: &str, is_over: impl Fn(&EventRecord) -> bool) -> EventRecord {
        loop {
            let found = self.backend.ledger().find(id).await.unwrap().pop();
            if let Some(record) = found.filter(&is_over) {
                return record;
            }
            self.steps.recv().await.unwrap();
        }
    }

    /// Waits until the fuse is off.
    async fn wait_until_off(&mut self) {
        while self.is_on() {
            self.steps.recv().await.unwrap();
        }
    }

    /// How often the fuse blew.
    async fn blown(&self) -> usize {
        let histories = self.backend.ledger().fuse_switches().await.unwrap();
        let changes = histories.get("line").into_iter().flat_map(|one| one.newest_first());
        changes.filter(|change| change.to == SwitchPosition::Blown).count()
    }

    fn is_on(&self) -> bool {
        self.running.fuses().get("line").unwrap()
    }
}

fn fired(record: &EventRecord) -> usize {
    record.decisions.iter().filter(|one| one.rule == "s/r" && one.outcome == Outcome::Fired).count()
}

/// However many events are decided at once, no more actions pass than the fuse lets through. It is off at once, also after
/// a restart. What passed and was not performed yet is held.
#[tokio::test]
async fn no_more_actions_pass_than_the_fuse_lets_through() {
    let backend = MemoryBackend::new();
    let mut started = Started::new(ACTIONS, Fuses::default(), &backend, &[]).await;
    let ids: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    join_all(ids.iter().map(|id| started.accept(id, &["a", "b"]))).await;
    let mut passed = 0;
    for id in &ids {
        passed += fired(&started.wait(id, |record| record.decided.is_some()).await);
    }
    started.wait_until_off().await;
    assert_eq!((passed, started.blown().await), (3, 1));
    let mut healed = 0;
    while started.said.recv().await.unwrap() != "call a person" {
        healed += 1;
    }
    assert!(started.running.stop().await);
    while let Ok(text) = started.said.try_recv() {
        assert_ne!(text, "call a person");
        healed += 1;
    }
    assert!(healed <= 3, "{healed}");

    let mut started = Started::new(ACTIONS, Fuses::default(), &backend, &[]).await;
    assert!(!started.is_on());
    let record = started.decide("later", &["a"]).await;
    let decision = record.decisions.first().unwrap();
    assert_eq!(
        (decision.outcome, decision.reason.as_str()),
        (Outcome::Gated, "fuse `line` is off")
    );
    assert!(started.running.stop().await);
}

/// The environment fixes a fuse: it does not blow.
#[tokio::test]
async fn a_fuse_that_the_environment_sets_does_not_blow() {
    let (backend, fixed) = (MemoryBackend::new(), ConfiguredFuses::default().fix("line", true));
    let mut started = Started::new(ACTIONS, fixed, &backend, &[]).await;
    let record = started.decide("1", &["a", "b", "c", "d", "e"]).await;
    assert_eq!((fired(&record), started.blown().await, started.is_on()), (5, 0, true));
    assert!(started.running.stop().await);
}

/// Actions that fail blow the fuse in the commit of their end, and what follows is gated. The failures of reactions do
/// not count.
#[tokio::test]
async fn failures_blow_the_fuse() {
    let rules = ACTIONS
        .replace("3 actions", "2 failures")
        .replace("on gated", "on failure { trigger say { text = \"it failed\" } }\non gated");
    let backend = MemoryBackend::new();
    let fails = ["heal a", "heal b", "it failed"];
    let mut started = Started::new(&rules, Fuses::default(), &backend, &fails).await;
    started.accept("1", &["a", "x"]).await;
    started.wait("1", |record| record.acked && record.is_settled()).await;
    assert_eq!((started.blown().await, started.is_on()), (0, true));
    started.accept("2", &["b"]).await;
    started.wait_until_off().await;
    assert_eq!(started.blown().await, 1);
    let record = started.decide("3", &["x"]).await;
    assert_eq!(fired(&record), 0);
    assert!(started.running.stop().await);
}

const WITH_REACTION: &str = r#"
fuse line default on {
  blow after 1 action within 1h
  on blown { trigger say { text = "blown: ${outcome.fuse} ${outcome.rule} ${outcome.event} ${outcome.reason}" } }
}
source q silent { event e }
sensor s on q.e {
  requires line
  rule r {
    each x in body.apps
    trigger say { text = "heal ${x}" }
  }
}
"#;

/// The decisions of the reaction of the fuse.
fn reactions(record: &EventRecord) -> Vec<&DecisionRecord> {
    record.decisions.iter().filter(|one| one.rule == "fuse line on blown").collect()
}

/// A fuse reacts once each time it blows, although it is off, whatever else happens and however often the process starts.
#[tokio::test]
async fn a_fuse_reacts_once_each_time_it_blows() {
    let backend = MemoryBackend::new();
    let mut started = Started::new(WITH_REACTION, Fuses::default(), &backend, &[]).await;
    started.accept("1", &["a", "b", "c"]).await;
    let is_of_fuse = |action: &ActionRecord| action.action.rule == "fuse line on blown";
    let has_reacted = |record: &EventRecord| {
        let mut actions = record.actions.iter();
        actions.any(|action| is_of_fuse(action) && action.state.is_settled())
    };
    let record = started.wait("1", has_reacted).await;
    assert_eq!((fired(&record), reactions(&record).len()), (1, 1), "{record:?}");
    assert_eq!(record.blown.len(), 1);
    // The action that passed before is performed first, or the fuse holds it.
    let mut said = started.said.recv().await.unwrap();
    if said == "heal a" {
        said = started.said.recv().await.unwrap();
    }
    let why = "`blow after 1 action within 1h` is reached: 1 of 1 actions within 1h passed";
    assert_eq!(said, format!("blown: line s/r 1 {why}"));
    started.decide("2", &["d"]).await;
    assert!(started.running.stop().await);

    let mut started = Started::new(WITH_REACTION, Fuses::default(), &backend, &[]).await;
    let record = started.decide("3", &["e"]).await;
    assert!(record.blown.is_empty() && reactions(&record).is_empty(), "{record:?}");
    assert!(started.running.stop().await);
    assert_eq!(started.said.try_recv().ok(), None);
}

/// If failures blow the fuse, its reaction is recorded with the event of the last one. It does not count, and nothing
/// reacts if it fails.
#[tokio::test]
async fn a_fuse_reacts_to_failures_and_not_to_its_own() {
    let rules = WITH_REACTION.replace("1 action", "1 failure").replace("${outcome.reason}", "");
    let backend = MemoryBackend::new();
    let fails = ["heal a", "blown: line s/r 1 "];
    let mut started = Started::new(&rules, Fuses::default(), &backend, &fails).await;
    started.accept("1", &["a"]).await;
    let is_over = |record: &EventRecord| record.is_settled() && !reactions(record).is_empty();
    let record = started.wait("1", is_over).await;
    assert_eq!((started.blown().await, reactions(&record).len()), (1, 1), "{record:?}");
    assert_eq!((record.actions.len(), record.decisions.len()), (2, 2), "{record:?}");
    assert!(started.running.stop().await);
}
