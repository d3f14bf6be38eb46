//! The command-line arguments. clap derives help texts and shell completions from them.

mod admin;
mod backend;
mod fuzz;
mod lint;
mod rules;
mod running;
mod state;
mod test;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use admin::{
    Answer, Credentials, DeadLetters, Discard, Events, Filter, FuseList, FuseSwitch, Held, Replay,
    ServerArgs, Waiting,
};
pub(crate) use backend::{
    Backend, BackendCommand, BackendInit, BackendMigrate, BackendPermissions, BackendServer,
};
pub(crate) use fuzz::Fuzz;
pub(crate) use lint::{ALL, Levels, Lint, WARNINGS};
pub(crate) use rules::{Bench, Check, Doc, Explain, ExplainCode, Fmt, InferType, Plan};
pub(crate) use running::{Cluster, Connect, Doctor, Rbac, Run};
pub(crate) use state::{
    BackupArgs, CompactArgs, ExportArgs, RestoreArgs, State, StateCommand, VerifyArgs,
};
pub(crate) use test::{Test, TestFormat};

const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  the rules or the cluster have problems
  2  wrong usage, or a file, port or folder that cannot be used
  3  fuse run did not stop cleanly";

/// Rules that turn infrastructure events into safe actions.
#[derive(Debug, Parser)]
#[command(name = "fuse", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(Check),
    Lint(Lint),
    Fmt(Fmt),
    ExplainCode(ExplainCode),
    Test(Test),
    Fuzz(Fuzz),
    Explain(Explain),
    InferType(InferType),
    Plan(Plan),
    Bench(Bench),
    Run(Run),
    Events(Events),
    DeadLetters(DeadLetters),
    Held(Held),
    Waiting(Waiting),
    State(State),
    /// Approve what waits for approval
    ///
    /// The action is performed at once, unless another clause of its rule or a fuse holds it back. Who approved it, when and
    /// why is recorded. Needs a token with the rights `read` and `approve`, in one of the groups that the rule names, if it names any. `fuse waiting
    /// --approval` lists the ids.
    #[command(after_help = "\
Example: fuse approve 5f0c… --reason \"checked with the team\"

Exit codes: 0 approved, 2 wrong usage, nothing that waits for approval has this id, or you may not approve it")]
    Approve(Answer),
    /// Decline what waits for approval
    ///
    /// The action is not performed. Who declined it, when and why is recorded, and the rule may react with `on declined`. Needs
    /// the same token as `fuse approve`.
    #[command(after_help = "\
Example: fuse decline 5f0c… --reason \"not during the release\"

Exit codes: 0 declined, 2 wrong usage, nothing that waits for approval has this id, or you may not decline it")]
    Decline(Answer),
    Replay(Replay),
    Discard(Discard),
    Fuses(FuseList),
    Switch(FuseSwitch),
    Backend(Backend),
    Doctor(Doctor),
    Rbac(Rbac),
    Connect(Connect),
    Doc(Doc),
    Completions(Completions),
}

/// Generate a script for shell completion
#[derive(Debug, Args)]
#[command(after_help = "Example: fuse completions bash > /etc/bash_completion.d/fuse")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// The rules that a subcommand works on, and the configuration, which limits what they can cost.
#[derive(Debug, Args)]
pub(crate) struct RulePaths {
    /// Rule files, or folders that contain `.rules` files; subfolders are not searched
    #[arg(value_name = "PATH", default_value = "rules")]
    pub(crate) paths: Vec<PathBuf>,

    /// The configuration file [default: fuse.toml, if it exists]
    // After the options of the subcommand.
    #[arg(long, value_name = "FILE", display_order = 100)]
    pub(crate) config: Option<PathBuf>,
}

/// The output formats of most subcommands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// The output formats for problems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProblemFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object per line
    Json,
    /// SARIF 2.1.0, for code scanners
    Sarif,
    /// Workflow commands, for annotations on GitHub
    Github,
}

impl From<Format> for ProblemFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}
