//! The arguments of the commands that show pending actions and discard them.

use std::path::PathBuf;

use clap::Args;

use super::Format;

/// List the actions that are held or wait
///
/// An action is held while something that it needs is missing, or while a fuse that its rule
/// requires is off. It waits until fuse retries it. Queries a running fuse, or with `--state` reads
/// the state of a stopped one.
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

/// Discard an action that is held or waits
///
/// The action becomes a dead letter with the given reason and is never performed. `fuse held` lists
/// the ids of actions. A running fuse accepts this command only from the same machine or pod.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: fuse discard 5f0c… --reason \"the namespace is not coming back\"

Exit codes: 0 discarded, 2 wrong usage, no such action, or one that is settled or being performed")]
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
