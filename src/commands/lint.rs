//! `fuse lint`

use fuse_rules::{Level, Lint, Lints};

use super::check::counts;
use super::fix::fix;
use super::{Ended, config, load_in_detail, problems};
use crate::cli::{self, ALL, Levels, ProblemFormat, WARNINGS};
use crate::output;

pub(crate) fn run(arguments: &cli::Lint) -> Ended {
    let config = config(arguments.config.clone())?;
    let lints = levels(config.lints(), &arguments.levels);
    let outcome = match arguments.fix {
        true => fix(&arguments.paths, arguments.format, &lints)?,
        false => load_in_detail(&arguments.paths)?,
    };
    let ruleset = match &outcome {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(diagnostics, arguments.format)),
    };
    let found = ruleset.warnings().clone().and(lints.run(ruleset));
    if found.is_empty() && arguments.format == ProblemFormat::Text {
        output::print(&format!("nothing found in {}\n", counts(ruleset)));
    }
    Ok(problems(&found, arguments.format))
}

/// The levels of the command line over those of the configuration: first what is said of all, then of
/// each, and the stricter last.
fn levels(lints: Lints, levels: &Levels) -> Lints {
    let given =
        [(Level::Allow, &levels.allow), (Level::Warn, &levels.warn), (Level::Deny, &levels.deny)];
    let says_all = |(_, names): &&(Level, &Vec<String>)| names.iter().any(|name| name == ALL);
    let mut lints = match given.iter().rfind(says_all) {
        Some((level, _)) => Lints::all_at(*level),
        None => lints,
    };
    for (level, names) in given {
        let named = names.iter().filter_map(|name| Lint::find(name).ok());
        lints = named.fold(lints, |lints, lint| lints.level(lint, level));
    }
    if levels.deny.iter().any(|name| name == WARNINGS) { lints.deny_warnings() } else { lints }
}
