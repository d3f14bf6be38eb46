//! The arguments of `fuse test`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Run the tests of rules
///
/// Plays the events of every `test` in the files through their rules, without doing anything, and holds
/// what came of them against what the test expects: what fired, with which fields, and what did not. A
/// test that fails says what happened instead, and why.
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
    /// Files of rules, or folders of them; the folder `rules` where none is given
    #[arg(value_name = "PATH", default_value = "rules")]
    pub(crate) paths: Vec<PathBuf>,

    /// Run only tests with this in their name
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,

    /// Name the tests that pass, too
    #[arg(long, short)]
    pub(crate) verbose: bool,

    /// Write expectations that are not met anew, so that they say what happens
    ///
    /// A test that expects nothing yet gets an expectation for everything that happens. Look at what
    /// changed before you keep it.
    #[arg(long, conflicts_with_all = ["coverage", "mutate", "format"])]
    pub(crate) update: bool,

    /// Say what of the rules the tests do not exercise
    ///
    /// Each rule has to come to every outcome that it can come to, and each elementary condition to be
    /// true, false and, where its value may be missing, unknown.
    #[arg(long)]
    pub(crate) coverage: bool,

    /// The least coverage that is enough, in percent
    #[arg(long, value_name = "PERCENT", requires = "coverage")]
    pub(crate) fail_under: Option<f64>,

    /// Write a page that shows the coverage in the rules
    #[arg(long, value_name = "FILE", requires = "coverage")]
    pub(crate) html: Option<PathBuf>,

    /// Write the coverage as lcov has it
    #[arg(long, value_name = "FILE", requires = "coverage")]
    pub(crate) lcov: Option<PathBuf>,

    /// Plant faults into the rules, one after the other, and name those that no test finds
    ///
    /// Operators are turned, constants changed, conditions and fields left out.
    #[arg(long)]
    pub(crate) mutate: bool,

    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: TestFormat,
}

/// How the outcome of tests is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
    /// JUnit's XML, for CI systems
    Junit,
}
