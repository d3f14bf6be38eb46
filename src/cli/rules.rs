//! The arguments of subcommands that examine rules and run nothing.

use std::path::PathBuf;

use clap::Args;

use super::{Credentials, Format, ProblemFormat, RulePaths};

/// Check rules for mistakes
///
/// Reports every problem in all files at once, each with its location, the reason and the fix. Denied
/// lints count as problems. Warnings are printed but do not affect the exit code. Nothing is run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse check rules
  fuse check --fix rules
  fuse check --format json rules/slo-remediation.rules
  fuse check --cost rules
  fuse check --against deployed/rules rules
  fuse check --against http://127.0.0.1:12080 rules

Exit codes: 0 no problems, 1 problems, 2 wrong usage, no such server, or a path that cannot be read or written")]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) rules: RulePaths,

    /// Print the worst-case cost of each rule, the most expensive first
    ///
    /// The cost is the largest number of values that a rule examines for one event, if `each` has `max`
    /// elements and every other list has 1,000. The part of the rule that contributes most is shown.
    /// Rules above `max_cost` in the configuration are reported as problems with or without this flag.
    /// `max_work` limits the values that a rule examines for a real event, whose lists may be longer.
    #[arg(long)]
    pub(crate) cost: bool,

    /// Compare with the rules of another folder or file, or of a running fuse: what would a reload change?
    ///
    /// A URL is the admin port of a running fuse, which shows the texts of its rules to holders of a token.
    /// Lists the rules that are added, removed or changed, fuses, and what fuse would listen to. A changed
    /// rule is shown with an event that it decides differently, or as rewritten if it provably decides and
    /// acts alike.
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) against: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) credentials: Credentials,

    /// Apply all safe fixes, and report the remaining problems
    ///
    /// Fixes that are guesses, such as a similar name, are shown but not applied.
    #[arg(long)]
    pub(crate) fix: bool,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ProblemFormat,
}

/// Explain an error code or a lint
///
/// Prints the page of the code or lint: what is wrong, why it matters, an example and the fix. Without
/// an argument, lists all codes and lints.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse explain-code E0301
  fuse explain-code unused-const

Exit codes: 0 printed, 2 no such code or lint")]
pub(crate) struct ExplainCode {
    /// An error code or the name of a lint, as `fuse check` and `fuse lint` print it
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}

/// Format rule files
///
/// There is only one style, without options. Formatting changes only white space, line endings,
/// commas and the order of clauses; comments stay next to the code that they describe. fuse verifies that
/// the result means the same before it writes it. Files that do not parse are reported and left unchanged.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse fmt rules
  fuse fmt --check --diff rules
  fuse fmt - < rules/sources.rules

Exit codes: 0 formatted, 1 a file does not parse, or --check found a file to format, 2 wrong usage
or a file that cannot be read or written")]
pub(crate) struct Fmt {
    /// Rule files, or folders that contain them; `-` formats standard input to standard output
    #[arg(value_name = "PATH", default_value = "rules")]
    pub(crate) paths: Vec<PathBuf>,

    /// List the files that are not formatted, and write nothing
    #[arg(long)]
    pub(crate) check: bool,

    /// Print the changes, and write nothing
    #[arg(long)]
    pub(crate) diff: bool,
}

/// Explain which rules an event matches, and why
///
/// Decides the event as a running fuse would, without acting on it. For every rule and element, shows
/// the condition and the value that decided. For rules that fire, shows the exact object that would be
/// submitted. Refuses the events that a running fuse would refuse.
///
/// Flow control, such as `once` and `limit`, decides as if there was no earlier event. With `--server` or `--state`, it
/// meets the state of that fuse: what the clauses remember and which fuses are on. The rules are still those given here,
/// so you can try a change before it is deployed. Nothing is recorded.
///
/// `--why` and `--why-not` show everything about the given rules: each part of each condition, whether
/// it is true, false or unknown, and the values that it read.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse explain rules --source alertmanager.slo-alerts --event rules/events/alertmanager-mixed.json
  fuse explain rules --source backstage.provision --event event.json --fuse cicd=on --format json
  fuse explain rules --source backstage.provision --event event.json --why-not provision-app
  fuse explain rules --source backstage.provision --event event.json --server http://127.0.0.1:12080

Exit codes: 0 explained, 1 the rules have problems, 2 wrong usage or an event that fuse would refuse")]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) rules: RulePaths,

    /// The body of the event: a JSON file, or `-` for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "query")]
    pub(crate) event: Option<PathBuf>,

    /// The event's source and name, as declared in the rules
    #[arg(long, value_name = "SOURCE.EVENT")]
    pub(crate) source: String,

    /// A header of the event; can be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,

    /// A parameter of the query, not percent-encoded; can be repeated
    ///
    /// If the source has `method = "GET"`, the query is the body, and `--event` is not needed.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) query: Vec<String>,

    /// The path of the request, as in `/hooks/acme`, for an event whose path has parameters
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,

    /// Show everything about this rule, and no other rule; can be repeated
    ///
    /// The full name is `SENSOR/RULE`. The last part is enough if no other rule of the event has it.
    #[arg(long, value_name = "RULE", conflicts_with = "why_not")]
    pub(crate) why: Vec<String>,

    /// Like `--why`, for a rule that did not fire: shows the failed conditions first
    #[arg(long, value_name = "RULE")]
    pub(crate) why_not: Vec<String>,

    /// The state of a fuse; can be repeated
    ///
    /// Other fuses have their values in the fuse at `--server`, or as they were last switched in `--state`, or their
    /// defaults from the rules. The environment and `fuse.toml` of this command are ignored.
    #[arg(long = "fuse", value_name = "NAME=on|off")]
    pub(crate) fuses: Vec<String>,

    /// Decide with the state of a running fuse, by its admin port
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,

    /// Decide with the state in a state folder on this machine, of a running or stopped fuse
    #[arg(long, value_name = "DIR", conflicts_with_all = ["server", "token_file"])]
    pub(crate) state: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) credentials: Credentials,

    /// When the event was received, as in 2026-08-01T10:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) at: Option<jiff::Timestamp>,

    /// The event's id, from which the names of objects are derived
    ///
    /// The default is the sender's id if the event has one, else `example`.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Show how the rules are evaluated and indexed
///
/// For each event, lists the values extracted from its body and the parts of all conditions. For every
/// rule, shows its index entry: fuse evaluates the rule only for events that match the entry. fuse
/// evaluates a rule without an entry for every event and element.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: fuse plan rules

Exit codes: 0 printed, 1 the rules have problems, 2 wrong usage or a path that cannot be read")]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) rules: RulePaths,
}

/// Measure how fast the rules decide your events
///
/// Decides all events repeatedly. In between, validates the same bytes as JSON without any rules; the
/// ratio of the two shows the cost of the rules. No action is performed, and all fuses are on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse bench rules --events events.jsonl --source github.push
  fuse bench rules --events rules/events/alertmanager-mixed.json --source alertmanager.slo-alerts
  fuse bench rules --events events.jsonl --json

Exit codes: 0 measured, 1 the rules have problems, 2 wrong usage or an event that cannot be read")]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) rules: RulePaths,

    /// A file with one event body per line (JSON Lines) or one body in all, or `-` for standard input; can
    /// be repeated
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) events: Vec<PathBuf>,

    /// The source and name of the events [default: the only event that the rules use]
    #[arg(long, value_name = "SOURCE.EVENT")]
    pub(crate) source: Option<String>,

    /// A header of every event; can be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,

    /// The duration of the measurement
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration)]
    pub(crate) time: std::time::Duration,

    /// Print JSON: `events`, `bytes`, `rules`, `matches`, `ns_per_event`, `floor_ns_per_event`,
    /// `ratio`, `load_ms`, `rss_bytes`, `rule_hits`, `refused`
    #[arg(long)]
    pub(crate) json: bool,
}

/// Infer a type from example events
///
/// The type accepts all examples. Fields that some examples lack are optional, and other fields are
/// allowed. Add the type to your rules and declare it for an event, as in `event placed : order`; `fuse
/// check` then reports paths that the event does not have.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse infer-type rules/events/alertmanager-*.json --name group
  fuse infer-type samples --name order > order.rules
  kubectl get pod fuse-0 -o json | fuse infer-type - --name pod

Exit codes: 0 printed, 2 wrong usage or an event that is not JSON")]
pub(crate) struct InferType {
    /// JSON files with one event body each, folders that contain `.json` files, or `-` for standard input
    #[arg(required = true, value_name = "EVENTS")]
    pub(crate) events: Vec<PathBuf>,

    /// The name of the type
    #[arg(long, value_name = "NAME", default_value = "payload")]
    pub(crate) name: String,
}

/// Generate documentation for the rules
///
/// Prints one Markdown page with every source, event, sensor, rule, fuse, type, constant and condition,
/// each with the comment above it and its definition. Comments are plain text, except that text in
/// back-quotes is code.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse doc rules --output docs/rules.md
  fuse doc rules | less
  fuse doc --std
  fuse doc --std github

Exit codes: 0 printed, 1 the rules have problems, 2 wrong usage, no such module, or a file that
cannot be written")]
pub(crate) struct Doc {
    #[command(flatten)]
    pub(crate) rules: RulePaths,

    /// Print a module of the standard library instead, or list the modules: types of what senders send,
    /// and conditions
    #[arg(
        long,
        value_name = "MODULE",
        num_args = 0..=1,
        default_missing_value = "",
        conflicts_with = "paths"
    )]
    pub(crate) std: Option<String>,

    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

fn time(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| "write it as 2026-08-01T10:00:00Z".to_owned())
}

/// A duration in the format of the rules, such as `3s`.
pub(super) fn duration(text: &str) -> Result<std::time::Duration, String> {
    let duration =
        fuse_rules::literals::parse_duration(text).and_then(|duration| duration.try_into().ok());
    duration.ok_or_else(|| "write a number and its unit, as in `3s`".to_owned())
}
