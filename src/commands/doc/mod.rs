//! `fuse doc`

mod markdown;
mod page;

use fuse_rules::stdlib;

use super::{Ended, load, problems};
use crate::cli::{Doc, Format};
use crate::{Exit, output};

pub(crate) fn run(arguments: &Doc) -> Ended {
    let page = match &arguments.std {
        Some(module) => standard_library(module)?,
        None => match load(&arguments.rules)? {
            Ok(ruleset) => page::page(&ruleset),
            Err(diagnostics) => return Ok(problems(&diagnostics, Format::Text)),
        },
    };
    match &arguments.output {
        None => output::print(&page),
        Some(file) => std::fs::write(file, page)
            .map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?,
    }
    Ok(Exit::Clean)
}

/// A module, or the list of all modules.
fn standard_library(module: &str) -> Result<String, String> {
    let known = || stdlib::modules().collect::<Vec<_>>();
    if module.is_empty() {
        return Ok(known().join("\n") + "\n");
    }
    stdlib::text(module).map(str::to_owned).ok_or_else(|| {
        format!("the standard library has no module `{module}`; it has {}", known().join(", "))
    })
}
