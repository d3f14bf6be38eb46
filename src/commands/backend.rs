//! How to reach the state that replicas share.

use std::path::Path;

use fuse_runtime::backend::{JetStreamOptions, Login};
use fuse_runtime::secrets::{Secret, SecretRef, Secrets};
use fuse_runtime::store::SizeLimits;
use fuse_runtime::{BackendConfig, Config};

/// The options of the backend, with a local copy in the folder `state`.
pub(super) async fn options(
    backend: &BackendConfig,
    config: &Config,
    secrets: &Secrets,
    state: &Path,
) -> Result<JetStreamOptions, String> {
    let BackendConfig { url, name, copies, user, ca_file, client_cert, client_key, .. } = backend;
    let url = url.as_deref().ok_or("`[backend]` has no `url`")?;
    Ok(JetStreamOptions {
        name: name.clone(),
        copies: *copies,
        login: login(backend, user.as_deref(), secrets).await?,
        ca_file: ca_file.clone(),
        client_cert: client_cert.clone().zip(client_key.clone()),
        folder: Some(state.to_owned()),
        limits: SizeLimits { max_size: config.state.max_size, min_free: config.state.min_free },
        max_backlog: config.state.max_backlog,
        ..JetStreamOptions::new(url)
    })
}

async fn login(
    backend: &BackendConfig,
    user: Option<&str>,
    secrets: &Secrets,
) -> Result<Login, String> {
    let BackendConfig { password, token, nkey, credentials, .. } = backend;
    Ok(match (user, password, token, nkey, credentials) {
        (Some(user), Some(password), ..) => {
            Login::Password(user.to_owned(), read(secrets, "password", password).await?)
        }
        (_, _, Some(token), ..) => Login::Token(read(secrets, "token", token).await?),
        (_, _, _, Some(seed), _) => Login::NKey(read(secrets, "nkey", seed).await?),
        (.., Some(content)) => Login::Credentials(read(secrets, "credentials", content).await?),
        _ => Login::None,
    })
}

async fn read(secrets: &Secrets, what: &str, place: &SecretRef) -> Result<Secret, String> {
    let read = secrets.read(place).await;
    read.map_err(|error| format!("`{what}` in `[backend]`: {error}"))
}
