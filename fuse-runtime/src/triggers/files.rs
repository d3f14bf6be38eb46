//! Actions as files, for `--local`: one file per action, with what the trigger would do.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::{ActionRequest, Done, Failure, Probe, Readiness, short_id};

/// The file that stands in for an action with `--local`.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionFile {
    /// The file's name, without a folder. It is the same for every attempt of one action.
    pub name: String,
    /// Its content. It carries the action's id: as its field `action`, or as the annotation
    /// `fuse.rules/action-id` of a Kubernetes object.
    pub content: Value,
}

impl ActionFile {
    /// A file named after the action's rule, with the action around what its trigger renders.
    pub fn new(request: &ActionRequest, rendered: &Value) -> Self {
        let (rule, kind) = (&request.action.rule, &request.action.trigger);
        let name = format!("{}-{kind}-{}.json", rule.replace('/', "-"), short_id(&request.id));
        let content = json!({
            "action": request.id,
            "rule": rule,
            "event": request.event.encode(),
            "trigger": kind,
            "does": rendered,
        });
        Self { name, content }
    }
}

/// Writes actions into a folder, each into a file of its own.
///
/// A file appears whole or not at all, and is never overwritten. A file that exists already is a success if
/// the same action wrote it, and a conflict otherwise.
#[derive(Clone, Debug)]
pub struct ActionFiles {
    folder: PathBuf,
}

/// The start of the name of a file that is being written.
const UNFINISHED: &str = ".fuse-";
/// How many bytes must fit into the folder for it to count as ready.
const READY_BYTES: usize = 4096;

/// What is at the path of a file that is to be written.
enum Found {
    Nothing,
    Same,
    Other(String),
}

impl ActionFiles {
    /// Writes into a folder, which is created with the first file.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes the file of an action.
    pub(crate) async fn write(&self, file: ActionFile) -> Result<Done, Failure> {
        let (this, path) = (self.clone(), self.folder.join(file.name));
        run(move || this.write_now(&path, &file.content)).await.unwrap_or_else(|reason| {
            Err(Failure::Retryable { reason, maybe_applied: true, after: None })
        })
    }

    /// Checks whether the file of an action was written.
    pub(super) async fn find(&self, file: ActionFile) -> Probe {
        let path = self.folder.join(file.name);
        let found = run(move || {
            let found = look(&path, &file.content).map_err(|error| error.to_string());
            found.map(|found| (path, found))
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
        self.has_room_for(READY_BYTES).await
    }

    /// Whether this very file could be written.
    pub(super) async fn readiness_for(&self, file: &ActionFile) -> Readiness {
        let text = serde_json::to_vec_pretty(&file.content).unwrap_or_default();
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

    /// Removes the unfinished files of a process that was killed. Another process that writes into the same
    /// folder meanwhile writes its file again.
    ///
    /// # Errors
    /// A file or the folder cannot be read or removed. A folder that does not exist is no error.
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

    fn write_now(&self, path: &Path, object: &Value) -> Result<Done, Failure> {
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

/// The action that wrote a file.
fn owner(content: &Value) -> Option<&Value> {
    const ANNOTATION: &str = "/metadata/annotations/fuse.rules~1action-id";
    content.pointer(ANNOTATION).or_else(|| content.get("action"))
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
