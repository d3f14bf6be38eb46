//! The arguments of `fuse test`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Run the tests of rules
///
/// Sends the events of every `test` in the files through the rules, without performing any action,
/// and compares the results with the expectations: which rules fired, with which fields, and which
/// did not. For a test that fails, shows what happened instead, and why.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse test rules
  fuse test rules --filter resolved
  fuse test rules --coverage --fail-under 100
  fuse test rules --mutate
  fuse test rules --format junit > report.xml

Exit codes: 0 all passed, 1 the rules have problems, a test failed, too little is covered or a planted
fault survived, 2 wrong usage or a file that cannot be read or written")]
pub(crate) struct Test {
    /// Rules files, or folders of them
    #[arg(value_name = "PATH", default_value = "rules")]
    pub(crate) paths: Vec<PathBuf>,

    /// Run only tests whose name contains this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,

    /// Also list the tests that pass
    #[arg(long, short)]
    pub(crate) verbose: bool,

    /// Rewrite expectations that are not met, so that they match what happens
    ///
    /// A test without expectations gets one for everything that happens. Review the changes before
    /// you keep them.
    #[arg(long, conflicts_with_all = ["coverage", "mutate", "format"])]
    pub(crate) update: bool,

    /// Report which parts of the rules the tests do not cover
    ///
    /// Each rule must reach every outcome that is possible for it, and each elementary condition
    /// must be true, false and, if its value can be missing, unknown.
    #[arg(long)]
    pub(crate) coverage: bool,

    /// The minimum coverage, in percent
    #[arg(long, value_name = "PERCENT", requires = "coverage")]
    pub(crate) fail_under: Option<f64>,

    /// Write an HTML page that shows the coverage in the rules
    #[arg(long, value_name = "FILE", requires = "coverage")]
    pub(crate) html: Option<PathBuf>,

    /// Write the coverage in lcov format
    #[arg(long, value_name = "FILE", requires = "coverage")]
    pub(crate) lcov: Option<PathBuf>,

    /// Plant one fault at a time into the rules, and report those that no test detects
    ///
    /// Inverts operators, changes constants, and removes conditions and fields.
    #[arg(long)]
    pub(crate) mutate: bool,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: TestFormat,
}

/// The output format for the results of tests.
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
