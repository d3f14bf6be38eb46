//! Events at certain times.

use std::collections::BTreeSet;

use jiff::{Timestamp, ToSpan as _};

use crate::support::{Fuse, Setup, until};

/// The ids of the events so far.
async fn ids(fuse: &Fuse) -> Vec<Timestamp> {
    let events = fuse.admin("/events?limit=100").await.json();
    let ids =
        events["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap());
    let mut ids: Vec<Timestamp> = ids.map(|id| id.parse().unwrap()).collect();
    ids.sort_unstable();
    ids
}

async fn at_least(fuse: &Fuse, count: usize) -> Vec<Timestamp> {
    until("there are events", async || {
        let ids = ids(fuse).await;
        (ids.len() >= count).then_some(ids)
    })
    .await
}

#[tokio::test]
async fn each_second_has_one_event_across_kills_and_reloads() {
    let rules = r#"
        source times clock {
          missed = "all"
          event tick { every = 1s }
        }
        sensor s on times.tick {
          rule r { trigger log { message = "tick ${body.due}" } }
        }"#;
    let mut fuse = Setup::rules(rules).start().await;
    fuse.logged("times.tick every 1s, next at 20").await;
    let first = at_least(&fuse, 2).await;
    fuse.kill();
    fuse.start_again().await;
    at_least(&fuse, first.len() + 2).await;
    // A reload serves the clock anew.
    let changed = rules.replace("missed", "except = [\"2020-01-01\"]\n missed");
    std::fs::write(fuse.folder().join("rules/test.rules"), changed).unwrap();
    until("it is reloaded", async || fuse.log().contains("reloaded").then_some(())).await;
    let count = ids(&fuse).await.len();
    let all = at_least(&fuse, count + 2).await;
    let distinct: BTreeSet<&Timestamp> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "no second has two events");
    let gaps = all.windows(2).filter(|pair| pair[1] != pair[0] + 1.second());
    assert_eq!(gaps.count(), 0, "no second has none: {all:?}");
    let last = all.last().unwrap();
    fuse.settled(&last.to_string()).await;
    let told = fuse.log().matches(&format!("tick {last}")).count();
    assert_eq!(told, 1, "{}", fuse.log());
}
