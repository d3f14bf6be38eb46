//! The arguments of `fuse fuzz`.

use std::path::PathBuf;

use clap::Args;

use super::Format;
use super::rules::duration;

/// Look for events that the rules' author did not think of
///
/// Makes events from the types, paths and constants of the rules, changes them again and again, keeps those
/// that show something new, and tells what it found with the smallest event that shows it: rules that
/// never fired, actions that were rejected, conditions that were unknown, texts of outsiders that reached an
/// action, and rules that always fired together. What the rules' own tests expect is no news. Nothing is
/// triggered; all fuses are on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse fuzz rules --time 30s
  fuse fuzz rules --rule argocd-unhealthy --seed 42 --runs 10000
  fuse fuzz rules --events rules/events --save found

Exit codes: 0 nothing found, 1 something found or the rules have problems, 2 wrong usage or a file that
cannot be read or written")]
pub(crate) struct Fuzz {
    /// Files of rules, or folders of them; the folder `rules` where none is given
    #[arg(value_name = "PATH", default_value = "rules")]
    pub(crate) paths: Vec<PathBuf>,

    /// Fuzz this rule alone: its full name, or the last part of it
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<String>,

    /// How long
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) time: std::time::Duration,

    /// How many events, however long it takes
    #[arg(long, value_name = "COUNT", conflicts_with = "time")]
    pub(crate) runs: Option<u64>,

    /// What everything that is made follows from; one that nobody chose, where it is left out
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// Events to begin with: files of JSON, or folders of them; may be given several times
    ///
    /// What is no JSON is named and left out.
    #[arg(long, value_name = "PATH")]
    pub(crate) events: Vec<PathBuf>,

    /// Write what was found into this folder: the events, and `found.rules` with a test for each
    #[arg(long, value_name = "FOLDER")]
    pub(crate) save: Option<PathBuf>,

    /// How the findings are printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}
