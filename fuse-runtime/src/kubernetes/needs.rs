//! What rules need of a cluster, as far as it is known before any event: what `fuse doctor` checks,
//! `fuse rbac` prints and the runtime follows.

use fuse_rules::{Outline, Ruleset, TriggerInfo};
use serde_json::Value;

use crate::requirements::{Need, Permission, Place, Requirement, RuleRequirement};
use crate::triggers::Triggers;

/// Whether an API version is of Kubernetes itself.
pub(super) fn is_built_in(api_version: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    !group.contains('.') || group.ends_with(".k8s.io")
}

/// A need, and which rule has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleNeed {
    /// The rule's full name, `sensor/rule`.
    pub rule: String,
    /// What it needs.
    pub need: Need,
}

/// What all rules need of the cluster, in their order.
pub fn needs(ruleset: &Ruleset, triggers: &Triggers) -> Vec<RuleNeed> {
    let required = triggers.requirements(ruleset).into_iter();
    let needs = required.filter_map(|RuleRequirement { rule, requirement }| match requirement {
        Requirement::Kubernetes(need) => Some(RuleNeed { rule, need }),
        _ => None,
    });
    needs.collect()
}

impl Place {
    /// The namespace that a field names.
    pub fn of(field: Option<&Outline>) -> Self {
        match field {
            Some(Outline::Constant(Value::String(namespace))) => Self::Namespace(namespace.clone()),
            Some(_) => Self::Anywhere,
            None => Self::Outside,
        }
    }

    /// The namespace, where it is known.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Namespace(namespace) => Some(namespace),
            Self::Anywhere | Self::Outside => None,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Namespace(namespace) => write!(f, "in namespace `{namespace}`"),
            Self::Anywhere => f.write_str("in any namespace"),
            Self::Outside => f.write_str("outside namespaces"),
        }
    }
}

impl Need {
    /// What creating objects of a kind needs, and following those that do some work.
    pub fn created(api_version: &str, kind: &str, place: &Place) -> Vec<Self> {
        let mut needs = Self::used(api_version, kind, &["create", "get"], place, None);
        // Of Kubernetes' own kinds, these two come to an end of their own.
        if is_built_in(api_version) && !matches!(kind, "Job" | "Pod") {
            return needs;
        }
        needs.push(Self::access(api_version, kind, &["list", "watch"], place, None));
        needs.push(Self::Follow {
            api_version: api_version.into(),
            kind: kind.into(),
            place: place.clone(),
        });
        needs
    }

    /// What using objects of a kind needs.
    pub fn used(
        api_version: &str,
        kind: &str,
        verbs: &[&'static str],
        place: &Place,
        name: Option<&str>,
    ) -> Vec<Self> {
        let mut needs = vec![Self::Kind { api_version: api_version.into(), kind: kind.into() }];
        needs.extend(place.namespace().map(|namespace| Self::Namespace(namespace.to_owned())));
        needs.push(Self::access(api_version, kind, verbs, place, name));
        needs
    }

    /// A permission.
    pub fn access(
        api_version: &str,
        kind: &str,
        verbs: &[&'static str],
        place: &Place,
        name: Option<&str>,
    ) -> Self {
        Self::Access(Permission {
            api_version: api_version.into(),
            kind: kind.into(),
            verbs: verbs.to_vec(),
            place: place.clone(),
            name: name.map(str::to_owned),
        })
    }

    /// The service account of a block's `service-account`, where both it and its place are known.
    pub fn service_account(block: &TriggerInfo, place: &Place) -> Option<Self> {
        let name = block.text("service-account")?.to_owned();
        place.namespace()?;
        Some(Self::Object { api_version: "v1", kind: "ServiceAccount", place: place.clone(), name })
    }
}
