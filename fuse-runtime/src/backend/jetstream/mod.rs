//! The backend on NATS JetStream: any number of replicas of fuse share one state.
//!
//! Every change of the state is a message of one stream, the *log*. Each replica applies the messages in their order to a
//! copy of the state of its own, which is a [`Store`] like that of [`Embedded`](super::Embedded), with the same tables and
//! the same code. So every replica has the same state, flow limits and fuses are exact, and reads cost nothing.
//!
//! An event belongs to the replica that accepted it. Replicas that are not heard of for ten seconds are declared dead in
//! the log, and their events get other owners. The *keeper*, the
//! replica that joined first, handles everything else: held and waiting actions, timers, objects, and old events. A replica must have recorded its intent before it fires an action, and nobody
//! else may record one until that replica is declared dead.
//!
//! | File | What it does |
//! |---|---|
//! | `options.rs`, `connect.rs` | reaches the servers, creates and checks the stream |
//! | `frame.rs` | the messages of the log |
//! | `machine.rs` | what they do to the state: members, owners, and the changes themselves |
//! | `propose.rs` | sends changes, in batches |
//! | `follow.rs`, `others.rs` | applies what comes back, and tells the engine what others did |
//! | `watch.rs` | declares replicas dead, makes snapshots |
//! | `snapshot.rs` | copies of the state, so that the log can be cut |
//! | `migrate.rs` | moves a state from a folder to the broker, and back |

mod connect;
mod error;
mod follow;
mod frame;
mod machine;
mod migrate;
mod options;
mod others;
mod permissions;
mod propose;
mod shared;
mod snapshot;
mod watch;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream::Stream;
use async_trait::async_trait;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{Backend, BackendError};
use crate::bus::{Bus, StoreBus};
use crate::change::Commit;
use crate::ledger::{Ledger, StoreLedger};
use crate::store::{FILE_NAME, Store, StoreError};

pub use error::JetStreamError;
pub use migrate::{export, import};
pub use options::{JetStreamOptions, Login};
pub use permissions::permissions;

use connect::Places;
use error::broker;
use follow::LogFollower;
use machine::Position;
use propose::{Proposer, new_id};
use shared::Shared;
use watch::Watchman;

/// How long opening may take to apply what the log has.
const CATCH_UP_TIME: Duration = Duration::from_secs(600);
/// How long closing waits for what is on its way.
const LEAVE_TIME: Duration = Duration::from_secs(12);
/// The `max_payload` of the server that is enough for every event.
const MAX_PAYLOAD: usize = 8_000_000;
/// The file in the state folder with the id of its replica.
const ID_FILE: &str = "replica";
/// The file in the state folder that says why the copy must not be used any more.
const MARKER: &str = "unusable";

/// A backend whose state several replicas share over NATS JetStream.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use fuse_runtime::backend::{Backend, JetStream, JetStreamOptions};
///
/// let options = JetStreamOptions {
///     folder: Some("/var/lib/fuse".into()),
///     ..JetStreamOptions::new("nats://nats:4222")
/// };
/// let backend = JetStream::open(options).await?;
/// println!("{} events wait", backend.bus().backlog());
/// backend.close().await?;
/// # Ok(())
/// # }
/// ```
pub struct JetStream {
    store: Store,
    bus: Arc<StoreBus>,
    ledger: Arc<StoreLedger>,
    proposer: Arc<Proposer>,
    stream: Stream,
    snapshots: ObjectStore,
    /// Sends what was proposed. It ends once the replica left.
    sending: Mutex<Option<JoinHandle<()>>>,
    tasks: Vec<JoinHandle<()>>,
    /// The servers, without passwords.
    servers: String,
    /// Removed with the backend.
    _folder: Option<TempDir>,
}

impl std::fmt::Debug for JetStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JetStream").finish_non_exhaustive()
    }
}

impl JetStream {
    /// Connects, creates the stream if there is none, brings the local copy up to date, and joins the other replicas.
    ///
    /// # Errors
    ///
    /// See [`JetStreamError`].
    pub async fn open(options: JetStreamOptions) -> Result<Self, JetStreamError> {
        let Places { context, stream, snapshots, log } = connect::open(&options).await?;
        let (folder, temporary) = match &options.folder {
            Some(folder) => (folder.clone(), None),
            None => {
                let made = tempfile::tempdir();
                let made = made.map_err(|error| StoreError::Storage(error.to_string()))?;
                (made.path().to_owned(), Some(made))
            }
        };
        let places = (&stream, &snapshots);
        let LocalCopy { store, applied, is_fresh } =
            local_copy(&options, &folder, places, &log).await?;
        let is_fresh = Arc::new(AtomicBool::new(is_fresh));
        let former = read_id(&folder);
        let shared = Arc::new(Shared::new(new_id(), applied));
        shared.set_members(store.read(machine::members).await?);
        let follower = LogFollower {
            shared: Arc::clone(&shared),
            stream: stream.clone(),
            store: store.clone(),
            log,
            is_fresh: Arc::clone(&is_fresh),
            marker: folder.join(MARKER),
        };
        let mut tasks = vec![tokio::spawn(follower.run())];
        catch_up(&shared, &stream).await?;
        is_fresh.store(false, Ordering::Relaxed);
        let (proposer, mut sender) =
            Proposer::new(Arc::clone(&shared), context, options.subject(), options.replica.clone());
        sender.join(former).await.map_err(|error| broker("join the other replicas", error))?;
        shared.keep_id(folder.join(ID_FILE));
        let proposer = Arc::new(proposer);
        let commits: Arc<dyn Commit> = Arc::<Proposer>::clone(&proposer);
        let bus = StoreBus::new(store.clone(), Arc::clone(&commits), options.max_backlog).await?;
        let (bus, ledger) = (Arc::new(bus), Arc::new(StoreLedger::new(store.clone(), commits)));
        shared.set_bus(&bus);
        let servers = connect::without_passwords(&options.servers);
        let sending = Mutex::new(Some(tokio::spawn(sender.run())));
        let watchman = Arc::new(Watchman {
            shared,
            proposer: Arc::clone(&proposer),
            store: store.clone(),
            stream: stream.clone(),
            snapshots: snapshots.clone(),
        });
        tasks.push(tokio::spawn(Arc::clone(&watchman).run()));
        tasks.push(tokio::spawn(watchman.cut()));
        Ok(Self {
            store,
            bus,
            ledger,
            proposer,
            stream,
            snapshots,
            sending,
            tasks,
            servers,
            _folder: temporary,
        })
    }

    /// Connects, creates what is missing, and checks it, without joining.
    ///
    /// # Errors
    ///
    /// See [`JetStreamError`].
    pub async fn init(options: &JetStreamOptions) -> Result<LogReport, JetStreamError> {
        report(connect::open(options).await?).await
    }

    /// Connects, and checks what is there.
    ///
    /// # Errors
    ///
    /// See [`JetStreamError`]; what is missing is an error, too.
    pub async fn check(options: &JetStreamOptions) -> Result<LogReport, JetStreamError> {
        report(connect::find(options).await?).await
    }

    /// Makes a snapshot of the state now, and cuts the log before it. The keeper does so by itself when the log is long.
    ///
    /// # Errors
    ///
    /// See [`JetStreamError`].
    pub async fn snapshot(&self) -> Result<(), JetStreamError> {
        snapshot::make(&self.store, &self.stream, &self.snapshots).await.map(drop)
    }

    /// The servers, without passwords.
    pub fn servers(&self) -> &str {
        &self.servers
    }
}

async fn report(places: Places) -> Result<LogReport, JetStreamError> {
    let Places { stream, snapshots, context, .. } = places;
    let info = connect::info(&stream).await?;
    let newest = snapshot::newest(&snapshots).await?;
    Ok(LogReport {
        server: context.client().server_info().version,
        stream: info.config.name,
        copies: info.config.num_replicas,
        bytes: info.state.bytes,
        last: info.state.last_sequence,
        snapshot: newest.map(|found| found.name),
        max_payload: context.client().max_payload(),
    })
}

/// What is at the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogReport {
    /// The version of the server.
    pub server: String,
    /// The stream of the log.
    pub stream: String,
    /// How many servers keep a copy of it.
    pub copies: usize,
    /// Its size in bytes.
    pub bytes: u64,
    /// The number of its last message.
    pub last: u64,
    /// The newest snapshot, if there is one.
    pub snapshot: Option<String>,
    /// The largest message that the server takes, in bytes.
    pub max_payload: usize,
}

impl LogReport {
    /// What makes the state less safe than it could be.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.copies < 3 {
            warnings.push(format!(
                "the number of copies of the state is {}, not 3: if the disk of a server fails, the state can be lost; use three servers and three copies",
                self.copies
            ));
        }
        if self.max_payload < MAX_PAYLOAD {
            warnings.push(format!(
                "`max_payload` is {} bytes: events with larger bodies are refused; set it to 8MB",
                self.max_payload
            ));
        }
        warnings
    }
}

/// The local copy of the state.
struct LocalCopy {
    store: Store,
    /// How much of the log it has.
    applied: u64,
    /// Whether it was made now.
    is_fresh: bool,
}

/// Opens the local copy of the state, or makes one of the newest snapshot.
async fn local_copy(
    options: &JetStreamOptions,
    folder: &Path,
    (stream, snapshots): (&Stream, &ObjectStore),
    log: &str,
) -> Result<LocalCopy, JetStreamError> {
    let marker = folder.join(MARKER);
    if let Ok(why) = std::fs::read_to_string(&marker) {
        tracing::warn!(why, "the local copy of the state is made anew");
        put_aside(folder);
        if let Err(error) = std::fs::remove_file(&marker) {
            tracing::warn!(%error, "the mark of the former copy cannot be removed");
        }
    }
    let store = match open_store(folder, options).await {
        Err(
            error @ (StoreError::Open { .. } | StoreError::Storage(_) | StoreError::Damaged(_)),
        ) if folder.join(FILE_NAME).exists() => {
            tracing::warn!(%error, "the local copy of the state cannot be opened; it is made anew");
            put_aside(folder);
            open_store(folder, options).await?
        }
        opened => opened?,
    };
    let position = store.read(machine::position).await?;
    let applied = position.as_ref().filter(|position| position.log == log);
    let (first, last) =
        connect::range(stream, applied.map_or(0, |position| position.applied)).await?;
    match &position {
        None if !store.is_new() && !is_empty(&store).await? => {
            return Err(JetStreamError::NotShared(folder.display().to_string()));
        }
        None => {}
        Some(Position { log: of, applied }) => {
            let is_same = of == log;
            if is_same && *applied <= last && applied.saturating_add(1) >= first {
                return Ok(LocalCopy { store, applied: *applied, is_fresh: false });
            }
            tracing::warn!(
                applied,
                first,
                last,
                is_same,
                "the local copy of the state does not match the log; fuse renames it to fuse.redb.old and makes a new one"
            );
        }
    }
    let found = connect::patiently(|| snapshot::newest(snapshots)).await?;
    let store = match (&position, found) {
        // It is empty, and the log begins with its first message.
        (None, None) => store,
        (_, found) => {
            store.close().await?;
            put_aside(folder);
            if let Some(found) = found {
                snapshot::download(snapshots, &found, folder).await?;
            }
            open_store(folder, options).await?
        }
    };
    let applied = store.read(machine::position).await?.map_or(0, |position| position.applied);
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
    store.read(crate::bus::queue::read_signal).await.map(|signal| signal.end == 0)
}

async fn open_store(folder: &Path, options: &JetStreamOptions) -> Result<Store, StoreError> {
    let (folder, limits) = (folder.to_owned(), options.limits.clone());
    let opened = tokio::task::spawn_blocking(move || Store::open_with(&folder, limits)).await;
    let store = opened.map_err(|problem| StoreError::Internal(problem.to_string()))??;
    store.commit_lazily();
    Ok(store)
}

/// Renames a copy that does not fit the log. It may be the last one, if somebody removed the stream.
fn put_aside(folder: &Path) {
    let file = folder.join(FILE_NAME);
    if file.exists()
        && let Err(error) = std::fs::rename(&file, folder.join(format!("{FILE_NAME}.old")))
    {
        tracing::warn!(%error, "the old copy of the state cannot be put aside");
    }
}

/// The id of the replica that used this folder last. It has ended, since the folder is not locked.
fn read_id(folder: &Path) -> Option<String> {
    let id = std::fs::read_to_string(folder.join(ID_FILE)).ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// Waits until everything is applied that the log has now.
async fn catch_up(shared: &Shared, stream: &Stream) -> Result<(), JetStreamError> {
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

#[async_trait]
impl Backend for JetStream {
    fn bus(&self) -> Arc<dyn Bus> {
        Arc::<StoreBus>::clone(&self.bus)
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::<StoreLedger>::clone(&self.ledger)
    }

    async fn copy(&self) -> Result<Option<File>, BackendError> {
        Ok(Some(self.store.copy().await?))
    }

    async fn close(&self) -> Result<(), BackendError> {
        let sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sending) = sending {
            let left = async {
                // An error means that it has ended already.
                let _ = self.proposer.leave().await;
                sending.await
            };
            if tokio::time::timeout(LEAVE_TIME, left).await.is_err() {
                tracing::warn!("the broker does not answer; the other replicas take over later");
            }
        }
        for task in &self.tasks {
            task.abort();
        }
        Ok(self.store.close().await?)
    }
}

impl Drop for JetStream {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
