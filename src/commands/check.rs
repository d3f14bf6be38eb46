//! `fuse check`

use super::{Ended, load, problems};
use crate::cli::{Check, Format};
use crate::{Exit, output};

pub(crate) fn run(arguments: &Check) -> Ended {
    match load(&arguments.paths)? {
        Err(diagnostics) => Ok(problems(&diagnostics, arguments.format)),
        Ok(ruleset) => {
            if arguments.format == Format::Text {
                let counted = |count: usize, what: &str| {
                    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
                };
                output::print(&format!(
                    "no problems in {}: {}, {}\n",
                    counted(ruleset.files().iter().count(), "file"),
                    counted(ruleset.events().count(), "event"),
                    counted(ruleset.rules().count(), "rule"),
                ));
            }
            Ok(Exit::Clean)
        }
    }
}
