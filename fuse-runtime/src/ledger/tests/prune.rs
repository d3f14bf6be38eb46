//! Forgetting what is over, and nothing else.

use redb::ReadableTableMetadata;
use tokio::task::JoinSet;

use super::super::{ActionState, Counts, DeadLetterKind, Ledger};
use super::{House, claim, rejected, verdict};
use crate::bus::{Bus, Published};
use crate::store::support::{at, envelope};
use crate::store::{
    ACTIONS, DEAD, DECIDED, EVENTS, FILE_NAME, IDS, ONCE, ONCE_ENDS, QUEUE, STATUS, Store, TIMES,
    UNSETTLED,
};

/// How many rows all tables hold.
async fn rows(house: &House) -> u64 {
    let counted = house.store.read(|t| {
        let mut rows = 0;
        for table in [STATUS, DECIDED, ACTIONS, ONCE] {
            rows += t.open_table(table)?.len()?;
        }
        rows += t.open_table(EVENTS)?.len()? + t.open_table(QUEUE)?.len()?;
        rows += t.open_table(IDS)?.len()?;
        rows += t.open_table(TIMES)?.len()? + t.open_table(UNSETTLED)?.len()?;
        rows += t.open_table(DEAD)?.len()? + t.open_table(ONCE_ENDS)?.len()?;
        Ok(rows)
    });
    counted.await.unwrap()
}

fn dead(seconds: i64) -> ActionState {
    ActionState::DeadLettered {
        at: at(seconds),
        kind: DeadLetterKind::Permanent,
        reason: "no".into(),
    }
}

#[tokio::test]
async fn only_what_is_acked_settled_and_old_goes() {
    let house = House::in_memory().await;
    let ids = ["settled", "held", "undecided", "young", "waiting"];
    for (id, seconds) in ids.into_iter().zip([0, 1, 2, 100, 3]) {
        let event = house.accept(id, seconds).await;
        if id != "undecided" {
            house.ledger.decide(verdict(&event, id, 5)).await.unwrap();
        }
        if !["held", "undecided"].contains(&id) {
            house.ledger.settle(id, dead(6)).await.unwrap();
        }
    }
    // All but `waiting` are acked.
    for _ in 0..4 {
        house.ack_next().await;
    }
    assert_eq!(house.ledger.prune(at(0)).await.unwrap(), 0);
    assert_eq!(house.ledger.prune(at(100)).await.unwrap(), 2);
    for (id, stays) in ids.into_iter().zip([false, true, false, true, true]) {
        let found = house.ledger.find(id).await.unwrap();
        assert_eq!(found.len(), usize::from(stays), "{id}");
    }
    let counts = house.ledger.counts().await.unwrap();
    assert_eq!(counts, Counts { unsettled: 1, dead_letters: 2 });

    // What had to stay goes once it is over.
    house.ledger.settle("held", dead(7)).await.unwrap();
    house.ack_next().await;
    assert_eq!(house.ledger.prune(at(101)).await.unwrap(), 3);
    assert_eq!(rows(&house).await, 0);
    assert!(house.ledger.dead_letters(9).await.unwrap().is_empty());
    let again = envelope("github", "settled", "{}");
    assert_eq!(house.bus.publish(again).await, Ok(Published::Accepted));
}

#[tokio::test]
async fn refused_events_leave_no_dead_letter_behind() {
    let house = House::in_memory().await;
    let event = house.accept("e", 0).await;
    let mut refused = verdict(&event, "act", 3);
    refused.decisions.clear();
    refused.actions.clear();
    refused.rejected = Some("no".into());
    house.ledger.decide(refused).await.unwrap();
    house.ack_next().await;
    assert_eq!(house.ledger.prune(at(1)).await.unwrap(), 1);
    assert_eq!(rows(&house).await, 0);
}

#[tokio::test]
async fn rejected_decisions_leave_no_dead_letter_behind() {
    let house = House::in_memory().await;
    // The same id at two events: each goes with its own.
    let mut other = envelope("github", "e", "{}");
    other.name = "ping".into();
    let events = [house.accept("e", 0).await, other.key()];
    house.bus.publish(other).await.unwrap();
    for event in &events {
        let mut partly = verdict(event, &event.name, 3);
        for element in 0..12 {
            partly.decisions.push(rejected("s/r", Some(vec![element]), "`name` is absent"));
        }
        house.ledger.decide(partly).await.unwrap();
        house.ledger.settle(&event.name, dead(3)).await.unwrap();
    }
    assert_eq!(house.ledger.counts().await.unwrap().dead_letters, 26);
    house.ack_next().await;
    assert_eq!(house.ledger.prune(at(1)).await.unwrap(), 1);
    assert_eq!(house.ledger.counts().await.unwrap().dead_letters, 13);
    let left = house.ledger.find("e").await.unwrap();
    assert_eq!(left.iter().map(|record| record.event.key()).collect::<Vec<_>>(), events[1..]);
    house.ack_next().await;
    assert_eq!(house.ledger.prune(at(1)).await.unwrap(), 1);
    assert_eq!(rows(&house).await, 0);
}

#[tokio::test]
async fn many_events_are_pruned_past_those_that_stay() {
    let house = House::in_memory().await;
    // Several pieces, with events in the queue among them.
    let mut tasks = JoinSet::new();
    for number in 0..700 {
        let bus = house.bus.clone();
        tasks.spawn(async move {
            let mut event = envelope("github", &number.to_string(), "{}");
            event.received = at(number % 7);
            bus.publish(event).await.unwrap();
            let delivery = bus.next().await.unwrap();
            if !delivery.event().id.ends_with('0') {
                bus.ack(&delivery).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(house.ledger.prune(at(7)).await.unwrap(), 630);
    assert_eq!(house.bus.backlog(), 70);
    assert_eq!(house.ledger.prune(at(7)).await.unwrap(), 0);
    assert_eq!(house.ledger.find("10").await.unwrap().len(), 1);
}

#[tokio::test]
async fn claims_go_when_they_are_over_and_not_before() {
    let house = House::in_memory().await;
    for (id, key, seconds) in [("a", "k", 0), ("b", "k", 4 * 3600), ("c", "j", 0)] {
        let event = house.accept(id, seconds).await;
        let mut verdict = verdict(&event, id, seconds);
        verdict.once = vec![claim(key, id, None)];
        house.ledger.decide(verdict).await.unwrap();
    }
    let claims = async || {
        let counted =
            house.store.read(|t| Ok((t.open_table(ONCE)?.len()?, t.open_table(ONCE_ENDS)?.len()?)));
        counted.await.unwrap()
    };
    assert_eq!(claims().await, (2, 2));
    house.ledger.prune(at(4 * 3600 - 1)).await.unwrap();
    assert_eq!(claims().await, (2, 2));
    house.ledger.prune(at(4 * 3600)).await.unwrap();
    assert_eq!(claims().await, (1, 1));
    house.ledger.prune(at(8 * 3600)).await.unwrap();
    assert_eq!(claims().await, (0, 0));
}

#[tokio::test]
async fn a_file_that_is_mostly_empty_becomes_smaller() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::of(Store::open(folder.path()).unwrap()).await;
    for n in 0..40 {
        let event = envelope("github", &n.to_string(), &"x".repeat(1 << 20));
        house.bus.publish(event).await.unwrap();
        house.ack_next().await;
    }
    let size = || std::fs::metadata(folder.path().join(FILE_NAME)).unwrap().len();
    let before = size();
    assert!(before > 40 << 20, "{before}");
    assert_eq!(house.ledger.prune(at(3600)).await.unwrap(), 40);
    // Before the next commit, which pruning itself makes.
    assert!(size() < before / 4, "{} of {before}", size());
}
