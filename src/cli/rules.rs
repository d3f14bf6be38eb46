//! The arguments of the commands that read rules and run nothing.

use std::path::PathBuf;

use clap::Args;

use super::{Format, ProblemFormat};

/// Check rules for mistakes
///
/// Reads all files and reports every problem at once, each with its position, reason and fix,
/// including lints that are denied. Nothing is run. Warnings are printed too, and do not change the
/// exit code.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse check rules
  fuse check --fix rules
  fuse check --format json rules/slo-remediation.rules
  fuse check --cost rules

Exit codes: 0 no problems, 1 problems, 2 wrong usage or a path that cannot be read or written")]
pub(crate) struct Check {
    /// Rules files, or folders with `.rules` files (subfolders are not searched)
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Print the maximum cost of each rule, highest first
    ///
    /// The cost is an upper bound on the number of values that the rule examines for one event. The
    /// output also shows the part of the rule that contributes most. Rules above `max_cost` of the
    /// configuration are errors in any case.
    #[arg(long)]
    pub(crate) cost: bool,

    /// The configuration [default: fuse.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Apply the safe fixes, and report the remaining problems
    ///
    /// Fixes that are only a guess, such as a similar name, are shown but not applied.
    #[arg(long)]
    pub(crate) fix: bool,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ProblemFormat,
}

/// Explain a code of `fuse check` or a lint
///
/// Prints the page of the code or lint: what is wrong, why it matters, an example, and what to
/// write instead. Without an argument, lists all of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse explain-code E0301
  fuse explain-code unused-const

Exit codes: 0 printed, 2 no such code or lint")]
pub(crate) struct ExplainCode {
    /// The code or the name of the lint, as printed by `fuse check` and `fuse lint`
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}

/// Format rules files in the standard style
///
/// Changes only white space, line ends, commas and the order of clauses. Comments stay next to the
/// same code. The result is parsed again before it is written, and has the same meaning. A file
/// that does not parse is not changed, and its problems are reported. Rules that would not pass the
/// checks are formatted, too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse fmt rules
  fuse fmt --check --diff rules
  fuse fmt - < rules/sources.rules

Exit codes: 0 formatted, 1 a file does not parse, or with --check would change, 2 wrong usage or a
file that cannot be read or written")]
pub(crate) struct Fmt {
    /// Rules files, or folders of them; `-` formats standard input to standard output
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Do not write; list the files that would change
    #[arg(long)]
    pub(crate) check: bool,

    /// Do not write; print the changes
    #[arg(long)]
    pub(crate) diff: bool,
}

/// Show what the rules would do with an event, and why
///
/// Decides the event like a running fuse, without performing any action. For every rule and
/// element, shows the outcome, the condition that decided it and its values, and for rules that
/// fire, the exact object that would be submitted. Earlier events are not known, so `once` does not
/// suppress actions because of them.
///
/// With `--why` or `--why-not`, shows everything about the given rules only: each condition with
/// all its parts, whether it is true, false or unknown, and its values.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse explain rules --source alertmanager.slo-alerts --event rules/events/alertmanager-mixed.json
  fuse explain rules --source backstage.provision --event event.json --fuse cicd=on --format json
  fuse explain rules --source backstage.provision --event event.json --why-not provision-app

Exit codes: 0 explained, 1 the rules have problems, 2 wrong usage or an event that is not JSON")]
pub(crate) struct Explain {
    /// Rules files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// The body of the event: a JSON file, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) event: PathBuf,

    /// The source and event, by their names in the rules
    #[arg(long, value_name = "SOURCE.EVENT")]
    pub(crate) source: String,

    /// A header of the event; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,

    /// Show everything about this rule only; may be given several times
    ///
    /// The full name of the rule, `SENSOR/RULE`, or only `RULE` if no other rule of the event has
    /// the same name.
    #[arg(long, value_name = "RULE", conflicts_with = "why_not")]
    pub(crate) why: Vec<String>,

    /// The same for a rule that did not fire: the conditions that prevented it come first
    #[arg(long, value_name = "RULE")]
    pub(crate) why_not: Vec<String>,

    /// The value of a fuse; may be given several times
    ///
    /// Other fuses have the defaults of the rules; the environment and `fuse.toml` are ignored.
    #[arg(long = "fuse", value_name = "NAME=on|off")]
    pub(crate) fuses: Vec<String>,

    /// The time at which the event was received, such as 2026-08-01T10:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) at: Option<jiff::Timestamp>,

    /// The id of the event, which determines the names of objects
    ///
    /// The default is the sender's id, as a running fuse would find it, or else `example`.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Show how the rules are evaluated, and how the index finds each of them
///
/// Lists for each event the values that are extracted from its body, the parts of all conditions,
/// and for every rule the value that makes it a candidate. Rules whose value does not occur in an
/// event are not evaluated. A rule that the index cannot find is evaluated for every event and
/// element.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: fuse plan rules

Exit codes: 0 printed, 1 the rules have problems, 2 wrong usage or a path that cannot be read")]
pub(crate) struct Plan {
    /// Rules files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

/// Measure how fast the rules decide your events
///
/// Alternates between deciding all events and only validating the same bytes, which every program
/// that reads events has to do. The ratio shows the cost of the rules. No action is performed. All
/// fuses are on, so that the conditions are measured.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse bench rules --events events.jsonl --source github.push
  fuse bench rules --events rules/events/alertmanager-mixed.json --source alertmanager.slo-alerts
  fuse bench rules --events events.jsonl --json

Exit codes: 0 measured, 1 the rules have problems, 2 wrong usage or an event that cannot be read")]
pub(crate) struct Bench {
    /// Rules files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// The bodies of events, one per line (JSON Lines), or one in the complete file; `-` for
    /// standard input; may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) events: Vec<PathBuf>,

    /// The source and event; optional if all rules are for one event
    #[arg(long, value_name = "SOURCE.EVENT")]
    pub(crate) source: Option<String>,

    /// A header of every event; may be given several times
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
/// The type accepts all the examples. Fields that some of them lack are optional, and other fields
/// are allowed. Add the type to your rules and use it for an event, as in `event placed : order`. A
/// path that the event does not have is then an error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse infer-type rules/events/alertmanager-*.json --name group
  fuse infer-type samples --name order > order.rules
  kubectl get pod fuse-0 -o json | fuse infer-type - --name pod

Exit codes: 0 printed, 2 wrong usage or an event that is not JSON")]
pub(crate) struct InferType {
    /// JSON files, each the body of one event; folders, for the `.json` files in them; `-` for
    /// standard input
    #[arg(required = true, value_name = "EVENTS")]
    pub(crate) events: Vec<PathBuf>,

    /// The name of the type
    #[arg(long, value_name = "NAME", default_value = "payload")]
    pub(crate) name: String,
}

/// Generate a page that documents the rules
///
/// One page of Markdown with links: every source with its events, every sensor, rule, fuse, type,
/// constant and condition, with its definition and the comment above it. Comments are treated as
/// plain text, except that text in backquotes is code.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse doc rules --output docs/rules.md
  fuse doc rules | less

Exit codes: 0 printed, 1 the rules have problems, 2 wrong usage or a file that cannot be written")]
pub(crate) struct Doc {
    /// Rules files, or folders of them [default: rules]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// The output file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

fn time(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| "write it as 2026-08-01T10:00:00Z".to_owned())
}

/// A duration in the format of the rules, such as `3s`.
pub(super) fn duration(text: &str) -> Result<std::time::Duration, String> {
    let duration = fuse_rules::parse_duration(text).and_then(|duration| duration.try_into().ok());
    duration.ok_or_else(|| "write a number and its unit, as in `3s`".to_owned())
}
