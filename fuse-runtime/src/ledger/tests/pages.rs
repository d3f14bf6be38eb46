//! The bounds of a page: what it reads does not grow with the ledger, nor with the actions of its events.

use super::super::pages::{self, Bounds};
use super::super::{DeadLetterQuery, EventQuery, EventResult, Ledger};
use super::OpenStore;
use crate::testing::backend_laws::support::{at, rejected, verdict};

/// The number of pages, and of events in them.
async fn event_pages(
    opened: &OpenStore,
    query: &EventQuery,
    bounds: (usize, usize),
) -> (usize, usize) {
    let (mut count, mut found, mut after) = (0, 0, None);
    loop {
        let query = query.clone();
        let read = move |transaction: &redb::ReadTransaction| {
            let (rows, bytes) = bounds;
            pages::events(transaction, &query, after, Bounds { rows, bytes })
        };
        let page = opened.store.read(read).await.unwrap();
        (count, found) = (count + 1, found + page.events.len());
        match page.next {
            Some(next) => after = Some(pages::event_cursor(&next).unwrap()),
            None => return (count, found),
        }
    }
}

#[tokio::test]
async fn a_page_of_events_counts_the_actions_that_it_reads() {
    let opened = OpenStore::in_memory().await;
    for (index, id) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        let event = opened.accept(id, i64::try_from(index).unwrap()).await;
        let mut decided = verdict(&event, id, 9);
        let long = serde_json::Value::String("x".repeat(10_000));
        decided.actions[0].1.fields.insert("long".into(), long);
        opened.ledger.decide(decided).await.unwrap();
    }
    let all = EventQuery::newest(100);
    assert_eq!(event_pages(&opened, &all, (5_000, 1 << 20)).await, (1, 6));
    assert_eq!(event_pages(&opened, &all, (4, 1 << 20)).await, (2, 6));
    // Two actions are more than this.
    assert_eq!(event_pages(&opened, &all, (5_000, 15_000)).await, (3, 6));
    let none = EventQuery { result: Some(EventResult::Queued), ..all };
    assert_eq!(event_pages(&opened, &none, (5_000, 15_000)).await, (3, 0));
}

#[tokio::test]
async fn a_page_of_dead_letters_counts_the_decisions_of_an_event_once() {
    let opened = OpenStore::in_memory().await;
    let event = opened.accept("a", 0).await;
    let mut decided = verdict(&event, "a", 1);
    for index in 0..50 {
        decided.decisions.push(rejected("s/other", Some(vec![index]), "why"));
    }
    opened.ledger.decide(decided).await.unwrap();
    let page = async |bytes: usize| {
        let read = move |transaction: &redb::ReadTransaction| {
            let query = DeadLetterQuery::newest(100);
            pages::dead_letters(transaction, &query, None, Bounds { rows: 100, bytes })
        };
        opened.store.read(read).await.unwrap()
    };
    let whole = page(1 << 20).await;
    assert_eq!((whole.letters.len(), whole.next), (50, None));
    // The row of the event is about this long.
    let once = page(16 << 10).await;
    assert_eq!((once.letters.len(), once.next), (50, None));
    let short = page(1).await;
    assert!(short.letters.len() == 1 && short.next.is_some(), "{short:?}");
    assert!(at(0) <= short.letters[0].at);
}
