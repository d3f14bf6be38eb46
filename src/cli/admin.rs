//! The arguments of subcommands that ask a running fuse what happened, or change what happens next.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use fuse_rules::literals::parse_duration;
use fuse_runtime::ledger::EventResult;
use jiff::Timestamp;

use super::Format;

/// How many characters of an id select an action or a dead letter.
const MIN_PREFIX: usize = 4;

/// List recent events and their results
///
/// The newest event is first. The columns show how many decisions and actions an event has; /decisions of the
/// admin port explains each decision. Asks a running fuse; with `--state`, also reads the state of a stopped one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse events --since 1h
  fuse events --since 1h --result failed
  fuse events --rule provisioning/create --format json
  fuse events --payload 72d3162e-cc78

Exit codes: 0 listed, 2 wrong usage, no such server, state or event")]
pub(crate) struct Events {
    /// Print the headers and the body of the event with this id, instead of a list
    ///
    /// A running fuse shows them to holders of a token with the right `payloads`. If several sources have an event
    /// with this id, `--source` selects one.
    #[arg(long, value_name = "ID", conflicts_with_all = ["result", "rule", "since", "until", "limit"])]
    pub(crate) payload: Option<String>,

    /// Only events with this result
    ///
    /// An event can have several results. `unmatched`: no rule matched. `pending`: an action is not performed yet.
    /// `failed`: something was rejected, was given up, or started work that failed.
    #[arg(long, value_name = "RESULT", value_parser = event_result())]
    pub(crate) result: Option<EventResult>,

    #[command(flatten)]
    pub(crate) filter: Filter,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// List dead letters: what failed for good, and why
///
/// A dead letter is an action that was given up, a decision that was rejected, or an event that was refused.
/// `fuse replay` replays one, and `fuse discard` removes one from this list. Asks a running fuse; with
/// `--state`, also reads the state of a stopped one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse dead-letters --since 1h
  fuse dead-letters --rule provisioning/create --format json

Exit codes: 0 listed, 2 wrong usage, no such server or no such state")]
pub(crate) struct DeadLetters {
    #[command(flatten)]
    pub(crate) filter: Filter,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// List fuses: which are on, why, and which rules require them
///
/// The column FROM shows where a value comes from: a person who switched the fuse, the environment, fuse.toml, or the
/// rules. The last changes of each fuse that was switched follow the table. Asks a running fuse.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: fuse fuses --server http://127.0.0.1:12080

Exit codes: 0 listed, 2 wrong usage or no such server")]
pub(crate) struct FuseList {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Switch a fuse of a running fuse on or off, at once
///
/// While the fuse is off, the rules that require it only report what they would do, and their actions that are held,
/// waiting or queued are not performed. Nothing that was performed is undone. The switch survives restarts and reloads.
/// It has priority over fuse.toml, but not over the environment variable of the fuse.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse switch remediation off --reason \"the new rules restart too much\"
  fuse switch remediation off --for 2h
  fuse switch remediation reset

Exit codes: 0 switched, 2 wrong usage, no such server or fuse, or the environment sets the fuse")]
pub(crate) struct FuseSwitch {
    /// The name of the fuse
    #[arg(value_name = "NAME", value_parser = fuse_name)]
    pub(crate) fuse: String,

    /// On, off, or reset: back to the value of fuse.toml or the rules
    #[arg(
        value_name = "on|off|reset",
        value_parser = PossibleValuesParser::new(["on", "off", "reset"]),
        hide_possible_values = true
    )]
    pub(crate) to: String,

    /// Reset the fuse after this time, as in 2h
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) lasts: Option<String>,

    /// The reason to record
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// List held and waiting actions
///
/// A held action needs an object that does not exist, or requires a fuse that is off. A waiting action is
/// retried later. Asks a running fuse; with `--state`, also reads the state of a stopped one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse held
  fuse held --server http://127.0.0.1:12080 --format json
  fuse held --state .fuse

Exit codes: 0 listed, 2 wrong usage, no such server or no such state")]
pub(crate) struct Held {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// List the decisions that wait, and what for
///
/// A rule with `approval` waits for a person: `fuse approve` and `fuse decline` answer it, and without an answer it expires
/// at the time shown. Other clauses, such as `still`, wait for a time. The one that is due first is first. Asks a running
/// fuse; with `--state`, also reads the state of a stopped one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse waiting
  fuse waiting --approval
  fuse waiting --state .fuse --format json

Exit codes: 0 listed, 2 wrong usage, no such server or no such state")]
pub(crate) struct Waiting {
    /// Only those that wait for approval
    #[arg(long)]
    pub(crate) approval: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// What waits for approval, and why it is approved or declined.
#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// The id of the decision, or a unique prefix of at least 4 characters
    #[arg(value_name = "ID", value_parser = prefix)]
    pub(crate) id: String,

    /// The reason to record
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Replay an event or a dead letter with the current rules
///
/// Shows what would be done; `--yes` does it. fuse evaluates only the rule and element of a dead letter, but all rules
/// of an event, including those that fired before. The replay is an event of its own, whose id ends with the
/// number of the attempt. A rule whose `once` suppresses it, or whose `after` only counts it, does not fire again unless
/// `--ignore-once` is set.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse replay 5f0c3ab9
  fuse replay 5f0c3ab9 --yes
  fuse replay 72d3162e-cc78 --source github --ignore-once --yes

Exit codes: 0 shown or replayed, 2 wrong usage, no such event or dead letter, or nothing to do")]
pub(crate) struct Replay {
    /// The id of an event, or at least 4 characters of the id of a dead letter
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) id: String,

    /// The source of the event, if several have one with this id: NAME or NAME.EVENT
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,

    /// Fire rules even if their `once` suppresses them, or their `after` only counts them
    #[arg(long)]
    pub(crate) ignore_once: bool,

    /// Do it, instead of showing what would be done
    #[arg(long)]
    pub(crate) yes: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Discard a held or waiting action, a decision that waits, or a dead letter
///
/// A held or waiting action becomes a dead letter, with the given reason, and is never performed. A decision that waits is
/// cancelled. A dead letter is no longer listed. `fuse held`, `fuse waiting` and `fuse dead-letters` list the ids.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: fuse discard 5f0c… --reason \"the namespace is not coming back\"

Exit codes: 0 discarded, 2 wrong usage, no such action, decision or dead letter, or an action in progress")]
pub(crate) struct Discard {
    /// The id of the action, decision or dead letter, or a unique prefix of at least 4 characters
    #[arg(value_name = "ID", value_parser = prefix)]
    pub(crate) id: String,

    /// The reason to record
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// The fuse to ask, and how to print the answer.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The admin port of a running fuse
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:12080")]
    pub(crate) server: String,

    /// The state folder of a fuse on this machine, running or stopped
    ///
    /// The folder of a running fuse contains its address and a token, which only the user of fuse can read.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["server", "token_file"])]
    pub(crate) state: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) credentials: Credentials,

    /// The output format; JSON is one object per line
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// The token and the certificate to send to a server, and the authorities of the server's certificate.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Credentials {
    /// The file with a token of the admin port [default: the token in FUSE_ADMIN_TOKEN]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// The file with the certificate authorities of the admin port in PEM [default: those of the system]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// The file with a client certificate and its key in PEM, if the admin port needs one
    #[arg(long, value_name = "FILE")]
    pub(crate) client_cert: Option<PathBuf>,
}

/// Which events or dead letters to list, and how many.
#[derive(Debug, Default, Args)]
pub(crate) struct Filter {
    /// Only from this source
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,

    /// Only with this event name
    #[arg(long, value_name = "NAME")]
    pub(crate) event: Option<String>,

    /// Only with a decision of this rule
    #[arg(long, value_name = "SENSOR/RULE")]
    pub(crate) rule: Option<String>,

    /// Only from this time on, or in the time before now, as in 1h30m or 2026-08-01T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: Option<Timestamp>,

    /// Only until this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) until: Option<Timestamp>,

    /// The maximum number to list
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
}

/// The name of an [`EventResult`].
fn event_result() -> impl TypedValueParser<Value = EventResult> {
    PossibleValuesParser::new(EventResult::ALL.map(EventResult::as_str))
        .try_map(|name| name.parse::<EventResult>())
}

/// The beginning of an id. An empty one, as from a variable that is not set, must not select something.
fn prefix(text: &str) -> Result<String, String> {
    match text.len() < MIN_PREFIX {
        true => Err(format!("give at least {MIN_PREFIX} characters of the id")),
        false => Ok(text.to_owned()),
    }
}

/// The name of a fuse, which becomes a segment of a URL.
fn fuse_name(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !text.is_empty() && text.chars().all(is_name) {
        true => Ok(text.to_owned()),
        false => Err("the name of a fuse has only letters, digits, `-` and `_`".into()),
    }
}

/// A time, or how long ago it was.
fn time(text: &str) -> Result<Timestamp, String> {
    let ago = parse_duration(text).and_then(|ago| Duration::try_from(ago).ok());
    let at = match ago {
        Some(ago) => Timestamp::now().checked_sub(ago).ok(),
        None => text.parse().ok(),
    };
    at.ok_or_else(|| {
        "it is neither a duration, as in 1h30m, nor a time, as in 2026-08-01T10:00:00Z".into()
    })
}
