//! `fuse doc`

mod markdown;
mod page;

use super::{Ended, load, problems};
use crate::cli::{Doc, Format};
use crate::{Exit, output};

pub(crate) fn run(arguments: &Doc) -> Ended {
    let ruleset = match load(&arguments.rules)? {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(&diagnostics, Format::Text)),
    };
    let page = page::page(&ruleset);
    match &arguments.output {
        None => output::print(&page),
        Some(file) => std::fs::write(file, page)
            .map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?,
    }
    Ok(Exit::Clean)
}
