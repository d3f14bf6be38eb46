//! The arguments of `fuse lint`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::ProblemFormat;

/// Find what rules are better without
///
/// Looks for what means something and yet is hardly what was meant, such as a constant that nothing uses
/// or a condition that reads two ways; rules that do not pass `fuse check` are not linted. `fuse
/// explain-code NAME` prints the page of a lint. A comment `# fuse: allow(NAME) because REASON` straight
/// above a declaration, rule, clause or field allows one there; `[lint]` of fuse.toml sets levels for
/// all rules.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse lint rules
  fuse lint --fix rules
  fuse lint --deny warnings --allow undocumented-rule rules
  fuse lint --templates deploy/workflows rules

Exit codes: 0 nothing that is denied, 1 problems, 2 wrong usage or a path that cannot be read or written")]
pub(crate) struct Lint {
    /// Files of rules, or folders: the `.rules` files in them, not in their subfolders
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) levels: Levels,

    /// Hold what the rules give to workflow templates against those in this folder
    ///
    /// The WorkflowTemplates and ClusterWorkflowTemplates in its `.yaml` and `.yml` files, not in its
    /// subfolders, are taken to be all that there are; other objects are passed over. Needs no cluster:
    /// `fuse doctor` asks one.
    #[arg(long, value_name = "DIR")]
    pub(crate) templates: Option<PathBuf>,

    /// The configuration [default: fuse.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Apply the fixes that are surely meant, and report what is left
    #[arg(long)]
    pub(crate) fix: bool,

    /// How problems are printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ProblemFormat,
}

/// The levels of lints. A name wins over `all`, the configuration stands below both, and where one is
/// named twice the stricter counts.
#[derive(Debug, Args)]
pub(crate) struct Levels {
    /// What this lint finds is an error; `all` for each lint, `warnings` for what only warns, of
    /// `fuse check` too; may be given several times
    #[arg(long, value_name = "LINT", value_parser = deniable(), hide_possible_values = true)]
    pub(crate) deny: Vec<String>,

    /// What this lint finds is shown, and changes no exit code; `all` for each lint
    #[arg(long, value_name = "LINT", value_parser = named(), hide_possible_values = true)]
    pub(crate) warn: Vec<String>,

    /// This lint does not run; `all` for each lint
    #[arg(long, value_name = "LINT", value_parser = named(), hide_possible_values = true)]
    pub(crate) allow: Vec<String>,
}

/// Stands for each lint.
pub(crate) const ALL: &str = "all";
/// Stands for what only warns.
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
