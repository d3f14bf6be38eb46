//! What an action can need of a Kubernetes cluster, as data.

use fuse_rules::schema::OutlineField;

/// Where objects live.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// In this namespace.
    Namespace(String),
    /// In a namespace that the event names, or in any.
    AllNamespaces,
    /// Outside namespaces.
    Cluster,
}

/// What a trigger block needs of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A kind of objects.
    Kind {
        /// As in `argoproj.io/v1alpha1`.
        api_version: String,
        /// As in `Workflow`.
        kind: String,
    },
    /// A namespace.
    Namespace(String),
    /// An object.
    Object {
        /// As in `v1`.
        api_version: &'static str,
        /// As in `ServiceAccount`.
        kind: &'static str,
        /// Where it is.
        scope: Scope,
        /// Its name.
        name: String,
    },
    /// A WorkflowTemplate or ClusterWorkflowTemplate that takes these parameters.
    Template {
        /// Which of the two.
        kind: &'static str,
        /// Where it is.
        scope: Scope,
        /// Its name.
        name: String,
        /// What the rule gives it.
        parameters: Vec<OutlineField>,
    },
    /// A permission.
    Access(Permission),
    /// Objects that are watched after they are submitted.
    Follow {
        /// As in `batch/v1`.
        api_version: String,
        /// As in `Job`.
        kind: String,
        /// Where they are.
        scope: Scope,
    },
}

/// What may be done with which objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// As in `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// As in `Workflow`.
    pub kind: String,
    /// As in `create`.
    pub verbs: Vec<&'static str>,
    /// Where.
    pub scope: Scope,
    /// The one object that it is about; `None` for all.
    pub name: Option<String>,
}
