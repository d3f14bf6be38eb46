//! Several replicas in one process, and what they share.

use std::collections::BTreeSet;
use std::time::Duration;

use fuse_runtime::backend::{Backend as _, JetStream};
use fuse_runtime::bus::{BusError, Published};
use fuse_runtime::event::EventKey;
use fuse_runtime::ledger::{Attempt, EventQuery, LedgerError, Verdict};
use jiff::Timestamp;

use super::{event, open, options, replica};
use crate::support::{Nats, incompressible, until};

fn is_keeper(replica: &JetStream) -> bool {
    *replica.ledger().sharing().unwrap().is_keeper.borrow()
}

/// What the ledger of a replica has about events, as text.
async fn events(replica: &JetStream) -> String {
    let page = replica.ledger().events(&EventQuery::default()).await.unwrap();
    format!("{page:?}")
}

#[tokio::test]
async fn an_event_is_known_to_every_replica_and_belongs_to_one() {
    let Some(nats) = Nats::alone().await else { return };
    let options = options(&nats);
    let (one, _a) = replica(&options).await;
    let (two, _b) = replica(&options).await;
    assert_eq!(one.bus().publish(event("1")).await, Ok(Published::Accepted));
    assert_eq!(two.bus().publish(event("1")).await, Ok(Published::Known));
    assert_eq!(two.bus().publish(event("2")).await, Ok(Published::Accepted));

    let (first, second) = (one.bus().next().await.unwrap(), two.bus().next().await.unwrap());
    assert_eq!((first.event().id.as_str(), second.event().id.as_str()), ("1", "2"));
    one.bus().ack(&first).await.unwrap();
    two.bus().ack(&second).await.unwrap();
    until("both know it", async || {
        (one.bus().backlog() == 0 && events(&one).await == events(&two).await).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_leaves_hands_over_at_once() {
    let Some(nats) = Nats::alone().await else { return };
    let options = options(&nats);
    let (one, _a) = replica(&options).await;
    let (two, _b) = replica(&options).await;
    assert!(is_keeper(&one) && !is_keeper(&two));
    for id in 0..20 {
        one.bus().publish(event(&id.to_string())).await.unwrap();
    }
    one.close().await.unwrap();
    assert_eq!(one.bus().publish(event("late")).await, Err(BusError::Closed));
    let mut taken = BTreeSet::new();
    for _ in 0..20 {
        let delivery = two.bus().next().await.unwrap();
        assert!(delivery.is_redelivered());
        taken.insert(delivery.event().id.clone());
        two.bus().ack(&delivery).await.unwrap();
    }
    assert_eq!((taken.len(), two.bus().backlog()), (20, 0));
    until("it is the keeper", async || is_keeper(&two).then_some(())).await;
}

#[tokio::test]
async fn who_dies_is_declared_dead_and_its_events_get_other_owners() {
    let Some(nats) = Nats::alone().await else { return };
    let options = options(&nats);
    let (one, _a) = replica(&options).await;
    let (two, _b) = replica(&options).await;
    let (three, _c) = replica(&options).await;
    for id in 0..10 {
        one.bus().publish(event(&id.to_string())).await.unwrap();
    }
    drop(one);
    let take = async |replica: &JetStream| {
        let mut taken = Vec::new();
        for _ in 0..5 {
            let delivery = replica.bus().next().await.unwrap();
            replica.bus().ack(&delivery).await.unwrap();
            taken.push(delivery.event().id.clone());
        }
        taken
    };
    let (second, third) = tokio::join!(take(&two), take(&three));
    let all: BTreeSet<String> = second.into_iter().chain(third).collect();
    assert_eq!(all.len(), 10, "half of them each");
    assert!(is_keeper(&two));
}

#[tokio::test]
async fn the_same_folder_is_back_at_once() {
    let Some(nats) = Nats::alone().await else { return };
    let options = options(&nats);
    let (one, folder) = replica(&options).await;
    let (two, _b) = replica(&options).await;
    one.bus().publish(event("1")).await.unwrap();
    drop(one);
    let start = std::time::Instant::now();
    let one = open(&options, &folder).await.unwrap();
    // One of the two, and neither waits until the former one counts as dead.
    let (first, second) = (one.bus(), two.bus());
    let delivery = tokio::select! {
        delivery = first.next() => delivery.unwrap(),
        delivery = second.next() => delivery.unwrap(),
    };
    assert_eq!(delivery.event().id, "1");
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
}

/// An action of an event that is decided.
async fn action(replica: &JetStream, id: &str) -> (EventKey, String) {
    replica.bus().publish(event(id)).await.unwrap();
    replica.ledger().decide(verdict(id, "")).await.unwrap();
    (event(id).key(), format!("act-{id}"))
}

/// A verdict about an event with one action, which has this text.
fn verdict(id: &str, text: &str) -> Verdict {
    let key = event(id).key();
    let action = serde_json::json!({
        "rule": "s/r", "element": [], "trigger": "log", "ordinal": 0, "fields": { "text": text },
    });
    serde_json::from_value(serde_json::json!({
        "event": key, "plan": "p", "decided": "2026-01-01T00:00:00Z", "steady": "2026-01-01T00:00:00Z",
        "rejected": null, "mismatch": null, "received": "2026-01-01T00:00:00Z",
        "decisions": [{
            "rule": "s/r", "element": [], "outcome": "fired", "reason": "", "action": format!("act-{id}"),
        }],
        "actions": [[format!("act-{id}"), action]],
        "requires": {}, "flow": [], "blow": [], "cancels": [],
    }))
    .unwrap()
}

#[tokio::test]
async fn an_intent_belongs_to_its_replica_until_that_is_dead() {
    let Some(nats) = Nats::alone().await else { return };
    let options = options(&nats);
    let (one, _a) = replica(&options).await;
    let (two, _b) = replica(&options).await;
    let (key, id) = action(&one, "1").await;
    let attempt = || Attempt { at: Timestamp::UNIX_EPOCH, checkpoint: None };
    let permit = one.ledger().intend(&key, &id, attempt()).await.unwrap();
    assert!(permit.may_fire());
    until("it is there", async || two.ledger().find_action(&id).await.unwrap()).await;
    let taken = two.ledger().intend(&key, &id, attempt()).await;
    assert!(matches!(taken, Err(LedgerError::Taken { .. })), "{taken:?}");
    // It may intend it again itself, after which the former permit is of no use.
    one.ledger().intend(&key, &id, attempt()).await.unwrap();
    let fenced = one.ledger().reopen(&permit).await;
    assert!(matches!(fenced, Err(LedgerError::Fenced(_))), "{fenced:?}");
    let fenced = one.ledger().intend_from(&permit, attempt()).await;
    assert!(matches!(fenced, Err(LedgerError::Fenced(_))), "{fenced:?}");
    drop(one);
    until("it is free", async || two.ledger().intend(&key, &id, attempt()).await.ok()).await;
}

#[tokio::test]
async fn a_server_that_is_gone_for_a_while_loses_nothing() {
    let Some(mut nats) = Nats::alone().await else { return };
    let options = options(&nats);
    let (one, _a) = replica(&options).await;
    one.bus().publish(event("1")).await.unwrap();
    nats.kill(0);
    let bus = one.bus();
    let publishing = tokio::spawn(async move { bus.publish(event("2")).await });
    until("it says so", async || one.bus().health().problem).await;
    nats.start_again(0).await;
    assert_eq!(publishing.await.unwrap(), Ok(Published::Accepted));
    until("it is well again", async || one.bus().health().problem.is_none().then_some(())).await;
    assert_eq!(one.bus().publish(event("1")).await, Ok(Published::Known));
}

#[tokio::test]
async fn what_is_larger_than_a_message_is_refused_and_stops_nothing() {
    let Some(nats) = Nats::alone().await else { return };
    let (one, _a) = replica(&options(&nats)).await;
    // `max_payload` is 8 MB.
    let large = incompressible(9 << 20);
    let event_of = |body: String| {
        fuse_runtime::event::Envelope::new("github", "push", "1", Timestamp::UNIX_EPOCH, body)
    };
    let refused = one.bus().publish(event_of(format!("{large:?}"))).await.unwrap_err();
    assert!(refused.to_string().contains("raise it"), "{refused}");
    assert_eq!(one.bus().publish(event_of("{}".to_owned())).await, Ok(Published::Accepted));
    let record = one.ledger().decide(verdict("1", &large)).await.unwrap();
    assert!(record.rejected.is_some_and(|why| why.contains("`max_payload`")));
    assert!(record.actions.is_empty());
}
