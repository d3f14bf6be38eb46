//! `fuse backend`, and how to reach the state that replicas share.

use std::path::{Path, PathBuf};

use fuse_runtime::backend::{
    JetStream, JetStreamOptions, LogReport, Login, export, import, permissions,
};
use fuse_runtime::secrets::{Secret, SecretRef, Secrets};
use fuse_runtime::{BackendConfig, Config};
use serde_json::json;

use super::{Ended, async_runtime, backup, config};
use crate::cli::{
    Backend, BackendCommand, BackendInit, BackendMigrate, BackendPermissions, BackendServer, Format,
};
use crate::{Exit, output};

pub(crate) fn run(arguments: Backend) -> Ended {
    match arguments.command {
        BackendCommand::Init(arguments) => init(arguments),
        BackendCommand::Permissions(arguments) => print_permissions(arguments),
        BackendCommand::Migrate(arguments) => migrate(arguments),
    }
}

/// The options of the broker that the arguments or the configuration name.
async fn options_of(server: BackendServer) -> Result<JetStreamOptions, String> {
    let config = config(server.config)?;
    let mut backend = config.backend.clone();
    backend.url = server.backend.or(backend.url);
    let secrets = Secrets::new(config.secrets.store());
    options(&backend, &config, &secrets, Path::new(".fuse")).await
}

fn init(arguments: BackendInit) -> Ended {
    let BackendInit { server, check, format } = arguments;
    let report = async_runtime()?.block_on(async {
        let options = options_of(server).await?;
        let report = match check {
            true => JetStream::check(&options).await,
            false => JetStream::init(&options).await,
        };
        report.map_err(|error| error.to_string())
    })?;
    let LogReport { server, stream, copies, bytes, last, snapshot, max_payload, .. } = &report;
    let skew = report.skew.map(|skew| skew.as_secs_f64());
    let warnings = report.warnings();
    output::print(&match format {
        Format::Json => {
            let report = json!({
                "server": server, "stream": stream, "copies": copies, "bytes": bytes, "messages": last,
                "snapshot": snapshot, "max_payload": max_payload, "api_level": report.api_level,
                "behind": report.behind, "compressed": report.is_compressed, "room": report.room, "skew_seconds": skew, "warnings": warnings,
            });
            format!("{report}\n")
        }
        Format::Text => {
            let snapshot = snapshot.as_deref().unwrap_or("none");
            let copies =
                if *copies == 1 { "1 copy".to_owned() } else { format!("{copies} copies") };
            let warnings: String = warnings.iter().map(|one| format!("warning: {one}\n")).collect();
            format!(
                "nats-server {server}\nstream {stream}: {copies}, message {last}, {bytes} bytes\nnewest snapshot: {snapshot}\n{warnings}"
            )
        }
    });
    Ok(if warnings.is_empty() { Exit::Clean } else { Exit::Problems })
}

fn print_permissions(arguments: BackendPermissions) -> Ended {
    let config = config(arguments.config)?;
    let mut options = JetStreamOptions::new("");
    options.name = config.backend.name;
    output::print(&permissions(&options));
    Ok(Exit::Clean)
}

fn migrate(arguments: BackendMigrate) -> Ended {
    let BackendMigrate { server, from, to, format } = arguments;
    let (moved, report) = async_runtime()?.block_on(async {
        let options = options_of(server).await?;
        let (place, report): (PathBuf, _) = match (from, to) {
            (Some(from), _) => (from.clone(), import(&from, &options).await),
            (None, Some(to)) => (to.clone(), export(&options, &to).await),
            // clap requires one of them.
            (None, None) => return Err("`--from` or `--to` is missing".to_owned()),
        };
        let report = report.map_err(|error| error.to_string())?;
        Ok((place, report))
    })?;
    backup::print_report(&moved.display().to_string(), &report, format)
}

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
        limits: config.state.limits(),
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
