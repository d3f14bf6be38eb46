//! `concurrency` across restarts and faults, beside a model that knows every event.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::Ruleset;
use fuse_rules::schema::Schema;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{Silent, panics_once, say_schema, text_of};
use crate::backend::Backend as _;
use crate::clock::Clock;
use crate::engine::{Policy, Step};
use crate::ledger::{Ledger, Observed, ObservedResult, StartedObject};
use crate::sources::{Incoming, Sources};
use crate::testing::MemoryBackend;
use crate::triggers::{ActionRequest, Done, Failure, Probe, RenderError, Trigger, Triggers};
use crate::{Runtime, registry};

/// How many of each key may be in progress.
const NUMBER: usize = 2;

const RULES: &str = r#"
source q silent { event work }
limiter two { concurrency 2 }
sensor s on q.work {
  rule one {
    when body.rule == 1
    concurrency two per body.k
    trigger say { text = "${body.k} ${body.n} ${body.fails}" }
  }
  rule other {
    when body.rule == 2
    concurrency two per body.k
    trigger say { text = "${body.k} ${body.n} ${body.fails}" }
  }
}
"#;

/// Starts work, unless its text says that it fails.
#[derive(Clone, Default)]
struct Start(Arc<Mutex<Vec<String>>>);

fn started(text: &str) -> Done {
    let (api_version, kind) = ("batch/v1".to_owned(), "Job".to_owned());
    let object = StartedObject { api_version, kind, namespace: None, name: text.replace(' ', "-") };
    Done::new("started").with_started(Some(object))
}

#[async_trait]
impl Trigger for Start {
    fn schema(&self) -> Schema {
        say_schema()
    }

    fn render(&self, request: &ActionRequest) -> Result<serde_json::Value, RenderError> {
        Ok(text_of(request).into())
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        let text = text_of(request);
        if text.ends_with("true") {
            return Err(Failure::Permanent("it fails".into()));
        }
        self.0.lock().unwrap().push(text.to_owned());
        Ok(started(text))
    }

    async fn probe(&self, request: &ActionRequest) -> Probe {
        let text = text_of(request);
        match self.0.lock().unwrap().iter().any(|said| said == text) {
            true => Probe::Done(started(text)),
            false => Probe::Absent,
        }
    }
}

/// First, the oldest work of a key may end; then an event may arrive.
#[derive(Clone, Debug)]
struct Turn {
    ends: Option<u8>,
    /// The key, the rule, and whether its action fails.
    sends: Option<(u8, u8, bool)>,
    /// The step at which the runtime panics once.
    panics_at: Option<Step>,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let ends = prop::option::weighted(0.5, 0..2_u8);
    let sends = prop::option::weighted(0.8, (0..2_u8, 1..3_u8, prop::bool::weighted(0.3)));
    let step = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Step::Woken)),
        1 => Just(Some(Step::Decided)),
        1 => Just(Some(Step::Intended)),
        1 => Just(Some(Step::Fired)),
        1 => Just(Some(Step::Recorded)),
    ];
    let turn =
        (ends, sends, step).prop_map(|(ends, sends, panics_at)| Turn { ends, sends, panics_at });
    prop::collection::vec(turn, 1..16)
}

/// The model: what is in progress and what waits, by key.
#[derive(Default)]
struct Model {
    in_progress: BTreeMap<u8, Vec<usize>>,
    queue: BTreeMap<u8, VecDeque<(usize, bool)>>,
    said: Vec<String>,
}

impl Model {
    fn go_on(&mut self, key: u8) {
        let in_progress = self.in_progress.entry(key).or_default();
        let queue = self.queue.entry(key).or_default();
        while in_progress.len() < NUMBER
            && let Some((number, fails)) = queue.pop_front()
        {
            if !fails {
                in_progress.push(number);
                self.said.push(format!("{key} {number} false"));
            }
        }
    }

    /// Ends the oldest work of a key. Returns its text.
    fn end(&mut self, key: u8) -> Option<String> {
        let in_progress = self.in_progress.entry(key).or_default();
        let oldest = (!in_progress.is_empty()).then(|| in_progress.remove(0));
        self.go_on(key);
        oldest.map(|number| format!("{key} {number} false"))
    }

    fn send(&mut self, number: usize, (key, _, fails): (u8, u8, bool)) {
        self.queue.entry(key).or_default().push_back((number, fails));
        self.go_on(key);
    }
}

/// Records that the work with this text has ended, twice.
async fn end(ledger: &dyn Ledger, text: &str) {
    let running = ledger.running(None, 100).await.unwrap();
    let is_it = |fields: &serde_json::Map<String, serde_json::Value>| fields["text"] == text;
    let one = running.into_iter().find(|one| is_it(&one.action.action.fields)).unwrap();
    let observed = Observed {
        result: ObservedResult::Succeeded,
        phase: "Complete".into(),
        message: None,
        api_version: "batch/v1".into(),
        kind: "Job".into(),
        namespace: None,
        name: text.into(),
        at: Timestamp::UNIX_EPOCH,
    };
    for is_news in [true, false] {
        let answer = ledger.observe(&one.event, &one.action.id, observed.clone()).await.unwrap();
        assert_eq!(answer, is_news);
    }
}

/// Runs a turn on this state, at this time.
async fn play(
    backend: &MemoryBackend,
    start: &Start,
    at: Timestamp,
    (number, turn, ended): (usize, &Turn, Option<String>),
) {
    let opened = backend.restarted();
    let ledger: Arc<dyn Ledger> = opened.ledger();
    if let Some(text) = ended {
        end(&*ledger, &text).await;
    }
    let triggers = Triggers::new().with(start.clone());
    let sources = Sources::new().with("silent", Silent);
    let ruleset = Ruleset::parse("x.rules", RULES, &registry(&sources, &triggers)).unwrap();
    let (watcher, mut stepped) = panics_once(turn.panics_at);
    let soon = Duration::from_millis(1);
    let running = Runtime::new(ruleset, sources, triggers)
        .policy(Policy { backoff: soon, recheck: soon, max_backoff: soon, ..Policy::default() })
        .clock(Clock::manual(move || at))
        .watcher(watcher)
        .start(opened.clone())
        .await
        .unwrap();
    let is_idle = async || {
        let due = ledger.due(at.into(), 1).await.unwrap();
        due.events.is_empty() && ledger.unsettled(None, 1).await.unwrap().is_empty()
    };
    while !is_idle().await {
        stepped.recv().await.unwrap();
    }
    if let Some((key, rule, fails)) = turn.sends {
        let body = format!(r#"{{"k": "{key}", "n": {number}, "rule": {rule}, "fails": {fails}}}"#);
        let id = number.to_string();
        let event = Incoming { id: Some(id.clone()), ..Incoming::json("q", "work", body) };
        running.intake().accept(event).await.unwrap();
        while !ledger.find(&id).await.unwrap().iter().all(|one| one.decided.is_some() && one.acked)
        {
            stepped.recv().await.unwrap();
        }
        // Its place may be free at once.
        while !is_idle().await {
            stepped.recv().await.unwrap();
        }
    }
    assert!(running.stop().await, "the stop is in time");
}

async fn run(turns: &[Turn]) -> Result<(), TestCaseError> {
    let (backend, start, mut model) = (MemoryBackend::new(), Start::default(), Model::default());
    for (number, turn) in turns.iter().enumerate() {
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(number as i64);
        let ended = turn.ends.and_then(|key| model.end(key));
        play(&backend, &start, at, (number, turn, ended)).await;
        if let Some(sends) = turn.sends {
            model.send(number, sends);
        }
        let (mut said, mut expected) = (start.0.lock().unwrap().clone(), model.said.clone());
        said.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(said, expected, "after turn {}", number);
    }
    let ledger = backend.restarted().ledger();
    let waiting: usize = model.queue.values().map(VecDeque::len).sum();
    prop_assert_eq!(ledger.counts().await.unwrap().waiting, waiting as u64);
    let in_progress: usize = model.in_progress.values().map(Vec::len).sum();
    prop_assert_eq!(ledger.running(None, 100).await.unwrap().len(), in_progress);
    Ok(())
}

#[tokio::test]
async fn no_more_are_in_progress_than_the_number_and_nothing_is_lost() {
    let logs = std::env::var("FUSE_TEST_LOGS").map_or(100, |logs| logs.parse().unwrap());
    let mut runner = TestRunner::deterministic();
    let strategy = turns();
    for _ in 0..logs {
        let turns = strategy.new_tree(&mut runner).unwrap().current();
        if let Err(error) = run(&turns).await {
            panic!("{error} in {turns:#?}");
        }
    }
}
