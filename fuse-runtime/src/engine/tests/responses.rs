//! Reactions to actions that succeeded, and what reactions see of responses.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::schema::{Field, FieldType, Schema};
use fuse_rules::{ActionResponse, Fuses, Ruleset};
use serde_json::json;
use tokio::sync::mpsc;

use super::reactions::Say;
use super::{Silent, panics_once, say_schema, text_of};
use crate::backend::{Backend, Embedded};
use crate::engine::reactions::Reactions;
use crate::engine::{Engine, Policy, Step};
use crate::generation::{ActiveGeneration, Generation};
use crate::ledger::{EventRecord, Ledger, Observed, ObservedResult, StartedObject};
use crate::sources::{Incoming, Sources};
use crate::testing::MemoryBackend;
use crate::triggers::{
    ActionRequest, AttemptResult, Done, Failure, Probe, RenderError, Trigger, Triggers,
};
use crate::{Runtime, registry};

const RULES: &str = r#"
source q silent { event e }
sensor s on q.e {
  rule open {
    each x in body.apps
    trigger call { text = x, keep { ticket = "id" } }
    on success { trigger say { text = "${x}: ${outcome.response.status} ${outcome.response.ticket ?? "-"} ${outcome.reason}" } }
    on failure {
      trigger say { text = "${x}: ${outcome.state} ${outcome.response.status ?? 0} ${outcome.response.ticket ?? "-"}" }
    }
  }
}
"#;

/// Answers by the text of the action.
struct Call;

#[async_trait]
impl Trigger for Call {
    fn schema(&self) -> Schema {
        let keep = FieldType::Map(Box::new(FieldType::String));
        Schema::new("call", "Calls a server.")
            .field(Field::required("text", FieldType::String, "What to say."))
            .field(Field::optional("keep", keep, "What to keep."))
            .keeps_response("keep")
    }

    fn render(&self, request: &ActionRequest) -> Result<serde_json::Value, RenderError> {
        Ok(text_of(request).into())
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        self.attempt(request).await.result
    }

    async fn attempt(&self, request: &ActionRequest) -> AttemptResult {
        let retryable =
            || Failure::Retryable { reason: "busy".into(), maybe_applied: false, after: None };
        let (result, response) = match text_of(request) {
            "refused" => {
                let response = ActionResponse::new(422).with("ticket", "none");
                (Err(Failure::Permanent("no".into())), Some(response))
            }
            "busy" => (Err(retryable()), Some(ActionResponse::new(503))),
            "away" => (Err(retryable()), None),
            "work" => {
                let object = StartedObject {
                    api_version: "batch/v1".into(),
                    kind: "Job".into(),
                    namespace: None,
                    name: "work".into(),
                };
                let done = Done::new("created").with_started(Some(object));
                (Ok(done), Some(ActionResponse::new(202)))
            }
            _ => (Ok(Done::new("opened")), Some(ActionResponse::new(201).with("ticket", 7))),
        };
        AttemptResult { result, response }
    }

    async fn probe(&self, _: &ActionRequest) -> Probe {
        Probe::Repeatable
    }
}

/// Runs until `count` texts were said and the event is settled. Returns the texts, sorted.
async fn said(
    opened: impl Backend + Clone,
    body: &'static str,
    count: usize,
    panics_once_at: Option<Step>,
) -> Vec<String> {
    let (said, mut texts) = mpsc::unbounded_channel();
    let triggers = Triggers::new().with(Say { fails: Mutex::default(), said }).with(Call);
    let sources = Sources::new().with("silent", Silent);
    let ruleset = Ruleset::parse("x.rules", RULES, &registry(&sources, &triggers)).unwrap();
    let soon = Duration::from_millis(1);
    let (watcher, mut stepped) = panics_once(panics_once_at);
    let policy = Policy {
        backoff: soon,
        max_backoff: soon,
        recheck: soon,
        attempts: 3,
        ..Policy::default()
    };
    let running = Runtime::new(ruleset, sources, triggers)
        .policy(policy)
        .watcher(watcher)
        .start(opened.clone())
        .await
        .unwrap();
    let event = Incoming { id: Some("1".to_owned()), ..Incoming::json("q", "e", body) };
    running.intake().accept(event).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(texts.recv().await.unwrap());
    }
    while !opened.ledger().find("1").await.unwrap().iter().all(EventRecord::is_settled) {
        stepped.recv().await.unwrap();
    }
    assert!(running.stop().await, "the stop is in time");
    all.sort_unstable();
    all
}

async fn record(ledger: &dyn Ledger) -> EventRecord {
    ledger.find("1").await.unwrap().remove(0)
}

#[test]
fn the_schema_of_say_has_no_response() {
    assert!(!say_schema().gets_response());
    assert!(Call.schema().gets_response());
}

#[tokio::test]
async fn reactions_see_the_response_of_the_last_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let body = r#"{"apps": ["ok", "refused", "busy", "away"]}"#;
    let backend = Embedded::open(folder.path()).await.unwrap();
    let found = said(backend.clone(), body, 4, None).await;
    assert_eq!(
        found,
        [
            "away: exhausted 0 -",
            "busy: exhausted 503 -",
            "ok: 201 7 opened",
            "refused: permanent 422 none"
        ]
    );
    // The response is in the record of the action, also after a restart.
    drop(backend);
    let backend = Embedded::open(folder.path()).await.unwrap();
    let record = record(&*backend.ledger()).await;
    let of_calls = record.actions.iter().filter(|one| one.action.trigger == "call");
    let responses: Vec<_> =
        of_calls.map(|one| serde_json::to_value(&one.state).unwrap()["response"].clone()).collect();
    assert_eq!(
        responses,
        [
            json!({ "status": 201, "ticket": 7 }),
            json!({ "status": 422, "ticket": "none" }),
            json!({ "status": 503 }),
            json!(null),
        ]
    );
}

#[tokio::test]
async fn a_fault_at_any_step_loses_no_reaction_to_a_success_and_repeats_none() {
    for step in [Step::Decided, Step::Intended, Step::Fired, Step::Recorded, Step::Acked] {
        let backend = MemoryBackend::new();
        let opened = backend.restarted();
        let found = said(opened, r#"{"apps": ["ok"]}"#, 1, Some(step)).await;
        assert_eq!(found, ["ok: 201 7 opened"], "{step:?}");
        let record = record(&*backend.restarted().ledger()).await;
        let decided: Vec<_> = record.decisions.iter().map(|one| one.rule.as_str()).collect();
        assert_eq!(decided, ["s/open", "s/open on success"], "{step:?}");
        let reaction = record.decisions.last().unwrap();
        assert_eq!(reaction.reacts_to.as_ref(), record.actions.first().map(|one| &one.id));
        assert_eq!(record.actions.len(), 2, "{step:?}");
    }
}

#[tokio::test]
async fn what_starts_work_succeeds_when_its_work_does() {
    let backend = MemoryBackend::new();
    let found = said(backend.restarted(), r#"{"apps": ["ok", "work"]}"#, 1, None).await;
    assert_eq!(found, ["ok: 201 7 opened"]);
    let opened = backend.restarted();
    let record = record(&*opened.ledger()).await;
    let reactions = record.decisions.iter().filter(|one| one.rule == "s/open on success");
    assert_eq!(reactions.count(), 1, "its work is not over");

    let work = record.actions.iter().find(|one| one.action.fields["text"] == "work").unwrap();
    let (said, _texts) = mpsc::unbounded_channel();
    let triggers = Triggers::new().with(Say { fails: Mutex::default(), said }).with(Call);
    let sources = Sources::new().with("silent", Silent);
    let ruleset = Ruleset::parse("x.rules", RULES, &registry(&sources, &triggers)).unwrap();
    let active = ActiveGeneration::new(Generation::new(ruleset, Fuses::default()));
    let reactions = Reactions { active, triggers, ..Engine::idle(&opened).reactions() };
    for (result, expected) in [
        (ObservedResult::Running, None),
        (ObservedResult::Gone, None),
        (ObservedResult::Succeeded, Some("work: 202 - Job work ended as Done")),
        (ObservedResult::Failed, Some("work: failed 202 -")),
    ] {
        let observed = Observed {
            result,
            phase: "Done".into(),
            message: None,
            api_version: "batch/v1".into(),
            kind: "Job".into(),
            namespace: None,
            name: "work".into(),
            at: record.decided.unwrap(),
        };
        let event = record.event.key();
        let verdict = reactions.to_observed(&event, &work.id, &observed).await.unwrap();
        let texts: Vec<_> = verdict.iter().flat_map(|verdict| &verdict.actions).collect();
        let texts: Vec<_> = texts.iter().map(|(_, action)| &action.fields["text"]).collect();
        assert_eq!(texts, expected.iter().collect::<Vec<_>>(), "{result:?}");
    }
}
