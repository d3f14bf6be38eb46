//! The rows that pruning removes, and the size of the file.

use redb::ReadableTableMetadata;
use tokio::task::JoinSet;

use super::super::Ledger;
use super::OpenStore;
use crate::bus::Bus;
use crate::store::support::incompressible;
use crate::store::{
    ACTIONS, DEAD, DECIDED, EVENTS, FILE_NAME, FLOW, FLOW_ENDS, FLOW_SUBJECTS, IDS, QUEUE, STATUS,
    TIMES, UNSETTLED,
};
use crate::testing::backend_laws::support::{at, dead, envelope, once, refused, rejected, verdict};

/// How many rows all tables hold.
async fn rows(opened: &OpenStore) -> u64 {
    let counted = opened.store.read(|t| {
        let mut rows = 0;
        for table in [STATUS, DECIDED, ACTIONS, FLOW, FLOW_SUBJECTS] {
            rows += t.open_table(table)?.len()?;
        }
        rows += t.open_table(EVENTS)?.len()? + t.open_table(QUEUE)?.len()?;
        rows += t.open_table(IDS)?.len()?;
        rows += t.open_table(TIMES)?.len()? + t.open_table(UNSETTLED)?.len()?;
        rows += t.open_table(DEAD)?.len()? + t.open_table(FLOW_ENDS)?.len()?;
        Ok(rows)
    });
    counted.await.unwrap()
}

#[tokio::test]
async fn pruning_leaves_no_row_behind() {
    let opened = OpenStore::in_memory().await;
    for id in ["settled", "refused", "partly"] {
        let event = opened.accept(id, 0).await;
        let mut verdict =
            if id == "refused" { refused(&event, 3, "no") } else { verdict(&event, id, 3) };
        if id == "partly" {
            for element in 0..12 {
                verdict.decisions.push(rejected("s/r", Some(vec![element]), "`name` is absent"));
            }
        }
        opened.ledger.decide(verdict).await.unwrap();
        if id != "refused" {
            opened.settle(id, dead(6)).await;
        }
        opened.ack_next().await;
    }
    assert_eq!(opened.ledger.prune(at(1)).await.unwrap(), 3);
    assert_eq!(rows(&opened).await, 0);
}

#[tokio::test]
async fn many_events_are_pruned_past_those_that_stay() {
    let opened = OpenStore::in_memory().await;
    // Several pieces, with events in the queue among them.
    let mut tasks = JoinSet::new();
    for number in 0..700 {
        let bus = opened.bus.clone();
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
    assert_eq!(opened.ledger.prune(at(7)).await.unwrap(), 630);
    assert_eq!(opened.bus.backlog(), 70);
    assert_eq!(opened.ledger.prune(at(7)).await.unwrap(), 0);
    assert_eq!(opened.ledger.find("10").await.unwrap().len(), 1);
}

#[tokio::test]
async fn states_go_when_they_are_over_and_not_before() {
    let opened = OpenStore::in_memory().await;
    for (id, key, seconds) in [("a", "k", 0), ("b", "k", 4 * 3600), ("c", "j", 0)] {
        let event = opened.accept(id, seconds).await;
        let mut verdict = verdict(&event, id, seconds);
        verdict.flow = vec![once(key, id, None)];
        opened.ledger.decide(verdict).await.unwrap();
    }
    let states = async || {
        let counted = opened.store.read(|t| {
            let subjects = t.open_table(FLOW_SUBJECTS)?.len()?;
            Ok((t.open_table(FLOW)?.len()?, t.open_table(FLOW_ENDS)?.len()?, subjects))
        });
        counted.await.unwrap()
    };
    assert_eq!(states().await, (2, 2, 2));
    opened.ledger.prune(at(4 * 3600 - 1)).await.unwrap();
    assert_eq!(states().await, (2, 2, 2));
    opened.ledger.prune(at(4 * 3600)).await.unwrap();
    assert_eq!(states().await, (1, 1, 1));
    opened.ledger.prune(at(8 * 3600)).await.unwrap();
    assert_eq!(states().await, (0, 0, 0));
}

#[tokio::test]
async fn a_file_that_is_mostly_empty_becomes_smaller() {
    let folder = tempfile::tempdir().unwrap();
    let opened = OpenStore::on_disk(folder.path()).await;
    let body = incompressible(1 << 20);
    for n in 0..40 {
        let event = envelope("github", &n.to_string(), &body);
        opened.bus.publish(event).await.unwrap();
        opened.ack_next().await;
    }
    let size = || std::fs::metadata(folder.path().join(FILE_NAME)).unwrap().len();
    let before = size();
    assert!(before > 40 << 20, "{before}");
    assert_eq!(opened.ledger.prune(at(3600)).await.unwrap(), 40);
    // Before the next commit, which pruning itself makes.
    assert!(size() < before / 4, "{} of {before}", size());
}
