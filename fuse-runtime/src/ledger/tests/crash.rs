//! A process that dies: everything that was answered is there, and the next process continues.

use std::env;
use std::path::Path;
use std::process::Command;

use fuse_rules::Outcome;

use super::super::Ledger;
use super::OpenStore;
use crate::bus::Bus;
use crate::store::FILE_NAME;
use crate::testing::backend_laws::support::{attempt, intended, once, push, verdict};

const FOLDER: &str = "FUSE_TEST_CRASH_FOLDER";

/// Accepts two events, decides one and records the intent to fire its action.
async fn work(folder: &Path) -> OpenStore {
    let opened = OpenStore::on_disk(folder).await;
    for id in ["a", "b"] {
        opened.accept(id, 0).await;
    }
    let delivery = opened.bus.next().await.unwrap();
    let mut verdict = verdict(&delivery.event().key(), "act", 1);
    verdict.flow = vec![once("k", "a", None)];
    opened.ledger.decide(verdict).await.unwrap();
    opened.ledger.intend(&push("a"), "act", attempt(2)).await.unwrap();
    opened
}

/// The process that opens the folder after that.
async fn continue_after(folder: &Path) {
    let opened = OpenStore::on_disk(folder).await;
    let first = opened.bus.next().await.unwrap();
    assert_eq!(first.event().id, "a");
    // The rules changed meanwhile: it counts what was decided.
    let mut other = verdict(&push("a"), "another act", 9);
    other.plan = "plan-2".into();
    let record = opened.ledger.decide(other).await.unwrap();
    assert_eq!(record.plan.as_deref(), Some("plan-1"));
    assert_eq!(record.actions[0].id, "act");
    assert_eq!(record.actions[0].state, intended(2));

    assert_eq!(opened.bus.next().await.unwrap().event().id, "b");
    let mut held = verdict(&push("b"), "act-b", 9);
    held.flow = vec![once("k", "b", None)];
    let record = opened.ledger.decide(held).await.unwrap();
    assert_eq!(record.decisions[0].outcome, Outcome::Suppressed);
    assert_eq!(opened.bus.backlog(), 2);
}

#[tokio::test]
async fn a_process_that_died_is_gone_on_from() {
    // The test runs itself again as the process that dies, without any clean-up.
    if let Some(folder) = env::var_os(FOLDER) {
        let _opened = work(Path::new(&folder)).await;
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
    continue_after(folder.path()).await;
}

#[tokio::test]
async fn the_folder_of_a_running_process_is_complete_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let _running = work(folder.path()).await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    continue_after(copy.path()).await;
}

#[tokio::test]
async fn dropping_without_closing_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(work(folder.path()).await);
    continue_after(folder.path()).await;
}
