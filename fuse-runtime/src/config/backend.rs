//! `[backend]`: where the state is shared.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::admin::secret;
use crate::secrets::SecretRef;

/// `[backend]`: where several replicas share the state. Without it, the state belongs to one process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackendConfig {
    /// What keeps the state: `embedded`, or `jetstream` if there is a `url`.
    pub kind: Option<BackendKind>,
    /// The URLs of the NATS servers, as in `nats://nats:4222`, with commas between them. The default is none.
    pub url: Option<String>,
    /// What the stream and the subjects are called: `fuse`. Replicas with the same name share one state.
    pub name: String,
    /// How many NATS servers keep a copy of the state: 3. A server that stands alone keeps one.
    pub copies: usize,
    /// The name to log in with, together with `password`. The default is none.
    pub user: Option<String>,
    /// Where the password is kept: `{ file = "/path" }`, `{ env = "NAME" }` or `{ secret = "NAME", key = "KEY" }`.
    #[serde(deserialize_with = "place")]
    pub password: Option<SecretRef>,
    /// The same of a token.
    #[serde(deserialize_with = "place")]
    pub token: Option<SecretRef>,
    /// The same of the seed of an nkey.
    #[serde(deserialize_with = "place")]
    pub nkey: Option<SecretRef>,
    /// The same of the content of a `.creds` file.
    #[serde(deserialize_with = "place")]
    pub credentials: Option<SecretRef>,
    /// A file with certificates of authorities, beyond the well-known ones. The default is none.
    pub ca_file: Option<PathBuf>,
    /// A file with the certificate of this client, together with `client_key`. The default is none.
    pub client_cert: Option<PathBuf>,
    /// A file with the key of that certificate. The default is none.
    pub client_key: Option<PathBuf>,
}

/// What keeps the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// A database and its journal in the state folder.
    Embedded,
    /// A stream of NATS JetStream.
    JetStream,
}

impl Default for BackendConfig {
    fn default() -> Self {
        Self {
            kind: None,
            url: None,
            name: "fuse".to_owned(),
            copies: 3,
            user: None,
            password: None,
            token: None,
            nkey: None,
            credentials: None,
            ca_file: None,
            client_cert: None,
            client_key: None,
        }
    }
}

impl BackendConfig {
    /// What is wrong with it, if anything is.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let valid = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let logins = [&self.password, &self.token, &self.nkey, &self.credentials];
        if self.kind == Some(BackendKind::JetStream) && self.url.is_none() {
            Some("`kind = \"jetstream\"` needs a `url`, as in `nats://nats:4222`")
        } else if self.kind == Some(BackendKind::Embedded) && self.url.is_some() {
            Some("`kind = \"embedded\"` has no `url`")
        } else if !valid(&self.name) {
            Some("`name` may have letters, digits and `-`")
        } else if !(1..=5).contains(&self.copies) {
            Some("`copies` is 1 to 5")
        } else if self.user.is_some() != self.password.is_some() {
            Some("`user` and `password` belong together")
        } else if self.client_cert.is_some() != self.client_key.is_some() {
            Some("`client_cert` and `client_key` belong together")
        } else if logins.into_iter().flatten().count() > 1 {
            Some("set one of `password`, `token`, `nkey` and `credentials`")
        } else {
            None
        }
    }
}

fn place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretRef>, D::Error> {
    secret(deserializer, "`[backend]`").map(Some)
}
