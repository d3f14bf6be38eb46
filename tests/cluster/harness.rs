//! The control plane: it serves, it enforces RBAC, and it stops and starts.

use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::support::cluster::{
    ADMIN, CONFIG_MAP, ControlPlane, NARROW, Objects, Proxy, WORKFLOW, calm, status_of,
};
use crate::support::until;

pub(super) fn workflow(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "entrypoint": "main", "templates": [{ "name": "main", "suspend": {} }] },
    })
}

fn config_map(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": namespace },
        "data": { "key": "value" },
    })
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

/// A client of the file alone.
pub(super) async fn client_of(kubeconfig: &Path) -> kube::Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    config.proxy_url = None;
    kube::Client::try_from(config).unwrap()
}

/// May create workflows, and nothing else; bound to a user and a service account.
const ROLE: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: creator}
rules:
  - {apiGroups: [argoproj.io], resources: [workflows], verbs: [create]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: creator}
---
# Nothing but this remark.
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: creator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: creator}
subjects:
  - {apiGroup: rbac.authorization.k8s.io, kind: User, name: narrow}
  - {kind: ServiceAccount, name: creator, namespace: NAMESPACE}
"#;

/// The status with which creating the object is refused; none where it is created.
async fn refused(objects: &Objects, object: Value) -> Option<u16> {
    match objects.create(object).await {
        Ok(_) => None,
        Err(error) => Some(status_of(&error).unwrap_or_else(|| panic!("{error:?}"))),
    }
}

#[tokio::test]
async fn a_workflow_is_created_finished_and_deleted() {
    let Some(cluster) = ControlPlane::shared().await else { return };
    let (namespace, other) = (cluster.namespace("life").await, cluster.namespace("life").await);
    assert_ne!(namespace, other);
    let objects = cluster.admin().await;
    let made = objects.create(workflow(&namespace, "one")).await.unwrap();
    assert_eq!(made["spec"]["entrypoint"], "main");
    assert_eq!(refused(&objects, workflow(&namespace, "one")).await, Some(409));

    let done = json!({ "phase": "Succeeded" });
    objects.patch_status(WORKFLOW, &namespace, "one", &done).await.unwrap();
    let now = objects.get(WORKFLOW, &namespace, "one").await.unwrap();
    assert_eq!((name(&now), &now["status"]["phase"]), ("one", &json!("Succeeded")));
    assert_eq!(objects.list(WORKFLOW, &namespace).await.unwrap(), [now]);
    assert!(objects.list(WORKFLOW, &other).await.unwrap().is_empty());

    objects.delete(WORKFLOW, &namespace, "one").await.unwrap();
    let gone = objects.get(WORKFLOW, &namespace, "one").await.unwrap_err();
    assert_eq!(status_of(&gone), Some(404), "{gone:?}");
}

#[tokio::test]
async fn a_status_that_is_a_subresource_is_patched_as_one() {
    let Some(cluster) = ControlPlane::shared().await else { return };
    let namespace = cluster.namespace("status").await;
    let objects = cluster.admin().await;
    let job = format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: one, namespace: {namespace}}}, \
         spec: {{template: {{spec: {{restartPolicy: Never, containers: \
         [{{name: main, image: none}}]}}}}}}}}"
    );
    objects.apply_yaml(&job, "elsewhere").await.unwrap();
    let done = json!({ "succeeded": 1 });
    let job = objects.patch_status("batch/v1/Job", &namespace, "one", &done).await.unwrap();
    assert_eq!(job["status"]["succeeded"], 1);
}

#[tokio::test]
async fn rbac_is_enforced_for_users_and_service_accounts() {
    let Some(cluster) = ControlPlane::shared().await else { return };
    let namespace = cluster.namespace("rbac").await;
    let narrow = cluster.objects(NARROW).await;
    assert_eq!(refused(&narrow, workflow(&namespace, "early")).await, Some(403));

    let role = ROLE.replace("NAMESPACE", &namespace);
    cluster.admin().await.apply_yaml(&role, &namespace).await.unwrap();
    let token = cluster.token_of(&namespace, "creator").await;
    for (token, name) in [(NARROW, "of-user"), (&token, "of-account")] {
        let objects = cluster.objects(token).await;
        // The roles are seen a moment after they are written.
        until("the role is known", async || {
            refused(&objects, workflow(&namespace, name)).await.is_none().then_some(())
        })
        .await;
        assert_eq!(refused(&objects, config_map(&namespace, name)).await, Some(403));
        let error = objects.list(WORKFLOW, &namespace).await.unwrap_err();
        assert_eq!(status_of(&error), Some(403), "{error:?}");
    }
    let nobody = cluster.objects("no-token-of-anybody").await;
    assert_eq!(refused(&nobody, workflow(&namespace, "late")).await, Some(401));
}

#[tokio::test]
async fn a_kubeconfig_file_is_all_that_a_client_needs() {
    let Some(cluster) = ControlPlane::shared().await else { return };
    let file = cluster.kubeconfig(ADMIN);
    assert_ne!(file, cluster.kubeconfig(ADMIN));
    let client = client_of(&file).await;
    client.apiserver_version().await.unwrap();
}

#[tokio::test]
async fn one_of_its_own_stops_and_starts_and_gains_and_loses_crds() {
    let Some(mut cluster) = ControlPlane::start().await else { return };
    let namespace = cluster.namespace("own").await;
    let objects = cluster.admin().await;
    let missing = objects.create(workflow(&namespace, "early")).await.unwrap_err();
    assert_eq!(status_of(&missing), Some(404), "{missing:?}");
    cluster.install_crds().await;
    // Once more does no harm.
    cluster.install_crds().await;
    objects.create(workflow(&namespace, "one")).await.unwrap();
    objects.create(config_map(&namespace, "one")).await.unwrap();

    let proxy = Proxy::start(&cluster, calm()).await;
    let through = proxy.objects(ADMIN).await;
    through.get(CONFIG_MAP, &namespace, "one").await.unwrap();

    cluster.stop_api_server();
    let cut = through.get(CONFIG_MAP, &namespace, "one").await.unwrap_err();
    assert_eq!(status_of(&cut), None, "{cut:?}");
    let unreachable = objects.get(CONFIG_MAP, &namespace, "one").await.unwrap_err();
    assert_eq!(status_of(&unreachable), None, "{unreachable:?}");
    cluster.start_api_server().await;
    // The same clients, without a word of the stop.
    for objects in [&objects, &through] {
        let read = objects.get(CONFIG_MAP, &namespace, "one").await.unwrap();
        assert_eq!(read["data"]["key"], "value");
    }
    until("the workflow is served again", async || {
        objects.get(WORKFLOW, &namespace, "one").await.ok()
    })
    .await;

    cluster.delete_crds().await;
    assert!(objects.create(workflow(&namespace, "late")).await.is_err());
    cluster.install_crds().await;
    // They are the same definitions, but not the same objects.
    assert!(objects.list(WORKFLOW, &namespace).await.unwrap().is_empty());

    let file = cluster.kubeconfig(ADMIN);
    assert!(file.exists());
    drop(cluster);
    assert!(!file.parent().unwrap().exists());
    assert!(objects.list(CONFIG_MAP, &namespace).await.is_err());
}
