//! The names of the system that fuse replaces: senders keep their URLs, and fuse runs where the
//! namespace of the workflows does not exist yet.

use serde_json::{Value, json};

use super::deploy::{apply, helm, kustomized, make_namespace, one};
use super::doctor;
use super::scene::{action, not_ready, ready};
use crate::support::cluster::{ADMIN, ControlPlane, WORKFLOW, documents, status_of};
use crate::support::{ALERTS, Door, Setup, example, until};

/// Each event, by the names of its source and its own, and the URL that its sender has.
pub(super) const OLD_NAMES: [(&str, &str); 3] = [
    (
        "alertmanager.slo-alerts",
        "http://alertmanager-eventsource-svc.argo-events.svc.cluster.local:12000/webhook",
    ),
    (
        "backstage.provision",
        "http://backstage-eventsource-svc.argo-events.svc.cluster.local:12001/backstage/provision",
    ),
    (
        "argocd-notifications.notifications",
        "http://argocd-notifications-eventsource-svc.argo-events.svc.cluster.local:12002/argocd/notifications",
    ),
];

/// Where a request to the URL arrives, by the Service that it names and the pods that this selects: the
/// port of their container, and the path.
pub(super) async fn resolve(cluster: &ControlPlane, url: &'static str) -> Door {
    let rest = url.strip_prefix("http://").unwrap();
    let (authority, path) = rest.split_at(rest.find('/').unwrap());
    let (host, port) = authority.split_once(':').unwrap();
    let (name, namespace) =
        host.strip_suffix(".svc.cluster.local").unwrap().split_once('.').unwrap();
    let port: u64 = port.parse().unwrap();

    let admin = cluster.admin().await;
    let service = admin.get("v1/Service", namespace, name).await.unwrap();
    let ports = service["spec"]["ports"].as_array().unwrap();
    let target = &ports.iter().find(|one| one["port"] == port).unwrap()["targetPort"];

    let selector = service["spec"]["selector"].as_object().unwrap();
    assert!(!selector.is_empty(), "{service:#}");
    let selects = |deployment: &&Value| {
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        selector.iter().all(|(key, value)| labels[key] == *value)
    };
    let deployments = admin.list("apps/v1/Deployment", namespace).await.unwrap();
    let selected: Vec<&Value> = deployments.iter().filter(selects).collect();
    let [deployment] = selected.as_slice() else { panic!("{url} selects {selected:#?}") };
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    let container_port = containers
        .iter()
        .flat_map(|container| container["ports"].as_array().unwrap())
        .find(|port| port["name"] == *target || port["containerPort"] == *target)
        .unwrap_or_else(|| panic!("{url}: no container has the port {target}"));
    (container_port["containerPort"].as_u64().unwrap().try_into().unwrap(), path)
}

/// Whether the object is in the namespace `cicd`, or is that namespace.
fn is_in_cicd(object: &Value) -> bool {
    let metadata = &object["metadata"];
    metadata["namespace"] == "cicd" || object["kind"] == "Namespace" && metadata["name"] == "cicd"
}

#[test]
fn fuse_itself_is_deployed_outside_of_cicd() {
    let rendered = [
        kustomized("kustomize/base"),
        kustomized("kustomize/argo-events"),
        helm("fuse", &[]),
        helm("argo-events", &["--set", "legacySenderNames.enabled=true"]),
    ];
    for manifests in rendered.into_iter().flatten() {
        let objects = documents(&manifests);
        one(&objects, "Deployment", "fuse");
        let inside: Vec<&Value> = objects.iter().filter(|object| is_in_cicd(object)).collect();
        assert!(inside.is_empty(), "{inside:#?}");
    }
}

#[test]
fn the_role_in_cicd_is_bound_to_fuse_where_it_runs() {
    let all = "workflows.enabled=true,legacySenderNames.enabled=true";
    for (manifests, namespace) in [
        (kustomized("workflows"), "fuse"),
        (kustomized("kustomize/argo-events-workflows"), "argo-events"),
        (kustomized("kustomize/full"), "argo-events"),
        (helm("fuse", &["--set", "workflows.enabled=true"]), "fuse"),
        (helm("argo-events", &["--set", all]), "argo-events"),
    ] {
        let Some(manifests) = manifests else { return };
        let objects = documents(&manifests);
        let binding = one(&objects, "RoleBinding", "fuse");
        assert!(is_in_cicd(binding), "{binding:#}");
        let account = json!([{ "kind": "ServiceAccount", "name": "fuse", "namespace": namespace }]);
        assert_eq!(binding["subjects"], account);
    }
}

#[tokio::test]
async fn fuse_runs_without_cicd_and_acts_once_it_is_there() {
    let (Some(base), Some(stack)) = (kustomized("kustomize/base"), kustomized("workflows")) else {
        return;
    };
    let Some(cluster) = ControlPlane::start().await else { return };
    cluster.install_crds().await;
    apply(&cluster, &base, "default").await;
    let admin = cluster.admin().await;
    let absent = admin.get("v1/Namespace", "", "cicd").await.unwrap_err();
    assert_eq!(status_of(&absent), Some(404));

    // As fuse's own account and as an administrator: the namespace, and nothing else.
    let why = "namespace `cicd` does not exist";
    let own = cluster.kubeconfig(&cluster.token_of("fuse", "fuse").await);
    for kubeconfig in [&own, &cluster.kubeconfig(ADMIN)] {
        let (code, text) = doctor::fuse(&["doctor", "rules", "--format", "json"], kubeconfig);
        let report: Value = serde_json::from_str(&text).unwrap();
        let problems = report["problems"].as_array().unwrap();
        assert_eq!((code, problems.len(), &report["unchecked"]), (1, 1, &json!([])), "{text}");
        assert_eq!(problems[0]["what"], why);
        assert_eq!(problems[0]["rules"].as_array().unwrap().len(), 4, "{text}");
    }

    // The process says the same, accepts events, and holds their actions.
    let fuse = Setup::seed().armed().cluster(own).start().await;
    let event = fuse.post_as(ALERTS, "1", example("alertmanager-mixed.json")).await.event(202);
    let held = action(&fuse, &event, "held").await;
    assert_eq!(held["reason"], why, "{held:#}");
    until("fuse has looked at the cluster", async || {
        fuse.log().contains("the cluster is not ready").then_some(())
    })
    .await;
    assert_eq!(fuse.log().matches("the cluster is not ready").count(), 1, "{}", fuse.log());
    let problems = not_ready(&fuse).await;
    assert!(problems.iter().any(|problem| problem.contains(why)), "{problems:#?}");

    apply(&cluster, &stack, "default").await;
    action(&fuse, &event, "done").await;
    ready(&fuse).await;
    assert_eq!(admin.list(WORKFLOW, "cicd").await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_chart_is_installed_before_cicd_exists() {
    let legacy = ["--set", "legacySenderNames.enabled=true"];
    let Some(manifests) = helm("argo-events", &legacy) else { return };
    let Some(cluster) = ControlPlane::start().await else { return };
    make_namespace(&cluster, "argo-events").await;
    apply(&cluster, &manifests, "argo-events").await;
    for (_, url) in OLD_NAMES {
        resolve(&cluster, url).await;
    }
    let own = cluster.kubeconfig(&cluster.token_of("argo-events", "fuse").await);
    let (code, text) = doctor::fuse(&["doctor", "rules"], &own);
    assert_eq!(code, 1);
    assert!(text.contains("- namespace `cicd` does not exist\n"), "{text}");
    assert!(!text.contains("in namespace `cicd`"), "{text}");
}
