//! The arguments, as data: help texts and shell completions follow from here.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  the rules, or the cluster that they are for, have problems
  2  wrong usage, or a file, port or folder that cannot be used";

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
    Fmt(Fmt),
    ExplainCode(ExplainCode),
    Explain(Explain),
    InferType(InferType),
    Plan(Plan),
    Bench(Bench),
    Run(Run),
    Doctor(Doctor),
    Rbac(Rbac),
    Connect(Connect),
    Doc(Doc),
    Completions(Completions),
}

/// Check rules for mistakes
///
/// Reads all files and reports every problem at once, each with its place, its reason and the way
/// out. Nothing is run. Warnings are printed too, and change no exit code.
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

/// Say what a code of `fuse check` means
///
/// Prints the page of the code: what is wrong, why it is an error, an example and what to write
/// instead. Without a code, prints all of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: fuse explain-code E0301

Exit codes: 0 printed, 2 no such code")]
pub(crate) struct ExplainCode {
    /// The code, as `fuse check` prints it
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
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse explain rules --source alertmanager.slo-alerts --event rules/events/alertmanager-mixed.json
  fuse explain rules --source backstage.provision --event event.json --fuse cicd=on --format json

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

/// Listen for events and act on them
///
/// Serves every port and path that the rules declare. An event is answered once it is durable,
/// decided once, and each action done once, through crashes and restarts: on the cluster that the
/// kubeconfig names, or with `--local` as files.
#[derive(Debug, Args)]
#[command(after_help = "\
Fuses: FUSE_<NAME> in the environment, over [fuses] in fuse.toml, over the rules' default.
Log: FUSE_LOG sets its level, as in FUSE_LOG=debug.

Examples:
  fuse run rules --local
  FUSE_CICD=on fuse run rules --local --out /tmp/objects
  FUSE_CICD=on fuse run rules --context staging

Exit codes: 0 stopped by a signal, 1 the rules have problems, 2 it could not start")]
pub(crate) struct Run {
    /// Files of rules, or folders of them; the folder `rules` where none is given
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) cluster: Cluster,

    /// Write objects to files instead of submitting them to a cluster
    ///
    /// Listens on 127.0.0.1 unless told otherwise.
    #[arg(long, conflicts_with_all = ["kubeconfig", "context"])]
    pub(crate) local: bool,

    /// The folder that keeps events, decisions and actions [default: .fuse, with --local .fuse-local]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// The folder that `--local` writes objects to [default: manifests]
    #[arg(long, value_name = "DIR", requires = "local")]
    pub(crate) out: Option<PathBuf>,

    /// The configuration [default: fuse.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The address that sources listen on [default: 127.0.0.1 with --local, else 0.0.0.0]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<IpAddr>,

    /// The address and port of /healthz, /readyz, /metrics and /decisions [default: port 12080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) admin: Option<SocketAddr>,
}

/// Find out whether a cluster has what the rules need
///
/// Looks at everything that the rules would use: the API server, kinds, namespaces, service accounts,
/// WorkflowTemplates and their parameters, the secrets that they name, and the permissions for exactly
/// what the rules would do. Says what to do for each thing that is missing. Nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse doctor rules
  fuse doctor rules --context staging --as system:serviceaccount:cicd:fuse
  fuse doctor rules --format json

Exit codes: 0 ready, 1 something is missing or the rules have problems, 2 wrong usage or no cluster")]
pub(crate) struct Doctor {
    /// Files of rules, or folders of them; the folder `rules` where none is given
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) cluster: Cluster,

    /// Look at permissions as this user, as in system:serviceaccount:cicd:fuse
    ///
    /// Your own account must be permitted to impersonate it.
    #[arg(long = "as", value_name = "USER")]
    pub(crate) acting_as: Option<String>,

    /// The configuration [default: fuse.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// How findings are printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Print the permissions that the rules need, as Kubernetes roles
///
/// One Role for each namespace that the rules act in, and a ClusterRole where the namespace depends on
/// the event, each with its binding. Nothing more than the rules need is in them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse rbac rules | kubectl apply -f -
  fuse rbac rules --service-account automation/fuse

Exit codes: 0 printed, 1 the rules have problems, 2 wrong usage")]
pub(crate) struct Rbac {
    /// Files of rules, or folders of them; the folder `rules` where none is given
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// The account that fuse runs as
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "cicd/fuse")]
    pub(crate) service_account: String,

    /// How the roles are printed: `text` is YAML
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Which cluster to act on.
#[derive(Debug, Args)]
pub(crate) struct Cluster {
    /// The kubeconfig [default: KUBECONFIG, else ~/.kube/config, else the pod's service account]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// The kubeconfig's context [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

/// Print the configuration that makes a sender send its events to fuse
///
/// The rules say at which port and path an event arrives and what they read of its body; from that
/// follows the sender's side. What is printed is YAML, with the reasons in comments: as it is, it
/// works; what to merge into a configuration that you have, it says.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse connect alertmanager > alertmanager.yml
  fuse connect backstage rules --url https://fuse.example.com/hooks
  fuse connect argocd rules --event argocd.notification

Exit codes: 0 printed, 1 the rules have problems, 2 wrong usage or no such event")]
pub(crate) struct Connect {
    /// Who sends
    #[arg(value_enum)]
    pub(crate) sender: Sender,

    /// Files of rules, or folders of them; the folder `rules` where none is given
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Under which URL the sender reaches fuse
    ///
    /// With neither port nor path, as of a service with the ports of the rules, the event's own port
    /// is added. With a port or a path, as of an ingress, it stays as it is. The event's path
    /// follows in any case. The default is the service `fuse` in the namespace `cicd`.
    #[arg(long, value_name = "URL", default_value = "http://fuse.cicd.svc")]
    pub(crate) url: String,

    /// Which event it sends, by the names that the rules give the source and the event
    ///
    /// Where it is left out: the one event of the source that is called like the sender, or whose
    /// name begins so.
    #[arg(long, value_name = "SOURCE.EVENT")]
    pub(crate) event: Option<String>,
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

/// Print a script that completes `fuse` on the command line
#[derive(Debug, Args)]
#[command(after_help = "Example: fuse completions bash > /etc/bash_completion.d/fuse")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

fn time(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| "write it as 2026-08-01T10:00:00Z".to_owned())
}

/// What `fuse connect` knows how to configure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sender {
    /// Prometheus Alertmanager: a whole alertmanager.yml
    Alertmanager,
    /// Backstage: a proxy endpoint, and a step of a software template
    Backstage,
    /// Argo CD notifications: argocd-notifications-cm
    Argocd,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// How the problems of rules are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProblemFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
    /// SARIF 2.1.0, for code scanners
    Sarif,
    /// Commands that make GitHub annotate a change
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

/// A duration as rules write it, as in `3s`.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let duration = fuse_rules::parse_duration(text).and_then(|duration| duration.try_into().ok());
    duration.ok_or_else(|| "write a number and its unit, as in `3s`".to_owned())
}
