//! The arguments of `fuse fuzz`.

use std::path::PathBuf;

use clap::Args;

use super::Format;
use super::rules::duration;

/// Find events that the author of the rules did not think of
///
/// Generates events from the types, paths and constants of the rules, mutates them, and keeps those
/// that reach something new. It reports each finding with the smallest event that shows it: rules
/// that never fired, actions that were rejected, conditions that were unknown, text from outsiders
/// that reached an action, and rules that always fired together. Findings that the tests of the
/// rules already expect are not reported. Nothing is triggered; all fuses are on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse fuzz rules --time 30s
  fuse fuzz rules --rule argocd-unhealthy --seed 42 --runs 10000
  fuse fuzz rules --events rules/events --save found

Exit codes: 0 no findings, 1 findings or problems in the rules, 2 wrong usage or a file that
cannot be read or written")]
pub(crate) struct Fuzz {
    /// Rules files, or folders of them
    #[arg(value_name = "PATH", default_value = "rules")]
    pub(crate) paths: Vec<PathBuf>,

    /// Fuzz only this rule: its full name, or the last part of it
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<String>,

    /// The time limit
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) time: std::time::Duration,

    /// The number of events, without a time limit
    #[arg(long, value_name = "COUNT", conflicts_with = "time")]
    pub(crate) runs: Option<u64>,

    /// The random seed that determines all events; random by default
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// Events to start from: JSON files, or folders of them; may be given several times
    ///
    /// Files that are not JSON are reported and skipped.
    #[arg(long, value_name = "PATH")]
    pub(crate) events: Vec<PathBuf>,

    /// Write the findings to this folder: the events, and `found.rules` with a test for each
    #[arg(long, value_name = "FOLDER")]
    pub(crate) save: Option<PathBuf>,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}
