//! `fuse lint`

use std::path::Path;

use fuse_rules::Loader as _;
use fuse_rules::lint::{Level, Lint, Lints, TemplateFile};
use fuse_runtime::{Disk, FilesError, files_with_ending};

use super::check::counts;
use super::{Ended, accept, config, fix, problems};
use crate::cli::{self, ALL, Levels, ProblemFormat, WARNINGS};
use crate::{Exit, output};

pub(crate) fn run(arguments: &cli::Lint) -> Ended {
    let config = config(arguments.rules.config.clone())?;
    let mut lints = levels(config.lints(), &arguments.levels);
    if let Some(folder) = &arguments.templates {
        lints = lints.templates(templates(folder)?);
    }
    let loaded = match fix::load(&arguments.rules, arguments.fix, arguments.format, &lints)? {
        Ok(ruleset) => accept(ruleset, &config),
        Err(diagnostics) => Err(diagnostics),
    };
    let ruleset = match loaded {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(&diagnostics, arguments.format)),
    };
    let found = ruleset.warnings().clone().and(lints.run(&ruleset));
    if found.is_empty() && arguments.format == ProblemFormat::Text {
        output::print(&format!("nothing found in {}\n", counts(&ruleset)));
    }
    let exit = problems(&found, arguments.format);
    // The warnings of `fuse check` do not have levels of their own.
    let denied = arguments.levels.deny.iter().any(|name| name == WARNINGS) && !found.is_empty();
    Ok(if denied { Exit::Problems } else { exit })
}

/// The workflow templates in the files of a folder.
fn templates(folder: &Path) -> Result<Vec<TemplateFile>, String> {
    let files = |ending| files_with_ending(&[folder], ending);
    let files = match (files("yaml"), files("yml")) {
        (Ok(yaml), Ok(yml)) => yaml.into_iter().chain(yml).collect(),
        (Ok(only), Err(FilesError::Empty { .. })) | (Err(FilesError::Empty { .. }), Ok(only)) => {
            only
        }
        (Err(why), _) | (_, Err(why)) => return Err(why.to_string()),
    };
    let read = |name: String| {
        let text = Disk.load(&name).map_err(|why| format!("`{name}` cannot be read: {why}"))?;
        let file = TemplateFile::read(name.as_str(), text);
        file.map_err(|why| format!("`{name}` is not YAML: {why}"))
    };
    files.into_iter().map(read).collect()
}

/// The levels of the command line take precedence over the configuration: first those for all
/// lints, then those of single ones, the strictest last.
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
