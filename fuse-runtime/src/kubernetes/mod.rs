//! A Kubernetes cluster: connecting, reading, changing objects exactly once, and following them.
//!
//! The crate kube provides the connection (TLS, credentials, kubeconfig). Its own retries are off: the engine
//! decides what to retry and when, so this module classifies every answer.
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
mod secrets;
pub(crate) mod stop;
mod submit;
mod tokens;
mod triggers;
mod watch;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};

use crate::error_causes::with_causes;
pub use crate::requirements::{Need, Permission, Scope};
pub use triggers::Submit;

pub(crate) use change::{Change, FromCronJob, Operation, Patch, Propagation, Target};
pub use doctor::{Finding, Report, examine, examine_for};
pub use kinds::Kind;
pub use needs::{RuleNeed, needs};
pub use secrets::ClusterSecrets;
pub use tokens::ClusterTokens;

pub(crate) use refusal::Refusal;
pub(crate) use watch::{Followed, Seen};

/// How long one request may take. A healthy server answers each request of fuse much faster.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which cluster to connect to, and as which user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The kubeconfig. The default is `KUBECONFIG`, then `~/.kube/config`, then the service account of
    /// the pod.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context. The default is the current one.
    pub context: Option<String>,
    /// The user to impersonate, as in `system:serviceaccount:fuse:fuse`. By default fuse acts as the user of
    /// the kubeconfig.
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
    namespace: String,
    timeout: Duration,
    /// The results of discovery, by API version and kind.
    kinds: RwLock<HashMap<(String, String), Kind>>,
}

/// Why a connection cannot be configured. Nothing is sent yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no usable configuration.
    #[error("no cluster to act on: {0}")]
    Config(String),
    /// The configuration exists, but cannot be used.
    #[error("the cluster's configuration cannot be used: {0}")]
    Client(String),
}

impl Cluster {
    /// Reads the configuration. The connection opens with the first request.
    ///
    /// # Errors
    /// No configuration, or one that cannot be used.
    pub async fn connect(access: &Access) -> Result<Self, ConnectError> {
        // A credentials plugin runs here, and may hang.
        let (access, runtime) = (access.clone(), tokio::runtime::Handle::current());
        let connecting =
            tokio::task::spawn_blocking(move || runtime.block_on(Self::connect_now(&access)));
        match tokio::time::timeout(REQUEST_TIMEOUT, connecting).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => Err(ConnectError::Client(format!("it was interrupted: {error}"))),
            Err(_) => Err(ConnectError::Client(format!(
                "the credentials did not arrive within {} s",
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

    /// A connection with your own configuration. Turn its `default_retry` off: the engine retries, and two
    /// layers of retries wait far too long.
    ///
    /// # Errors
    /// A configuration that cannot be used, as with a broken certificate.
    pub fn new(config: Config) -> Result<Self, ConnectError> {
        let namespace = config.default_namespace.clone();
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client =
            Client::try_from(config).map_err(|error| ConnectError::Client(with_causes(&error)))?;
        let kinds = RwLock::default();
        let inner = Inner { client, url, namespace, timeout: REQUEST_TIMEOUT, kinds };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The address of the API server.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The namespace that the process works in: that of its pod, or of the kubeconfig's context.
    pub fn namespace(&self) -> &str {
        &self.inner.namespace
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
            ConnectError::Config(format!("{}: {}", path.display(), with_causes(&error)))
        };
        let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
        return Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(failed);
    }
    match Config::from_kubeconfig(&options).await {
        Ok(config) => Ok(config),
        // A pod has no kubeconfig. Elsewhere, one that was asked for must exist.
        Err(error) if is_none(&error) && access.context.is_none() => {
            Config::incluster().map_err(|_| ConnectError::Config(NO_CONFIG.into()))
        }
        Err(error) => Err(ConnectError::Config(with_causes(&error))),
    }
}

const NO_CONFIG: &str = "there is no kubeconfig in ~/.kube/config, KUBECONFIG names none, and this \
    process does not run in a cluster; name one with `--kubeconfig`";

/// Whether no kubeconfig exists and none was asked for.
fn is_none(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(error, _) => {
            error.kind() == std::io::ErrorKind::NotFound && std::env::var_os("KUBECONFIG").is_none()
        }
        _ => false,
    }
}
