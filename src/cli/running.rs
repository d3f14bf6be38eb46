//! The arguments of what runs, and of what looks at a cluster or a sender.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Format;

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

Exit codes: 0 stopped by a signal, 1 the rules have problems, 2 it could not start, 3 it did not stop
cleanly: a second signal or the time limit cut work short, or the state could not be closed")]
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
  fuse doctor rules --context staging --as system:serviceaccount:fuse:fuse
  fuse doctor rules --format json

Exit codes: 0 ready, 1 something is missing or the rules have problems, 2 wrong usage or no cluster")]
pub(crate) struct Doctor {
    /// Files of rules, or folders of them; the folder `rules` where none is given
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) cluster: Cluster,

    /// Look at permissions as this user, as in system:serviceaccount:fuse:fuse
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
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "fuse/fuse")]
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
  fuse connect argocd rules --event argocd-notifications.notifications

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
    /// follows in any case. The default is the service `fuse` in the namespace `fuse`.
    #[arg(long, value_name = "URL", default_value = "http://fuse.fuse.svc")]
    pub(crate) url: String,

    /// Which event it sends, by the names that the rules give the source and the event
    ///
    /// Where it is left out: the one event of the source that is called like the sender, or whose
    /// name begins so.
    #[arg(long, value_name = "SOURCE.EVENT")]
    pub(crate) event: Option<String>,
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
