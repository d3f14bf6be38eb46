//! The arguments of `fuse state`: what flow control remembers, and copies of the whole state.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use fuse_rules::flow::StateSubject;

use super::{Format, ServerArgs};

/// List what flow control remembers, key by key, and when it lets the next match through
///
/// A state is what a clause of flow control remembers of earlier events, such as the actions that count for a `limit`. The
/// list shows the clause and its parameters when it was asked last, and the values of its key. Values that contain a
/// sensitive header or query parameter are hidden, and `--key` does not find them. States that have ended are left out.
/// Asks a running fuse; with `--state`, also reads the state of a stopped one.
///
/// The subcommands are about everything in a state folder, including events and actions: they copy, check, restore, compact
/// and export it.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  fuse state
  fuse state --rule provisioning/create --clause limit
  fuse state --limiter github-api --key web
  fuse state --state .fuse --format json
  fuse state backup /backup/fuse.redb
  fuse state export --state .fuse > events.jsonl

Exit codes: 0 listed, 2 wrong usage, no such server or state folder, or a damaged state"
)]
pub(crate) struct State {
    #[command(subcommand)]
    pub(crate) command: Option<StateCommand>,

    /// Only the states of this rule; those of a limiter belong to no rule
    #[arg(long, value_name = "SENSOR/RULE")]
    pub(crate) rule: Option<String>,

    /// Only the states of this limiter
    #[arg(long, value_name = "NAME", conflicts_with = "rule")]
    pub(crate) limiter: Option<String>,

    /// Only what is counted for this fuse
    #[arg(long, value_name = "NAME", conflicts_with_all = ["rule", "limiter"])]
    pub(crate) fuse: Option<String>,

    /// Only the states of clauses that start with this word
    #[arg(long, value_name = "WORD", value_parser = PossibleValuesParser::new(StateSubject::WORDS))]
    pub(crate) clause: Option<String>,

    /// Only the states with this value in their key
    #[arg(long, value_name = "VALUE")]
    pub(crate) key: Option<String>,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// What is done with the whole state.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    Backup(BackupArgs),
    Verify(VerifyArgs),
    Restore(RestoreArgs),
    Compact(CompactArgs),
    Export(ExportArgs),
}

/// Copy the whole state into a new file
///
/// The copy is consistent, also while fuse accepts events and acts. It contains everything that fuse had answered when it began,
/// including bodies and secrets of events: only its owner can read the file. It is checked before it gets its name. Asking
/// a running fuse needs a token with the right `payloads`. The copy takes room on the disk of the state until it is downloaded.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse state backup /backup/fuse.redb
  fuse state backup /backup/fuse.redb --state .fuse

Exit codes: 0 copied, 1 copied with damaged records, 2 wrong usage, no such server or state, or a file that
cannot be written")]
pub(crate) struct BackupArgs {
    /// The file to write, which must not exist
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Check a backup, or the state of a stopped fuse
///
/// Reads all tables, and checks the checksums of events, decisions, actions, states of flow control, threads and fuses.
/// Nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse state verify /backup/fuse.redb
  fuse state verify .fuse

Exit codes: 0 whole, 1 damaged records, 2 wrong usage, or not a state that can be read")]
pub(crate) struct VerifyArgs {
    /// The backup, or a state folder
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Put a backup into an empty state folder
///
/// The backup is checked first. A fuse that starts with the folder continues where the backup was made: it performs the
/// actions that were not settled then. What was done between the backup and the loss is not on record, so senders that
/// repeat these events have them decided again; objects that exist are found by their names.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: fuse state restore /backup/fuse.redb --state .fuse

Exit codes: 0 restored, 1 restored with damaged records, 2 wrong usage, a backup that cannot be read, or a folder
that has a state")]
pub(crate) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The state folder, which is created if it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Make the database of a stopped fuse as small as possible
///
/// fuse reuses free pages of its database. If most of them are free, fuse compacts the database when it starts and after it
/// removed old events. This command gives all of them back, for example after you shortened `keep`. It takes about as long as
/// copying the database.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: fuse state compact --state .fuse

Exit codes: 0 compacted, 2 wrong usage, no such state folder, a running fuse, or a file that cannot be written")]
pub(crate) struct CompactArgs {
    /// The state folder
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Print every event of a stopped fuse with its decisions and actions, as JSON lines
///
/// Each line is an event, the newest one first: its payload (`body`, or `body_base64` if it is not UTF-8), its decisions, and
/// its actions with their states. Payloads may contain secrets. To export from a running fuse, restore a backup of it into
/// another folder.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse state export --state .fuse > events.jsonl
  fuse state export --state .fuse | jq -r 'select(.actions != []) | .event.id'

Exit codes: 0 exported, 1 exported without damaged records, 2 wrong usage, no such state folder, or a running fuse")]
pub(crate) struct ExportArgs {
    /// The state folder
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
}
