//! Writing in groups, failing alone, closing, and files that cannot be opened.

use std::fs;

use redb::{ReadTransaction, TableDefinition, WriteTransaction};

use super::support::{WriterGate, until_waiting};
use super::{FILE_NAME, META, SCHEMA, Store, StoreError};

const NOTES: TableDefinition<'static, &str, u64> = TableDefinition::new("notes");

fn note(transaction: &WriteTransaction, name: &str) -> Result<(), StoreError> {
    transaction.open_table(NOTES)?.insert(name, 1)?;
    Ok(())
}

async fn has_note(store: &Store, name: &'static str) -> bool {
    let read = move |transaction: &ReadTransaction| {
        Ok(transaction.open_table(NOTES)?.get(name)?.is_some())
    };
    store.read(read).await.unwrap()
}

/// Starts a write and lets it reach the queue.
async fn start<F>(
    store: &Store,
    waiting: usize,
    work: F,
) -> tokio::task::JoinHandle<Result<(), StoreError>>
where
    F: FnMut(&WriteTransaction) -> Result<(), StoreError> + Send + 'static,
{
    let handle = store.clone();
    let task = tokio::spawn(async move { handle.write(work).await });
    until_waiting(store, waiting).await;
    task
}

#[tokio::test]
async fn writes_that_wait_share_a_commit() {
    let store = Store::in_memory().unwrap();
    let gate = WriterGate::shut(&store).await;
    let mut writes = Vec::new();
    for waiting in 1..=200 {
        let name = format!("n{waiting}");
        writes.push(start(&store, waiting, move |t| note(t, &name)).await);
    }
    assert_eq!(store.batches(), 0);
    gate.open().await;
    for write in writes {
        write.await.unwrap().unwrap();
    }
    // The gate's own, one of 128 and one of 72.
    assert_eq!(store.batches(), 3);
    assert!(has_note(&store, "n1").await && has_note(&store, "n200").await);
}

#[tokio::test]
async fn nothing_is_answered_before_its_commit() {
    let store = Store::in_memory().unwrap();
    let gate = WriterGate::shut(&store).await;
    let first = start(&store, 1, |t| note(t, "first")).await;
    let (looking, look) = std::sync::mpsc::channel::<()>();
    let (entered, inside) = tokio::sync::oneshot::channel();
    let mut entered = Some(entered);
    let second = start(&store, 2, move |t| {
        entered.take().unwrap().send(()).unwrap();
        let _ = look.recv();
        note(t, "second")
    })
    .await;
    gate.open().await;
    // The first one's work is done by now, and the batch is not committed while the second works.
    inside.await.unwrap();
    tokio::task::yield_now().await;
    assert!(!first.is_finished());
    assert_eq!(store.batches(), 1);
    looking.send(()).unwrap();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(store.batches(), 2);
}

#[tokio::test]
async fn a_failing_write_leaves_its_batch_alone() {
    let store = Store::in_memory().unwrap();
    let gate = WriterGate::shut(&store).await;
    let before = start(&store, 1, |t| note(t, "before")).await;
    let failing = start(&store, 2, |t| {
        note(t, "half done")?;
        Err(StoreError::Damaged("out of luck".into()))
    })
    .await;
    let panicking = start(&store, 3, |t| {
        note(t, "broken off")?;
        panic!("a bug that this test makes on purpose")
    })
    .await;
    let after = start(&store, 4, |t| note(t, "after")).await;
    gate.open().await;

    before.await.unwrap().unwrap();
    after.await.unwrap().unwrap();
    let problem = failing.await.unwrap().unwrap_err();
    assert_eq!(problem.to_string(), "out of luck");
    let problem = panicking.await.unwrap().unwrap_err();
    assert_eq!(problem.to_string(), "a write panicked; this is a bug of fuse, please report it");
    assert!(has_note(&store, "before").await && has_note(&store, "after").await);
    assert!(!has_note(&store, "half done").await && !has_note(&store, "broken off").await);
    assert_eq!(store.batches(), 2);
    // The writer is alive.
    store.write(|t| note(t, "later")).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_its_write() {
    let store = Store::in_memory().unwrap();
    let gate = WriterGate::shut(&store).await;
    let abandoned = start(&store, 1, |t| note(t, "abandoned")).await;
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
    gate.open().await;
    store.write(|_| Ok(())).await.unwrap();
    assert!(has_note(&store, "abandoned").await);
}

#[tokio::test]
async fn closing_waits_for_the_writes_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let gate = WriterGate::shut(&store).await;
    let write = start(&store, 1, |t| note(t, "last")).await;
    let closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    store.closed().await;
    assert_eq!(store.write(|t| note(t, "late")).await, Err(StoreError::Closed));
    assert!(!closing.is_finished());
    gate.open().await;
    write.await.unwrap().unwrap();
    closing.await.unwrap().unwrap();
    assert_eq!(store.read(|_| Ok(())).await, Err(StoreError::Closed));
    store.close().await.unwrap();

    // The file is free although a handle is left.
    let again = Store::open(folder.path()).unwrap();
    assert!(has_note(&again, "last").await);
    assert!(!has_note(&again, "late").await);
}

#[tokio::test]
async fn a_store_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = Store::open(folder.path()).unwrap();
    let problem = Store::open(folder.path()).unwrap_err();
    let path = folder.path().join(FILE_NAME);
    assert_eq!(
        problem.to_string(),
        format!(
            "`{}` is in use by another process; stop that process or choose another state folder",
            path.display()
        )
    );
    drop(first);
    Store::open(folder.path()).unwrap();
}

#[tokio::test]
async fn a_newer_layout_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let newer = |t: &WriteTransaction| {
        t.open_table(META)?.insert(SCHEMA, 7)?;
        Ok(())
    };
    store.write(newer).await.unwrap();
    store.close().await.unwrap();
    let problem = Store::open(folder.path()).unwrap_err();
    assert!(matches!(problem, StoreError::Newer { found: 7, supported: 5, .. }), "{problem}");
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE_NAME), "x".repeat(8192)).unwrap();
    let problem = Store::open(folder.path()).unwrap_err().to_string();
    assert!(problem.ends_with("it is not a fuse store, or it is damaged"), "{problem}");

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let problem = Store::open(&file.join("state")).unwrap_err();
    assert!(matches!(problem, StoreError::Open { .. }), "{problem}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("made").join("on the way");
    let _store = Store::open(&state).unwrap();
    let mode = fs::metadata(state.join(FILE_NAME)).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}
