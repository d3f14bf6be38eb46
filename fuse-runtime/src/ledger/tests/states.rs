//! What the state folder contains about the states of flow control.

use std::collections::BTreeMap;

use fuse_rules::Outcome;
use fuse_rules::flow::{Flow, FlowRequest, FlowTime, Occurrence};
use jiff::SignedDuration;

use super::OpenStore;
use crate::ledger::{Ledger, StateQuery};
use crate::store::{FILE_NAME, FLOW, FLOW_SUBJECTS, META, SCHEMA, SECRETS, Store, WAIT_COUNTS};
use crate::testing::backend_laws::support::{at, once, outcomes, verdict};

const SECRET: &str = "tr0ub4dor";

/// The clauses of these states, as they are listed.
async fn listed(opened: &OpenStore) -> Vec<String> {
    let query = StateQuery { limit: 100, ..StateQuery::default() };
    let page = opened.ledger.states(&query, FlowTime::from(at(60))).await.unwrap();
    assert_eq!(page.next, None);
    page.states.iter().map(|one| one.subject.clause()).collect()
}

/// An occurrence whose key contains a sensitive value.
fn sensitive(event: &str) -> Occurrence {
    let asked = once(&format!("\"{SECRET}\""), event, None);
    let requests = asked.requests.iter().cloned();
    let requests = requests.map(|request| FlowRequest { is_sensitive: true, ..request });
    Occurrence { requests: requests.collect(), ..asked }
}

#[tokio::test]
async fn a_sensitive_value_is_not_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let opened = OpenStore::on_disk(folder.path()).await;
    for (id, is_sensitive) in [("a", true), ("b", false)] {
        let event = opened.accept(id, 0).await;
        let mut verdict = verdict(&event, id, 0);
        verdict.flow = vec![if is_sensitive { sensitive(id) } else { once("\"web\"", id, None) }];
        opened.ledger.decide(verdict).await.unwrap();
    }
    opened.store.close().await.unwrap();
    let bytes = std::fs::read(folder.path().join(FILE_NAME)).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("hmac:") && has("web"));
    assert!(!has(SECRET));
}

/// How many wait by clause is counted again if the numbers do not add up, as in the state of an older fuse.
#[tokio::test]
async fn lost_counts_of_what_waits_are_corrected() {
    let opened = OpenStore::in_memory().await;
    for id in ["a", "b"] {
        let event = opened.accept(id, 0).await;
        let mut asking = verdict(&event, id, 0);
        let still = Flow::Still { length: SignedDuration::from_secs(300) };
        let request = FlowRequest::new("still per k", still, vec![format!("\"{id}\"")]);
        asking.flow = vec![Occurrence { requests: vec![request], ..once("k", id, None) }];
        opened.ledger.decide(asking).await.unwrap();
    }
    let expected = BTreeMap::from([("still".to_owned(), 2)]);
    let lose = |transaction: &redb::WriteTransaction| {
        transaction.open_table(WAIT_COUNTS)?.insert("still", 1)?;
        Ok(())
    };
    opened.store.write(lose).await.unwrap();
    assert_ne!(opened.ledger.counts().await.unwrap().waiting_at, expected);
    opened.ledger.correct().await.unwrap();
    assert_eq!(opened.ledger.counts().await.unwrap().waiting_at, expected);
}

/// States from before subjects were recorded still decide, and are listed once their clause is asked again.
#[tokio::test]
async fn a_folder_of_the_second_version_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let opened = OpenStore::on_disk(folder.path()).await;
    let event = opened.accept("a", 0).await;
    let mut first = verdict(&event, "a", 0);
    first.flow = vec![once("k", "a", None)];
    opened.ledger.decide(first).await.unwrap();
    let downgrade = |transaction: &redb::WriteTransaction| {
        transaction.delete_table(FLOW_SUBJECTS)?;
        transaction.delete_table(SECRETS)?;
        transaction.open_table(META)?.insert(SCHEMA, 2)?;
        Ok(())
    };
    opened.store.write(downgrade).await.unwrap();
    opened.store.close().await.unwrap();
    drop(opened);

    let opened = OpenStore::new(Store::open(folder.path()).unwrap()).await;
    assert_eq!(listed(&opened).await, Vec::<String>::new());
    let event = opened.accept("b", 1).await;
    let mut second = verdict(&event, "b", 1);
    second.flow = vec![once("k", "b", None)];
    let record = opened.ledger.decide(second).await.unwrap();
    assert_eq!(outcomes(&record), [Outcome::Suppressed]);
    // Nothing changed, so nothing was written.
    assert_eq!(listed(&opened).await, Vec::<String>::new());
    let event = opened.accept("c", 4 * 3600).await;
    let mut third = verdict(&event, "c", 4 * 3600);
    third.flow = vec![once("k", "c", None), sensitive("c")];
    opened.ledger.decide(third).await.unwrap();
    assert_eq!(listed(&opened).await.len(), 2);
}

/// A state that cannot be read is counted, and the others are listed. A damaged secret is replaced.
#[tokio::test]
async fn damage_is_counted() {
    let opened = OpenStore::in_memory().await;
    for id in ["a", "b"] {
        let event = opened.accept(id, 0).await;
        let mut verdict = verdict(&event, id, 0);
        verdict.flow = vec![once(id, id, None), sensitive(id)];
        opened.ledger.decide(verdict).await.unwrap();
    }
    let damage = |transaction: &redb::WriteTransaction| {
        let key = once("a", "a", None).keys().next().unwrap();
        transaction.open_table(FLOW)?.insert(key.as_str(), &b"{"[..])?;
        transaction.open_table(SECRETS)?.insert("flow-keys", &b"{"[..])?;
        Ok(())
    };
    opened.store.write(damage).await.unwrap();
    let query = StateQuery { limit: 100, ..StateQuery::default() };
    let page = opened.ledger.states(&query, FlowTime::from(at(60))).await.unwrap();
    assert_eq!((page.states.len(), page.damaged), (2, 1));
    let event = opened.accept("c", 0).await;
    let mut verdict = verdict(&event, "c", 0);
    verdict.flow = vec![sensitive("c")];
    let asked = verdict.clone();
    opened.ledger.preview(&asked).await.unwrap();
    let record = opened.ledger.decide(verdict).await.unwrap();
    assert_eq!(outcomes(&record), [Outcome::Fired]);
}
