//! What answers do that are made at once, and how the record and what is derived again come together.

use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::body::to_bytes;
use fuse_rules::schema::Schema;
use fuse_rules::{Fuses, Outcome, Ruleset};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::admin::{AdminAccess, Guard};
use crate::backend::{Backend, Embedded};
use crate::clock::Clock;
use crate::engine::Engine;
use crate::event::Envelope;
use crate::generation::{ActiveGeneration, Generation};
use crate::ledger::DecisionRecord;
use crate::metrics::Metrics;
use crate::reload::Reloader;
use crate::shutdown::Shutdown;
use crate::supervise::Supervisor;
use crate::switchboard::Switchboard;
use crate::triggers::Triggers;

const RULES: &str =
    "source q queue { event e } sensor s on q.e { rule r { when body.a == 1  trigger page {} } }";

async fn admin(folder: &std::path::Path, rules: &str) -> Arc<Admin> {
    let kinds = fuse_rules::Registry::new()
        .source(fuse_rules::schema::SourceSchema::new(
            Schema::new("queue", ""),
            Schema::new("event", ""),
        ))
        .trigger(Schema::new("page", ""));
    let ruleset = Ruleset::parse("a.rules", rules, &kinds).unwrap();
    let backend = Embedded::open(folder).await.unwrap();
    let active = ActiveGeneration::new(Generation::new(ruleset, Fuses::default()));
    let (ledger, metrics) = (backend.ledger(), Arc::new(Metrics::new()));
    let switchboard = Switchboard::new(ledger, active.clone(), metrics, Clock::system());
    Arc::new(Admin {
        backend: Arc::new(backend.clone()),
        bus: backend.bus(),
        ledger: backend.ledger(),
        metrics: Arc::new(Metrics::new()),
        reloader: Reloader::idle(&active, backend.bus()),
        active,
        triggers: Triggers::new(),
        engine: Engine::idle(&backend),
        supervisor: Supervisor::new(Arc::new(Metrics::new()), Shutdown::new().1),
        unfollowed: Arc::new(Mutex::new(BTreeMap::new())),
        dropped_log_lines: Arc::new(|| 0),
        looking: Arc::new(Semaphore::new(1)),
        copying: Arc::new(Semaphore::new(1)),
        stops_soon: Arc::default(),
        explaining: Arc::new(Semaphore::new(MAX_ANSWERS)),
        stop: Shutdown::new().1,
        clock: Clock::system(),
        switchboard: Arc::new(switchboard),
        guard: Arc::new(Guard::new(AdminAccess::new(), "127.0.0.1:1".parse().unwrap())),
    })
}

fn record(body: &'static str) -> EventRecord {
    EventRecord {
        acked: true,
        decided: Some(Timestamp::UNIX_EPOCH),
        ..EventRecord::undecided(Envelope::new("q", "e", "1", Timestamp::UNIX_EPOCH, body))
    }
}

fn asked(pairs: &[(&str, &str)]) -> DecisionsQuery {
    let value = |name| pairs.iter().find(|(own, _)| *own == name).map(|(_, v)| (*v).to_owned());
    DecisionsQuery {
        event: value("event"),
        source: value("source"),
        rule: value("rule"),
        limit: value("limit"),
        after: value("after"),
    }
}

async fn answer_to(admin: &Arc<Admin>, record: EventRecord, pairs: &[(&str, &str)]) -> Value {
    let turn = turn(&admin.explaining).await.unwrap();
    let question = Question::new(asked(pairs), true).unwrap();
    let response = explained(admin, record, question, turn).await;
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

async fn answer(admin: &Arc<Admin>, body: &'static str) -> Value {
    answer_to(admin, record(body), &[("event", "1")]).await
}

#[tokio::test]
async fn an_answer_waits_for_its_turn_but_not_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let admin = admin(folder.path(), RULES).await;
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
    assert_eq!(admin.explaining.available_permits(), MAX_ANSWERS);
}

#[tokio::test]
async fn few_answers_are_made_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let admin = admin(folder.path(), RULES).await;
    let caller = || Extension(Requester::Local);
    let ask = || decisions(State(Arc::clone(&admin)), caller(), Query(asked(&[("event", "none")])));
    let turns = Arc::clone(&admin.explaining);
    let all = turns.acquire_many_owned(u32::try_from(MAX_ANSWERS).unwrap()).await.unwrap();
    let response = ask().await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    let text = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert!(String::from_utf8_lossy(&text).contains("ask again in a second"));
    // What is asked wrongly needs no turn.
    let wrong = decisions(State(Arc::clone(&admin)), caller(), Query(asked(&[]))).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    drop(all);
    assert_eq!(ask().await.status(), StatusCode::NOT_FOUND);
    assert_eq!(admin.explaining.available_permits(), MAX_ANSWERS);
}

/// Fuses that changed since, and rules that are gone, leave more or fewer decisions on record than are
/// derived; each has its place all the same, and each page begins where the one before ended.
#[tokio::test]
async fn the_record_has_its_place_on_the_pages() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "source q queue { event e }
        fuse gate default off
        sensor s on q.e { each x in body.l
          rule a { requires gate when x > 0  trigger page {}  trigger page {} }
          rule b { when x > 1  trigger page {}  trigger page {} }
        }";
    let admin = admin(folder.path(), rules).await;
    let on_record = |rule: &str, element: u32, reason: &str| DecisionRecord {
        rule: rule.into(),
        element: Some(vec![element]),
        shadow: None,
        outcome: Outcome::Fired,
        reason: reason.into(),
        clause: None,
        action: None,
        reacts_to: None,
    };
    let record = || EventRecord {
        decisions: vec![
            // By now it is gated, which gives one decision.
            on_record("s/a", 1, "1"),
            on_record("s/a", 1, "2"),
            // It was gated.
            on_record("s/b", 2, "3"),
            on_record("s/gone", 0, "4"),
            on_record("s/gone", 1, "5"),
        ],
        ..record(r#"{"l": [0, 1, 2]}"#)
    };
    let short = |answer: &Value| -> Vec<String> {
        let decisions = answer["decisions"].as_array().unwrap().iter();
        decisions
            .map(|one| format!("{} {} {}", one["rule"], one["element"], one["outcome"]))
            .collect()
    };
    let whole = answer_to(&admin, record(), &[("event", "1")]).await;
    let expected = [
        r#""s/a" [0] "not-matched""#,
        r#""s/a" [1] "fired""#,
        r#""s/a" [1] "fired""#,
        r#""s/a" [2] "gated""#,
        r#""s/b" [0] "not-matched""#,
        r#""s/b" [1] "not-matched""#,
        r#""s/b" [2] "fired""#,
        r#""s/gone" [0] "fired""#,
        r#""s/gone" [1] "fired""#,
    ];
    assert_eq!(short(&whole), expected, "{whole:#}");
    assert_eq!(whole["decisions"][2]["conditions"][0]["truth"], true);
    for limit in ["1", "2", "4"] {
        let mut all = Vec::new();
        let mut after = "0".to_owned();
        loop {
            let pairs = [("event", "1"), ("limit", limit), ("after", &*after)];
            let page = answer_to(&admin, record(), &pairs).await;
            all.extend(page["decisions"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            assert!(
                next.starts_with(&format!("/decisions?event=1&limit={limit}&after=")),
                "{next}"
            );
            after = next.rsplit('=').next().unwrap().to_owned();
        }
        assert_eq!(json!(all), whole["decisions"], "{limit}");
    }
}

#[tokio::test]
async fn long_texts_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let admin = admin(folder.path(), RULES).await;
    let decision = DecisionRecord {
        rule: "s/r".into(),
        element: None,
        shadow: None,
        outcome: Outcome::Rejected,
        reason: "x".repeat(5_000),
        clause: None,
        action: None,
        reacts_to: None,
    };
    let record = EventRecord {
        decisions: vec![decision],
        mismatch: Some("y".repeat(5_000)),
        ..record(r#"{"a": 1}"#)
    };
    let told = answer_to(&admin, record, &[("event", "1")]).await;
    for text in [&told["decisions"][0]["reason"], &told["event"]["mismatch"]] {
        let text = text.as_str().unwrap();
        assert!(text.len() < 1_100 && text.ends_with('…'), "{text}");
    }
}

#[test]
fn cursors_are_read_as_they_are_written() {
    for cursor in [(0, 0), (17, 0), (3, 2)] {
        let cursor = Cursor { decision: cursor.0, recorded: cursor.1 };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
    }
    for wrong in ["", "+1", "1.", ".1", "1.2.3", "-1", "1e3", "18446744073709551615"] {
        assert_eq!(Cursor::parse(wrong), None, "{wrong}");
    }
}
