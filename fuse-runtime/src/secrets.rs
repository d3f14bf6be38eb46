//! Secrets that sources and triggers read by reference.
//!
//! Rules name where a secret is kept, never the secret itself: a field of the type
//! [`FieldType::Secret`](fuse_rules::schema::FieldType::Secret) holds a [`SecretRef`]. A [`SecretStore`] reads it.
//!
//! ```
//! use fuse_runtime::secrets::{SecretRef, Secrets};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let field = serde_json::json!({ "env": { "name": "CARGO_PKG_NAME" } });
//! let reference: SecretRef = serde_json::from_value(field)?;
//! let secret = Secrets::local().read(&reference).await?;
//! assert_eq!(secret.expose(), "fuse-runtime");
//! assert_eq!(format!("{secret:?}"), "Secret(..)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base64;
mod local;
mod reader;
mod secret_texts;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

pub(crate) use base64::secret_from_base64;
pub use local::LocalSecrets;
pub(crate) use local::secret_from_bytes;
use reader::BegunReads;
pub(crate) use reader::ReadSecrets;
pub(crate) use secret_texts::SecretTexts;

/// Where a secret is kept: `env("NAME")`, `file("/path")` or `secret("name", "key")` in rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SecretRef {
    /// An environment variable of the process.
    Env {
        /// The variable's name.
        name: String,
    },
    /// A file, such as a mounted Kubernetes Secret.
    File {
        /// The file's path.
        path: PathBuf,
    },
    /// A key of a named secret, such as a Kubernetes Secret.
    Secret {
        /// The secret's name.
        name: String,
        /// The key.
        key: String,
    },
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env { name } => write!(f, "environment variable `{name}`"),
            Self::File { path } => write!(f, "file `{}`", path.display()),
            Self::Secret { name, key } => write!(f, "key `{key}` of secret `{name}`"),
        }
    }
}

/// A secret's value. Its debug form does not show it, comparing two takes the same time wherever they differ, and its
/// memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value. Do not log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a secret cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There is no such secret.
    #[error("{0} is not set")]
    Missing(SecretRef),
    /// There is no such secret in a store that knows what is missing.
    #[error("{reference} is not set: {why}")]
    Absent {
        /// The secret.
        reference: SecretRef,
        /// What is missing, and where.
        why: String,
    },
    /// The secret is empty or contains only white space, so it would protect nothing.
    #[error("{0} is empty")]
    Empty(SecretRef),
    /// Its value does not have the required form.
    #[error("{reference} is not {expected}")]
    Malformed {
        /// The secret.
        reference: SecretRef,
        /// The required form, such as `base64`.
        expected: &'static str,
    },
    /// The store does not read secrets of this kind.
    #[error(
        "{0} cannot be read: fuse acts on no cluster, and no folder of secrets is configured (`dir` in `[secrets]` of fuse.toml)"
    )]
    Unsupported(SecretRef),
    /// Reading it failed.
    #[error("{reference} cannot be read: {source}")]
    Io {
        /// The secret.
        reference: SecretRef,
        /// The cause.
        source: Arc<std::io::Error>,
    },
}

impl SecretError {
    /// Reading a secret failed.
    pub fn io(reference: &SecretRef, error: std::io::Error) -> Self {
        Self::Io { reference: reference.clone(), source: Arc::new(error) }
    }
}

/// Reads secrets. Object-safe; [`Secrets`] holds one.
#[async_trait]
pub trait SecretStore: Send + Sync + 'static {
    /// Reads a secret as it is now: a rotated one has its new value.
    ///
    /// # Errors
    /// There is no such secret, or it cannot be read.
    async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError>;
}

/// The secrets that a runtime gives to its sources and triggers. Cheap to clone.
#[derive(Clone)]
pub struct Secrets {
    store: Arc<dyn SecretStore>,
    begun: Arc<BegunReads>,
}

impl Secrets {
    /// Reads secrets from a store.
    pub fn new(store: impl SecretStore) -> Self {
        Self { store: Arc::new(store), begun: Arc::default() }
    }

    /// Reads environment variables and files of this process, but no named secrets; see [`LocalSecrets`].
    pub fn local() -> Self {
        Self::new(LocalSecrets::new())
    }

    /// Reads from a map, for tests.
    pub fn from_map(secrets: BTreeMap<SecretRef, String>) -> Self {
        Self::new(Memory(secrets))
    }

    /// Reads a secret as it is now.
    ///
    /// # Errors
    /// There is no such secret, or it cannot be read.
    pub async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        self.store.read(reference).await
    }
}

#[async_trait]
impl SecretStore for Secrets {
    async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        self.store.read(reference).await
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

struct Memory(BTreeMap<SecretRef, String>);

#[async_trait]
impl SecretStore for Memory {
    async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let value = self.0.get(reference).map(|value| Secret::new(value.as_str()));
        value.ok_or_else(|| SecretError::Missing(reference.clone()))
    }
}
