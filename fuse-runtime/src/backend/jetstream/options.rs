//! How to reach the broker, and what to use there.

use std::fmt;
use std::path::PathBuf;

use crate::backend::Embedded;
use crate::secrets::Secret;
use crate::store::SizeLimits;

/// How a [`JetStream`](super::JetStream) backend reaches its servers, and what it uses there.
///
/// ```
/// use fuse_runtime::backend::JetStreamOptions;
///
/// let options = JetStreamOptions::new("nats://nats-0:4222,nats://nats-1:4222");
/// assert_eq!((options.name.as_str(), options.copies), ("fuse", 3));
/// ```
#[derive(Clone, Debug)]
pub struct JetStreamOptions {
    /// The URLs of the servers, with commas between them. One is enough: it names the others.
    pub servers: String,
    /// What the stream and the subjects are called: `fuse` for `FUSE_LOG`, `FUSE_SNAPSHOTS` and `fuse.log`. The replicas
    /// with the same name on the same servers share one state.
    pub name: String,
    /// How many servers keep a copy of the log. A single server keeps one.
    pub copies: usize,
    /// How to log in.
    pub login: Login,
    /// A file with certificates of authorities, beyond the well-known ones.
    pub ca_file: Option<PathBuf>,
    /// Files with the certificate and the key of this client.
    pub client_cert: Option<(PathBuf, PathBuf)>,
    /// The folder of the local copy of the state. A temporary one without it.
    pub folder: Option<PathBuf>,
    /// The limits of the local copy.
    pub limits: SizeLimits,
    /// How many events may wait until new ones are refused.
    pub max_backlog: u64,
    /// What people call this replica.
    pub replica: String,
}

impl JetStreamOptions {
    /// Three copies under the name `fuse`, without a login, with a temporary local copy.
    pub fn new(servers: impl Into<String>) -> Self {
        Self {
            servers: servers.into(),
            name: "fuse".to_owned(),
            copies: 3,
            login: Login::None,
            ca_file: None,
            client_cert: None,
            folder: None,
            limits: SizeLimits::default(),
            max_backlog: Embedded::DEFAULT_MAX_BACKLOG,
            replica: host_name(),
        }
    }

    /// The subject of the log.
    pub fn subject(&self) -> String {
        format!("{}.log", self.name)
    }

    /// The stream of the log.
    pub fn stream(&self) -> String {
        format!("{}_LOG", self.name.to_uppercase())
    }

    /// The object store of the snapshots.
    pub fn bucket(&self) -> String {
        format!("{}_SNAPSHOTS", self.name.to_uppercase())
    }
}

/// How to log in to NATS.
#[derive(Clone, Default)]
pub enum Login {
    /// Not at all, or with what the URL has.
    #[default]
    None,
    /// A name and a password.
    Password(String, Secret),
    /// A token.
    Token(Secret),
    /// The seed of an nkey.
    NKey(Secret),
    /// The content of a `.creds` file: a JWT and the seed of its nkey.
    Credentials(Secret),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Password(..) => "Password",
            Self::Token(_) => "Token",
            Self::NKey(_) => "NKey",
            Self::Credentials(_) => "Credentials",
        })
    }
}

/// The name of this machine, or of the pod.
fn host_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}
