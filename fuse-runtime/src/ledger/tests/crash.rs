//! A process that dies: everything that was answered is there, and the next process continues.

use std::env;
use std::path::Path;
use std::process::Command;

use fuse_rules::Outcome;

use super::super::Ledger;
use super::OpenStore;
use crate::bus::Bus;
use crate::store::support::incompressible;
use crate::store::{FILE_NAME, SizeLimits, StateReport, Store, StoreError};
use crate::testing::backend_laws::support::{attempt, envelope, intended, once, push, verdict};

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
    copy_folder(folder.path(), copy.path());
    continue_after(copy.path()).await;
}

#[tokio::test]
async fn dropping_without_closing_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(work(folder.path()).await);
    continue_after(folder.path()).await;
}

#[tokio::test]
async fn a_write_that_fails_takes_back_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let opened = work(folder.path()).await;
    let delivery = opened.bus.next().await.unwrap();
    assert_eq!(delivery.event().id, "b");
    // An acknowledgement is answered before it is durable.
    opened.bus.ack(&delivery).await.unwrap();
    let fail = |transaction: &redb::WriteTransaction| {
        transaction.open_table(crate::store::QUEUE)?.retain(|_, _| false)?;
        Err::<(), _>(StoreError::Damaged("on purpose".to_owned()))
    };
    assert!(opened.store.write(fail).await.is_err());
    let check = async |opened: &OpenStore| {
        let of = async |id| opened.ledger.event(&push(id)).await.unwrap().unwrap();
        let (a, b) = (of("a").await, of("b").await);
        assert_eq!((a.acked, a.actions[0].state.clone()), (false, intended(2)));
        assert!(b.acked && b.decided.is_none());
    };
    check(&opened).await;
    // The files of a process that is killed now. Reading made the acknowledgement durable.
    let copy = tempfile::tempdir().unwrap();
    copy_folder(folder.path(), copy.path());
    check(&OpenStore::on_disk(copy.path()).await).await;
}

/// A change whose flush failed is absent, and everything answered before is present.
#[tokio::test]
async fn a_flush_that_fails_takes_back_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let opened = work(folder.path()).await;
    let delivery = opened.bus.next().await.unwrap();
    opened.bus.ack(&delivery).await.unwrap();
    let faults = opened.store.faults();
    faults.full(true);
    assert!(opened.ledger.intend(&push("a"), "act", attempt(3)).await.is_err());
    faults.full(false);
    let b = loop {
        match opened.ledger.event(&push("b")).await {
            Ok(b) => break b.unwrap(),
            Err(_not_yet) => tokio::time::sleep(std::time::Duration::from_millis(1)).await,
        }
    };
    assert!(b.acked);
    let a = opened.ledger.event(&push("a")).await.unwrap().unwrap();
    assert_eq!(a.actions[0].state, intended(2));
    opened.accept("c", 0).await;
}

/// A journal whose records do not follow the database is refused. The message says what to do.
#[tokio::test]
async fn files_of_different_times_are_refused() {
    let (folder, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let opened = work(folder.path()).await;
    opened.store.close().await.unwrap();
    copy_folder(folder.path(), old.path());
    for round in 0..2 {
        let opened = OpenStore::on_disk(folder.path()).await;
        opened.accept(&format!("c{round}"), 0).await;
        // The second one is copied before it is closed, as after a kill.
        if round == 0 {
            opened.store.close().await.unwrap();
        } else {
            std::fs::copy(folder.path().join(JOURNAL), old.path().join(JOURNAL)).unwrap();
        }
    }
    let problem = Store::open(old.path()).unwrap_err().to_string();
    assert!(problem.contains("do not belong together") && problem.contains("move"), "{problem}");
    // The database alone is not the whole state.
    let problem = StateReport::of(&old.path().join(FILE_NAME)).unwrap_err().to_string();
    assert!(problem.contains("its journal has changes that it lacks"), "{problem}");
}

/// The second page of a record reached the disk and the first did not, which still has records of before the checkpoint.
#[tokio::test]
async fn a_record_that_was_written_in_part_was_never_answered() {
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let opened = OpenStore::on_disk(folder.path()).await;
    for number in 0..100 {
        opened.accept(&format!("old{number}"), 0).await;
    }
    let before = std::fs::read(folder.path().join(JOURNAL)).unwrap();
    // A checkpoint.
    opened.store.write(|_| Ok(())).await.unwrap();
    opened.bus.publish(envelope("github", "new", &incompressible(12_000))).await.unwrap();
    copy_folder(folder.path(), copy.path());
    let mut journal = std::fs::read(copy.path().join(JOURNAL)).unwrap();
    assert!(before[4096..8192] != [0; 4096] && journal[..4096] != before[..4096]);
    journal[..4096].copy_from_slice(&before[..4096]);
    std::fs::write(copy.path().join(JOURNAL), journal).unwrap();
    let opened = OpenStore::on_disk(copy.path()).await;
    assert!(opened.ledger.event(&push("old99")).await.unwrap().is_some());
    assert!(opened.ledger.event(&push("new")).await.unwrap().is_none());
    opened.accept("later", 0).await;
}

/// The state is not closed cleanly if its last changes are only in the journal, which has them.
#[tokio::test]
async fn a_last_checkpoint_that_fails_is_reported_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let opened = OpenStore::on_disk(folder.path()).await;
    opened.accept("a", 0).await;
    opened.store.faults().full(true);
    assert!(opened.store.close().await.is_err());
    drop(opened);
    let opened = OpenStore::on_disk(folder.path()).await;
    assert!(opened.ledger.event(&push("a")).await.unwrap().is_some());
}

/// There is as much room after a start as before.
#[tokio::test]
async fn events_of_before_the_start_do_not_count_twice() {
    let folder = tempfile::tempdir().unwrap();
    let opened = OpenStore::on_disk(folder.path()).await;
    let body = incompressible(100_000);
    for number in 0..40 {
        opened.bus.publish(envelope("github", &number.to_string(), &body)).await.unwrap();
    }
    opened.store.close().await.unwrap();
    let length = std::fs::metadata(folder.path().join(FILE_NAME)).unwrap().len();
    let limits = SizeLimits { max_size: Some(length * 2), ..SizeLimits::default() };
    let opened = OpenStore::new(Store::open_with(folder.path(), limits).unwrap()).await;
    opened.bus.publish(envelope("github", "more", "{}")).await.unwrap();
}

const JOURNAL: &str = "fuse.journal";

fn copy_folder(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
