//! The permissions that rules need, as Kubernetes objects: `fuse rbac` prints them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::kinds::usual;
use super::triggers::metadata::is_name;
use super::{Need, Permission, RuleNeed, Scope};

/// The service account that gets the permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The service account's namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::str::FromStr for Account {
    type Err = String;

    /// From `namespace/name`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        match parts.filter(|(namespace, name)| is_name(namespace) && is_name(name)) {
            Some((namespace, name)) => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            None => Err(format!(
                "`{text}` is not a service account; write it as `fuse/fuse`, the namespace first"
            )),
        }
    }
}

/// Roles with their bindings: one per namespace that the rules act in, and one for the whole cluster where they
/// need it. They contain only what the rules need.
pub fn roles(needs: &[RuleNeed], account: &Account) -> Vec<Value> {
    let permissions = needs.iter().filter_map(|one| match &one.need {
        Need::Access(permission) => Some(permission),
        _ => None,
    });
    let mut by_place: BTreeMap<Option<String>, Vec<Permission>> = BTreeMap::new();
    for permission in merged(permissions) {
        let namespace = permission.scope.namespace().map(str::to_owned);
        by_place.entry(namespace).or_default().push(permission);
    }
    by_place
        .into_iter()
        .flat_map(|(namespace, permissions)| bound(namespace.as_deref(), &permissions, account))
        .collect()
}

/// A role and its binding.
fn bound(namespace: Option<&str>, permissions: &[Permission], account: &Account) -> [Value; 2] {
    let (role, binding) = match namespace {
        Some(_) => ("Role", "RoleBinding"),
        None => ("ClusterRole", "ClusterRoleBinding"),
    };
    let metadata = || {
        let mut metadata = json!({ "name": account.name });
        if let (Some(namespace), Some(map)) = (namespace, metadata.as_object_mut()) {
            map.insert("namespace".into(), namespace.into());
        }
        metadata
    };
    let api_version = "rbac.authorization.k8s.io/v1";
    let subject = json!({
        "kind": "ServiceAccount", "name": account.name, "namespace": account.namespace,
    });
    let reference = json!({
        "apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": account.name,
    });
    [
        json!({
            "apiVersion": api_version, "kind": role, "metadata": metadata(),
            "rules": rules(permissions),
        }),
        json!({
            "apiVersion": api_version, "kind": binding, "metadata": metadata(),
            "roleRef": reference, "subjects": [subject],
        }),
    ]
}

/// Permissions as the rules of a role. Those that differ only in the name of the object are merged.
fn rules(permissions: &[Permission]) -> Vec<Value> {
    let mut rules: BTreeMap<(String, String, Vec<&str>, bool), BTreeSet<&str>> = BTreeMap::new();
    for permission in permissions {
        let resource = usual(&permission.api_version, &permission.kind);
        let key =
            (resource.group, resource.plural, permission.verbs.clone(), permission.name.is_some());
        rules.entry(key).or_default().extend(permission.name.as_deref());
    }
    rules
        .into_iter()
        .map(|((group, plural, verbs, named), names)| {
            let mut rule = json!({ "apiGroups": [group], "resources": [plural], "verbs": verbs });
            if let (true, Some(map)) = (named, rule.as_object_mut()) {
                map.insert("resourceNames".into(), json!(names));
            }
            rule
        })
        .collect()
}

impl Permission {
    /// Whether this permission covers the objects of another one, and some of its verbs.
    pub(super) fn covers(&self, other: &Self) -> bool {
        (&self.api_version, &self.kind, &self.scope, &self.name)
            == (&other.api_version, &other.kind, &other.scope, &other.name)
            && other.verbs.iter().any(|verb| self.verbs.contains(verb))
    }
}

/// Permissions without repetitions: all verbs for the same objects together, and none that a wider permission
/// covers.
pub(super) fn merged<'p>(permissions: impl Iterator<Item = &'p Permission>) -> Vec<Permission> {
    type Thing = (Scope, String, String, Option<String>);
    let mut verbs: BTreeMap<Thing, BTreeSet<&'static str>> = BTreeMap::new();
    for permission in permissions {
        let Permission { scope, api_version, kind, name, .. } = permission.clone();
        verbs.entry((scope, api_version, kind, name)).or_default().extend(&permission.verbs);
    }
    let all = verbs.clone();
    let includes =
        |wider: &Thing, verb: &str| all.get(wider).is_some_and(|verbs| verbs.contains(verb));
    for ((scope, api_version, kind, name), verbs) in &mut verbs {
        let everywhere = matches!(scope, Scope::Namespace(_)).then_some(Scope::AllNamespaces);
        let places = std::iter::once(scope.clone()).chain(everywhere);
        let things: Vec<Thing> = places
            .flat_map(|scope| [None, name.clone()].map(|name| (scope.clone(), name)))
            .filter(|(other_place, other_name)| (other_place, other_name) != (scope, name))
            .map(|(scope, name)| (scope, api_version.clone(), kind.clone(), name))
            .collect();
        verbs.retain(|verb| !things.iter().any(|thing| includes(thing, verb)));
    }
    verbs
        .into_iter()
        .filter(|(_, verbs)| !verbs.is_empty())
        .map(|((scope, api_version, kind, name), verbs)| Permission {
            api_version,
            kind,
            verbs: verbs.into_iter().collect(),
            scope,
            name,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(verbs: &[&'static str], scope: &Scope, name: Option<&str>) -> Permission {
        let Need::Access(permission) = Need::access("batch/v1", "Job", verbs, scope, name) else {
            panic!("it is an access");
        };
        permission
    }

    #[test]
    fn what_a_wider_permission_includes_is_not_said_again() {
        let here = Scope::Namespace("n".into());
        let all = [
            permission(&["create", "get"], &here, None),
            permission(&["get"], &here, Some("x")),
            permission(&["list"], &Scope::AllNamespaces, None),
            permission(&["list", "watch"], &here, None),
        ];
        let told: Vec<String> = merged(all.iter())
            .into_iter()
            .map(|one| format!("{} {} {:?}", one.verbs.join(","), one.scope, one.name))
            .collect();
        assert_eq!(told, ["create,get,watch in namespace `n` None", "list in any namespace None"]);
    }
}
