//! Replays: done once whatever fails, with the current rules, and only what is asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::plant::{Mood, Plant, accept, accept_as, state, until};
use crate::Running;
use crate::engine::{ReplayError, ReplayRequest, Step};
use crate::ledger::{DeadLetterQuery, LedgerError, OperationKind};

pub(super) fn asked(id: &str) -> ReplayRequest {
    ReplayRequest { id: id.into(), source: None, ignore_once: false, by: "ops".into() }
}

pub(super) async fn letters(running: &Running) -> Vec<String> {
    let page = running.ledger().dead_letters(&DeadLetterQuery::newest(9)).await.unwrap();
    page.letters.into_iter().map(|letter| letter.id).collect()
}

/// An event whose only action was given up, and the action's id.
async fn given_up(plant: &Plant, running: &Running) -> (String, String) {
    plant.backend.set("e", Mood::Lacks);
    let id = accept(running, "e").await;
    until("held", async || state(running, &id).await.is_some_and(|s| s.is_parked())).await;
    let action = running.ledger().find(&id).await.unwrap().remove(0).actions.remove(0).id;
    until("given up", async || running.engine.discard(&action, "ops", "").await.is_ok()).await;
    plant.backend.set("e", Mood::Works);
    (id, action)
}

/// A crash or a panic at any step, and asking again after it.
#[tokio::test]
async fn a_replay_is_performed_once_whatever_step_fails() {
    let steps = [
        Step::Replayed,
        Step::Taken,
        Step::Decided,
        Step::Intended,
        Step::Fired,
        Step::Recorded,
        Step::Acked,
    ];
    for step in steps {
        for restarts in [false, true] {
            let plant = Plant::new();
            let (mut running, _) = plant.start().await;
            let (id, action) = given_up(&plant, &running).await;
            let attempt = format!("{id} (attempt 2)");
            *plant.fault.lock().unwrap() = Some((step, 1));
            let engine = Arc::clone(&running.engine);
            let start = action.get(..10).unwrap().to_owned();
            let first = tokio::spawn(async move { engine.replay(&asked(&start)).await }).await;
            assert_eq!(first.is_err(), step == Step::Replayed, "{step:?}");
            if restarts {
                assert!(running.stop().await);
                running = plant.start().await.0;
            }
            // Until it is recorded, asking again completes it. Then there is no such dead letter.
            match running.engine.replay(&asked(&action)).await {
                Ok(_) => assert_eq!(step, Step::Replayed),
                Err(ReplayError::Unknown(_)) => assert_ne!(step, Step::Replayed),
                Err(other) => panic!("{step:?}: {other}"),
            }
            until("done", async || plant.backend.done(&attempt) == 1).await;
            assert_eq!(letters(&running).await, [""; 0], "{step:?}");
            assert!(running.stop().await);
            assert_eq!((plant.backend.done(&attempt), plant.backend.done(&id)), (1, 0), "{step:?}");
            let record = plant.record(&id).await;
            let [operation] = record.operations.as_slice() else { panic!("{record:?}") };
            assert_eq!((operation.by.as_str(), &operation.letter), ("ops", &Some(action)));
            assert_eq!(
                operation.kind,
                OperationKind::Replayed { event: attempt, keeps: BTreeSet::new() }
            );
        }
    }
}

#[tokio::test]
async fn once_keys_suppress_a_replay_unless_they_are_ignored() {
    let plant = Plant::new();
    let (running, _) = plant.start().await;
    accept_as(&running, "1", "k").await;
    until("done", async || plant.backend.done("1") == 1).await;
    until("settled", async || running.engine.preview_replay(&asked("1")).await.is_ok()).await;

    let shown = serde_json::to_value(running.engine.preview_replay(&asked("1")).await.unwrap());
    assert_eq!(shown.unwrap()["decisions"][0]["outcome"], "suppressed");
    let why = running.engine.replay(&asked("1")).await.unwrap_err().to_string();
    assert!(why.starts_with("nothing would be done"), "{why}");
    assert!(plant.record_of(&running, "1 (attempt 2)").await.is_none());

    let ignoring = ReplayRequest { ignore_once: true, ..asked("1") };
    running.engine.replay(&ignoring).await.unwrap();
    until("done again", async || plant.backend.done("1 (attempt 2)") == 1).await;
    // The key is still held for others, and a replay of the replay is the third attempt.
    accept_as(&running, "2", "k").await;
    let third = ReplayRequest { ignore_once: true, ..asked("1 (attempt 2)") };
    until("settled", async || running.engine.replay(&third).await.is_ok()).await;
    until("thrice", async || plant.backend.done("1 (attempt 3)") == 1).await;
    let replay = plant.record_of(&running, "1 (attempt 3)").await.unwrap().event.replay.unwrap();
    assert_eq!((replay.of.as_str(), replay.from.as_str()), ("1", "1 (attempt 2)"));
    assert_eq!(plant.backend.done("2"), 0);
    assert!(running.stop().await);
}

#[tokio::test]
async fn what_cannot_be_replayed_is_refused_with_the_reason() {
    let plant = Plant::new();
    let (running, _) = plant.start().await;
    plant.backend.set("e", Mood::Lacks);
    let id = accept(&running, "e").await;
    until("held", async || state(&running, &id).await.is_some_and(|s| s.is_parked())).await;
    let unsettled = running.engine.replay(&asked(&id)).await;
    assert!(matches!(unsettled, Err(ReplayError::Unsettled(_))), "{unsettled:?}");
    let unknown = running.engine.preview_replay(&asked("nothing")).await;
    assert!(matches!(unknown, Err(ReplayError::Unknown(_))), "{unknown:?}");
    let short = running.engine.discard_letter("abc", "ops", "").await;
    assert!(matches!(short, Err(ReplayError::TooShort(_))), "{short:?}");
    let unknown = running.engine.discard_letter("nothing", "ops", "").await;
    let is_unknown = |error: &ReplayError| {
        matches!(error, ReplayError::Ledger(LedgerError::UnknownDeadLetter(_)))
    };
    assert!(unknown.as_ref().is_err_and(is_unknown), "{unknown:?}");
    let incoming = crate::sources::Incoming { id: Some("r".into()), ..incoming("e") };
    running.intake().reject(incoming, "it is not an event").await.unwrap();
    until("recorded", async || letters(&running).await.len() == 1).await;
    let rejected = running.engine.replay(&asked("r")).await;
    assert!(matches!(rejected, Err(ReplayError::RejectedBySource { .. })), "{rejected:?}");
    let letter = letters(&running).await.remove(0);
    let letter = letter.get(..9).unwrap();
    running.engine.discard_letter(letter, "ops", "it is a test").await.unwrap();
    assert_eq!(letters(&running).await, [""; 0]);
    assert!(running.stop().await);
}

fn incoming(event: &str) -> crate::sources::Incoming {
    crate::sources::Incoming::json("q", event, "{}")
}
