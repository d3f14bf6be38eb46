//! `--fix`: writes the safe fixes to the files.

use std::path::Path;

use fuse_rules::Ruleset;
use fuse_rules::lint::Lints;
use fuse_runtime::Disk;

use super::replace::replace;
use super::{Loaded, files, known_kinds};
use crate::cli::{ProblemFormat, RulePaths};
use crate::output;

/// Loads the rules in detail, after applying safe fixes to their files if requested. The result still has
/// to be [accepted](super::accept).
pub(super) fn load(rules: &RulePaths, fixes: bool, format: ProblemFormat, lints: &Lints) -> Loaded {
    let files = files(rules)?;
    if fixes {
        return fix(&files, format, lints);
    }
    Ok(Ruleset::load_in_detail(&files, &Disk, &known_kinds()))
}

/// Applies the safe fixes and returns the resulting rules.
fn fix(files: &[String], format: ProblemFormat, lints: &Lints) -> Loaded {
    let repair = Ruleset::repair(files, &Disk, &known_kinds(), lints);
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
