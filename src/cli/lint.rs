//! The arguments of `fuse lint`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::ProblemFormat;

/// Find likely mistakes in valid rules
///
/// Reports rules that are valid but probably not intended, such as an unused constant or an
/// ambiguous condition. Rules that do not pass `fuse check` are not linted.
/// `fuse explain-code NAME` prints the page of a lint. A comment
/// `# fuse: allow(NAME) because REASON` directly above a declaration, rule, clause or field allows
/// one finding there; `[lint]` in fuse.toml sets levels for all rules.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse lint rules
  fuse lint --fix rules
  fuse lint --deny warnings --allow undocumented-rule rules
  fuse lint --templates deploy/workflows rules

Exit codes: 0 nothing that is denied, 1 problems, 2 wrong usage or a path that cannot be read or written")]
pub(crate) struct Lint {
    /// Rules files, or folders with `.rules` files (subfolders are not searched)
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) levels: Levels,

    /// Check the workflow parameters of the rules against the templates in this folder
    ///
    /// Reads the WorkflowTemplates and ClusterWorkflowTemplates in its `.yaml` and `.yml` files
    /// (subfolders are not searched) and ignores other objects. The lint assumes that there are no
    /// other templates. It does not need a cluster; `fuse doctor` checks against a cluster.
    #[arg(long, value_name = "DIR")]
    pub(crate) templates: Option<PathBuf>,

    /// The configuration [default: fuse.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Apply the safe fixes, and report the remaining problems
    #[arg(long)]
    pub(crate) fix: bool,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ProblemFormat,
}

/// The levels of lints. A name takes precedence over `all`, and both take precedence over the
/// configuration. If a lint is named twice, the stricter level applies.
#[derive(Debug, Args)]
pub(crate) struct Levels {
    /// Report this lint as an error; `all` for every lint, `warnings` for all warnings including
    /// those of `fuse check`; may be given several times
    #[arg(long, value_name = "LINT", value_parser = deniable(), hide_possible_values = true)]
    pub(crate) deny: Vec<String>,

    /// Report this lint without changing the exit code; `all` for every lint
    #[arg(long, value_name = "LINT", value_parser = named(), hide_possible_values = true)]
    pub(crate) warn: Vec<String>,

    /// Do not run this lint; `all` for every lint
    #[arg(long, value_name = "LINT", value_parser = named(), hide_possible_values = true)]
    pub(crate) allow: Vec<String>,
}

/// Every lint.
pub(crate) const ALL: &str = "all";
/// All warnings.
pub(crate) const WARNINGS: &str = "warnings";

fn names() -> impl Iterator<Item = &'static str> {
    fuse_rules::Lint::all().map(fuse_rules::Lint::name).chain([ALL])
}

fn named() -> PossibleValuesParser {
    names().into()
}

fn deniable() -> PossibleValuesParser {
    names().chain([WARNINGS]).into()
}
