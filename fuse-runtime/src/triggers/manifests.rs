//! Objects as files: one each, named after the object, ready for `kubectl create -f`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::metadata::{ACTION_ID, suffix};
use super::{Done, Failure, Probe, Readiness};
use crate::cluster::{Change, Operation};

/// Writes Kubernetes objects into a folder, each in a file of its own.
///
/// A file appears whole or not at all, and is never overwritten: one that is there already is a
/// success if the same action made it, a conflict if not.
#[derive(Clone, Debug)]
pub struct Manifests {
    folder: PathBuf,
}

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
            Err(Failure::Retryable { reason, perhaps_done: true, after: None })
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
        let folder = self.folder.clone();
        let writable = run(move || {
            std::fs::create_dir_all(&folder)
                .and_then(|()| tempfile::NamedTempFile::new_in(&folder).map(drop))
                .map_err(|error| format!("cannot write to `{}`: {error}", folder.display()))
        });
        match writable.await {
            Ok(Ok(())) => Readiness::Ready,
            Ok(Err(why)) | Err(why) => Readiness::NotReady(why),
        }
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
        let failed = |error: io::Error, perhaps_done| Failure::Retryable {
            reason: format!("cannot write `{}`: {error}", path.display()),
            perhaps_done,
            after: None,
        };
        // Until the file has its name, nothing is done.
        let retry = |error| failed(error, false);
        let done = || Done::new(format!("wrote {}", path.display()));
        std::fs::create_dir_all(&self.folder).map_err(retry)?;
        let mut text = serde_json::to_vec_pretty(object)
            .map_err(|error| Failure::Permanent(format!("the object is not JSON: {error}")))?;
        text.push(b'\n');
        let mut file =
            tempfile::Builder::new().prefix(".fuse-").tempfile_in(&self.folder).map_err(retry)?;
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(retry)?;
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
                        perhaps_done: true,
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

/// Runs file work off the async threads.
async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| format!("the write was cut short: {error}"))
}
