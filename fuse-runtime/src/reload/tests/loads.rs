//! Reloads with a loader: who asks, what fails, and how a stop ends them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use fuse_rules::Registry;
use tokio::sync::watch;

use super::*;
use crate::{FileStamps, LoadAttempt, RulesLoader, TrackedDisk};

/// A loader that a test gives as a function.
struct FromFunction<F>(F);

impl<F: Fn() -> LoadAttempt + Send + Sync + 'static> RulesLoader for FromFunction<F> {
    fn load(&self) -> LoadAttempt {
        self.0()
    }
}

fn kinds() -> Registry {
    registry(&Sources::new().with("webhook", Webhook::new(LOOPBACK)), &Triggers::new().with(Log))
}

fn loaded(rules: &str) -> Result<LoadedRules, ReloadError> {
    Ok(LoadedRules::new(Ruleset::parse("test.rules", rules, &kinds())?, Fuses::default()))
}

async fn start(
    rules: &str,
    files: FileStamps,
    load: impl Fn() -> LoadAttempt + Send + Sync + 'static,
) -> Reloaded {
    let set = |runtime: Runtime| runtime.loader(FromFunction(load), files);
    Reloaded::start_with(rules, Vec::new(), set).await
}

/// A loader that waits for the test before each load. Once the test drops the sender, it waits no more.
fn waiting_loader(
    begun: &watch::Sender<usize>,
) -> (mpsc::Sender<()>, impl Fn() -> LoadAttempt + Send + Sync + use<>) {
    let (go, wait) = mpsc::channel();
    let (begun, wait) = (begun.clone(), Mutex::new(wait));
    let load = move || {
        begun.send_modify(|begun| *begun += 1);
        let _released = wait.lock().unwrap().recv();
        LoadAttempt::new(loaded(""), FileStamps::default())
    };
    (go, load)
}

#[tokio::test]
async fn reloads_that_wait_share_one_load() {
    let begun = watch::Sender::new(0);
    let (go, load) = waiting_loader(&begun);
    let fuse = start("", FileStamps::default(), load).await;
    let reloader = fuse.running.reloader().clone();
    let first = tokio::spawn(async move { reloader.reload().await.is_ok() });
    begun.subscribe().wait_for(|begun| *begun == 1).await.unwrap();
    // The files may have changed since the first load read them, so these need another one.
    let asked = (0..20).map(|_| fuse.running.reloader().reload());
    let (results, ()) = tokio::join!(futures_util::future::join_all(asked), async { drop(go) });
    assert!(first.await.unwrap() && results.iter().all(Result::is_ok));
    assert_eq!(*begun.borrow(), 2);
    assert!(fuse.running.stop().await);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_loader_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let disk = TrackedDisk::default();
    disk.track_folder(folder.path(), "rules");
    let begun = watch::Sender::new(0);
    let (go, load) = waiting_loader(&begun);
    let fuse = start("", disk.stamps(), load).await;
    let running = fuse.running.with_grace(Duration::from_secs(10));
    std::fs::write(folder.path().join("a.rules"), "").unwrap();
    begun.subscribe().wait_for(|begun| *begun == 1).await.unwrap();
    let reloader = running.reloader().clone();
    let asked = tokio::spawn(async move { reloader.reload().await });
    assert!(running.stop().await);
    assert!(matches!(asked.await.unwrap(), Err(ReloadError::Stopping)));
    drop(go);
}

#[tokio::test]
async fn a_reload_that_fails_switches_fuses_off_and_none_on() {
    const RULES: &str = "fuse a default on\nfuse b default off\nfuse c default on";
    let broken = Arc::new(Mutex::new(true));
    let is_broken = Arc::clone(&broken);
    let fuse = start(RULES, FileStamps::default(), move || {
        let rules = if *is_broken.lock().unwrap() { "sensor s on {" } else { RULES };
        let off = ["a", "b", "unknown"].map(str::to_owned).into();
        LoadAttempt::new(loaded(rules), FileStamps::default()).with_fuses_off(off)
    })
    .await;
    let reloader = fuse.running.reloader();
    let active = || reloader.reload.active.get();
    let values = || active().fuse_values().map(|(_, on)| on).collect::<Vec<_>>();
    let hash = active().plan_hash.clone();
    for _ in 0..2 {
        let failed = reloader.reload().await;
        assert!(matches!(failed, Err(ReloadError::Rules(_))), "{failed:?}");
        assert_eq!(values(), [false, false, true]);
        let warning = reloader.warning().unwrap();
        assert!(
            warning.starts_with(
                "the last reload failed, so the rules in use may be old: test.rules:1:"
            ) && warning.ends_with("; switched off nevertheless: a"),
            "{warning}"
        );
    }
    assert_eq!(active().plan_hash, hash);
    *broken.lock().unwrap() = false;
    reloader.reload().await.unwrap();
    assert_eq!((values(), reloader.warning()), (vec![true, false, true], None));
    assert!(fuse.running.stop().await);
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_panics_is_not_tried_again_until_the_files_change() {
    let folder = tempfile::tempdir().unwrap();
    let disk = TrackedDisk::default();
    disk.track_folder(folder.path(), "rules");
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let fuse = start("", disk.stamps(), move || {
        counted.fetch_add(1, Ordering::SeqCst);
        panic!("a fault made on purpose");
    })
    .await;
    for (name, expected) in [("a.rules", 1), ("b.rules", 2)] {
        std::fs::write(folder.path().join(name), "").unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(loads.load(Ordering::SeqCst), expected);
        let warning = fuse.running.reloader().warning().unwrap();
        assert!(warning.ends_with("failed inside fuse; please report it"), "{warning}");
    }
    assert!(fuse.running.stop().await);
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_failed_because_of_a_port_is_repeated() {
    let in_use = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let address = in_use.local_addr().unwrap();
    let rules = source("a", address.port(), "x");
    let fuse = start("", FileStamps::default(), move || {
        LoadAttempt::new(loaded(&rules), FileStamps::default())
    })
    .await;
    let reloader = fuse.running.reloader();
    assert!(matches!(reloader.reload().await, Err(ReloadError::Source(_))));
    drop(in_use);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(reloader.warning(), None);
    assert!(TcpStream::connect(address).await.is_ok());
    assert!(fuse.running.stop().await);
}
