//! `fuse plan`

use super::{Ended, load, problems};
use crate::cli::{Plan, ProblemFormat};
use crate::{Exit, output};

pub(crate) fn run(arguments: &Plan) -> Ended {
    match load(&arguments.rules)? {
        Ok(ruleset) => {
            output::print(&ruleset.plan().listing());
            Ok(Exit::Clean)
        }
        Err(diagnostics) => Ok(problems(&diagnostics, ProblemFormat::Text)),
    }
}
