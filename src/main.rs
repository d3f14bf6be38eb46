//! The `fuse` command.

mod cli;
mod client;
mod commands;
mod endpoint;
mod log;
mod output;

use std::process::ExitCode;

use clap::Parser;
use fuse_runtime::ledger::WaitAnswer;

use cli::{Cli, Command};

fn main() -> ExitCode {
    // An error means that a provider is already installed.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Check(arguments) => commands::check::run(&arguments),
        Command::Lint(arguments) => commands::lint::run(&arguments),
        Command::Fmt(arguments) => commands::fmt::run(&arguments),
        Command::ExplainCode(arguments) => commands::explain_code::run(&arguments),
        Command::Fuzz(arguments) => commands::fuzz::run(&arguments),
        Command::Test(arguments) => commands::test::run(&arguments),
        Command::Explain(arguments) => commands::explain::run(&arguments),
        Command::InferType(arguments) => commands::infer_type::run(&arguments),
        Command::Plan(arguments) => commands::plan::run(&arguments),
        Command::Bench(arguments) => commands::bench::run(&arguments),
        Command::Doc(arguments) => commands::doc::run(&arguments),
        Command::Backend(arguments) => commands::backend::run(arguments),
        Command::Doctor(arguments) => commands::doctor::run(arguments),
        Command::Rbac(arguments) => commands::rbac::run(&arguments),
        Command::Run(arguments) => commands::run::run(arguments),
        Command::Events(arguments) => commands::events::list(&arguments),
        Command::DeadLetters(arguments) => commands::dead_letters::list(&arguments),
        Command::Held(arguments) => commands::held::list(&arguments),
        Command::Waiting(arguments) => commands::waiting::list(&arguments),
        Command::State(arguments) => commands::state::run(&arguments),
        Command::Approve(arguments) => commands::waiting::answer(&arguments, WaitAnswer::Approve),
        Command::Decline(arguments) => commands::waiting::answer(&arguments, WaitAnswer::Decline),
        Command::Replay(arguments) => commands::replay::run(&arguments),
        Command::Discard(arguments) => commands::discard::run(&arguments),
        Command::Fuses(arguments) => commands::fuses::list(&arguments),
        Command::Switch(arguments) => commands::fuses::switch(&arguments),
        Command::Connect(arguments) => commands::connect::run(&arguments),
        Command::Completions(arguments) => commands::completions::run(&arguments),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(why) => {
            output::fail(&why);
            Exit::Usage.into()
        }
    }
}

/// The exit codes. They are documented in the help and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Success.
    Clean = 0,
    /// The rules, or the cluster that they are for, have problems.
    Problems = 1,
    /// Wrong usage, or a file, port or folder that could not be used.
    Usage = 2,
    /// `fuse run` did not stop cleanly: work was interrupted, or the state could not be closed. The
    /// next start continues from the recorded state.
    Unclean = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
