//! `fuse completions`

use clap::CommandFactory as _;

use super::Ended;
use crate::cli::{Cli, Completions};
use crate::{Exit, output};

pub(crate) fn run(arguments: &Completions) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "fuse", &mut script);
    output::print(&String::from_utf8_lossy(&script));
    Ok(Exit::Clean)
}
