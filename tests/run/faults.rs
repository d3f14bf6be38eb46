use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use crate::support::{Door, Fuse, Reader, Setup, SmallDisk, incompressible, until};

const RULES: &str = r#"
source q webhook {
  port = 12000
  path = "/e"
  event e
}

sensor s on q.e {
  rule make {
    trigger job {
      namespace = "apps"
      name-prefix = "job-"
      image = "busybox"
    }
  }
}
"#;
const DOOR: Door = (12_000, "/e");

/// Sends events until one is refused; the ids of those that were accepted.
async fn send_until_refused(fuse: &Fuse, first: usize) -> BTreeSet<String> {
    let mut accepted = BTreeSet::new();
    let body = format!("\"{}\"", incompressible(100_000));
    for n in first..first + 1000 {
        let reply = fuse.post_as(DOOR, &format!("e{n}"), body.clone()).await;
        if reply.status == 503 {
            assert!(reply.headers.contains_key("retry-after"), "{reply:?}");
            return accepted;
        }
        accepted.insert(reply.event(202));
    }
    panic!("the disk is never full");
}

/// A disk that fills up, and has room again, without a restart.
#[tokio::test]
async fn a_full_disk_refuses_events_and_is_over_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(24) else { return };
    for min_free in ["4MiB", "1KiB"] {
        let state = disk.path().join(min_free);
        let toml = format!("[state]\ndir = {state:?}\nmin_free = {min_free:?}\n");
        let fuse = Setup::rules(RULES).toml(&toml).start().await;
        assert!(fuse.log().contains("the state is new"), "{}", fuse.log());
        let mut accepted = send_until_refused(&fuse, 0).await;
        assert!(!accepted.is_empty());
        disk.fill();
        until("readiness says so", async || {
            fuse.post_as(DOOR, "refused", format!("\"{}\"", "y".repeat(100_000))).await.error(503);
            let ready = fuse.admin("/readyz").await;
            (ready.status == 503).then(|| assert_eq!(ready.json()["accepting"], false, "{ready:?}"))
        })
        .await;
        assert_eq!(fuse.admin("/healthz").await.status, 200);
        disk.free();
        // What filled it up is not in the way any more either.
        let spare = disk.path().join("spare");
        let _none = std::fs::remove_file(&spare);
        let grown = format!("size={}m", 200);
        let remounted = std::process::Command::new("mount")
            .args(["-o", &format!("remount,{grown}")])
            .arg(disk.path())
            .status();
        assert!(remounted.unwrap().success());
        until("it is ready again", async || {
            (fuse.admin("/readyz").await.status == 200).then_some(())
        })
        .await;
        accepted.insert(fuse.post_as(DOOR, "after", "{}").await.event(202));
        for id in &accepted {
            fuse.settled(id).await;
        }
        // Those that were refused may have been kept; each was done once at the most.
        let made = fuse.manifests().len();
        assert!(made >= accepted.len(), "{made} of {}", accepted.len());
        let errors = fuse.log().matches("\"level\":\"ERROR\"").count();
        assert!(errors < 20, "{errors} errors:\n{}", fuse.log());
        drop(fuse);
        let shrunk =
            std::process::Command::new("sh").arg("-c").arg(format!("rm -r {state:?}")).status();
        assert!(shrunk.unwrap().success());
        let back = std::process::Command::new("mount")
            .args(["-o", "remount,size=24m"])
            .arg(disk.path())
            .status();
        assert!(back.unwrap().success());
    }
}

#[tokio::test]
async fn a_state_with_a_largest_size_refuses_events_before_it() {
    let toml = "[state]\nmax_size = \"8MiB\"\n";
    let fuse = Setup::rules(RULES).toml(toml).start().await;
    let accepted = send_until_refused(&fuse, 0).await;
    assert!(accepted.len() > 10, "{}", accepted.len());
    let ready = fuse.admin("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text.contains("and `max_size` is 8388608"), "{ready:?}");
    // What was accepted is settled all the same.
    for id in &accepted {
        fuse.settled(id).await;
    }
    let size = std::fs::metadata(fuse.folder().join(".fuse-local/fuse.redb")).unwrap();
    let used = std::os::unix::fs::MetadataExt::blocks(&size) * 512;
    assert!(used <= 8 << 20, "{used}");
}

#[tokio::test]
async fn objects_wait_for_room_and_are_written_once_there_is_some() {
    let Some(disk) = SmallDisk::mount(1) else { return };
    let out = disk.path().join("out");
    let toml = format!("[local]\nout = {out:?}\n");
    let fuse = Setup::rules(RULES).toml(&toml).start().await;
    disk.fill();
    for n in 0..20 {
        fuse.post_as(DOOR, &n.to_string(), "{}").await.event(202);
    }
    for n in 0..20 {
        fuse.decisions(&format!("test {n}"), "held").await;
    }
    let ready = fuse.admin("/readyz").await;
    assert_eq!(ready.status, 200);
    assert!(ready.text.contains("No space left on device"), "{ready:?}");
    let groups = ready.text.matches("are held since").count();
    assert_eq!(groups, 1, "{ready:?}");
    disk.free();
    for n in 0..20 {
        fuse.settled(&format!("test {n}")).await;
    }
    assert_eq!(crate::support::manifests(&out).len(), 20);
    assert_eq!(fuse.metric("fuse_dead_letters").await, Some(0.0));
}

/// A reader of the log that leaves, or that stalls, costs log lines and nothing else.
#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    for reader in [Reader::Leaves, Reader::Stalls] {
        let mut fuse = Setup::rules(RULES).reader(reader).start().await;
        // More than the pipe and the buffer hold.
        let mut last = String::new();
        for n in 0..1500 {
            last = fuse.post_as(DOOR, &n.to_string(), "{}").await.event(202);
        }
        fuse.settled(&last).await;
        until("all are done", async || (fuse.manifests().len() == 1500).then_some(())).await;
        assert_eq!(fuse.admin("/healthz").await.status, 200);
        if reader == Reader::Leaves {
            let dropped = fuse.metric("fuse_log_lines_dropped").await.unwrap();
            assert!(dropped > 1000.0, "{dropped}");
        }
        fuse.terminate();
        assert_eq!(fuse.ended().await, Some(0));
    }
}

/// Records that were changed on disk are told of, and not acted on.
#[tokio::test]
async fn a_damaged_record_is_not_acted_on_and_said() {
    let mut fuse = Setup::rules(RULES).lay_out();
    std::fs::write(fuse.out(), "").unwrap();
    fuse.start_again().await;
    for n in 0..3 {
        fuse.post_as(DOOR, &n.to_string(), "{}").await.event(202);
    }
    for n in 0..3 {
        fuse.decisions(&format!("test {n}"), "held").await;
    }
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));

    let path = fuse.folder().join(".fuse-local/fuse.redb");
    let bytes = std::fs::read(&path).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let mut changed = 0;
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(b"busybox") {
            file.write_all_at(b"badbox!", at as u64).unwrap();
            changed += 1;
        }
    }
    assert!(changed >= 3);
    drop(file);
    std::fs::remove_file(fuse.out()).unwrap();
    fuse.start_again().await;
    until("it is said", async || {
        fuse.admin("/readyz")
            .await
            .text
            .contains("3 records of the state are damaged")
            .then_some(())
    })
    .await;
    assert_eq!(fuse.metric("fuse_damaged_records").await, Some(3.0));
    // Others are performed as ever.
    let new = fuse.post_as(DOOR, "new", "{}").await.event(202);
    fuse.settled(&new).await;
    fuse.assert_stays(Duration::from_secs(3)).await;
    assert_eq!(fuse.manifests().len(), 1, "{:#?}", fuse.manifests());
    assert!(fuse.log().contains("its checksum is wrong"), "{}", fuse.log());
}

/// A part of an event as deep as the intake permits goes into an action, which is recorded, performed, and applied again
/// after a kill.
#[tokio::test]
async fn a_deep_event_is_recorded_and_read_again() {
    let rules = RULES.replace(
        "trigger job {\n      namespace = \"apps\"\n      name-prefix = \"job-\"\n      image = \"busybox\"\n    }",
        "trigger log { message = \"deep\", fields { data = body.data } }",
    );
    assert!(rules.contains("fields"), "{rules}");
    let mut fuse = Setup::rules(&rules).start().await;
    let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for levels in [100, 121, 126, 127] {
        let body = format!("{{\"data\":{}}}", deep(levels));
        let id = fuse.post_as(DOOR, &levels.to_string(), body).await.event(202);
        fuse.settled(&id).await;
    }
    fuse.kill();
    fuse.start_again().await;
    fuse.post_as(DOOR, "127", format!("{{\"data\":{}}}", deep(127))).await.event(200);
    fuse.post_as(DOOR, "later", "{}").await.event(202);
}
