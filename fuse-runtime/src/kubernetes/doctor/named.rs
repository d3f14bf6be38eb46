//! The objects that WorkflowTemplates refer to: secrets, config maps, service accounts, and the keys that they
//! read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Examination, Found, target};
use crate::kubernetes::Scope;

/// The objects that templates of one namespace name.
#[derive(Debug, Default)]
pub(super) struct Named {
    objects: BTreeMap<(&'static str, String), Use>,
}

/// How an object is used.
#[derive(Debug, Default)]
struct Use {
    /// The keys that are read.
    keys: BTreeSet<String>,
    /// Whether it holds the credentials of a registry.
    registry: bool,
    rules: Vec<String>,
}

impl Named {
    /// Adds the objects that a spec refers to anywhere, except optional ones.
    pub(super) fn collect(&mut self, spec: &Value, rules: &[String]) {
        match spec {
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, rules)),
            Value::Object(map) => {
                for (key, value) in map {
                    self.field(key, value, rules);
                    self.collect(value, rules);
                }
            }
            _ => {}
        }
    }

    fn field(&mut self, key: &str, value: &Value, rules: &[String]) {
        let (kind, name) = match key {
            // Of a volume, and of a projected one.
            "secret" => ("Secret", value.get("secretName").or(value.get("name"))),
            "secretRef" | "secretKeyRef" => ("Secret", value.get("name")),
            "configMap" | "configMapRef" | "configMapKeyRef" => ("ConfigMap", value.get("name")),
            "serviceAccountName" => ("ServiceAccount", Some(value)),
            // Argo's `accessKeySecret`, `passwordSecret` and the like.
            _ if key.ends_with("Secret") => ("Secret", value.get("name")),
            "imagePullSecrets" => {
                for name in value.as_array().into_iter().flatten().map(|one| one.get("name")) {
                    if let Some(used) = self.used("Secret", name, rules) {
                        used.registry = true;
                    }
                }
                return;
            }
            _ => return,
        };
        if value.get("optional") == Some(&Value::Bool(true)) {
            return;
        }
        let items = value.get("items").and_then(Value::as_array).into_iter().flatten();
        let keys = std::iter::once(value).chain(items).filter_map(|one| one.get("key"));
        let keys: Vec<String> = keys.filter_map(Value::as_str).map(str::to_owned).collect();
        if let Some(used) = self.used(kind, name, rules) {
            used.registry |= keys.iter().any(|key| key == ".dockerconfigjson");
            used.keys.extend(keys);
        }
    }

    fn used(
        &mut self,
        kind: &'static str,
        name: Option<&Value>,
        rules: &[String],
    ) -> Option<&mut Use> {
        // A name with a template in it is known only when the workflow runs.
        let name = name?.as_str().filter(|name| !name.contains("{{"))?;
        let used = self.objects.entry((kind, name.to_owned())).or_default();
        for rule in rules {
            if !used.rules.contains(rule) {
                used.rules.push(rule.clone());
            }
        }
        Some(used)
    }
}

impl Examination<'_> {
    /// Checks that the objects exist, with the keys that templates read.
    pub(super) async fn named(&mut self, scope: &Scope, named: Named) {
        for ((kind, name), used) in named.objects {
            let wanted = target("v1", kind, scope, &name);
            match self.look(&wanted).await {
                Found::There(object) => {
                    for key in &used.keys {
                        let value = ["data", "binaryData"]
                            .iter()
                            .find_map(|part| object.get(part)?.get(key)?.as_str());
                        let lacks = match value {
                            None => "has no key",
                            Some("") if kind == "Secret" => "has nothing in its key",
                            Some(_) => continue,
                        };
                        let what = format!("{wanted} {lacks} `{key}`, which a template reads");
                        self.problem(what, format!("give `{key}` its value"), &used.rules);
                    }
                }
                Found::Missing => {
                    let absent = crate::kubernetes::submit::absent(&wanted);
                    let what = format!("{absent}; a template names it");
                    self.problem(what, make(kind, &name, scope, &used), &used.rules);
                }
                Found::Unchecked(why) => {
                    self.unchecked(format!("whether {wanted} exists"), why, &used.rules);
                }
            }
        }
    }
}

/// How to create a missing object.
fn make(kind: &str, name: &str, scope: &Scope, used: &Use) -> String {
    let namespace = scope.namespace().unwrap_or_default();
    let keys: String = used.keys.iter().map(|key| format!(" --from-literal={key}=…")).collect();
    match kind {
        "ServiceAccount" => format!("kubectl create serviceaccount {name} --namespace {namespace}"),
        "ConfigMap" => format!("kubectl create configmap {name} --namespace {namespace}{keys}"),
        _ if used.registry => format!(
            "kubectl create secret docker-registry {name} --namespace {namespace} --docker-server=… --docker-username=… --docker-password=…"
        ),
        _ => format!("kubectl create secret generic {name} --namespace {namespace}{keys}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_named_is_found_wherever_it_stands() {
        let spec = json!({
            "serviceAccountName": "runner",
            "imagePullSecrets": [{ "name": "pull" }],
            "volumes": [{ "secret": { "secretName": "vol", "items": [{ "key": "a" }] } },
                        { "secret": { "secretName": "maybe", "optional": true } },
                        { "configMap": { "name": "settings" } }],
            "templates": [{ "container": {
                "env": [{ "valueFrom": { "secretKeyRef": { "name": "env", "key": "token" } } },
                        { "valueFrom": { "secretKeyRef": { "name": "{{x}}", "key": "k" } } }],
                "envFrom": [{ "secretRef": { "name": "all" } }] },
                "inputs": { "artifacts": [{ "s3": { "accessKeySecret": { "name": "s3", "key": "id" } } }] } }],
        });
        let mut named = Named::default();
        named.collect(&spec, &["s/r".to_owned()]);
        let told: Vec<String> = named
            .objects
            .iter()
            .map(|((kind, name), used)| format!("{kind} {name} {:?}", used.keys))
            .collect();
        assert_eq!(
            told,
            [
                "ConfigMap settings {}",
                "Secret all {}",
                "Secret env {\"token\"}",
                "Secret pull {}",
                "Secret s3 {\"id\"}",
                "Secret vol {\"a\"}",
                "ServiceAccount runner {}",
            ]
        );
    }
}
