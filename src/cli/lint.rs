//! The arguments of `fuse lint`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::{ProblemFormat, RulePaths};

/// Report rules that are valid but probably not intended
///
/// Examples are an unused constant and an ambiguous condition. Rules that fail `fuse check` are not linted.
/// `fuse explain-code NAME` explains a lint. To allow a lint in one place, write the comment `# fuse:
/// allow(NAME) because REASON` directly above the declaration, rule, clause or field. `[lint]` in fuse.toml
/// sets the levels for all rules.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse lint rules
  fuse lint --fix rules
  fuse lint --deny warnings --allow undocumented-rule rules
  fuse lint --templates deploy/workflows rules

Exit codes: 0 no denied lints, 1 problems, 2 wrong usage or a path that cannot be read or written")]
pub(crate) struct Lint {
    #[command(flatten)]
    pub(crate) rules: RulePaths,

    #[command(flatten)]
    pub(crate) levels: Levels,

    /// Check parameters against the workflow templates in this folder
    ///
    /// Reads the WorkflowTemplates and ClusterWorkflowTemplates in the `.yaml` and `.yml` files of the
    /// folder, but not of its subfolders, and assumes that no others exist. Ignores other objects. Needs no
    /// cluster; to check against a cluster, use `fuse doctor`.
    #[arg(long, value_name = "DIR")]
    pub(crate) templates: Option<PathBuf>,

    /// Apply all safe fixes, and report the remaining problems
    #[arg(long)]
    pub(crate) fix: bool,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ProblemFormat,
}

/// The levels of lints. A name overrides `all`, both override the configuration, and if a lint is named
/// twice, the stricter level applies.
#[derive(Debug, Args)]
pub(crate) struct Levels {
    /// Treat this lint as an error; `all` means every lint, `warnings` means everything that warns,
    /// including the warnings of `fuse check`; can be repeated
    #[arg(long, value_name = "LINT", value_parser = deniable(), hide_possible_values = true)]
    pub(crate) deny: Vec<String>,

    /// Report this lint without affecting the exit code; `all` means every lint
    #[arg(long, value_name = "LINT", value_parser = named(), hide_possible_values = true)]
    pub(crate) warn: Vec<String>,

    /// Do not run this lint; `all` means every lint
    #[arg(long, value_name = "LINT", value_parser = named(), hide_possible_values = true)]
    pub(crate) allow: Vec<String>,
}

/// The name that means every lint.
pub(crate) const ALL: &str = "all";
/// The name that means everything that warns.
pub(crate) const WARNINGS: &str = "warnings";

fn names() -> impl Iterator<Item = &'static str> {
    fuse_rules::lint::Lint::all().map(fuse_rules::lint::Lint::name).chain([ALL])
}

fn named() -> PossibleValuesParser {
    names().into()
}

fn deniable() -> PossibleValuesParser {
    names().chain([WARNINGS]).into()
}
