//! What an answer does while another one looks for what would make rules match.

use axum::body::to_bytes;
use fuse_rules::Schema;
use jiff::Timestamp;
use serde_json::Value;

use super::*;
use crate::bus::EmbeddedBus;
use crate::event::Envelope;
use crate::ledger::EmbeddedLedger;
use crate::store::Store;

const RULES: &str =
    "source q queue { event e } sensor s on q.e { rule r { when body.a == 1  trigger page {} } }";

async fn admin(folder: &std::path::Path) -> Arc<Admin> {
    let kinds = fuse_rules::Registry::new()
        .source(fuse_rules::SourceSchema::new(Schema::new("queue", ""), Schema::new("event", "")))
        .trigger(Schema::new("page", ""));
    let ruleset = Ruleset::parse("a.rules", RULES, &kinds).unwrap();
    let store = Store::open(folder).unwrap();
    let for_engine = store.clone();
    Arc::new(Admin {
        bus: Arc::new(EmbeddedBus::new(store.clone(), 1).await.unwrap()),
        ledger: Arc::new(EmbeddedLedger::new(store)),
        metrics: Arc::new(Metrics::new()),
        plan: ruleset.plan(),
        ruleset: Arc::new(ruleset),
        plan_hash: String::new(),
        fuses: Fuses::default(),
        triggers: Triggers::new(),
        used: Vec::new(),
        engine: Engine::idle(for_engine).await,
        supervisor: Supervisor::new(Arc::new(Metrics::new()), Stop::new().1),
        unfollowed: Arc::default(),
        dropped_log_lines: Arc::new(|| 0),
        looking: Arc::new(Semaphore::new(1)),
        stop: Stop::new().1,
    })
}

fn record(body: &'static str) -> EventRecord {
    EventRecord {
        event: Envelope {
            id: "1".into(),
            source: "q".into(),
            name: "e".into(),
            received: Timestamp::UNIX_EPOCH,
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
            body: body.into(),
        },
        acked: true,
        decided: Some(Timestamp::UNIX_EPOCH),
        plan: None,
        rejected: None,
        mismatch: None,
        decisions: Vec::new(),
        actions: Vec::new(),
        conflicts: 0,
        last_conflict: None,
    }
}

async fn answer(admin: &Arc<Admin>, body: &'static str) -> Value {
    let response = explained(admin, &record(body), None).await;
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn an_answer_waits_for_its_turn_but_not_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let admin = admin(folder.path()).await;
    let turn = Arc::clone(&admin.looking).acquire_owned().await.unwrap();

    // Whoever has the turn keeps it: the answer tells the rest, and what it does not tell.
    let told = answer(&admin, r#"{"a": 2}"#).await;
    assert_eq!(told["decisions"][0]["outcome"], "not-matched", "{told:#}");
    assert_eq!(told["would_match"], Value::Null);
    assert!(told["note"].as_str().unwrap().ends_with("ask again"), "{told:#}");
    // Where there is nothing to be looked for, there is nothing to wait for.
    let told = answer(&admin, r#"{"a": 1}"#).await;
    assert_eq!((&told["would_match"], &told["note"]), (&Value::Null, &Value::Null));

    let (told, ()) = tokio::join!(answer(&admin, r#"{"a": 2}"#), async { drop(turn) });
    assert_eq!(told["would_match"]["s/r"]["changes"][0]["to"], "1", "{told:#}");
    assert_eq!(told["note"], Value::Null);
    // It gave its turn back.
    assert_eq!(admin.looking.available_permits(), 1);
}
