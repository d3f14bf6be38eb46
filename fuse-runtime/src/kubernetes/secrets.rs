//! Named secrets from a cluster: each is watched as long as somebody reads it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::BASE64;
use futures_util::StreamExt as _;
use kube::Api;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::watcher::watch_object;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::Cluster;
use super::watch::{is_forbidden, reason};
use crate::log_limit::LogLimit;
use crate::secrets::{
    LocalSecrets, Secret, SecretError, SecretRef, SecretStore, secret_from_bytes,
};

/// How long a secret is watched after it was last read.
const UNREAD_FOR: Duration = Duration::from_secs(60);
/// How many keys of a Secret an error names.
const MAX_NAMED_KEYS: usize = 10;
/// How often a watch checks whether its Secret is still read.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// How long to wait before a watch that failed is restarted.
const RESTART_DELAY: Duration = Duration::from_secs(2);

/// Reads `secret("NAME", "KEY")` from the Secret of this name in one namespace of a cluster, and environment variables
/// and files from this machine. A Secret is watched, so a changed one is known at once. While the cluster cannot be
/// reached, the last known values stay in use.
#[derive(Clone)]
pub struct ClusterSecrets {
    shared: Arc<SharedSecrets>,
    local: LocalSecrets,
}

struct SharedSecrets {
    cluster: Cluster,
    namespace: String,
    watched: Mutex<BTreeMap<String, WatchedSecret>>,
}

struct WatchedSecret {
    content: watch::Receiver<SecretContent>,
    last_read: Instant,
}

/// What is known about a Secret.
#[derive(Clone)]
enum SecretContent {
    /// Nothing yet.
    Unknown,
    Missing,
    /// Its keys with their values.
    Keys(Arc<BTreeMap<String, Zeroizing<Vec<u8>>>>),
    /// It could not be read; why.
    Failed(Arc<str>),
}

impl ClusterSecrets {
    /// Reads Secrets of this namespace.
    pub fn new(cluster: Cluster, namespace: impl Into<String>) -> Self {
        let namespace = namespace.into();
        let shared = SharedSecrets { cluster, namespace, watched: Mutex::default() };
        Self { shared: Arc::new(shared), local: LocalSecrets::new() }
    }
}

impl std::fmt::Debug for ClusterSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let namespace = &self.shared.namespace;
        f.debug_struct("ClusterSecrets").field("namespace", namespace).finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretStore for ClusterSecrets {
    async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let SecretRef::Secret { name, key } = reference else {
            return self.local.read(reference).await;
        };
        let absent = |why: String| SecretError::Absent { reference: reference.clone(), why };
        let failed = |why: &str| SecretError::io(reference, std::io::Error::other(why.to_owned()));
        let mut content = self.shared.watched(name);
        let known = content.wait_for(|content| !matches!(content, SecretContent::Unknown)).await;
        // The store is still here, so the watch ended because its first answer takes too long.
        let known = known.map_err(|_ended| failed("the API server does not answer"))?.clone();
        match known {
            SecretContent::Unknown | SecretContent::Missing => {
                let namespace = &self.shared.namespace;
                Err(absent(format!("there is no Secret `{name}` in the namespace `{namespace}`")))
            }
            SecretContent::Failed(why) => Err(failed(&why)),
            SecretContent::Keys(keys) => {
                let value = keys.get(key).ok_or_else(|| absent(without_key(&keys)))?;
                secret_from_bytes(value.to_vec(), reference)
            }
        }
    }
}

impl SharedSecrets {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, WatchedSecret>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known about a Secret. Starts to watch it, if nobody does.
    fn watched(self: &Arc<Self>, name: &str) -> watch::Receiver<SecretContent> {
        let mut watched = self.locked();
        let entry = watched.entry(name.to_owned()).or_insert_with(|| {
            let (sender, content) = watch::channel(SecretContent::Unknown);
            let following = follow(Arc::downgrade(self), name.to_owned(), sender);
            tokio::spawn(following);
            WatchedSecret { content, last_read: Instant::now() }
        });
        entry.last_read = Instant::now();
        entry.content.clone()
    }

    /// Whether a watch is still needed. If not, it is forgotten.
    fn is_read(&self, name: &str) -> bool {
        let mut watched = self.locked();
        let is_read = watched.get(name).is_some_and(|entry| entry.last_read.elapsed() < UNREAD_FOR);
        if !is_read {
            watched.remove(name);
        }
        is_read
    }

    fn api(&self) -> Api<DynamicObject> {
        let resource = ApiResource {
            group: String::new(),
            version: "v1".into(),
            api_version: "v1".into(),
            kind: "Secret".into(),
            plural: "secrets".into(),
        };
        Api::namespaced_with(self.cluster.client().clone(), &self.namespace, &resource)
    }
}

/// Watches one Secret until the store is gone or nobody reads it.
async fn follow(store: Weak<SharedSecrets>, name: String, content: watch::Sender<SecretContent>) {
    let mut check = tokio::time::interval(CHECK_EVERY);
    loop {
        let Some(api) = store.upgrade().map(|store| store.api()) else { return };
        let mut seen = pin!(watch_object(api, &name));
        loop {
            let seen = tokio::select! {
                seen = seen.next() => seen,
                _ = check.tick() => match store.upgrade() {
                    Some(store) if store.is_read(&name) => continue,
                    _ => return,
                },
            };
            let next = match seen {
                Some(Ok(None)) => SecretContent::Missing,
                Some(Ok(Some(object))) => SecretContent::Keys(Arc::new(keys(&object))),
                Some(Err(error)) => {
                    static LIMIT: LogLimit = LogLimit::new();
                    let why = match is_forbidden(&error) {
                        true => format!("{}: grant it as `fuse rbac` prints", reason(&error)),
                        false => reason(&error),
                    };
                    if let Some(left_out) = LIMIT.pass() {
                        tracing::warn!(left_out, secret = name, why, "cannot watch a Secret");
                    }
                    content.send_if_modified(|content| {
                        // What is known stays in use, as a mounted file would.
                        let is_known =
                            matches!(content, SecretContent::Keys(_) | SecretContent::Missing);
                        if !is_known {
                            *content = SecretContent::Failed(why.as_str().into());
                        }
                        !is_known
                    });
                    break;
                }
                None => break,
            };
            content.send_replace(next);
        }
        tokio::time::sleep(RESTART_DELAY).await;
    }
}

/// Why a Secret has no value for a key.
fn without_key(keys: &BTreeMap<String, Zeroizing<Vec<u8>>>) -> String {
    let known: Vec<String> =
        keys.keys().take(MAX_NAMED_KEYS).map(|key| format!("`{key}`")).collect();
    match known.as_slice() {
        [] => "the Secret has no keys".to_owned(),
        known => format!("the Secret has {}", known.join(", ")),
    }
}

/// The keys of a Secret. A value that is not base64, which the API server refuses, is left out.
fn keys(object: &DynamicObject) -> BTreeMap<String, Zeroizing<Vec<u8>>> {
    let data = object.data.get("data").and_then(Value::as_object);
    let decoded = data.into_iter().flatten().filter_map(|(key, value)| {
        Some((key.clone(), Zeroizing::new(BASE64.decode(value.as_str()?.as_bytes()).ok()?)))
    });
    decoded.collect()
}
