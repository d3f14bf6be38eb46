//! Snapshots: copies of the state in an object store, so that the log can be cut before them.

use std::path::Path;

use async_nats::jetstream::object_store::{ObjectInfo, ObjectMetadata, ObjectStore};
use async_nats::jetstream::stream::Stream;
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

use super::error::{JetStreamError, broker};
use super::machine;
use crate::store::{FILE_NAME, Store};

/// A snapshot is made once the log is larger than this, and than the last snapshot.
const MIN_LOG_BYTES: u64 = 64 << 20;
/// How many messages of the log stay before a snapshot, for replicas that are a little behind.
const KEPT_MESSAGES: u64 = 10_000;
/// How many snapshots are kept.
const KEPT: usize = 2;
/// What the names of snapshots begin with. The position follows, with 20 digits.
const PREFIX: &str = "state-";

/// The newest snapshot, if there is one.
pub(super) async fn newest(store: &ObjectStore) -> Result<Option<ObjectInfo>, JetStreamError> {
    Ok(all(store).await?.pop())
}

/// All snapshots, the newest last.
async fn all(store: &ObjectStore) -> Result<Vec<ObjectInfo>, JetStreamError> {
    let failed = |error: &dyn std::fmt::Display| broker("list the snapshots", error);
    let mut list = store.list().await.map_err(|error| failed(&error))?;
    let mut found = Vec::new();
    while let Some(one) = list.next().await {
        let one = one.map_err(|error| failed(&error))?;
        if one.name.starts_with(PREFIX) && !one.deleted {
            found.push(one);
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Downloads a snapshot into a folder, as the file of its store.
pub(super) async fn download(
    store: &ObjectStore,
    snapshot: &ObjectInfo,
    folder: &Path,
) -> Result<(), JetStreamError> {
    let failed = |error: &dyn std::fmt::Display| broker("download a snapshot", error);
    tracing::info!(
        snapshot = snapshot.name,
        bytes = snapshot.size,
        "reading a snapshot of the state"
    );
    let mut object = store.get(&snapshot.name).await.map_err(|error| failed(&error))?;
    tokio::fs::create_dir_all(folder).await.map_err(|error| failed(&error))?;
    let unfinished = folder.join(format!("{FILE_NAME}.part"));
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // Event bodies may contain secrets.
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&unfinished).await.map_err(|error| failed(&error))?;
    // Its checksum is verified at the end.
    tokio::io::copy(&mut object, &mut file).await.map_err(|error| failed(&error))?;
    file.flush().await.map_err(|error| failed(&error))?;
    file.sync_all().await.map_err(|error| failed(&error))?;
    let renamed = tokio::fs::rename(&unfinished, folder.join(FILE_NAME)).await;
    renamed.map_err(|error| failed(&error))
}

/// A snapshot that was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SnapshotMade {
    /// It has the log at least up to here.
    position: u64,
    /// Its size in bytes.
    size: u64,
}

/// Makes a snapshot if the log has grown enough since the last one, and cuts the log. `last` is unknown at first.
pub(super) async fn make_if_due(
    store: &Store,
    stream: &Stream,
    snapshots: &ObjectStore,
    last: &mut Option<SnapshotMade>,
) -> Result<(), JetStreamError> {
    let known = match *last {
        Some(known) => known,
        None => {
            let newest = newest(snapshots).await?;
            let made = |one: ObjectInfo| {
                Some(SnapshotMade { position: position_of(&one)?, size: one.size as u64 })
            };
            *last.insert(newest.and_then(made).unwrap_or_default())
        }
    };
    let info = stream.get_info().await.map_err(|error| broker("read the stream", error))?;
    let since = info.state.last_sequence.saturating_sub(known.position);
    let average = info.state.bytes.checked_div(info.state.messages).unwrap_or_default();
    if since.saturating_mul(average) >= MIN_LOG_BYTES.max(known.size) {
        *last = Some(make(store, stream, snapshots).await?);
    }
    Ok(())
}

/// The position in the name of a snapshot.
fn position_of(snapshot: &ObjectInfo) -> Option<u64> {
    snapshot.name.strip_prefix(PREFIX)?.parse().ok()
}

/// Stores a copy of what was applied, which is at least the log up to `position`. Returns its name and size.
pub(super) async fn upload(
    store: &Store,
    snapshots: &ObjectStore,
    position: u64,
) -> Result<(String, u64), JetStreamError> {
    let failed = |error: &dyn std::fmt::Display| broker("store a snapshot", error);
    let mut file = tokio::fs::File::from_std(store.copy().await?);
    let size = file.metadata().await.map_err(|error| failed(&error))?.len();
    let name = format!("{PREFIX}{position:020}");
    let metadata = ObjectMetadata { name: name.clone(), ..ObjectMetadata::default() };
    snapshots.put(metadata, &mut file).await.map_err(|error| failed(&error))?;
    Ok((name, size))
}

/// Makes a snapshot, and cuts the log before it.
pub(super) async fn make(
    store: &Store,
    stream: &Stream,
    snapshots: &ObjectStore,
) -> Result<SnapshotMade, JetStreamError> {
    let failed = |error: &dyn std::fmt::Display| broker("remove an old snapshot", error);
    // Before the copy is made, which has at least what was applied until now.
    let position = store.read(machine::position).await?.map_or(0, |position| position.applied);
    let (name, size) = upload(store, snapshots, position).await?;
    let known = all(snapshots).await?;
    let old = known.len().saturating_sub(KEPT);
    for one in known.iter().take(old) {
        snapshots.delete(&one.name).await.map_err(|error| failed(&error))?;
    }
    // Up to the oldest snapshot that is kept, so that each can be used.
    let oldest = known.get(old).and_then(position_of);
    let cut = oldest.unwrap_or(0).saturating_sub(KEPT_MESSAGES);
    if cut > 0 {
        let purged = stream.purge().sequence(cut).await;
        purged.map_err(|error| broker("cut the log", error))?;
    }
    tracing::info!(snapshot = name, bytes = size, "made a snapshot of the state");
    Ok(SnapshotMade { position, size })
}
