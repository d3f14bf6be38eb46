//! One module per subcommand. Each returns how the command ends, or why it could not do its work.

pub(crate) mod backend;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod connect;
pub(crate) mod dead_letters;
pub(crate) mod discard;
pub(crate) mod doc;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod explain_code;
mod export;
mod fix;
pub(crate) mod fmt;
pub(crate) mod fuses;
pub(crate) mod fuzz;
pub(crate) mod held;
pub(crate) mod infer_type;
pub(crate) mod lint;
pub(crate) mod plan;
mod progress;
pub(crate) mod rbac;
mod replace;
pub(crate) mod replay;
mod request;
pub(crate) mod run;
pub(crate) mod state;
mod target;
pub(crate) mod test;
mod test_file;
pub(crate) mod waiting;

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use fuse_rules::diagnostic::{Severity, Style};
use fuse_rules::{Diagnostics, Registry, Ruleset};
use fuse_runtime::kubernetes::Access;
use fuse_runtime::sources::Sources;
use fuse_runtime::triggers::{ActionFiles, Triggers};
use fuse_runtime::{Config, Disk, read_error, registry, rule_files};

use crate::cli::{self, ProblemFormat, RulePaths};
use crate::{Exit, log, output};

/// How a subcommand ends, or why it could not do its work.
type Ended = Result<Exit, String>;

/// The built-in sources.
fn sources(address: IpAddr) -> Sources {
    Sources::built_in(address)
}

/// The built-in sources and triggers for reading rules: nothing listens, and nothing is written.
fn kinds() -> (Sources, Triggers) {
    let triggers = Triggers::local(ActionFiles::new("manifests"));
    (sources(Ipv4Addr::LOCALHOST.into()), triggers)
}

/// Rules, or their problems; or why they could not be read.
type Loaded = Result<Result<Ruleset, Diagnostics>, String>;

/// How much is known about rules that were loaded.
#[derive(Clone, Copy)]
enum LoadDetail {
    /// What `fuse run` needs.
    Run,
    /// All details that tools need.
    Tools,
}

/// Loads rules that `fuse run` would run.
fn load(rules: &RulePaths) -> Loaded {
    load_with(&config(rules.config.clone())?, rules, LoadDetail::Run)
}

/// Loads rules that `fuse run` would run, with all details that tools need.
fn load_in_detail(rules: &RulePaths) -> Loaded {
    load_with(&config(rules.config.clone())?, rules, LoadDetail::Tools)
}

fn load_with(config: &Config, rules: &RulePaths, detail: LoadDetail) -> Loaded {
    let (files, kinds) = (files(rules)?, known_kinds());
    let loaded = match detail {
        LoadDetail::Run => Ruleset::load(&files, &Disk, &kinds),
        LoadDetail::Tools => Ruleset::load_in_detail(&files, &Disk, &kinds),
    };
    Ok(loaded.and_then(|ruleset| accept(ruleset, config)))
}

/// Everything that is checked and set after rules are loaded. Every subcommand calls this, so that all of them
/// refuse the same rules, and decide alike.
fn accept(ruleset: Ruleset, config: &Config) -> Result<Ruleset, Diagnostics> {
    ruleset
        .within_cost(config.rules.max_cost)
        .map(|()| ruleset.with_max_work(config.rules.max_work))
}

/// The files of the rules.
fn files(rules: &RulePaths) -> Result<Vec<String>, String> {
    rule_files(&rules.paths).map_err(|error| error.to_string())
}

/// The built-in kinds, against which rules are checked.
fn known_kinds() -> Registry {
    let (sources, triggers) = kinds();
    // The environment sets fuses as it sets the log.
    registry(&sources, &triggers)
        .reserve_fuse(log::FUSE, &format!("`{}` sets the level of the log", log::VARIABLE))
        .reserve_fuse(target::TOKEN_FUSE, "`FUSE_ADMIN_TOKEN` is a token of the admin port")
}

/// The body of an event: the bytes of a file, or standard input for `-`.
fn read_event(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| read_error(path, &error);
    if path == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().lock().read_to_end(&mut body).map_err(failed)?;
        return Ok(body);
    }
    std::fs::read(path).map_err(failed)
}

/// The configuration: the given file, or else `fuse.toml` if it exists.
fn config(given: Option<PathBuf>) -> Result<Config, String> {
    let default = PathBuf::from("fuse.toml");
    let path = match given {
        Some(path) => path,
        None if default.exists() => default,
        None => return Ok(Config::default()),
    };
    Config::read(&path).map_err(|error| error.to_string())
}

/// The runtime for async work.
fn async_runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Runtime::new()
        .map_err(|error| format!("cannot start the async runtime: {error}"))
}

/// The cluster: options take precedence over the configuration.
fn access(options: cli::Cluster, config: &Config) -> Access {
    Access {
        kubeconfig: options.kubeconfig.or_else(|| config.cluster.kubeconfig.clone()),
        context: options.context.or_else(|| config.cluster.context.clone()),
        acting_as: None,
    }
}

/// Prints the problems of rules, and returns the resulting exit code.
fn problems(diagnostics: &Diagnostics, format: impl Into<ProblemFormat>) -> Exit {
    output::print(&match format.into() {
        ProblemFormat::Json => diagnostics.to_json_lines(),
        ProblemFormat::Sarif => diagnostics.to_sarif(),
        ProblemFormat::Github => diagnostics.to_github(),
        ProblemFormat::Text => diagnostics.to_text(Style::Colour) + &summary(diagnostics),
    });
    if diagnostics.has_errors() { Exit::Problems } else { Exit::Clean }
}

/// The number of problems, and where to read more about them.
fn summary(diagnostics: &Diagnostics) -> String {
    let warnings = diagnostics.iter().filter(|d| d.severity == Severity::Warning).count();
    let counts: Vec<String> = [(diagnostics.len() - warnings, "problem"), (warnings, "warning")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| counted(count, what))
        .collect();
    match diagnostics.iter().next() {
        Some(first) => format!(
            "{}\nfor more about one of them: fuse explain-code {}\n",
            counts.join(", "),
            first.topic
        ),
        None => String::new(),
    }
}

/// `1 rule`, `2 rules`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
