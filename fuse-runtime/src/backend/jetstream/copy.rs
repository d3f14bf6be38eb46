//! The local copy of the state: opened, made from a snapshot, and brought up to date.

use std::path::Path;
use std::time::Duration;

use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream::Stream;

use super::connect;
use super::error::{JetStreamError, broker};
use super::machine;
use super::options::JetStreamOptions;
use super::shared::Shared;
use super::snapshot;
use crate::bus::queue;
use crate::store::{FILE_NAME, Store, StoreError};

/// How long opening may take to apply what the log has.
const CATCH_UP_TIME: Duration = Duration::from_secs(600);
/// The file in the state folder with the id of its replica.
pub(super) const ID_FILE: &str = "replica";
/// The file in the state folder that says why the copy must not be used any more.
pub(super) const MARKER: &str = "unusable";

/// The local copy of the state.
pub(super) struct LocalCopy {
    pub(super) store: Store,
    /// How much of the log it has.
    pub(super) applied: u64,
    /// Whether fuse made it now.
    pub(super) is_fresh: bool,
}

/// Opens the local copy of the state, or makes one of the newest snapshot.
pub(super) async fn open_copy(
    options: &JetStreamOptions,
    folder: &Path,
    (stream, snapshots): (&Stream, &ObjectStore),
    log: &str,
) -> Result<LocalCopy, JetStreamError> {
    let marker = folder.join(MARKER);
    if let Ok(why) = std::fs::read_to_string(&marker) {
        tracing::warn!(why, "fuse makes a new local copy of the state");
        move_aside(folder);
        if let Err(error) = std::fs::remove_file(&marker) {
            tracing::warn!(%error, "the mark of the former copy cannot be removed");
        }
    }
    let store = match open_store(folder, options).await {
        Err(
            error @ (StoreError::Open { .. } | StoreError::Storage(_) | StoreError::Damaged(_)),
        ) if folder.join(FILE_NAME).exists() => {
            tracing::warn!(%error, "the local copy of the state cannot be opened; fuse makes a new one");
            move_aside(folder);
            open_store(folder, options).await?
        }
        opened => opened?,
    };
    let position = store.read(machine::position).await?;
    match &position {
        None if !store.is_new() && !is_empty(&store).await? => {
            return Err(JetStreamError::NotShared(folder.display().to_string()));
        }
        None => {}
        Some(position) => {
            let why = match position.log == log {
                true => connect::discontinuity(stream, position).await?,
                false => Some("it is another log".to_owned()),
            };
            let Some(why) = why else {
                return Ok(LocalCopy { store, applied: position.applied, is_fresh: false });
            };
            tracing::warn!(
                why,
                applied = position.applied,
                "the log does not continue the local copy of the state; fuse renames it to fuse.redb.old and makes a new one"
            );
        }
    }
    let found = connect::patiently(|| snapshot::newest(snapshots)).await?;
    let store = match (&position, found) {
        // It is empty, and the log begins with its first message.
        (None, None) => store,
        (_, found) => {
            store.close().await?;
            move_aside(folder);
            if let Some(found) = found {
                snapshot::download(snapshots, &found, folder).await?;
            }
            open_store(folder, options).await?
        }
    };
    let applied = store.read(machine::position).await?.map_or(0, |position| position.applied);
    let first = connect::info(stream).await?.state.first_sequence;
    if applied.saturating_add(1) < first {
        return Err(JetStreamError::Stream {
            stream: options.stream(),
            problem: format!(
                "begins with message {first}, and the newest snapshot has the messages up to {applied}: restore the stream and the object store from a backup of the same time"
            ),
        });
    }
    Ok(LocalCopy { store, applied, is_fresh: true })
}

async fn is_empty(store: &Store) -> Result<bool, StoreError> {
    store.read(queue::read_signal).await.map(|signal| signal.end == 0)
}

async fn open_store(folder: &Path, options: &JetStreamOptions) -> Result<Store, StoreError> {
    let (folder, limits) = (folder.to_owned(), options.limits.clone());
    let opened = tokio::task::spawn_blocking(move || Store::open_with(&folder, limits)).await;
    let store = opened.map_err(|problem| StoreError::Internal(problem.to_string()))??;
    store.commit_lazily();
    Ok(store)
}

/// Renames a copy that does not fit the log. It may be the last one, if somebody removed the stream.
fn move_aside(folder: &Path) {
    let file = folder.join(FILE_NAME);
    if file.exists()
        && let Err(error) = std::fs::rename(&file, folder.join(format!("{FILE_NAME}.old")))
    {
        tracing::warn!(%error, "the old copy of the state cannot be renamed");
    }
}

/// The id of the replica that used this folder last. It has ended, since the folder is not locked.
pub(super) fn read_id(folder: &Path) -> Option<String> {
    let id = std::fs::read_to_string(folder.join(ID_FILE)).ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// Waits until everything is applied that the log has now.
pub(super) async fn catch_up(shared: &Shared, stream: &Stream) -> Result<(), JetStreamError> {
    let info = connect::info(stream).await?;
    let last = info.state.last_sequence;
    let mut applied = shared.applied.subscribe();
    let done = async {
        tokio::select! {
            _ = applied.wait_for(|applied| *applied >= last) => Ok(()),
            problem = shared.until_fatal() => Err(broker("read the log", problem)),
        }
    };
    match tokio::time::timeout(CATCH_UP_TIME, done).await {
        Ok(done) => done,
        Err(_elapsed) => Err(broker("read the whole log", "it takes too long")),
    }
}
