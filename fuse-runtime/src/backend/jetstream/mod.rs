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
//! | `options.rs`, `connect.rs`, `report.rs`, `permissions.rs` | reaches the servers, creates and checks the stream |
//! | `frame.rs` | the messages of the log |
//! | `machine.rs` | what they do to the state: members, owners, and the changes themselves |
//! | `propose.rs` | sends changes, in batches |
//! | `copy.rs` | opens the local copy of the state, or makes one |
//! | `follow.rs`, `others.rs` | applies what comes back, and tells the engine what others did |
//! | `watch.rs` | declares replicas dead; tells the keeper when a snapshot is due |
//! | `snapshot.rs` | copies of the state, so that the log can be cut |
//! | `migrate.rs` | moves a state from a folder to the broker, and back |

mod connect;
mod copy;
mod error;
mod follow;
mod frame;
mod machine;
mod migrate;
mod options;
mod others;
mod permissions;
mod propose;
mod report;
mod shared;
mod snapshot;
mod watch;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream::Stream;
use async_trait::async_trait;
use tempfile::TempDir;
use tokio::task::{JoinHandle, JoinSet};

use super::{Backend, BackendError};
use crate::bus::{Bus, StoreBus};
use crate::change::Commit;
use crate::ledger::{Ledger, StoreLedger};
use crate::store::{Store, StoreError};

pub use error::JetStreamError;
pub use migrate::{export, import};
pub use options::{JetStreamOptions, Login};
pub use permissions::permissions;
pub use report::LogReport;

use connect::Places;
use copy::{ID_FILE, LocalCopy, MARKER, catch_up, open_copy, read_id};
use error::broker;
use follow::LogFollower;
use propose::{Proposer, new_id};
use shared::Shared;
use watch::Watchman;

/// How long closing waits for what is on its way.
const LEAVE_TIME: Duration = Duration::from_secs(12);

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
    /// They end with the backend.
    tasks: Mutex<JoinSet<()>>,
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
            open_copy(&options, &folder, places, &log).await?;
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
        let mut tasks = JoinSet::new();
        tasks.spawn(follower.run());
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
        tasks.spawn(Arc::clone(&watchman).run());
        tasks.spawn(watchman.make_snapshots());
        Ok(Self {
            store,
            bus,
            ledger,
            proposer,
            stream,
            snapshots,
            sending,
            tasks: Mutex::new(tasks),
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
        report::read(connect::open(options).await?).await
    }

    /// Connects, and checks what is there.
    ///
    /// # Errors
    ///
    /// See [`JetStreamError`]; what is missing is an error, too.
    pub async fn check(options: &JetStreamOptions) -> Result<LogReport, JetStreamError> {
        report::read(connect::find(options).await?).await
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
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        Ok(self.store.close().await?)
    }
}
