//! Reactions to what becomes of rules and of their actions.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::schema::Schema;
use fuse_rules::{ReactionKind, Ruleset};
use tokio::sync::mpsc;

use super::{Silent, panics_once, say_schema, text_of};
use crate::backend::Backend as _;
use crate::engine::{Policy, Step};
use crate::ledger::{ActionState, DeadLetterKind, EventQuery, EventRecord, EventResult};
use crate::sources::{Incoming, Sources};
use crate::testing::MemoryBackend;
use crate::triggers::{ActionRequest, Done, Failure, Probe, RenderError, Trigger, Triggers};
use crate::{Runtime, registry};

const RULES: &str = r#"
fuse calls default on
fuse never default off
source q silent { event e }
sensor s on q.e {
  rule heal {
    each x in body.apps
    once per x.name within 1h
    trigger say { text = "heal ${x.name}" }
    trigger say { text = "note ${x.name}" }
    on failure { trigger say { text = "${outcome.state} ${x.name}: ${outcome.reason}" } }
    on suppressed {
      limit 1 per 1h
      trigger say { text = "not ${x.name} of ${outcome.rule}" }
    }
  }
  rule off {
    requires never
    trigger say { text = "never" }
    on gated { trigger say { text = "off: ${outcome.reason}" } }
  }
}
"#;

/// Says its text to the test, unless the text is one that fails.
pub(super) struct Say {
    pub(super) fails: Mutex<VecDeque<&'static str>>,
    pub(super) said: mpsc::UnboundedSender<String>,
}

#[async_trait]
impl Trigger for Say {
    fn schema(&self) -> Schema {
        say_schema()
    }

    fn render(&self, request: &ActionRequest) -> Result<serde_json::Value, RenderError> {
        Ok(text_of(request).into())
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        let text = text_of(request);
        if self.fails.lock().unwrap().contains(&text) {
            return Err(Failure::Permanent("no voice".into()));
        }
        self.said.send(text.to_owned()).unwrap();
        Ok(Done::new("said"))
    }

    async fn probe(&self, _: &ActionRequest) -> Probe {
        Probe::Absent
    }
}

/// The same for [`RULES`].
async fn said(
    backend: &MemoryBackend,
    (id, body): (&str, &'static str),
    fails: &[&'static str],
    count: usize,
    panics_once_at: Option<Step>,
) -> Vec<String> {
    said_by((RULES, Policy::default()), backend, (id, body), fails, count, panics_once_at).await
}

/// Runs these rules with this policy on this state until `count` texts were said and everything is settled. Returns the texts, sorted.
async fn said_by(
    (rules, policy): (&str, Policy),
    backend: &MemoryBackend,
    (id, body): (&str, &'static str),
    fails: &[&'static str],
    count: usize,
    panics_once_at: Option<Step>,
) -> Vec<String> {
    let (said, mut texts) = mpsc::unbounded_channel();
    let fails = Mutex::new(fails.iter().copied().collect());
    let triggers = Triggers::new().with(Say { fails, said });
    let sources = Sources::new().with("silent", Silent);
    let ruleset = Ruleset::parse("x.rules", rules, &registry(&sources, &triggers)).unwrap();
    let soon = Duration::from_millis(1);
    let (watcher, mut stepped) = panics_once(panics_once_at);
    let opened = backend.restarted();
    let running = Runtime::new(ruleset, sources, triggers)
        .policy(Policy { backoff: soon, recheck: soon, ..policy })
        .watcher(watcher)
        .start(opened.clone())
        .await
        .unwrap();
    let event = Incoming { id: Some(id.to_owned()), ..Incoming::json("q", "e", body) };
    running.intake().accept(event).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(texts.recv().await.unwrap());
    }
    while !opened.ledger().find(id).await.unwrap().iter().all(EventRecord::is_settled) {
        stepped.recv().await.unwrap();
    }
    assert!(running.stop().await, "the stop is in time");
    all.sort_unstable();
    all
}

/// The decisions about an event as `rule outcome`.
fn outcomes(record: &EventRecord) -> Vec<String> {
    record.decisions.iter().map(|one| format!("{} {}", one.rule, one.outcome)).collect()
}

async fn record(backend: &MemoryBackend, id: &str) -> EventRecord {
    backend.restarted().ledger().find(id).await.unwrap().remove(0)
}

const TWO: &str = r#"{"apps": [{"name": "a"}, {"name": "b"}]}"#;

#[tokio::test]
async fn a_rule_reacts_to_each_failed_action_and_to_its_fuse() {
    let backend = MemoryBackend::new();
    let fails = ["heal a", "note a", "note b"];
    let found = said(&backend, ("1", TWO), &fails, 5, None).await;
    let failed = |app| format!("permanent {app}: no voice");
    let off = "off: fuse `never` is off".to_owned();
    assert_eq!(found, ["heal b".to_owned(), off, failed("a"), failed("a"), failed("b")]);
    let record = record(&backend, "1").await;
    assert!(record.is_settled());
    // Each reaction to a failure names the action to which it reacts.
    for reaction in record.decisions.iter().filter(|one| one.rule == "s/heal on failure") {
        let of = record.actions.iter().find(|one| Some(&one.id) == reaction.reacts_to.as_ref());
        let of = of.unwrap();
        assert_eq!((&of.action.rule, &of.action.element), (&"s/heal".into(), &reaction.element));
        assert!(matches!(of.state, ActionState::DeadLettered { .. }));
    }
}

#[tokio::test]
async fn a_reaction_has_its_own_flow_control_and_does_not_react_to_itself() {
    let backend = MemoryBackend::new();
    let fails = ["heal a", "permanent a: no voice", "off: fuse `never` is off"];
    let found = said(&backend, ("1", TWO), &fails, 3, None).await;
    assert_eq!(found, ["heal b", "note a", "note b"]);
    let found = said(&backend, ("2", TWO), &fails, 1, None).await;
    assert_eq!(found, ["not a of s/heal"]);
    let suppressed = record(&backend, "2").await;
    let reactions: Vec<_> = suppressed
        .decisions
        .iter()
        .filter(|one| one.rule == "s/heal on suppressed")
        .map(|one| (one.element.clone().unwrap()[0], one.outcome.as_str()))
        .collect();
    assert_eq!(reactions, [(0, "fired"), (1, "suppressed")]);
    let first = record(&backend, "1").await;
    let dead = |kind| {
        let of = |state: &ActionState| matches!(state, ActionState::DeadLettered { kind: k, .. } if *k == kind);
        first.actions.iter().filter(|one| of(&one.state)).count()
    };
    assert_eq!(dead(DeadLetterKind::Permanent), 3);
    assert_eq!(first.actions.len(), 6, "{:?}", first.decisions);
}

#[tokio::test]
async fn a_fault_at_any_step_loses_no_reaction_and_repeats_none() {
    for step in [Step::Decided, Step::Intended, Step::Fired, Step::Recorded, Step::Acked] {
        let backend = MemoryBackend::new();
        let one = r#"{"apps": [{"name": "a"}]}"#;
        let _ = said(&backend, ("1", one), &["heal a"], 3, Some(step)).await;
        let found = record(&backend, "1").await;
        let rules: Vec<_> = found.decisions.iter().map(|one| one.rule.as_str()).collect();
        let expected = ["s/heal", "s/heal", "s/off", "s/off on gated", "s/heal on failure"];
        assert_eq!(rules, expected, "{step:?}");
        assert_eq!(found.actions.len(), 4, "{step:?}");
    }
}

#[tokio::test]
async fn a_rule_reacts_once_however_its_triggers_alternate() {
    let rules = r#"
        source q silent { event e }
        sensor s on q.e { rule r {
          once per body.k within 1h
          trigger say { text = body.none }
          trigger say { text = "said" }
          trigger say { text = body.none }
          on rejected { trigger say { text = "rejected" } }
          on suppressed { trigger say { text = "suppressed" } }
        } }"#;
    let backend = MemoryBackend::new();
    let body = r#"{"k": 1}"#;
    let first = said_by((rules, Policy::default()), &backend, ("1", body), &[], 2, None).await;
    assert_eq!(first, ["rejected", "said"]);
    let second = said_by((rules, Policy::default()), &backend, ("2", body), &[], 2, None).await;
    assert_eq!(second, ["rejected", "suppressed"]);
    let expected = [
        "s/r rejected",
        "s/r suppressed",
        "s/r rejected",
        "s/r on rejected fired",
        "s/r on suppressed fired",
    ];
    assert_eq!(outcomes(&record(&backend, "2").await), expected);
}

#[tokio::test]
async fn an_event_has_a_bounded_number_of_reactions() {
    let rules = r#"
        fuse f default off
        source q silent { event e }
        sensor s on q.e { rule r {
          requires f
          each x in body
          trigger say { text = "x" }
          on gated { trigger say { text = "gated" } }
        } }"#;
    let body: &'static str = Box::leak(format!("[{}0]", "0, ".repeat(259)).into_boxed_str());
    let backend = MemoryBackend::new();
    let texts = said_by((rules, Policy::default()), &backend, ("1", body), &[], 250, None).await;
    assert_eq!(texts.len(), 250);
    let last = record(&backend, "1").await.decisions.pop().unwrap();
    assert_eq!(last.reason, "the event has 10 more reactions than 250, which is the limit");
    assert_eq!(last.outcome.as_str(), "rejected");
}

#[tokio::test]
async fn a_reaction_without_room_is_a_dead_letter() {
    let backend = MemoryBackend::new();
    let policy = Policy { max_held: 0, ..Policy::default() };
    let one = r#"{"apps": [{"name": "a"}]}"#;
    let said = said_by((RULES, policy), &backend, ("1", one), &["heal a"], 1, None).await;
    assert_eq!(said, ["note a"]);
    let found = record(&backend, "1").await;
    let given_up: Vec<_> = found
        .actions
        .iter()
        .filter(|one| ReactionKind::rule_of(&one.action.rule).is_some())
        .map(|one| match &one.state {
            ActionState::DeadLettered { kind, reason, .. } => (*kind, reason.as_str()),
            state => panic!("{state:?}"),
        })
        .collect();
    let full = "0 actions of its trigger wait already, which is the limit";
    assert_eq!(given_up, [(DeadLetterKind::NotReady, full); 2]);
}

#[tokio::test]
async fn an_event_whose_rule_was_gated_did_not_fire() {
    let backend = MemoryBackend::new();
    let nothing = r#"{"apps": []}"#;
    let said = said(&backend, ("1", nothing), &[], 1, None).await;
    assert_eq!(said, ["off: fuse `never` is off"]);
    let ledger = backend.restarted().ledger();
    let page = ledger.events(&EventQuery::newest(1)).await.unwrap();
    let counts = page.events[0].decisions;
    assert_eq!((counts.gated, counts.fired), (1, 0));
    let of_reaction = EventQuery {
        rule: Some("s/off on gated".into()),
        result: Some(EventResult::Fired),
        ..EventQuery::newest(1)
    };
    assert_eq!(ledger.events(&of_reaction).await.unwrap().events.len(), 1);
}
