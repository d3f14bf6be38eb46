//! What a replay repeats: what it was asked for and no more, even if other requests or crashes come in between.

use std::collections::BTreeSet;

use super::plant::{Mood, Plant, RULES, until};
use super::replay::{asked, letters};
use crate::Running;
use crate::engine::{ReplayError, ReplayRequest, Step};
use crate::event::{Envelope, Replay};
use crate::ledger::{EventRecord, OperationKind};
use crate::sources::Incoming;

/// Accepts an event with this id, and waits until its actions are held.
async fn held(plant: &Plant, running: &Running, name: &str, id: &str) -> EventRecord {
    plant.backend.set(name, Mood::Lacks);
    let incoming = Incoming { id: Some(id.into()), ..Incoming::json("q", name, "{\"key\": 1}") };
    running.intake().accept(incoming).await.unwrap();
    all_held(plant, running, id).await
}

async fn all_held(plant: &Plant, running: &Running, id: &str) -> EventRecord {
    let record = async || plant.record_of(running, id).await;
    let is_held = |record: &EventRecord| {
        !record.actions.is_empty() && record.actions.iter().all(|one| one.state.is_parked())
    };
    until("held", async || record().await.as_ref().is_some_and(is_held)).await;
    record().await.unwrap()
}

/// Gives up a held action. Its id is that of its dead letter.
async fn give_up(running: &Running, id: &str) {
    until("given up", async || running.engine.discard(id, "ops", "").await.is_ok()).await;
}

/// The rules and triggers of all actions that were done, sorted.
fn done(plant: &Plant) -> Vec<(String, u32)> {
    let log = plant.backend.log.lock().unwrap();
    let mut done: Vec<_> = log.iter().map(|(_, rule, trigger)| (rule.clone(), *trigger)).collect();
    done.sort();
    done
}

fn pair(triggers: &[u32]) -> Vec<(String, u32)> {
    triggers.iter().map(|trigger| ("pairs/r".to_owned(), *trigger)).collect()
}

/// Two triggers of one rule are rejected for the same reason.
#[tokio::test]
async fn each_rejected_trigger_is_replayed_once() {
    let plant = Plant::new();
    let (running, _) = plant.start().await;
    plant.backend.set("pair", Mood::Refuses);
    let incoming = Incoming { id: Some("p".into()), ..Incoming::json("q", "pair", "{}") };
    running.intake().accept(incoming).await.unwrap();
    until("rejected", async || letters(&running).await.len() == 2).await;
    plant.backend.set("pair", Mood::Works);
    for (index, letter) in letters(&running).await.into_iter().enumerate() {
        running.engine.replay(&asked(&letter)).await.unwrap();
        until("done", async || done(&plant).len() > index).await;
    }
    assert!(running.stop().await);
    assert_eq!(done(&plant), pair(&[0, 1]));
}

/// A replay of a replay repeats only what the first one did, whatever is asked for, and whatever the rule is by then.
#[tokio::test]
async fn the_scope_of_a_replay_never_widens() {
    let mut plant = Plant::new();
    let (mut running, _) = plant.start().await;
    let record = held(&plant, &running, "pair", "p").await;
    give_up(&running, &record.actions[1].id).await;
    plant.backend.set("pair", Mood::Works);
    until("the first", async || done(&plant) == pair(&[0])).await;
    plant.backend.set("pair", Mood::Lacks);
    running.engine.replay(&asked(&record.actions[1].id)).await.unwrap();
    let second = all_held(&plant, &running, "p (attempt 2)").await;
    assert_eq!(second.actions.len(), 1);
    give_up(&running, &second.actions[0].id).await;
    plant.backend.set("pair", Mood::Works);
    // The letter of the second attempt, and all of the second attempt.
    running.engine.replay(&asked(&second.actions[0].id)).await.unwrap();
    until("the second", async || done(&plant) == pair(&[0, 1])).await;
    let whole = ReplayRequest { ignore_once: true, ..asked("p (attempt 2)") };
    until("all of it", async || running.engine.replay(&whole).await.is_ok()).await;
    until("the second again", async || done(&plant) == pair(&[0, 1, 1])).await;
    // The second trigger is removed, and the first one was done.
    let third = asked("p (attempt 3)");
    until("settled", async || running.engine.preview_replay(&third).await.is_ok()).await;
    assert!(running.stop().await);
    plant.rules = RULES.replace("trigger act {} trigger act {}", "trigger act {}");
    running = plant.start().await.0;
    let nothing = running.engine.replay(&third).await;
    assert!(matches!(nothing, Err(ReplayError::Nothing(_))), "{nothing:?}");
    assert!(running.stop().await);
}

/// A replay is interrupted, and another dead letter of its event is discarded before it is asked for again.
#[tokio::test]
async fn an_interrupted_replay_is_completed_whatever_else_was_done() {
    let plant = Plant::new();
    let (running, _) = plant.start().await;
    let record = held(&plant, &running, "pair", "p").await;
    let [first, second] = [0, 1].map(|index| record.actions[index].id.clone());
    give_up(&running, &first).await;
    give_up(&running, &second).await;
    plant.backend.set("pair", Mood::Works);
    let interrupt = async |letter: &str| {
        *plant.fault.lock().unwrap() = Some((Step::Replayed, 1));
        let (engine, request) = (std::sync::Arc::clone(&running.engine), asked(letter));
        tokio::spawn(async move { engine.replay(&request).await }).await.unwrap_err();
    };
    interrupt(&first).await;
    running.engine.discard_letter(&second, "ops", "").await.unwrap();
    let again = running.engine.replay(&asked(&first)).await;
    assert!(matches!(again, Err(ReplayError::Unknown(_))), "{again:?}");
    until("done", async || done(&plant) == pair(&[0])).await;

    // The dead letter that is replayed is not discarded.
    let other = held(&plant, &running, "pair", "o").await;
    let letter = other.actions[0].id.clone();
    give_up(&running, &letter).await;
    give_up(&running, &other.actions[1].id).await;
    plant.backend.set("pair", Mood::Works);
    interrupt(&letter).await;
    // Also with the ledger alone, as `fuse discard` does while nothing runs.
    let (ledger, now) = (running.ledger().as_ref(), jiff::Timestamp::now());
    let refused = crate::engine::discard_dead_letter(ledger, now, &letter, "ops", "").await;
    assert!(matches!(refused, Err(ReplayError::Replayed { .. })), "{refused:?}");
    until("done", async || done(&plant) == pair(&[0, 0])).await;
    assert!(running.stop().await);
    let operations = plant.record("p").await.operations;
    assert_eq!(operations.len(), 2, "{operations:?}");
}

/// A replay of an event that was pruned has the same id as that of a later event.
#[tokio::test]
async fn the_replay_of_an_earlier_event_with_the_same_id_does_not_count() {
    let plant = Plant::new();
    let (running, _) = plant.start().await;
    let record = held(&plant, &running, "pair", "p").await;
    let [letter, other] = [0, 1].map(|index| record.actions[index].id.clone());
    give_up(&running, &letter).await;
    give_up(&running, &other).await;
    let received = record.event.received - jiff::SignedDuration::from_hours(48);
    let earlier = Replay {
        of: "p".into(),
        received,
        attempt: 2,
        from: "p".into(),
        by: "ops".into(),
        letter: Some(letter.clone()),
        keeps: BTreeSet::new(),
        scope: None,
        ignore_once: false,
    };
    // It was rejected, so that it did nothing.
    plant.backend.set("pair", Mood::Refuses);
    let id = Replay::attempt_id("p", 2);
    let earlier = Envelope { id: id.clone(), replay: Some(earlier), ..record.event };
    running.engine.bus.publish(earlier).await.unwrap();
    until("decided", async || {
        plant.record_of(&running, &id).await.is_some_and(|record| record.decided.is_some())
    })
    .await;
    plant.backend.set("pair", Mood::Works);
    running.engine.replay(&asked(&letter)).await.unwrap();
    until("done", async || done(&plant) == pair(&[0])).await;
    assert!(plant.record_of(&running, "p (attempt 3)").await.is_some());
    assert!(running.stop().await);
}

/// One rule of an event fires again, and `once` suppresses another one.
#[tokio::test]
async fn a_dead_letter_that_is_not_done_again_stays_listed() {
    let plant = Plant::new();
    let (running, _) = plant.start().await;
    let record = held(&plant, &running, "mixed", "m").await;
    for action in &record.actions {
        give_up(&running, &action.id).await;
    }
    let once = record.actions.iter().find(|one| one.action.rule == "mix/unique").unwrap();
    plant.backend.set("mixed", Mood::Works);
    let shown = running.engine.preview_replay(&asked("m")).await.unwrap();
    let shown = serde_json::to_value(shown).unwrap();
    let warnings = shown["warnings"].to_string();
    assert!(
        warnings
            .contains("1 dead letter stays listed, because its rule does not fire: `mix/unique`"),
        "{warnings}"
    );
    running.engine.replay(&asked("m")).await.unwrap();
    until("done", async || done(&plant) == [("mix/always".to_owned(), 0)]).await;
    assert_eq!(letters(&running).await, std::slice::from_ref(&once.id));
    let operations = plant.record_of(&running, "m").await.unwrap().operations;
    let keeps = [once.id.clone()].into();
    let expected = OperationKind::Replayed { event: "m (attempt 2)".into(), keeps };
    assert_eq!(operations.first().map(|one| &one.kind), Some(&expected));
    assert!(running.stop().await);
}

/// All of an event is not replayed again while its replay is not over.
#[tokio::test]
async fn an_event_is_not_replayed_while_its_replay_is_held() {
    let plant = Plant::new();
    let (running, _) = plant.start().await;
    let record = held(&plant, &running, "pair", "p").await;
    for action in &record.actions {
        give_up(&running, &action.id).await;
    }
    running.engine.replay(&asked("p")).await.unwrap();
    let second = all_held(&plant, &running, "p (attempt 2)").await;
    let again = running.engine.replay(&asked("p")).await;
    assert!(
        matches!(&again, Err(ReplayError::Unsettled(id)) if id == "p (attempt 2)"),
        "{again:?}"
    );
    for action in &second.actions {
        give_up(&running, &action.id).await;
    }
    let shown = running.engine.preview_replay(&asked("p")).await.unwrap();
    let warnings = serde_json::to_value(shown).unwrap()["warnings"].to_string();
    assert!(warnings.contains("it was replayed before, as `p (attempt 2)`"), "{warnings}");
    assert!(running.stop().await);
}
