//! One change of one object, as data: triggers build it, and the cluster makes it.

use serde_json::{Map, Value, json};

/// The change that an action makes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// The action's id.
    pub(crate) action: String,
    /// The field manager: fuse, for a rule.
    pub(crate) manager: String,
    /// What to do.
    pub(crate) operation: Operation,
    /// The object.
    pub(crate) target: Target,
    /// The object to create or apply; the patch; null for a deletion.
    pub(crate) body: Value,
    /// The objects that this one refers to and cannot do without.
    pub(crate) requires: Vec<Target>,
    /// The CronJob whose template completes the object.
    pub(crate) from_cron_job: Option<FromCronJob>,
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Create it. An object of that name is a conflict.
    Create,
    /// Create or update it, by server-side apply.
    Apply {
        /// Whether to take over fields that other managers own.
        force: bool,
    },
    /// Change it. It must exist.
    Patch(Patch),
    /// Delete it.
    Delete(Propagation),
}

/// How a patch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patch {
    /// RFC 7396.
    Merge,
    /// Kubernetes' strategic merge patch: lists merge by key. Not for custom resources.
    Strategic,
    /// RFC 6902, a list of operations.
    Json,
}

/// What happens to the objects that the deleted one owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// They are deleted after it.
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay.
    Orphan,
}

/// An object on the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// As in `batch/v1`.
    pub(crate) api_version: String,
    /// As in `Job`.
    pub(crate) kind: String,
    /// `None` for objects outside namespaces.
    pub(crate) namespace: Option<String>,
    /// Its name.
    pub(crate) name: String,
}

/// A job made from the template of a CronJob.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FromCronJob {
    /// The CronJob's namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// Environment variables for every container.
    pub(crate) env: Map<String, Value>,
}

impl Operation {
    /// The operation's name in rules and messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Apply { .. } => "apply",
            Self::Patch(_) => "patch",
            Self::Delete(_) => "delete",
        }
    }
}

impl Patch {
    fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Strategic => "strategic",
            Self::Json => "json",
        }
    }
}

impl Propagation {
    pub(super) fn policy(self) -> kube::api::PropagationPolicy {
        match self {
            Self::Background => kube::api::PropagationPolicy::Background,
            Self::Foreground => kube::api::PropagationPolicy::Foreground,
            Self::Orphan => kube::api::PropagationPolicy::Orphan,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

impl Change {
    /// The form for people and files: the object itself where one is created, otherwise the operation and its
    /// target.
    pub(crate) fn shown(&self) -> Value {
        let target = json!({
            "apiVersion": self.target.api_version,
            "kind": self.target.kind,
            "namespace": self.target.namespace,
            "name": self.target.name,
        });
        match self.operation {
            Operation::Create | Operation::Apply { .. } => self.body.clone(),
            Operation::Patch(patch) => json!({
                "operation": "patch", "type": patch.as_str(), "target": target, "patch": self.body,
                "action": self.action,
            }),
            Operation::Delete(_) => json!({
                "operation": "delete", "target": target, "action": self.action,
            }),
        }
    }
}
