//! The kinds that the cluster serves, found by discovery. The API group of a kind changes between versions of
//! Kubernetes, and a custom kind exists only once its definition is installed.

use http::Request;
use kube::core::gvk::{GroupVersion, GroupVersionKind};
use kube::core::{ApiResource, DynamicObject, Resource};
use serde_json::Value;

use super::{Cluster, Refusal};
use crate::triggers::Failure;

/// A kind of objects that the cluster serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    resource: ApiResource,
    namespaced: bool,
}

impl Kind {
    /// As in `argoproj.io/v1alpha1`.
    pub fn api_version(&self) -> &str {
        &self.resource.api_version
    }

    /// As in `Workflow`.
    pub fn kind(&self) -> &str {
        &self.resource.kind
    }

    /// Whether its objects are namespaced.
    pub fn is_namespaced(&self) -> bool {
        self.namespaced
    }

    pub(crate) fn resource(&self) -> &ApiResource {
        &self.resource
    }

    /// The path of its objects.
    pub(super) fn path(&self, namespace: Option<&str>) -> String {
        DynamicObject::url_path(&self.resource, namespace.filter(|_| self.namespaced))
    }
}

/// The resource of a kind by its name alone, as far as names tell: `Workflow` of
/// `argoproj.io/v1alpha1` is `workflows`.
pub(crate) fn usual(api_version: &str, kind: &str) -> ApiResource {
    let version = api_version.parse().unwrap_or_else(|_| GroupVersion::gv("", api_version));
    let kind = GroupVersionKind::gvk(&version.group, &version.version, kind);
    ApiResource::from_gvk(&kind)
}

/// The resource's full name, as in `workflows.argoproj.io`.
pub(crate) fn full_name(resource: &ApiResource) -> String {
    match resource.group.as_str() {
        "" => resource.plural.clone(),
        group => format!("{}.{group}", resource.plural),
    }
}

impl Cluster {
    /// A kind, if the cluster serves it now.
    ///
    /// # Errors
    /// `NotReady` where it does not, or the reason why the cluster cannot be asked.
    pub async fn kind(&self, api_version: &str, kind: &str) -> Result<Kind, Failure> {
        match self.discover(api_version, kind).await.map_err(Refusal::into_failure)? {
            Some(kind) => Ok(kind),
            None => Err(Failure::NotReady(unserved(api_version, kind))),
        }
    }

    /// A kind; `None` where the cluster does not serve it.
    pub(super) async fn discover(
        &self,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<Kind>, Refusal> {
        if let Some(known) = self.known(api_version, kind) {
            return Ok(Some(known));
        }
        let root = if api_version.contains('/') { "apis" } else { "api" };
        let request = Request::get(format!("/{root}/{api_version}"))
            .body(Vec::new())
            .map_err(kube::core::request::Error::BuildRequest);
        let served = match self.call(request).await {
            Ok(served) => served,
            Err(refusal) if refusal.is_unserved() => return Ok(None),
            Err(refusal) => return Err(refusal),
        };
        let found = find(&served, api_version, kind);
        if let Some(kind) = &found {
            self.remember(kind.clone());
        }
        Ok(found)
    }
}

fn find(served: &Value, api_version: &str, kind: &str) -> Option<Kind> {
    let resources = served.get("resources")?.as_array()?;
    let text = |resource: &Value, key: &str| Some(resource.get(key)?.as_str()?.to_owned());
    let found = resources.iter().find(|resource| {
        // Subresources have a `/` in their name.
        text(resource, "kind").as_deref() == Some(kind)
            && text(resource, "name").is_some_and(|name| !name.contains('/'))
    })?;
    let mut resource = usual(api_version, kind);
    resource.plural = text(found, "name")?;
    let namespaced = found.get("namespaced").and_then(Value::as_bool).unwrap_or(true);
    Some(Kind { resource, namespaced })
}

/// The message for a kind that is not served, with the likely cause.
pub(super) fn unserved(api_version: &str, kind: &str) -> String {
    let resource = usual(api_version, kind);
    let what = format!("the cluster does not serve `{kind}` of `{api_version}`");
    if super::needs::is_built_in(api_version) {
        what
    } else {
        format!("the CustomResourceDefinition `{}` is not installed: {what}", full_name(&resource))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_kinds() {
        assert_eq!(full_name(&usual("argoproj.io/v1alpha1", "Workflow")), "workflows.argoproj.io");
        assert_eq!(full_name(&usual("v1", "Namespace")), "namespaces");
        assert_eq!(
            full_name(&usual("networking.k8s.io/v1", "NetworkPolicy")),
            "networkpolicies.networking.k8s.io"
        );
        assert_eq!(
            unserved("argoproj.io/v1alpha1", "Workflow"),
            "the CustomResourceDefinition `workflows.argoproj.io` is not installed: the cluster does not serve `Workflow` of `argoproj.io/v1alpha1`"
        );
        assert_eq!(
            unserved("batch/v1", "CronJob"),
            "the cluster does not serve `CronJob` of `batch/v1`"
        );
    }
}
