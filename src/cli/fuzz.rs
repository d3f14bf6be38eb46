//! The arguments of `fuse fuzz`.

use std::path::PathBuf;

use clap::Args;

use super::rules::duration;
use super::{Format, RulePaths};

/// Fuzz rules to find events that their author did not expect
///
/// Generates events from the types, paths and constants of the rules, mutates them, and keeps those that
/// increase coverage. Reports rules that never fired, rejected actions, unknown conditions, untrusted text
/// that reached an action, and rules that always fired together. Each finding includes the smallest event
/// that reproduces it. Does not report what the tests in the rule files expect. Performs no action; all
/// fuses are on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse fuzz rules --time 30s
  fuse fuzz rules --rule argocd-unhealthy --seed 42 --runs 10000
  fuse fuzz rules --events rules/events --save found

Exit codes: 0 no findings, 1 findings or problems in the rules, 2 wrong usage or a file that cannot
be read or written")]
pub(crate) struct Fuzz {
    #[command(flatten)]
    pub(crate) rules: RulePaths,

    /// Fuzz only the rules with this name: `SENSOR/RULE`, or `RULE` in any sensor
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<String>,

    /// How long to fuzz
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) time: std::time::Duration,

    /// Stop after this many events instead of after a time
    #[arg(long, value_name = "COUNT", conflicts_with = "time")]
    pub(crate) runs: Option<u64>,

    /// The seed of the random generator [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// A JSON file, or a folder of JSON files, to start from; can be repeated
    ///
    /// Files that are not JSON are reported and ignored.
    #[arg(long, value_name = "PATH")]
    pub(crate) events: Vec<PathBuf>,

    /// Write the findings to this folder: the events, and `found.rules` with a test for each
    #[arg(long, value_name = "FOLDER")]
    pub(crate) save: Option<PathBuf>,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}
