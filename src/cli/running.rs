//! The arguments of subcommands that run rules, or that concern a cluster or a sender.

#![allow(rustdoc::broken_intra_doc_links, reason = "help texts name sections of fuse.toml")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use fuse_runtime::sources::{Source as _, Webhook};

use super::{Format, RulePaths};

/// Listen for events and act on them
///
/// Serves every port and path that the rules declare. fuse answers once an event is durable, decides each
/// event once, and performs each action once, even across crashes and restarts. Actions change the cluster
/// of the current kubeconfig; with `--local`, they write files instead.
#[derive(Debug, Args)]
#[command(after_help = "\
Fuses: FUSE_<NAME> in the environment overrides [fuses] in fuse.toml, which overrides the rules.
Log: FUSE_LOG sets the level, as in FUSE_LOG=debug.

Examples:
  fuse run rules --local
  FUSE_CICD=on fuse run rules --local --out /tmp/objects
  FUSE_CICD=on fuse run rules --context staging

Exit codes: 0 stopped by a signal, 1 the rules have problems, 2 could not start, 3 stopped
uncleanly: a second signal or the time limit interrupted work, or the state could not be closed")]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) rules: RulePaths,

    #[command(flatten)]
    pub(crate) cluster: Cluster,

    /// Write objects to files instead of submitting them to a cluster
    ///
    /// Listens on 127.0.0.1 unless --listen sets another address.
    #[arg(long, conflicts_with_all = ["kubeconfig", "context"])]
    pub(crate) local: bool,

    /// The folder for events, decisions and actions [default: .fuse, or .fuse-local with --local]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// Share the state with other replicas over these NATS servers, as in nats://nats:4222 [default: `url` in [backend] of fuse.toml]
    ///
    /// The state folder then has a copy of the shared state.
    #[arg(long, value_name = "URL")]
    pub(crate) backend: Option<String>,

    /// How long to accept events after a signal to stop, while `/readyz` says that fuse stops, as in 5s
    ///
    /// For a load balancer that needs a moment to notice, such as a Service of Kubernetes with several replicas.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, hide_default_value = true)]
    pub(crate) drain: Duration,

    /// The folder to which --local writes objects [default: manifests]
    #[arg(long, value_name = "DIR", requires = "local")]
    pub(crate) out: Option<PathBuf>,

    /// The address on which sources listen [default: 127.0.0.1 with --local, else 0.0.0.0]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<IpAddr>,

    /// The address and port of the admin port [default: 127.0.0.1:12080]
    ///
    /// Another address than loopback needs a token, from --admin-token-file or [admin] in fuse.toml.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) admin: Option<SocketAddr>,

    /// The file with the token of the admin port [default: `token` in [admin] of fuse.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) admin_token_file: Option<PathBuf>,
}

/// A duration as rules write it, or zero.
fn duration(text: &str) -> Result<Duration, String> {
    match text {
        "0s" => Ok(Duration::ZERO),
        _ => fuse_rules::literals::parse_duration(text)
            .and_then(|parsed| parsed.try_into().ok())
            .ok_or_else(|| "write a duration such as `5s`".to_owned()),
    }
}

/// Check that a cluster has everything that the rules need
///
/// Checks the API server, kinds, namespaces, service accounts, WorkflowTemplates and their parameters,
/// the secrets that they use, and the permissions for exactly the changes that the rules would make. Also
/// checks the secrets of sources on this machine, and the NATS servers of `[backend]`, and warns about webhooks without
/// `auth`. For each missing item, shows the fix. Changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse doctor rules
  fuse doctor rules --context staging --as system:serviceaccount:fuse:fuse
  fuse doctor rules --format json

Exit codes: 0 ready, 1 something is missing or the rules have problems, 2 wrong usage or no cluster")]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) rules: RulePaths,

    #[command(flatten)]
    pub(crate) cluster: Cluster,

    /// Check the permissions of this user, as in system:serviceaccount:fuse:fuse
    ///
    /// Your own account needs permission to impersonate the user.
    #[arg(long = "as", value_name = "USER")]
    pub(crate) acting_as: Option<String>,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Generate Kubernetes roles with the permissions that the rules need
///
/// Prints a Role for each namespace in which the rules act, and a ClusterRole if a namespace depends on the
/// event, each with its binding. The roles grant only the permissions that the rules need.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse rbac rules | kubectl apply -f -
  fuse rbac rules --service-account automation/fuse

Exit codes: 0 printed, 1 the rules have problems, 2 wrong usage")]
pub(crate) struct Rbac {
    #[command(flatten)]
    pub(crate) rules: RulePaths,

    /// The service account under which fuse runs
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "fuse/fuse")]
    pub(crate) service_account: String,

    /// The output format; `text` is YAML
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// The cluster to act on.
#[derive(Debug, Args)]
pub(crate) struct Cluster {
    /// The kubeconfig [default: KUBECONFIG, else ~/.kube/config, else the pod's service account]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// The context in the kubeconfig [default: the current context]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

/// Generate the configuration of a sender
///
/// For Alertmanager, Argo CD and Backstage, prints YAML that makes the sender post its events to the port and path
/// in the rules, with the fields that the rules read. The output works unchanged. Comments explain it, and show
/// which parts to merge into an existing configuration.
///
/// For a sender that is a kind of source, such as `github`, prints its settings for each source of this kind in the
/// rules. If there is none, prints one, with all of its events.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse connect alertmanager > alertmanager.yml
  fuse connect backstage rules --url https://fuse.example.com/hooks
  fuse connect argocd rules --event argocd-notifications.notifications
  fuse connect github >> rules/github.rules

Exit codes: 0 printed, 1 the rules have problems, 2 wrong usage or no such event")]
pub(crate) struct Connect {
    /// The sender
    #[arg(value_parser = senders())]
    pub(crate) sender: String,

    #[command(flatten)]
    pub(crate) rules: RulePaths,

    /// The URL under which the sender reaches fuse
    ///
    /// fuse appends the path of the event. If the URL has neither a port nor a path, as for a Service,
    /// fuse also adds the port of the event. The default is the Service `fuse` in the namespace `fuse`.
    #[arg(long, value_name = "URL", default_value = "http://fuse.fuse.svc")]
    pub(crate) url: String,

    /// The event that it sends, as declared in the rules
    ///
    /// The default is the only event of the source that is named after the sender, such as `argocd` or
    /// `argocd-notifications`.
    #[arg(long, value_name = "SOURCE.EVENT")]
    pub(crate) event: Option<String>,
}

/// The senders that `fuse connect` can configure: those with a whole configuration, and those that fuse has a kind of
/// source for.
fn senders() -> PossibleValuesParser {
    let webhook = Webhook::new(Ipv4Addr::LOCALHOST.into()).schema();
    let presets = webhook.preset_kinds().filter(|preset| !WHOLE_SENDERS.contains(preset));
    PossibleValuesParser::new(WHOLE_SENDERS.into_iter().chain(presets))
}

/// The senders with a whole configuration.
const WHOLE_SENDERS: [&str; 3] = ["alertmanager", "argocd", "backstage"];
