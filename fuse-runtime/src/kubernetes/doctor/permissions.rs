//! Checks permissions by asking the API server about exactly the requests that the rules would make.

use http::Request;
use kube::core::request;
use serde_json::{Value, json};

use super::{Examination, collect};
use crate::kubernetes::kinds::{full_name, usual};
use crate::kubernetes::rbac::merged;
use crate::kubernetes::{Need, Permission, Refusal, RuleNeed, Scope};

impl Examination<'_> {
    pub(super) async fn permissions(&mut self, needs: &[RuleNeed]) {
        let permissions = needs.iter().filter_map(|one| match &one.need {
            Need::Access(permission) => Some(permission),
            _ => None,
        });
        // Merged first: a permission for all namespaces covers those for single ones.
        let permissions: Vec<Permission> =
            merged(permissions).into_iter().filter(|one| self.may_exist(&one.scope)).collect();
        for permission in permissions {
            let rules = collect(needs, |need| match need {
                Need::Access(one) if one.covers(&permission) => Some(()),
                _ => None,
            });
            let rules = rules.into_values().next().unwrap_or_default();
            self.permission(&permission, &rules).await;
        }
    }

    async fn permission(&mut self, permission: &Permission, rules: &[String]) {
        let what = describe(permission);
        let mut denied = Vec::new();
        for verb in &permission.verbs {
            self.report.checked += 1;
            match self.may(permission, verb).await {
                Ok(true) => {}
                Ok(false) => denied.push(*verb),
                Err(refusal) => {
                    let unchecked = format!("whether it may {verb} {what}");
                    self.unchecked(unchecked, refusal.message(), rules);
                }
            }
        }
        if !denied.is_empty() {
            let verbs = denied.join(", ");
            let fix = "apply what `fuse rbac` prints for these rules and the account";
            self.problem(format!("this account may not {verbs} {what}"), fix, rules);
        }
    }

    async fn may(&self, permission: &Permission, verb: &str) -> Result<bool, Refusal> {
        let Permission { api_version, kind, scope, name, .. } = permission;
        let served = self.cluster.discover(api_version, kind).await?;
        let resource =
            served.map_or_else(|| usual(api_version, kind), |kind| kind.resource().clone());
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "group": resource.group,
                "version": resource.version,
                "resource": resource.plural,
                "verb": verb,
                // Empty: in all of them.
                "namespace": scope.namespace().unwrap_or_default(),
                "name": name.clone().unwrap_or_default(),
            } },
        });
        let request = Request::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(review.to_string().into_bytes())
            .map_err(request::Error::BuildRequest);
        let answer = self.acting.call(request).await?;
        Ok(answer.pointer("/status/allowed") == Some(&Value::Bool(true)))
    }
}

/// The objects of a permission, for people.
fn describe(permission: &Permission) -> String {
    let resource = full_name(&usual(&permission.api_version, &permission.kind));
    let scope = match &permission.scope {
        Scope::Cluster => String::new(),
        scope => format!(" {scope}"),
    };
    match &permission.name {
        Some(name) => format!("`{name}` of `{resource}`{scope}"),
        None => format!("`{resource}`{scope}"),
    }
}
