//! Decisions that wait, across restarts and faults, beside a model that knows every event.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::schema::Schema;
use fuse_rules::{Fuses, Outcome, Ruleset};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{Silent, panics_once, say_schema, text_of};
use crate::backend::Backend as _;
use crate::clock::Clock;
use crate::engine::decide::verdict;
use crate::engine::{Policy, Step};
use crate::event::{Envelope, Replay};
use crate::generation::Generation;
use crate::ledger::{EventRecord, Ledger};
use crate::sources::{Incoming, Sources};
use crate::testing::MemoryBackend;
use crate::triggers::{ActionRequest, Done, Failure, Probe, RenderError, Trigger, Triggers};
use crate::{Runtime, registry};

const RULES: &str = r#"
source q silent { event fire, event clear }
sensor s on q.fire {
  rule page {
    still 5m per body.k unless q.clear when body.k != ""
    trigger say { text = "page ${body.k} ${body.n}" }
  }
  rule build {
    quiet 1m per body.k max 2m
    trigger say { text = "build ${body.k} ${body.n}" }
  }
  rule first {
    still 1m per body.n unless q.clear when body.n == body.k
    limit 1 per 10m per body.k
    trigger say { text = "first ${body.k} ${body.n}" }
    on suppressed { trigger say { text = "not ${body.k} ${body.n}" } }
  }
  rule turn {
    limit 2 per 2m per body.k else wait
    trigger say { text = "turn ${body.k} ${body.n}" }
  }
}
"#;

/// Collects its texts.
#[derive(Clone, Default)]
struct Say(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Trigger for Say {
    fn schema(&self) -> Schema {
        say_schema()
    }

    fn render(&self, request: &ActionRequest) -> Result<serde_json::Value, RenderError> {
        Ok(text_of(request).into())
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        self.0.lock().unwrap().push(text_of(request).to_owned());
        Ok(Done::new("said"))
    }

    async fn probe(&self, request: &ActionRequest) -> Probe {
        let text = text_of(request);
        match self.0.lock().unwrap().iter().any(|said| said == text) {
            true => Probe::Done(Done::new("said")),
            false => Probe::Absent,
        }
    }
}

/// One event, or none: time passes.
#[derive(Clone, Debug)]
struct Turn {
    after: i64,
    sends: Option<(bool, u8)>,
    /// The step at which the runtime panics once.
    panics_at: Option<Step>,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let after = prop_oneof![3 => 1..40_i64, 2 => 50..70_i64, 1 => 290..310_i64, 1 => Just(60_i64)];
    let sends = prop::option::weighted(0.8, (prop::bool::weighted(0.75), 0..2_u8));
    let step = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Step::Woken)),
        1 => Just(Some(Step::Decided)),
        1 => Just(Some(Step::Fired)),
        1 => Just(Some(Step::Recorded)),
    ];
    let turn =
        (after, sends, step).prop_map(|(after, sends, panics_at)| Turn { after, sends, panics_at });
    prop::collection::vec(turn, 1..14)
}

/// The model: what waits, by rule and key, with its number and when it is due.
#[derive(Default)]
struct Model {
    page: BTreeMap<u8, (usize, i64)>,
    /// The number, when it is due, and when the burst ends at the latest.
    build: BTreeMap<u8, (usize, i64, i64)>,
    first: Vec<(usize, u8, i64)>,
    /// When `first` acted for a key.
    acted: BTreeMap<u8, i64>,
    /// Those that wait for their turn, in the order in which they came, and when others had theirs.
    queued: BTreeMap<u8, VecDeque<usize>>,
    turns: BTreeMap<u8, Vec<i64>>,
    said: Vec<String>,
}

impl Model {
    fn pass_to(&mut self, now: i64) {
        let due: Vec<_> = self.page.extract_if(.., |_, (_, due)| *due <= now).collect();
        self.said.extend(due.into_iter().map(|(key, (n, _))| format!("page {key} {n}")));
        let due: Vec<_> = self.build.extract_if(.., |_, (_, due, _)| *due <= now).collect();
        self.said.extend(due.into_iter().map(|(key, (n, ..))| format!("build {key} {n}")));
        for (n, key, _) in self.first.extract_if(.., |(.., due)| *due <= now).collect::<Vec<_>>() {
            // The runtime stood still until now, so that is when it acts.
            let free = self.acted.get(&key).is_none_or(|at| now - at >= 600);
            if free {
                self.acted.insert(key, now);
            }
            let word = if free { "first" } else { "not" };
            self.said.push(format!("{word} {key} {n}"));
        }
        self.take_turns(now);
    }

    fn take_turns(&mut self, now: i64) {
        for (key, queued) in &mut self.queued {
            let turns = self.turns.entry(*key).or_default();
            while turns.iter().filter(|at| now - **at < 120).count() < 2 {
                let Some(n) = queued.pop_front() else { break };
                turns.push(now);
                self.said.push(format!("turn {key} {n}"));
            }
        }
    }

    fn send(&mut self, number: usize, (fires, key): (bool, u8), now: i64) {
        if !fires {
            self.page.remove(&key);
            return;
        }
        self.page.entry(key).or_insert((number, now + 300));
        let last = self.build.get(&key).map_or(now + 120, |(.., last)| *last);
        self.build.insert(key, (number, (now + 60).min(last), last));
        self.first.push((number, key, now + 60));
        self.queued.entry(key).or_default().push_back(number);
        self.take_turns(now);
    }
}

/// Runs a turn on this state, at this time: first everything that is due, then the event.
async fn play(backend: &MemoryBackend, say: &Say, at: Timestamp, (number, turn): (usize, &Turn)) {
    let opened = backend.restarted();
    let triggers = Triggers::new().with(say.clone());
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
    let ledger: Arc<dyn Ledger> = opened.ledger();
    let is_idle = async || {
        let due = ledger.due(at.into(), 1).await.unwrap();
        due.events.is_empty() && ledger.unsettled(None, 1).await.unwrap().is_empty()
    };
    while !is_idle().await {
        stepped.recv().await.unwrap();
    }
    if let Some((fires, key)) = turn.sends {
        let body = format!(r#"{{"k": "{key}", "n": {number}}}"#);
        let name = if fires { "fire" } else { "clear" };
        let id = number.to_string();
        let event = Incoming { id: Some(id.clone()), ..Incoming::json("q", name, body) };
        running.intake().accept(event).await.unwrap();
        while !ledger.find(&id).await.unwrap().iter().all(|one| one.decided.is_some() && one.acked)
        {
            stepped.recv().await.unwrap();
        }
    }
    assert!(running.stop().await, "the stop is in time");
}

async fn run(turns: &[Turn]) -> Result<(), TestCaseError> {
    let (backend, say, mut model) = (MemoryBackend::new(), Say::default(), Model::default());
    let mut now = 0;
    for (number, turn) in turns.iter().enumerate() {
        now += turn.after;
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(now);
        model.pass_to(now);
        play(&backend, &say, at, (number, turn)).await;
        if let Some(sends) = turn.sends {
            model.send(number, sends, now);
        }
        let mut said = say.0.lock().unwrap().clone();
        let mut expected = model.said.clone();
        said.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(said, expected, "after turn {}", number);
    }
    // In the end, nothing is lost: what does not wait came to an end.
    let waiting = backend.restarted().ledger().counts().await.unwrap().waiting;
    let queued = model.queued.values().map(VecDeque::len).sum::<usize>();
    let expected = model.page.len() + model.build.len() + model.first.len() + queued;
    prop_assert_eq!(waiting, expected as u64);
    Ok(())
}

#[tokio::test]
async fn what_waits_acts_once_or_ends_with_a_reason() {
    let logs = std::env::var("FUSE_TEST_LOGS").map_or(150, |logs| logs.parse().unwrap());
    let mut runner = TestRunner::deterministic();
    let strategy = turns();
    for _ in 0..logs {
        let turns = strategy.new_tree(&mut runner).unwrap().current();
        if let Err(error) = run(&turns).await {
            panic!("{error} in {turns:#?}");
        }
    }
}

#[tokio::test]
async fn what_became_due_while_no_process_ran_is_done_in_order() {
    let (backend, say) = (MemoryBackend::new(), Say::default());
    let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
    let sends = |key| Turn { after: 0, sends: Some((true, key)), panics_at: None };
    for (number, key) in [(0, 1), (1, 0)] {
        play(&backend, &say, at(number), (number as usize, &sends(key))).await;
    }
    let nothing = Turn { after: 0, sends: None, panics_at: None };
    play(&backend, &say, at(10_000), (2, &nothing)).await;
    let said = say.0.lock().unwrap().clone();
    let of =
        |word: &str| said.iter().filter(|text| text.starts_with(word)).cloned().collect::<Vec<_>>();
    assert_eq!(of("page"), ["page 1 0", "page 0 1"]);
    let record: EventRecord = backend.restarted().ledger().find("0").await.unwrap().remove(0);
    assert!(record.is_settled());
    assert!(record.decisions.iter().all(|one| one.outcome == Outcome::Fired), "{record:?}");
}

#[test]
fn a_replay_cancels_nothing_and_is_as_old_as_its_event() {
    let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
    let triggers = Triggers::new().with(Say::default());
    let sources = Sources::new().with("silent", Silent);
    let ruleset = Ruleset::parse("x.rules", RULES, &registry(&sources, &triggers)).unwrap();
    let generation = Generation::new(ruleset, Fuses::default());
    let verdict = |event: &Envelope| {
        let (verdict, _) = verdict(&generation, &triggers, event, (at(500), at(500)));
        (verdict.cancels.len(), verdict.received)
    };
    let event = Envelope::new("q", "clear", "1", at(100), r#"{"k": "0", "n": 1}"#);
    assert_eq!(verdict(&event), (1, at(100)));
    let replay = Replay {
        of: "1".into(),
        received: at(100),
        attempt: 2,
        from: "1".into(),
        by: "ana".into(),
        letter: None,
        keeps: BTreeSet::new(),
        scope: None,
        ignore_once: false,
    };
    assert_eq!(
        verdict(&Envelope { received: at(400), replay: Some(replay), ..event }),
        (0, at(100))
    );
}
