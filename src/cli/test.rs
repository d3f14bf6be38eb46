//! The arguments of `fuse test`.

use super::RulePaths;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Run the tests in rule files
///
/// Sends the events of every `test` block through the rules, without acting on them, and compares the
/// decisions with the test's expectations: which rules fired, with which fields, and which did not. A
/// failed test shows what happened instead, and why.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse test rules
  fuse test rules --filter resolved
  fuse test rules --coverage --fail-under 100
  fuse test rules --mutate
  fuse test rules --mutate --write rules/more-tests.rules
  fuse test rules --format junit > report.xml

Exit codes: 0 all passed, 1 the rules have problems, a test failed, the coverage is too low or a
mutation was not detected, 2 wrong usage or a file that cannot be read or written")]
pub(crate) struct Test {
    #[command(flatten)]
    pub(crate) rules: RulePaths,

    /// Run only the tests whose name contains this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,

    /// List the tests that pass, too
    #[arg(long, short)]
    pub(crate) verbose: bool,

    /// Rewrite the expectations that failed, so that they match the decisions
    ///
    /// A test without expectations gets one for every decision. Review the changes before you keep them.
    #[arg(long, conflicts_with_all = ["coverage", "mutate", "format"])]
    pub(crate) update: bool,

    /// Report the parts of the rules that no test exercises
    ///
    /// Full coverage means that each rule reached every possible outcome, and that each elementary
    /// condition was true, false and, if its value can be missing, unknown.
    #[arg(long)]
    pub(crate) coverage: bool,

    /// Fail if the coverage is below this percentage
    #[arg(long, value_name = "PERCENT", requires = "coverage", value_parser = percent)]
    pub(crate) fail_under: Option<f64>,

    /// Write the coverage as an HTML page
    #[arg(long, value_name = "FILE", requires = "coverage")]
    pub(crate) html: Option<PathBuf>,

    /// Write the coverage in the lcov format
    #[arg(long, value_name = "FILE", requires = "coverage")]
    pub(crate) lcov: Option<PathBuf>,

    /// Mutate the rules, and report the mutations that no test detects
    ///
    /// Mutations negate operators, change constants, and remove conditions and fields.
    #[arg(long)]
    pub(crate) mutate: bool,

    /// Add a test to this file for each mutation that no test detects
    ///
    /// The file is created if it does not exist. Review the tests before you keep them: they expect what the rules
    /// do now.
    #[arg(long, value_name = "FILE", requires = "mutate")]
    pub(crate) write: Option<PathBuf>,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: TestFormat,
}

/// The output formats of `fuse test`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object per line
    Json,
    /// JUnit XML, for CI systems
    Junit,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>().ok();
    number
        .filter(|number| (0.0..=100.0).contains(number))
        .ok_or_else(|| "write a number from 0 to 100".to_owned())
}
