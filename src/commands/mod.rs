//! One module a subcommand. Each gives how the command ends, or why it could not do its work.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod connect;
pub(crate) mod explain;
pub(crate) mod run;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use fuse_rules::{Diagnostics, Ruleset, Style};
use fuse_runtime::sources::{Sources, Webhook};
use fuse_runtime::triggers::{Manifests, Triggers};
use fuse_runtime::{Disk, registry, rule_files};

use crate::cli::Format;
use crate::{Exit, output};

/// How a subcommand ends, or why it could not do its work.
type Ended = Result<Exit, String>;

/// The built-in sources and triggers.
fn kinds(address: IpAddr, out: &Path) -> (Sources, Triggers) {
    let sources = Sources::new().with("webhook", Webhook::new(address));
    (sources, Triggers::local(Manifests::new(out)))
}

/// Loads rules for looking at them: nothing listens, nothing is written.
fn load(paths: &[PathBuf]) -> Result<Result<Ruleset, Diagnostics>, String> {
    let (sources, triggers) = kinds(Ipv4Addr::LOCALHOST.into(), Path::new("manifests"));
    Ok(Ruleset::load(&rule_files(paths)?, &Disk, &registry(&sources, &triggers)))
}

/// Prints the problems of rules.
fn problems(diagnostics: &Diagnostics, format: Format) -> Exit {
    match format {
        Format::Json => output::print(&diagnostics.to_json_lines()),
        Format::Text => {
            output::print(&diagnostics.to_text(Style::Colour));
            let (count, s) = (diagnostics.len(), if diagnostics.len() == 1 { "" } else { "s" });
            output::print(&format!("{count} problem{s}\n"));
        }
    }
    Exit::Problems
}
