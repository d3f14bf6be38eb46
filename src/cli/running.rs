//! The arguments of the commands that run fuse, or that query a cluster or sender.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Format;

/// Listen for events and act on them
///
/// Serves every port and path that the rules declare. fuse answers an event once it is durable,
/// decides it once, and performs each action once, even after crashes and restarts: on the cluster
/// of the kubeconfig, or with `--local` as files.
#[derive(Debug, Args)]
#[command(after_help = "\
Fuses: FUSE_<NAME> in the environment, over [fuses] in fuse.toml, over the rules' default.
Log: FUSE_LOG sets its level, as in FUSE_LOG=debug.

Examples:
  fuse run rules --local
  FUSE_CICD=on fuse run rules --local --out /tmp/objects
  FUSE_CICD=on fuse run rules --context staging

Exit codes: 0 stopped by a signal, 1 the rules have problems, 2 it could not start, 3 it did not stop
cleanly: a second signal or the time limit cut work short, or the state could not be closed")]
pub(crate) struct Run {
    /// Rules files, or folders of them [default: rules]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) cluster: Cluster,

    /// Write objects to files instead of submitting them to a cluster
    ///
    /// Listens on 127.0.0.1 by default.
    #[arg(long, conflicts_with_all = ["kubeconfig", "context"])]
    pub(crate) local: bool,

    /// The folder for events, decisions and actions [default: .fuse, with --local .fuse-local]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// The folder for the objects of `--local` [default: manifests]
    #[arg(long, value_name = "DIR", requires = "local")]
    pub(crate) out: Option<PathBuf>,

    /// The configuration [default: fuse.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The address on which sources listen [default: 127.0.0.1 with --local, else 0.0.0.0]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<IpAddr>,

    /// The address and port of /healthz, /readyz, /metrics and /decisions [default: port 12080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) admin: Option<SocketAddr>,
}

/// Check whether a cluster has what the rules need
///
/// Checks everything that the rules would use: the API server, kinds, namespaces, service accounts,
/// WorkflowTemplates and their parameters, the secrets that they name, and the permissions for
/// exactly what the rules would do. For each thing that is missing, shows what to do. Nothing is
/// changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse doctor rules
  fuse doctor rules --context staging --as system:serviceaccount:fuse:fuse
  fuse doctor rules --format json

Exit codes: 0 ready, 1 something is missing or the rules have problems, 2 wrong usage or no cluster")]
pub(crate) struct Doctor {
    /// Rules files, or folders of them [default: rules]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) cluster: Cluster,

    /// Check the permissions of this user, such as system:serviceaccount:fuse:fuse
    ///
    /// Your own account needs the permission to impersonate it.
    #[arg(long = "as", value_name = "USER")]
    pub(crate) acting_as: Option<String>,

    /// The configuration [default: fuse.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The output format
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Print the permissions that the rules need, as Kubernetes roles
///
/// Prints one Role per namespace in which the rules act, and a ClusterRole if the namespace depends
/// on the event, each with its binding. They contain only the permissions that the rules need.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse rbac rules | kubectl apply -f -
  fuse rbac rules --service-account automation/fuse

Exit codes: 0 printed, 1 the rules have problems, 2 wrong usage")]
pub(crate) struct Rbac {
    /// Rules files, or folders of them [default: rules]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// The account that fuse runs as
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "fuse/fuse")]
    pub(crate) service_account: String,

    /// The output format: `text` is YAML
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// The cluster to act on.
#[derive(Debug, Args)]
pub(crate) struct Cluster {
    /// The kubeconfig [default: KUBECONFIG, else ~/.kube/config, else the pod's service account]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

/// Print the configuration that makes a sender send its events to fuse
///
/// Generates the configuration from the port and path of the event and the fields that the rules
/// read. The output is YAML, with explanations in comments. It works as it is, and says which parts
/// to merge into an existing configuration.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fuse connect alertmanager > alertmanager.yml
  fuse connect backstage rules --url https://fuse.example.com/hooks
  fuse connect argocd rules --event argocd-notifications.notifications

Exit codes: 0 printed, 1 the rules have problems, 2 wrong usage or no such event")]
pub(crate) struct Connect {
    /// The sender
    #[arg(value_enum)]
    pub(crate) sender: Sender,

    /// Rules files, or folders of them [default: rules]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// The URL at which the sender reaches fuse
    ///
    /// If the URL has neither port nor path, such as that of a service, the port of the event is
    /// added. If it has a port or path, such as that of an ingress, it is not changed. The path of
    /// the event is always appended. The default is the service `fuse` in the namespace `fuse`.
    #[arg(long, value_name = "URL", default_value = "http://fuse.fuse.svc")]
    pub(crate) url: String,

    /// The source and event, by their names in the rules
    ///
    /// The default is the only event of the source whose name is that of the sender, or starts with
    /// it.
    #[arg(long, value_name = "SOURCE.EVENT")]
    pub(crate) event: Option<String>,
}

/// The senders that `fuse connect` supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sender {
    /// Prometheus Alertmanager: a complete alertmanager.yml
    Alertmanager,
    /// Backstage: a proxy endpoint, and a step of a software template
    Backstage,
    /// Argo CD notifications: argocd-notifications-cm
    Argocd,
}
