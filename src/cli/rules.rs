//! The arguments of what looks at rules and runs nothing.

use std::path::PathBuf;

use clap::Args;

use super::{Format, ProblemFormat};

/// Check rules for mistakes
///
/// Reads all files and reports every problem at once, each with its place, its reason and the way
/// out; lints that are denied are among them. Nothing is run. Warnings are printed too, and change no
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
    /// Files of rules, or folders: the `.rules` files in them, not in their subfolders
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Print what each rule can cost, the dearest first
    ///
    /// A bound on the values that one event can make a rule look at, and the part of the rule that
    /// most of it comes from. Rules past `max_cost` of the configuration are problems in any case.
    #[arg(long)]
    pub(crate) cost: bool,

    /// The configuration [default: fuse.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Apply the fixes that are surely meant, and report what is left
    ///
    /// What is only a guess, such as a name that is near, is shown and left to you.
    #[arg(long)]
    pub(crate) fix: bool,

    /// How problems are printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ProblemFormat,
}

/// Say what a code of `fuse check` or a lint means
///
/// Prints the page of the code or lint: what is wrong, why that matters, an example and what to write
/// instead. Without one, lists all of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse explain-code E0301
  fuse explain-code unused-const

Exit codes: 0 printed, 2 no such code or lint")]
pub(crate) struct ExplainCode {
    /// The code or the lint's name, as `fuse check` and `fuse lint` print it
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}

/// Lay files of rules out in the one style that there is
///
/// Only white space, line ends, commas and the order of clauses change; comments stay with what they
/// stand at. What is written is read again first and means the same. A file that does not parse is
/// left as it is, with its problems; rules that would not pass the checks are laid out, too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse fmt rules
  fuse fmt --check --diff rules
  fuse fmt - < rules/sources.rules

Exit codes: 0 laid out, 1 a file does not parse, or with --check would change, 2 wrong usage or a
file that cannot be read or written")]
pub(crate) struct Fmt {
    /// Files of rules, or folders of them; `-` reads standard input and prints the layout
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Write nothing; name the files that would change
    #[arg(long)]
    pub(crate) check: bool,

    /// Write nothing; print what would change
    #[arg(long)]
    pub(crate) diff: bool,
}

/// Say what the rules would do with an event, and why
///
/// Decides the event as a running fuse would, without doing anything, and tells for every rule and
/// element what became of it: which condition decided, on which value; and for what fires the
/// exact object that would be submitted. Earlier events are not known to it: what `once` would hold
/// back because of them is not held back here.
///
/// With `--why` or `--why-not`, tells all there is to tell of some rules alone: each condition with
/// each of its parts, whether it is true, false or unknown, and on which values.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse explain rules --source alertmanager.slo-alerts --event rules/events/alertmanager-mixed.json
  fuse explain rules --source backstage.provision --event event.json --fuse cicd=on --format json
  fuse explain rules --source backstage.provision --event event.json --why-not provision-app

Exit codes: 0 explained, 1 the rules have problems, 2 wrong usage or an event that is not JSON")]
pub(crate) struct Explain {
    /// Files of rules, or folders of them
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// The event's body: a file of JSON, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) event: PathBuf,

    /// Which event it is, by the names that the rules give the source and the event
    #[arg(long, value_name = "SOURCE.EVENT")]
    pub(crate) source: String,

    /// A header that came with it; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,

    /// Tell of this rule alone, and everything; may be given several times
    ///
    /// The rule's full name, `SENSOR/RULE`, or its own where no other rule of the event has it.
    #[arg(long, value_name = "RULE", conflicts_with = "why_not")]
    pub(crate) why: Vec<String>,

    /// The same of a rule that did not fire: what stands in the way comes first
    #[arg(long, value_name = "RULE")]
    pub(crate) why_not: Vec<String>,

    /// The value of a fuse; may be given several times
    ///
    /// The rules' defaults hold for the others; the environment and `fuse.toml` are not asked.
    #[arg(long = "fuse", value_name = "NAME=on|off")]
    pub(crate) fuses: Vec<String>,

    /// When the event was received, as in 2026-08-01T10:00:00Z; now, where it is left out
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) at: Option<jiff::Timestamp>,

    /// The event's id, on which the names of objects depend
    ///
    /// Where it is left out: the sender's, as a running fuse would find it, else `example`.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,

    /// How the explanation is printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Show how the rules are evaluated, and what finds each of them
///
/// Lists for each event what is taken out of its body, the parts of all conditions, and for every rule
/// the value that makes it a candidate: rules whose value an event does not have are never looked at. A
/// rule that nothing finds is decided for each event and element.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: fuse plan rules

Exit codes: 0 printed, 1 the rules have problems, 2 wrong usage or a path that cannot be read")]
pub(crate) struct Plan {
    /// Files of rules, or folders of them
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

/// Measure how fast the rules decide your events
///
/// Decides every event again and again, in turns with only validating the same bytes, which anything
/// that reads events must do; their ratio says what the rules add. Nothing is done with what fires.
/// Conditions are what is measured, so fuses are taken to be on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse bench rules --events events.jsonl --source github.push
  fuse bench rules --events rules/events/alertmanager-mixed.json --source alertmanager.slo-alerts
  fuse bench rules --events events.jsonl --json

Exit codes: 0 measured, 1 the rules have problems, 2 wrong usage or an event that cannot be read")]
pub(crate) struct Bench {
    /// Files of rules, or folders of them
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// The bodies of events, one a line (JSON Lines), or one in the whole file; may be given several
    /// times; `-` for standard input
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) events: Vec<PathBuf>,

    /// Which event they are; may be left out where the rules are for one alone
    #[arg(long, value_name = "SOURCE.EVENT")]
    pub(crate) source: Option<String>,

    /// A header that came with each; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,

    /// How long to measure
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration)]
    pub(crate) time: std::time::Duration,

    /// Print JSON: `events`, `bytes`, `rules`, `matches`, `ns_per_event`, `floor_ns_per_event`,
    /// `ratio`, `load_ms`, `rss_bytes`, `rule_hits`, `refused`
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print a type that example events have
///
/// The type accepts all the examples: fields that some of them lack are optional, others may be
/// there too. Put it into your rules, give it to an event as in `event placed : order`, and a path
/// that the event does not have is an error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse infer-type rules/events/alertmanager-*.json --name group
  fuse infer-type samples --name order > order.rules
  kubectl get pod fuse-0 -o json | fuse infer-type - --name pod

Exit codes: 0 printed, 2 wrong usage or an event that is not JSON")]
pub(crate) struct InferType {
    /// Files of JSON, each the body of one event; folders, for the `.json` files in them; `-` for
    /// standard input
    #[arg(required = true, value_name = "EVENTS")]
    pub(crate) events: Vec<PathBuf>,

    /// The type's name
    #[arg(long, value_name = "NAME", default_value = "payload")]
    pub(crate) name: String,
}

/// Print a page that documents the rules
///
/// One page of Markdown, with links in it: every source and its events, sensor, rule, fuse, type, constant
/// and condition, with the comment above it and what it says. Comments are taken as text, in which what
/// stands in back-quotes is code.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse doc rules --output docs/rules.md
  fuse doc rules | less

Exit codes: 0 printed, 1 the rules have problems, 2 wrong usage or a file that cannot be written")]
pub(crate) struct Doc {
    /// Files of rules, or folders of them; the folder `rules` where none is given
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// The file to write instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

fn time(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| "write it as 2026-08-01T10:00:00Z".to_owned())
}

/// A duration as rules write it, as in `3s`.
pub(super) fn duration(text: &str) -> Result<std::time::Duration, String> {
    let duration = fuse_rules::parse_duration(text).and_then(|duration| duration.try_into().ok());
    duration.ok_or_else(|| "write a number and its unit, as in `3s`".to_owned())
}
