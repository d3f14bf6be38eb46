//! `--fix`: writes the safe fixes to the files.

use std::path::{Path, PathBuf};

use fuse_rules::lint::Lints;
use fuse_rules::{Diagnostics, Ruleset};
use fuse_runtime::{Disk, registry, rule_files};

use super::replace::replace;
use super::{kinds, load_in_detail};
use crate::cli::ProblemFormat;
use crate::output;

/// Loads the rules in detail, after applying safe fixes to their files if requested.
pub(super) fn load(
    paths: &[PathBuf],
    fixes: bool,
    format: ProblemFormat,
    lints: &Lints,
) -> Result<Result<Ruleset, Diagnostics>, String> {
    if fixes { fix(paths, format, lints) } else { load_in_detail(paths) }
}

/// Applies the safe fixes and returns the resulting rules.
fn fix(
    paths: &[PathBuf],
    format: ProblemFormat,
    lints: &Lints,
) -> Result<Result<Ruleset, Diagnostics>, String> {
    let (sources, triggers) = kinds();
    let files = rule_files(paths).map_err(|error| error.to_string())?;
    let repair = Ruleset::repair(&files, &Disk, &registry(&sources, &triggers), lints);
    for (name, text) in &repair.files {
        replace(Path::new(name), text)
            .map_err(|why| format!("`{name}` cannot be written: {why}"))?;
    }
    if format == ProblemFormat::Text {
        for (place, title) in &repair.applied {
            output::print(&format!("fixed {place}: {title}\n"));
        }
        if !repair.applied.is_empty() {
            output::print("\n");
        }
    }
    Ok(repair.outcome)
}
