//! Moves a state from a folder to the broker, and back.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::connect::{self, Places};
use super::copy::{LocalCopy, MARKER, catch_up, open_copy};
use super::error::JetStreamError;
use super::follow::LogFollower;
use super::machine::{self, Position};
use super::options::JetStreamOptions;
use super::propose::new_id;
use super::shared::{ALIVE_FOR, Shared};
use super::snapshot;
use crate::store::{FILE_NAME, StateReport, Store, StoreError, restore};

/// Moves the state of a stopped fuse without a broker into an unused log. The folder stays as it is. Replicas that join
/// later continue from it. Nothing is changed if it fails, and it can be repeated then.
///
/// # Errors
///
/// The folder has no such state, its records are damaged, the log is used already, or the broker cannot be used.
pub async fn import(
    folder: &Path,
    options: &JetStreamOptions,
) -> Result<StateReport, JetStreamError> {
    let Places { stream, snapshots, log, .. } = connect::open(options).await?;
    let info = connect::info(&stream).await?;
    let is_used = info.state.last_sequence > 0 || snapshot::newest(&snapshots).await?.is_some();
    if is_used {
        return Err(JetStreamError::Stream {
            stream: options.stream(),
            problem: "has a state already: choose another `name`, or remove the stream and its object store".to_owned(),
        });
    }
    // Before it is opened, which would create one.
    if !folder.join(FILE_NAME).exists() {
        return Err(StoreError::Open {
            path: folder.display().to_string(),
            problem: "it contains no state of fuse".to_owned(),
        }
        .into());
    }
    let made = tempfile::tempdir().map_err(|error| StoreError::Storage(error.to_string()))?;
    let (from, to) = (folder.join(FILE_NAME), made.path().to_owned());
    let copied = tokio::task::spawn_blocking(move || {
        // Locked meanwhile, and repaired first if it was killed.
        let running = Store::open(from.parent().unwrap_or(Path::new(".")))?;
        Ok::<_, StoreError>((running, to))
    });
    let copied = copied.await.map_err(|problem| StoreError::Internal(problem.to_string()))?;
    let (source, to) = copied?;
    if source.read(machine::position).await?.is_some() {
        return Err(StoreError::Open {
            path: folder.display().to_string(),
            problem: "it is the copy of a state that is shared already".to_owned(),
        }
        .into());
    }
    let copy = source.copy().await?;
    source.close().await?;
    write_file(copy, to.join(FILE_NAME)).await?;
    let report = report_of(to.join(FILE_NAME)).await?;
    let opened = open(&to).await?;
    let position = Position { log, ..Position::default() };
    opened.write(move |transaction| machine::set_position(transaction, &position)).await?;
    snapshot::upload(&opened, &snapshots, 0).await?;
    opened.close().await?;
    Ok(report)
}

/// Moves a shared state into a folder without a state. No replica may run. The log stays as it is.
///
/// # Errors
///
/// The folder has a state, replicas run, or the broker cannot be used.
pub async fn export(
    options: &JetStreamOptions,
    folder: &Path,
) -> Result<StateReport, JetStreamError> {
    let Places { stream, snapshots, log, .. } = connect::open(options).await?;
    let made = tempfile::tempdir().map_err(|error| StoreError::Storage(error.to_string()))?;
    let LocalCopy { store, applied, is_fresh } =
        open_copy(options, made.path(), (&stream, &snapshots), &log).await?;
    let shared = Arc::new(Shared::new(new_id(), applied));
    let follower = LogFollower {
        shared: Arc::clone(&shared),
        stream: stream.clone(),
        store: store.clone(),
        log,
        is_fresh: Arc::new(AtomicBool::new(is_fresh)),
        marker: made.path().join(MARKER),
    };
    let following = tokio::spawn(follower.run());
    let caught_up = catch_up(&shared, &stream).await;
    let before = *shared.applied.borrow();
    let members = store.read(machine::members).await?;
    // Those that were killed are members still, and silent.
    let mut applied = shared.applied.subscribe();
    let silence = ALIVE_FOR.saturating_add(Duration::from_secs(1));
    let changed = match members.is_empty() {
        true => false,
        false => tokio::time::timeout(silence, applied.wait_for(|now| *now > before)).await.is_ok(),
    };
    following.abort();
    caught_up?;
    if changed {
        let names: Vec<&str> = members.values().map(|member| member.name.as_str()).collect();
        return Err(JetStreamError::Stream {
            stream: options.stream(),
            problem: format!("is in use by {}: stop them first", names.join(", ")),
        });
    }
    let copy = store.copy().await?;
    store.close().await?;
    let backup = made.path().join("copy.redb");
    write_file(copy, backup.clone()).await?;
    let folder = folder.to_owned();
    let restored = tokio::task::spawn_blocking(move || restore(&backup, &folder)).await;
    Ok(restored.map_err(|problem| StoreError::Internal(problem.to_string()))??)
}

async fn open(folder: &Path) -> Result<Store, StoreError> {
    let folder = folder.to_owned();
    let opened = tokio::task::spawn_blocking(move || Store::open(&folder)).await;
    opened.map_err(|problem| StoreError::Internal(problem.to_string()))?
}

async fn report_of(file: std::path::PathBuf) -> Result<StateReport, JetStreamError> {
    let read = tokio::task::spawn_blocking(move || StateReport::of(&file)).await;
    let report = read.map_err(|problem| StoreError::Internal(problem.to_string()))??;
    match report.problems.first() {
        Some(problem) => Err(StoreError::Damaged(format!(
            "{} records are damaged, such as: {problem}",
            report.damaged
        ))
        .into()),
        None => Ok(report),
    }
}

async fn write_file(mut from: std::fs::File, to: std::path::PathBuf) -> Result<(), StoreError> {
    let copied = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::create(&to)?;
        std::io::copy(&mut from, &mut file).map(drop)
    });
    let copied = copied.await.map_err(|problem| StoreError::Internal(problem.to_string()))?;
    copied.map_err(|problem| StoreError::Storage(problem.to_string()))
}
