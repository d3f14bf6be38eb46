//! Objects of any kind, as JSON.

use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, ApiResource, Scope, pinned_kind};
use kube::{Client, Result};
use serde_json::{Value, json};

use super::{crds, until};

/// Who owns the fields that tests apply.
const MANAGER: &str = "fuse-tests";

/// The objects of a cluster, as one user may see and change them. A kind is what stands in
/// `apiVersion`, a slash, and the kind, such as `v1/ConfigMap`. The namespace is empty for kinds
/// that have none, and for lists over all of them.
pub(crate) struct Objects {
    client: Client,
}

impl Objects {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// What the cluster itself says the kind is.
    pub(super) async fn resource(&self, kind: &str) -> Result<(ApiResource, ApiCapabilities)> {
        let (api_version, kind) = kind.rsplit_once('/').unwrap();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        pinned_kind(&self.client, &GroupVersionKind::gvk(group, version, kind)).await
    }

    async fn api(&self, kind: &str, namespace: &str) -> Result<Api<DynamicObject>> {
        let (resource, _) = self.resource(kind).await?;
        Ok(match namespace {
            "" => Api::all_with(self.client(), &resource),
            _ => Api::namespaced_with(self.client(), namespace, &resource),
        })
    }

    pub(crate) async fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<Value> {
        let found = self.api(kind, namespace).await?.get(name).await?;
        Ok(json(&found))
    }

    pub(crate) async fn list(&self, kind: &str, namespace: &str) -> Result<Vec<Value>> {
        let found = self.api(kind, namespace).await?.list(&ListParams::default()).await?;
        Ok(found.items.iter().map(json).collect())
    }

    /// Creates the object where it says it is, and returns it as it now is.
    pub(crate) async fn create(&self, object: Value) -> Result<Value> {
        let (kind, namespace) = (kind_of(&object), text(&object, "/metadata/namespace"));
        let api = self.api(&kind, namespace).await?;
        let object = serde_json::from_value(object).unwrap();
        Ok(json(&api.create(&PostParams::default(), &object).await?))
    }

    /// Applies the object on the server, over whoever else owns its fields. In this namespace,
    /// where the kind has namespaces and the object does not say one.
    pub(crate) async fn apply(&self, object: &Value, namespace: &str) -> Result<Value> {
        let (resource, capabilities) = self.resource(&kind_of(object)).await?;
        let own = text(object, "/metadata/namespace");
        let namespace = if own.is_empty() { namespace } else { own };
        let api: Api<DynamicObject> = match capabilities.scope {
            Scope::Cluster => Api::all_with(self.client(), &resource),
            Scope::Namespaced => Api::namespaced_with(self.client(), namespace, &resource),
        };
        let parameters = PatchParams::apply(MANAGER).force();
        let name = text(object, "/metadata/name");
        Ok(json(&api.patch(name, &parameters, &Patch::Apply(object)).await?))
    }

    /// Applies all documents of the text, one after the other, and waits for each CRD to be
    /// served before the next.
    pub(crate) async fn apply_yaml(&self, yaml: &str, namespace: &str) -> Result<()> {
        for object in documents(yaml) {
            self.apply(&object, namespace).await?;
            if object["kind"] == "CustomResourceDefinition" {
                crds::wait(self, &object).await;
            }
        }
        Ok(())
    }

    /// Merges into the object's status, as the kind's controller would.
    pub(crate) async fn patch_status(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        status: &Value,
    ) -> Result<Value> {
        let (_, capabilities) = self.resource(kind).await?;
        let own = capabilities
            .subresources
            .iter()
            .any(|(resource, _)| resource.plural.ends_with("status"));
        let api = self.api(kind, namespace).await?;
        let (parameters, patch) = (PatchParams::default(), json!({ "status": status }));
        let patch = Patch::Merge(&patch);
        let patched = match own {
            true => api.patch_status(name, &parameters, &patch).await?,
            false => api.patch(name, &parameters, &patch).await?,
        };
        Ok(json(&patched))
    }

    /// Merges a patch into an object.
    pub(crate) async fn patch(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value> {
        let api = self.api(kind, namespace).await?;
        Ok(json(&api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?))
    }

    /// Merges into the object's annotations.
    pub(crate) async fn annotate(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        annotations: &Value,
    ) -> Result<Value> {
        let patch = json!({ "metadata": { "annotations": annotations } });
        let api = self.api(kind, namespace).await?;
        Ok(json(&api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await?))
    }

    /// Lets go of a namespace that is being deleted, as its controller would once it is empty.
    pub(crate) async fn finalize(&self, namespace: &str) -> Result<()> {
        let path = format!("/api/v1/namespaces/{namespace}/finalize");
        let body = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": namespace },
            "spec": { "finalizers": [] },
        });
        let request = hyper::Request::put(path)
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .unwrap();
        self.client.request::<Value>(request).await?;
        Ok(())
    }

    pub(crate) async fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<()> {
        let api = self.api(kind, namespace).await?;
        api.delete(name, &kube::api::DeleteParams::default()).await?;
        Ok(())
    }

    pub(super) async fn token_of(
        &self,
        namespace: &str,
        account: &str,
        audiences: &[&str],
    ) -> Result<String> {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": { "audiences": audiences, "expirationSeconds": 3600 },
        });
        let request = hyper::Request::post(path)
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .unwrap();
        let answer: Value = self.client.request(request).await?;
        Ok(text(&answer, "/status/token").to_owned())
    }

    /// Waits until the kind is served, or is not.
    pub(super) async fn wait_served(&self, kind: &str, served: bool) {
        until(&format!("served: {kind}: {served}"), async || {
            let now = match self.list(kind, "").await {
                Ok(_) => true,
                Err(kube::Error::Discovery(_)) => false,
                Err(error) if status_of(&error) == Some(404) => false,
                // For the moment, nobody knows.
                Err(_) => return None,
            };
            (now == served).then_some(())
        })
        .await;
    }
}

/// The status with which the API server refused.
pub(crate) fn status_of(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// The documents of a YAML text, but for empty ones.
pub(crate) fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

pub(super) fn kind_of(object: &Value) -> String {
    format!("{}/{}", text(object, "/apiVersion"), text(object, "/kind"))
}

/// The text at a JSON pointer, or none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn json(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap()
}
