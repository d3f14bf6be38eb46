//! What becomes of actions.

use super::super::{
    ActionState, Attempt, Counts, DeadLetterKind, EventAction, Ledger, LedgerError, Observed,
    ObservedResult,
};
use super::{House, attempt, verdict};
use crate::store::support::at;

fn done(seconds: i64) -> ActionState {
    ActionState::Done { at: at(seconds), detail: "created `wf-x`".into() }
}

fn dead(seconds: i64) -> ActionState {
    ActionState::DeadLettered {
        at: at(seconds),
        kind: DeadLetterKind::Exhausted,
        reason: "gave up after 5 tries".into(),
    }
}

/// A house with decided events of these ids, each with an action of the same id.
async fn decided(ids: &[&str]) -> House {
    let house = House::in_memory().await;
    for id in ids {
        let event = house.accept(id, 0).await;
        house.ledger.decide(verdict(&event, id, 0)).await.unwrap();
    }
    house
}

async fn state(house: &House, id: &str) -> ActionState {
    let found = house.ledger.find(id).await.unwrap();
    found[0].actions[0].state.clone()
}

async fn counts(house: &House) -> (u64, u64) {
    let Counts { unsettled, dead_letters } = house.ledger.counts().await.unwrap();
    (unsettled, dead_letters)
}

#[tokio::test]
async fn an_action_goes_from_pending_to_intended_to_done() {
    let house = decided(&["a"]).await;
    let ledger = &house.ledger;
    assert_eq!(state(&house, "a").await, ActionState::Pending);
    ledger.intend("a", attempt(1)).await.unwrap();
    ledger.intend("a", attempt(2)).await.unwrap();
    assert_eq!(state(&house, "a").await, ActionState::Intended { at: at(2), checkpoint: None });
    ledger.reopen("a").await.unwrap();
    assert_eq!(state(&house, "a").await, ActionState::Pending);
    assert_eq!(counts(&house).await, (1, 0));

    ledger.settle("a", done(3)).await.unwrap();
    assert_eq!(state(&house, "a").await, done(3));
    assert!(ledger.find("a").await.unwrap()[0].is_settled());
    assert_eq!(counts(&house).await, (0, 0));
}

#[tokio::test]
async fn a_settled_action_stays_as_it_is() {
    let house = decided(&["a"]).await;
    let ledger = &house.ledger;
    ledger.settle("a", done(3)).await.unwrap();
    ledger.settle("a", done(3)).await.unwrap();
    let settled = Err(LedgerError::Settled("a".into()));
    assert_eq!(ledger.intend("a", attempt(4)).await, settled);
    assert_eq!(ledger.settle("a", dead(4)).await, settled);
    assert_eq!(ledger.reopen("a").await, settled);
    assert_eq!(state(&house, "a").await, done(3));
}

#[tokio::test]
async fn what_is_unknown_or_no_end_is_refused() {
    let house = decided(&["a"]).await;
    let ledger = &house.ledger;
    let unknown = Err(LedgerError::UnknownAction("b".into()));
    assert_eq!(ledger.intend("b", attempt(1)).await, unknown);
    assert_eq!(ledger.settle("b", done(1)).await, unknown);
    assert_eq!(ledger.reopen("b").await, unknown);
    for state in [ActionState::Pending, ActionState::Intended { at: at(1), checkpoint: None }] {
        let problem = ledger.settle("a", state).await.unwrap_err();
        assert!(matches!(problem, LedgerError::Invalid(_)), "{problem}");
    }
}

#[tokio::test]
async fn dead_letters_are_listed_newest_first_and_can_be_replayed() {
    let house = decided(&["a", "b", "c"]).await;
    let ledger = &house.ledger;
    for (id, seconds) in [("b", 1), ("c", 3), ("a", 2)] {
        ledger.settle(id, dead(seconds)).await.unwrap();
    }
    assert_eq!(counts(&house).await, (0, 3));
    let letters = ledger.dead_letters(2).await.unwrap();
    let said: Vec<_> = letters.iter().map(|l| (l.event.id.as_str(), l.at)).collect();
    assert_eq!(said, [("c", at(3)), ("a", at(2))]);
    assert_eq!(letters[0].kind, DeadLetterKind::Exhausted);
    assert_eq!(letters[0].reason, "gave up after 5 tries");
    assert_eq!(letters[0].action.as_ref().unwrap().state, dead(3));
    assert_eq!((letters[0].rule.as_deref(), &letters[0].element), (Some("s/r"), &None));

    ledger.reopen("c").await.unwrap();
    assert_eq!(counts(&house).await, (1, 2));
    ledger.settle("c", done(9)).await.unwrap();
    assert_eq!(counts(&house).await, (0, 2));
}

#[tokio::test]
async fn unsettled_actions_are_listed_in_pages() {
    let house = decided(&["a", "b", "c", "d"]).await;
    let ledger = &house.ledger;
    ledger.settle("b", done(1)).await.unwrap();
    ledger.intend("c", attempt(1)).await.unwrap();
    let first = ledger.unsettled(None, 2).await.unwrap();
    let ids: Vec<_> = first.iter().map(|one| one.action.id.as_str()).collect();
    assert_eq!(ids, ["a", "c"]);
    assert_eq!(first[1].event.id, "c");
    let rest = ledger.unsettled(Some("c"), 2).await.unwrap();
    let ids: Vec<_> = rest.iter().map(|one| one.action.id.as_str()).collect();
    assert_eq!(ids, ["d"]);
}

#[test]
fn states_have_stable_names_in_json() {
    let text = serde_json::to_string(&[dead(0), ActionState::Pending]).unwrap();
    assert_eq!(
        text,
        "[{\"state\":\"dead-lettered\",\"at\":\"2026-08-01T10:00:00Z\",\"kind\":\"exhausted\",\
         \"reason\":\"gave up after 5 tries\"},{\"state\":\"pending\"}]"
    );
    let kind = DeadLetterKind::Uncertain;
    let text = serde_json::to_string(&kind).unwrap();
    assert_eq!(text, format!("\"{kind}\""));
}

#[test]
fn records_with_the_former_field_names_are_read() {
    let text = r#"{"state":"held","since":"2026-08-01T10:00:00Z","reason":"no namespace",
        "tried":{"at":"2026-08-01T10:00:00Z","noted":"uid"},"noted":"uid"}"#;
    let state: ActionState = serde_json::from_str(text).unwrap();
    let checkpoint = Some("uid".to_owned());
    assert_eq!(state.last_attempt(), Some(Attempt { at: at(0), checkpoint: checkpoint.clone() }));
    assert_eq!(state.checkpoint(), checkpoint);
}

fn observed(result: ObservedResult, phase: &str) -> Observed {
    Observed {
        result,
        phase: phase.into(),
        message: None,
        api_version: "argoproj.io/v1alpha1".into(),
        kind: "Workflow".into(),
        namespace: Some("cicd".into()),
        name: "wf-x".into(),
        at: at(9),
    }
}

async fn ids(listed: impl Future<Output = Result<Vec<EventAction>, LedgerError>>) -> Vec<String> {
    listed.await.unwrap().into_iter().map(|one| one.action.id).collect()
}

#[tokio::test]
async fn what_is_held_stays_off_the_bus_until_it_is_settled() {
    let house = decided(&["a", "b"]).await;
    let ledger = &house.ledger;
    let held = |last_attempt| ActionState::Held {
        since: at(1),
        reason: "no namespace".into(),
        last_attempt,
        checkpoint: Some("uid".into()),
        fuses: Vec::new(),
    };
    ledger.hold("a", held(Some(attempt(0)))).await.unwrap();
    assert_eq!(state(&house, "a").await.checkpoint().as_deref(), Some("uid"));
    assert_eq!(ids(ledger.held(None, 9)).await, ["a"]);
    assert_eq!(state(&house, "a").await.last_attempt(), Some(attempt(0)));
    assert_eq!(counts(&house).await, (2, 0));
    // Attempt again, it is still not the delivery's.
    ledger.intend("a", attempt(2)).await.unwrap();
    assert!(ledger.action("a").await.unwrap().unwrap().action.off_bus);
    ledger.reopen("a").await.unwrap();
    assert_eq!(ids(ledger.held(None, 9)).await, ["a"]);
    ledger.settle("a", done(3)).await.unwrap();
    assert_eq!(ids(ledger.held(None, 9)).await, [""; 0]);
    let settled = Err(LedgerError::Settled("a".into()));
    assert_eq!(ledger.hold("a", held(None)).await, settled);
    assert_eq!(ids(ledger.unsettled(None, 9)).await, ["b"]);
}

#[tokio::test]
async fn what_an_object_came_to_is_news_once_and_the_end_is_the_end() {
    let house = decided(&["a"]).await;
    let ledger = &house.ledger;
    let running = observed(ObservedResult::Running, "Pending");
    assert_eq!(ledger.observe("a", running.clone()).await, Ok(true));
    assert_eq!(ledger.observe("a", running.clone()).await, Ok(false));
    assert_eq!(ids(ledger.running(None, 9)).await, ["a"]);
    assert_eq!(ledger.observe("a", observed(ObservedResult::Running, "Running")).await, Ok(true));
    let failed = observed(ObservedResult::Failed, "Failed");
    assert_eq!(ledger.observe("a", failed.clone()).await, Ok(true));
    assert_eq!(ledger.observe("a", observed(ObservedResult::Gone, "Failed")).await, Ok(false));
    assert_eq!(ids(ledger.running(None, 9)).await, [""; 0]);
    let one = ledger.action("a").await.unwrap().unwrap();
    assert_eq!(one.action.observed, Some(failed));
    let unknown = Err(LedgerError::UnknownAction("z".into()));
    assert_eq!(ledger.observe("z", running).await, unknown);
}
