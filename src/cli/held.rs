//! The arguments of `fuse held` and `fuse discard`.

use std::path::PathBuf;

use clap::Args;

use super::Format;

/// List held and waiting actions
///
/// A held action needs an object that does not exist, or requires a fuse that is off. A waiting action is
/// retried later. Queries a running fuse; with `--state`, reads the state of a stopped one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse held
  fuse held --server http://127.0.0.1:12080 --format json
  fuse held --state .fuse

Exit codes: 0 listed, 2 wrong usage, no such server or no such state")]
pub(crate) struct Held {
    #[command(flatten)]
    pub(crate) whose: Whose,

    /// The output format; JSON is one object per line
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Discard a held or waiting action
///
/// The action becomes a dead letter, with the given reason, and is never performed. `fuse held` lists the
/// ids of actions. A running fuse accepts this command only from the same machine or pod.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: fuse discard 5f0c… --reason \"the namespace is not coming back\"

Exit codes: 0 discarded, 2 wrong usage, no such action, or an action that is settled or in progress")]
pub(crate) struct Discard {
    /// The id of the action, or a unique prefix of it
    #[arg(value_name = "ID")]
    pub(crate) id: String,

    /// The reason to record
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,

    #[command(flatten)]
    pub(crate) whose: Whose,
}

/// The fuse to query.
#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// The admin port of a running fuse
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:12080")]
    pub(crate) server: String,

    /// The state folder of a stopped fuse
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub(crate) state: Option<PathBuf>,
}
