//! The needs of rules on a cluster, as far as they are known before any event: `fuse doctor` checks them,
//! `fuse rbac` prints the permissions among them, and the runtime follows the objects among them.

use fuse_rules::Ruleset;
use fuse_rules::schema::{Outline, TriggerInfo};
use serde_json::Value;

use crate::requirements::{Need, Permission, Requirement, RuleRequirement, Scope};
use crate::triggers::Triggers;

/// Whether an API version belongs to Kubernetes itself.
pub(super) fn is_built_in(api_version: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    !group.contains('.') || group.ends_with(".k8s.io")
}

/// Whether objects of a kind run some work, whose end is observed. Of the built-in kinds, only two run to completion.
pub(super) fn runs_work(api_version: &str, kind: &str) -> bool {
    !is_built_in(api_version) || matches!(kind, "Job" | "Pod")
}

/// A need, and which rule has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleNeed {
    /// The rule's full name, `sensor/rule`.
    pub rule: String,
    /// What it needs.
    pub need: Need,
}

/// The needs of all rules, in the order of the rules.
pub fn needs(ruleset: &Ruleset, triggers: &Triggers) -> Vec<RuleNeed> {
    let required = triggers.requirements(ruleset).into_iter();
    let needs = required.filter_map(|RuleRequirement { rule, requirement }| match requirement {
        Requirement::Kubernetes(need) => Some(RuleNeed { rule, need }),
        _ => None,
    });
    needs.collect()
}

impl Scope {
    /// The namespace that a field names.
    pub fn of(field: Option<&Outline>) -> Self {
        match field {
            Some(Outline::Constant(Value::String(namespace))) => Self::Namespace(namespace.clone()),
            Some(_) => Self::AllNamespaces,
            None => Self::Cluster,
        }
    }

    /// The namespace, where it is known.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Namespace(namespace) => Some(namespace),
            Self::AllNamespaces | Self::Cluster => None,
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Namespace(namespace) => write!(f, "in namespace `{namespace}`"),
            Self::AllNamespaces => f.write_str("in any namespace"),
            Self::Cluster => f.write_str("outside namespaces"),
        }
    }
}

impl Need {
    /// The needs for creating objects of a kind, and for following those that run some work.
    pub fn created(api_version: &str, kind: &str, scope: &Scope) -> Vec<Self> {
        let mut needs = Self::used(api_version, kind, &["create", "get"], scope, None);
        if !runs_work(api_version, kind) {
            return needs;
        }
        needs.push(Self::access(api_version, kind, &["list", "watch"], scope, None));
        needs.push(Self::Follow {
            api_version: api_version.into(),
            kind: kind.into(),
            scope: scope.clone(),
        });
        needs
    }

    /// The needs for using objects of a kind.
    pub fn used(
        api_version: &str,
        kind: &str,
        verbs: &[&'static str],
        scope: &Scope,
        name: Option<&str>,
    ) -> Vec<Self> {
        let mut needs = vec![Self::Kind { api_version: api_version.into(), kind: kind.into() }];
        needs.extend(scope.namespace().map(|namespace| Self::Namespace(namespace.to_owned())));
        needs.push(Self::access(api_version, kind, verbs, scope, name));
        needs
    }

    /// A permission.
    pub fn access(
        api_version: &str,
        kind: &str,
        verbs: &[&'static str],
        scope: &Scope,
        name: Option<&str>,
    ) -> Self {
        Self::Access(Permission {
            api_version: api_version.into(),
            kind: kind.into(),
            verbs: verbs.to_vec(),
            scope: scope.clone(),
            name: name.map(str::to_owned),
        })
    }

    /// The service account of a block's `service-account`, where its name and its scope are known.
    pub fn service_account(block: &TriggerInfo, scope: &Scope) -> Option<Self> {
        let name = block.text("service-account")?.to_owned();
        scope.namespace()?;
        Some(Self::Object { api_version: "v1", kind: "ServiceAccount", scope: scope.clone(), name })
    }
}
