use async_nats::jetstream;
use fuse_runtime::backend::Backend as _;
use fuse_runtime::bus::Published;

use super::{event, open, options, replica};
use crate::support::{Nats, until};

#[tokio::test]
async fn a_new_replica_continues_from_a_snapshot_when_the_log_is_cut() {
    let Some(nats) = Nats::alone().await else { return };
    let options = options(&nats);
    let (one, _a) = replica(&options).await;
    let (old, old_folder) = replica(&options).await;
    old.close().await.unwrap();
    drop(old);
    for id in 0..50 {
        one.bus().publish(event(&id.to_string())).await.unwrap();
    }
    one.snapshot().await.unwrap();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let context = jetstream::new(client);
    let bucket = context.get_object_store(options.bucket()).await.unwrap();
    let names: Vec<String> = {
        use futures_util::TryStreamExt as _;
        let list = bucket.list().await.unwrap();
        list.map_ok(|one| one.name).try_collect().await.unwrap()
    };
    let [name] = names.as_slice() else { panic!("{names:?}") };
    let position: u64 = name.strip_prefix("state-").unwrap().parse().unwrap();
    assert!(position >= 50, "{name}");
    let stream = context.get_stream(options.stream()).await.unwrap();
    stream.purge().sequence(position + 1).await.unwrap();
    assert_eq!(one.bus().publish(event("after")).await, Ok(Published::Accepted));

    // One that has nothing, and one whose copy ends before the log begins.
    for folder in [tempfile::tempdir().unwrap(), old_folder] {
        let new = open(&options, &folder).await.unwrap();
        assert_eq!(new.bus().publish(event("7")).await, Ok(Published::Known));
        assert_eq!(new.bus().publish(event("after")).await, Ok(Published::Known));
        until("it knows how many wait", async || (new.bus().backlog() == 51).then_some(())).await;
        new.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_copy_that_cannot_be_used_is_replaced() {
    let Some(nats) = Nats::alone().await else { return };
    let options = options(&nats);
    let (one, folder) = replica(&options).await;
    one.bus().publish(event("1")).await.unwrap();
    one.close().await.unwrap();
    drop(one);
    // fuse writes the first file when it finds a damaged record. The second one is not a state.
    for (file, content) in [("unusable", "a record is damaged"), ("fuse.redb", "garbage")] {
        std::fs::write(folder.path().join(file), content).unwrap();
        let again = open(&options, &folder).await.unwrap();
        assert_eq!(again.bus().publish(event("1")).await, Ok(Published::Known), "{file}");
        assert!(folder.path().join("fuse.redb.old").exists());
        assert!(!folder.path().join("unusable").exists());
        again.close().await.unwrap();
        drop(again);
        std::fs::remove_file(folder.path().join("fuse.redb.old")).unwrap();
    }
}
