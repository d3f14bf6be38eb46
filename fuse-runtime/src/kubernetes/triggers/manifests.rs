//! Objects as files: one each, named after the object, ready for `kubectl create -f`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::NamedTempFile;

use super::metadata::{ACTION_ID, suffix};
use crate::kubernetes::{Change, Operation};
use crate::triggers::{Done, Failure, Probe, Readiness};

/// Writes Kubernetes objects into a folder, each in a file of its own.
///
/// A file appears whole or not at all, and is never overwritten: one that is there already is a
/// success if the same action made it, a conflict if not.
#[derive(Clone, Debug)]
pub struct Manifests {
    folder: PathBuf,
}

/// The start of the name of a file that is being written.
const UNFINISHED: &str = ".fuse-";
/// How many bytes must have room for the folder to count as ready.
const SMALL: usize = 4096;

/// What stands where an object is to be written.
enum Found {
    Nothing,
    Same,
    Other(String),
}

impl Manifests {
    /// A writer into a folder, which is made when the first object is written.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes what a change would do.
    pub(super) async fn submit(&self, change: &Change) -> Result<Done, Failure> {
        let (this, path, shown) = (self.clone(), self.path(change), change.shown());
        run(move || this.write(&path, &shown)).await.unwrap_or_else(|reason| {
            Err(Failure::Retryable { reason, maybe_applied: true, after: None })
        })
    }

    /// Looks whether a change was written.
    pub(super) async fn find(&self, change: &Change) -> Probe {
        let (path, shown) = (self.path(change), change.shown());
        let found = run(move || {
            look(&path, &shown).map(|found| (path, found)).map_err(|error| error.to_string())
        });
        match found.await {
            Ok(Ok((path, Found::Same))) => {
                Probe::Done(Done::new(format!("wrote {}", path.display())))
            }
            Ok(Ok(_)) => Probe::Absent,
            Ok(Err(why)) | Err(why) => Probe::Unavailable(why),
        }
    }

    pub(super) async fn readiness(&self) -> Readiness {
        self.has_room_for(SMALL).await
    }

    /// Whether the file of this very change could be written.
    pub(super) async fn readiness_for(&self, change: &Change) -> Readiness {
        let text = serde_json::to_vec_pretty(&change.shown()).unwrap_or_default();
        self.has_room_for(text.len()).await
    }

    /// Whether so many bytes can be written: an empty file needs no room on a full disk.
    async fn has_room_for(&self, bytes: usize) -> Readiness {
        let folder = self.folder.clone();
        let written = run(move || {
            std::fs::create_dir_all(&folder)
                .and_then(|()| written(&folder, &vec![b' '; bytes]))
                .map_err(|error| not_ready(&folder, &error))
        });
        match written.await {
            Ok(Ok(_removed)) => Readiness::Ready,
            Ok(Err(why)) | Err(why) => Readiness::NotReady(why),
        }
    }

    /// Removes what a process that was killed had not finished. Another one that writes into the same
    /// folder meanwhile writes its file again.
    ///
    /// # Errors
    /// What could not be read or removed. A folder that is not there has nothing to be removed.
    pub fn remove_unfinished(&self) -> io::Result<usize> {
        let mut removed = 0;
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                std::fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// One file an action: an object whose name is not the action's alone gets the action's part.
    fn path(&self, change: &Change) -> PathBuf {
        let (name, suffix) = (&change.target.name, suffix(&change.action));
        let stem = if name.ends_with(&suffix) { name.clone() } else { format!("{name}-{suffix}") };
        let ending = match change.operation {
            Operation::Create | Operation::Apply { .. } => "json".to_owned(),
            other => format!("{}.json", other.as_str()),
        };
        self.folder.join(format!("{stem}.{ending}"))
    }

    fn write(&self, path: &Path, object: &Value) -> Result<Done, Failure> {
        let failed = |error: io::Error, maybe_applied: bool| match error.kind() {
            // A person has to make room, or to permit it.
            kind if is_missing(kind) && !maybe_applied => {
                Failure::NotReady(not_ready(&self.folder, &error))
            }
            kind if is_hopeless(kind) => {
                Failure::Permanent(format!("cannot write `{}`: {error}", path.display()))
            }
            _ => Failure::Retryable {
                reason: format!("cannot write to `{}`: {error}", self.folder.display()),
                maybe_applied,
                after: None,
            },
        };
        // Until the file has its name, nothing is done.
        let retry = |error| failed(error, false);
        let done = || Done::new(format!("wrote {}", path.display()));
        std::fs::create_dir_all(&self.folder).map_err(retry)?;
        let mut text = serde_json::to_vec_pretty(object)
            .map_err(|error| Failure::Permanent(format!("the object is not JSON: {error}")))?;
        text.push(b'\n');
        let file = written(&self.folder, &text).map_err(retry)?;
        match file.persist_noclobber(path) {
            Ok(_) => {
                // The name itself is durable once the folder is.
                let folder = std::fs::File::open(&self.folder).and_then(|folder| folder.sync_all());
                folder.map_err(|error| failed(error, true))?;
                Ok(done())
            }
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                match look(path, object).map_err(retry)? {
                    Found::Same => Ok(done()),
                    Found::Other(whose) => Err(Failure::Conflict(format!(
                        "`{}` is there already, made by {whose}",
                        path.display()
                    ))),
                    Found::Nothing => Err(Failure::Retryable {
                        reason: format!("`{}` came and went", path.display()),
                        maybe_applied: true,
                        after: None,
                    }),
                }
            }
            Err(error) => Err(retry(error.error)),
        }
    }
}

fn look(path: &Path, object: &Value) -> io::Result<Found> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        // Where the folder itself is none, there is no file in it.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(Found::Nothing);
        }
        Err(error) => return Err(error),
    };
    let there: Value = serde_json::from_slice(&text).unwrap_or_default();
    Ok(match (owner(&there), owner(object)) {
        (Some(there), Some(ours)) if there == ours => Found::Same,
        (Some(there), _) => Found::Other(format!("action {there}")),
        (None, _) => Found::Other("something else".into()),
    })
}

/// The action that a file is of.
fn owner(shown: &Value) -> Option<&Value> {
    let annotation = format!("/metadata/annotations/{}", ACTION_ID.replace('/', "~1"));
    shown.pointer(&annotation).or_else(|| shown.get("action"))
}

/// A file without a name of its own yet, on disk. It is removed when it is dropped.
fn written(folder: &Path, text: &[u8]) -> io::Result<NamedTempFile> {
    let mut file =
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder).map_err(plain)?;
    file.as_file_mut().write_all(text)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// The error without the random name of the file, so that equal faults read equal.
fn plain(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(_) => error,
        None => error.kind().into(),
    }
}

/// Whether a file cannot be written until a person sees to it.
fn is_missing(kind: io::ErrorKind) -> bool {
    // A file where the folder should be is there already.
    use io::ErrorKind::{
        AlreadyExists, NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull,
    };
    matches!(
        kind,
        AlreadyExists
            | NotADirectory
            | PermissionDenied
            | QuotaExceeded
            | ReadOnlyFilesystem
            | StorageFull
    )
}

/// Whether a file can never be written under its name, or with its size.
fn is_hopeless(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge
    )
}

fn not_ready(folder: &Path, error: &io::Error) -> String {
    format!("cannot write to `{}`: {error}", folder.display())
}

/// Runs file work off the async threads.
async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| format!("the write was cut short: {error}"))
}
