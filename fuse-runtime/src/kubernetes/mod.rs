//! A Kubernetes cluster: connecting to it, asking it, changing objects once, following them.
//!
//! The connection (TLS, credentials, kubeconfig) is kube's. Its own retries are off: what is tried
//! again, and when, is the engine's to decide, so every answer is told apart here.
//!
//! ```no_run
//! use fuse_rules::Ruleset;
//! use fuse_runtime::kubernetes::{Access, Cluster, examine, needs};
//! use fuse_runtime::triggers::Triggers;
//!
//! # async fn run(ruleset: Ruleset) -> Result<(), fuse_runtime::kubernetes::ConnectError> {
//! let cluster = Cluster::connect(&Access::default()).await?;
//! let triggers = Triggers::cluster(cluster.clone());
//! for problem in examine(&cluster, &needs(&ruleset, &triggers)).await.problems {
//!     println!("{}: {}", problem.what, problem.fix);
//! }
//! # Ok(())
//! # }
//! ```

mod call;
mod change;
mod doctor;
mod kinds;
mod marks;
mod needs;
pub mod rbac;
mod refusal;
mod submit;
mod triggers;
mod watch;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};

pub use crate::requirements::{Need, Permission, Place};
pub use triggers::Submit;

pub(crate) use change::{Change, FromCronJob, Operation, Patch, Propagation, Target};
pub use doctor::{Finding, Report, examine, examine_for};
pub use kinds::Kind;
pub use needs::{RuleNeed, needs};

pub(crate) use refusal::Refusal;
pub(crate) use watch::{Followed, Seen};

/// How long one request may take. Nothing that fuse asks for takes a healthy server that long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which cluster, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The kubeconfig. Where it is left out: `KUBECONFIG`, else `~/.kube/config`, else the service
    /// account of the pod.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context. Where it is left out: the current one.
    pub context: Option<String>,
    /// The user to impersonate, as in `system:serviceaccount:fuse:fuse`; one's own where it is left
    /// out.
    pub acting_as: Option<String>,
}

/// A connection to a cluster. Cheap to clone; opened when it is first used.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    url: String,
    timeout: Duration,
    /// What discovery found: by API version and kind.
    kinds: RwLock<HashMap<(String, String), Kind>>,
}

/// Why a cluster cannot be connected to, before anything is sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no usable configuration.
    #[error("no cluster to act on: {0}")]
    Config(String),
    /// The configuration is there, but no connection can be made of it.
    #[error("the cluster's configuration cannot be used: {0}")]
    Client(String),
}

impl Cluster {
    /// Reads the configuration. Whether the cluster answers shows when it is first asked.
    ///
    /// # Errors
    /// No configuration, or one that cannot be used.
    pub async fn connect(access: &Access) -> Result<Self, ConnectError> {
        // A plugin that gets the credentials runs here, and may hang.
        let (access, runtime) = (access.clone(), tokio::runtime::Handle::current());
        let connecting =
            tokio::task::spawn_blocking(move || runtime.block_on(Self::connect_now(&access)));
        match tokio::time::timeout(REQUEST_TIMEOUT, connecting).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => Err(ConnectError::Client(format!("it was cut short: {error}"))),
            Err(_) => Err(ConnectError::Client(format!(
                "the credentials did not come within {} s",
                REQUEST_TIMEOUT.as_secs()
            ))),
        }
    }

    async fn connect_now(access: &Access) -> Result<Self, ConnectError> {
        let mut config = config(access).await?;
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        if access.acting_as.is_some() {
            config.auth_info.impersonate.clone_from(&access.acting_as);
        }
        Self::new(config)
    }

    /// A connection with a configuration of one's own. Its `default_retry` should be off: an engine
    /// that retries what retries by itself waits far too long.
    ///
    /// # Errors
    /// A configuration that cannot be used, as with a broken certificate.
    pub fn new(config: Config) -> Result<Self, ConnectError> {
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client =
            Client::try_from(config).map_err(|error| ConnectError::Client(in_full(&error)))?;
        let kinds = RwLock::default();
        let inner = Inner { client, url, timeout: REQUEST_TIMEOUT, kinds };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The address of the API server.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    pub(crate) fn client(&self) -> &Client {
        &self.inner.client
    }

    fn known(&self, api_version: &str, kind: &str) -> Option<Kind> {
        let kinds = self.inner.kinds.read().unwrap_or_else(PoisonError::into_inner);
        kinds.get(&(api_version.to_owned(), kind.to_owned())).cloned()
    }

    fn remember(&self, kind: Kind) {
        let mut kinds = self.inner.kinds.write().unwrap_or_else(PoisonError::into_inner);
        kinds.insert((kind.api_version().to_owned(), kind.kind().to_owned()), kind);
    }

    fn forget(&self, kind: &Kind) {
        let mut kinds = self.inner.kinds.write().unwrap_or_else(PoisonError::into_inner);
        kinds.remove(&(kind.api_version().to_owned(), kind.kind().to_owned()));
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("url", &self.inner.url).finish_non_exhaustive()
    }
}

async fn config(access: &Access) -> Result<Config, ConnectError> {
    let options = KubeConfigOptions { context: access.context.clone(), ..Default::default() };
    if let Some(path) = &access.kubeconfig {
        let failed = |error: KubeconfigError| {
            ConnectError::Config(format!("{}: {}", path.display(), in_full(&error)))
        };
        let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
        return Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(failed);
    }
    match Config::from_kubeconfig(&options).await {
        Ok(config) => Ok(config),
        // In a pod there is none; elsewhere one that is asked for must be there.
        Err(error) if is_none(&error) && access.context.is_none() => {
            Config::incluster().map_err(|_| ConnectError::Config(NO_CONFIG.into()))
        }
        Err(error) => Err(ConnectError::Config(in_full(&error))),
    }
}

const NO_CONFIG: &str = "there is no kubeconfig in ~/.kube/config, KUBECONFIG names none, and this is \
    no pod of a cluster; name one with `--kubeconfig`";

/// Whether there is simply no kubeconfig.
fn is_none(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(error, _) => {
            error.kind() == std::io::ErrorKind::NotFound && std::env::var_os("KUBECONFIG").is_none()
        }
        _ => false,
    }
}

/// An error with all that caused it, each said once.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}
