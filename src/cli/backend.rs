//! The arguments of `fuse backend`: the state that replicas share.

#![allow(rustdoc::broken_intra_doc_links, reason = "help texts name sections of fuse.toml")]

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;

/// Prepare, check and move a state that replicas share over NATS JetStream
///
/// The login and the name of the state are those of [backend] in fuse.toml; --backend can name other servers.
#[derive(Debug, Args)]
pub(crate) struct Backend {
    #[command(subcommand)]
    pub(crate) command: BackendCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackendCommand {
    Init(BackendInit),
    Permissions(BackendPermissions),
    Migrate(BackendMigrate),
}

/// How to reach the broker.
#[derive(Debug, Args)]
pub(crate) struct BackendServer {
    /// The NATS servers, as in nats://nats:4222 [default: `url` in [backend] of fuse.toml]
    #[arg(long, value_name = "URL")]
    pub(crate) backend: Option<String>,

    /// The configuration file [default: fuse.toml, if it exists]
    // After the options of the subcommand.
    #[arg(long, value_name = "FILE", display_order = 100)]
    pub(crate) config: Option<PathBuf>,
}

/// Create what fuse needs at the broker, and check it
///
/// Creates the stream of the log and the object store of the snapshots if they are missing, as `fuse run` does. What exists
/// is never changed. Prints what is there, and warns about what makes it less safe.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse backend init --backend nats://127.0.0.1:4222
  fuse backend init --check --format json

Exit codes: 0 ready, 1 ready with warnings, 2 wrong usage, or the broker cannot be used as it is")]
pub(crate) struct BackendInit {
    #[command(flatten)]
    pub(crate) server: BackendServer,

    /// Create nothing: what is missing is an error
    #[arg(long)]
    pub(crate) check: bool,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Print the least permissions of fuse's NATS user, for the configuration of nats-server
#[derive(Debug, Args)]
#[command(after_help = "Example: fuse backend permissions --config fuse.toml")]
pub(crate) struct BackendPermissions {
    /// The configuration file [default: fuse.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Copy a state from a folder to the broker, or back
///
/// Copies events, decisions, actions, states of flow control, waits and fuses, settled or not. Stop every fuse that uses the
/// state first. The source is not changed, so you can repeat the command if it fails. Afterwards, start fuse only on the
/// target: two states perform the same actions twice.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse backend migrate --from .fuse --backend nats://nats:4222
  fuse backend migrate --to .fuse-alone --backend nats://nats:4222

Exit codes: 0 copied, 1 copied with damaged records, 2 wrong usage, no such state, a state that is damaged or in use, a
target that has a state, or a broker that cannot be used")]
pub(crate) struct BackendMigrate {
    #[command(flatten)]
    pub(crate) server: BackendServer,

    /// Copy the state in this folder to the broker
    #[arg(long, value_name = "DIR", required_unless_present = "to", conflicts_with = "to")]
    pub(crate) from: Option<PathBuf>,

    /// Copy the shared state into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}
