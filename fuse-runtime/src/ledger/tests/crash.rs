//! A process that dies: what it was answered is there, and goes on where it was.

use std::env;
use std::path::Path;
use std::process::Command;

use fuse_rules::Outcome;

use super::super::{ActionState, Ledger};
use super::{House, attempt, claim, verdict};
use crate::bus::Bus;
use crate::event::EventKey;
use crate::store::support::at;
use crate::store::{FILE_NAME, Store};

const FOLDER: &str = "FUSE_TEST_CRASH_FOLDER";

fn key(id: &str) -> EventKey {
    EventKey { source: "github".into(), name: "push".into(), id: id.into() }
}

/// Accepts two events, decides one and means to fire its action.
async fn work(folder: &Path) -> House {
    let house = House::of(Store::open(folder).unwrap()).await;
    for id in ["a", "b"] {
        house.accept(id, 0).await;
    }
    let delivery = house.bus.next().await.unwrap();
    let mut verdict = verdict(&delivery.event().key(), "act", 1);
    verdict.once = vec![claim("s/r k", "a", None)];
    house.ledger.decide(verdict).await.unwrap();
    house.ledger.intend("act", attempt(2)).await.unwrap();
    house
}

/// What a process finds that opens the folder after that.
async fn go_on(folder: &Path) {
    let house = House::of(Store::open(folder).unwrap()).await;
    let first = house.bus.next().await.unwrap();
    assert_eq!(first.event().id, "a");
    // The rules changed meanwhile: it counts what was decided.
    let mut other = verdict(&key("a"), "another act", 9);
    other.plan = "plan-2".into();
    let record = house.ledger.decide(other).await.unwrap();
    assert_eq!(record.plan.as_deref(), Some("plan-1"));
    assert_eq!(record.actions[0].id, "act");
    assert_eq!(record.actions[0].state, ActionState::Intended { at: at(2), checkpoint: None });

    assert_eq!(house.bus.next().await.unwrap().event().id, "b");
    let mut held = verdict(&key("b"), "act-b", 9);
    held.once = vec![claim("s/r k", "b", None)];
    let record = house.ledger.decide(held).await.unwrap();
    assert_eq!(record.decisions[0].outcome, Outcome::Suppressed);
    assert_eq!(house.bus.backlog(), 2);
}

#[tokio::test]
async fn a_process_that_died_is_gone_on_from() {
    // The test runs itself again as the process that dies, without any clean-up.
    if let Some(folder) = env::var_os(FOLDER) {
        let _house = work(Path::new(&folder)).await;
        std::process::abort();
    }
    let folder = tempfile::tempdir().unwrap();
    let this = std::thread::current();
    let died = Command::new(env::current_exe().unwrap())
        .args([this.name().unwrap(), "--exact"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(!died.status.success(), "{died:?}");
    assert!(folder.path().join(FILE_NAME).exists(), "{died:?}");
    go_on(folder.path()).await;
}

#[tokio::test]
async fn the_file_of_a_running_process_is_complete_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let _running = work(folder.path()).await;
    let file = folder.path().join(FILE_NAME);
    std::fs::copy(file, copy.path().join(FILE_NAME)).unwrap();
    go_on(copy.path()).await;
}

#[tokio::test]
async fn dropping_without_closing_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(work(folder.path()).await);
    go_on(folder.path()).await;
}
