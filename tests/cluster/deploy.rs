//! What `deploy` has is taken by a real API server, and with it fuse may do what the rules need.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::doctor;
use super::old_names::{self, OLD_NAMES};
use crate::support::cluster::{ADMIN, ControlPlane, WORKFLOW, documents, status_of};
use crate::support::tls::Authority;
use crate::support::{Setup, example, program, root, until};

const WORKFLOW_TEMPLATE: &str = "argoproj.io/v1alpha1/WorkflowTemplate";
const EVERYTHING: &str =
    "workflows.enabled=true,networkPolicy.enabled=true,legacySenderNames.enabled=true";
/// Other namespaces than ours, and hardly anything of its own.
const ELSEWHERE: &str = "
rbac:
  roles:
    - namespace: flows
      rules: [{apiGroups: [batch], resources: [jobs], verbs: [create, get]}]
workflows: {enabled: true, namespace: flows}
persistence: {enabled: false}
serviceAccount: {create: false}
existingConfigMap: mine
fuses: {}
";

#[track_caller]
fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `kubectl kustomize` of a folder in `deploy`. None where there is no kubectl.
#[track_caller]
pub(super) fn kustomized(folder: &str) -> Option<String> {
    let kubectl = program("FUSE_TEST_KUBECTL", &["kubectl"])?;
    let folder = root().join("deploy").join(folder);
    Some(said(Command::new(kubectl).arg("kustomize").arg(folder).output().unwrap()))
}

/// `helm template` of the chart. None where there is no helm.
fn try_helm(namespace: &str, arguments: &[&str]) -> Option<Output> {
    let helm = program("FUSE_TEST_HELM", &["helm"])?;
    let mut command = Command::new(helm);
    command.args(["template", "fuse"]).arg(root().join("deploy/helm/fuse"));
    Some(command.args(["--namespace", namespace]).args(arguments).output().unwrap())
}

#[track_caller]
pub(super) fn helm(namespace: &str, arguments: &[&str]) -> Option<String> {
    try_helm(namespace, arguments).map(said)
}

/// The rules that `rules` has, by their files' names.
fn rules() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(root().join("rules")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let is_rules = |file: &std::path::PathBuf| file.extension().is_some_and(|e| e == "rules");
    let named = |file: std::path::PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(&file).unwrap())
    };
    files.filter(is_rules).map(named).collect()
}

/// The one object of a kind whose name starts so.
#[track_caller]
pub(super) fn one<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is_it = |object: &&Value| {
        object["kind"] == kind && object["metadata"]["name"].as_str().unwrap().starts_with(name)
    };
    let found: Vec<&Value> = objects.iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{kind} {name}");
    found[0]
}

pub(super) async fn make_namespace(cluster: &ControlPlane, name: &str) {
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    cluster.admin().await.create(namespace).await.unwrap();
}

pub(super) async fn apply(cluster: &ControlPlane, manifests: &str, namespace: &str) {
    cluster.admin().await.apply_yaml(manifests, namespace).await.unwrap();
}

/// With what the manifests grant and configure, `fuse run` accepts the seed's events under the URLs
/// that senders have, acts on all of them, and lacks nothing.
async fn assert_enough_for_the_rules(cluster: &ControlPlane, manifests: &str) {
    let objects = documents(manifests);
    let rules_there = &one(&objects, "ConfigMap", "fuse-rules")["data"];
    assert_eq!(rules_there, &json!(rules()));
    let deployment = one(&objects, "Deployment", "fuse");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let arguments: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
    // Nothing is run, but the options are read.
    let fuse = Command::new(env!("CARGO_BIN_EXE_fuse")).args(&arguments).arg("--help").output();
    said(fuse.unwrap());

    let token = cluster.token_of("argo-events", "fuse").await;
    let config = one(&objects, "ConfigMap", "fuse-config")["data"]["fuse.toml"].as_str().unwrap();
    // In the environment, nobody could switch it.
    assert!(container.get("envFrom").or(container.get("env")).is_none(), "{container:#}");
    assert!(config.contains("[fuses]\ncicd = \"off\""), "{config}");
    let setup = Setup::seed().cluster(cluster.kubeconfig(&token)).toml(config).armed();
    let fuse = setup.start().await;
    let examples = [
        ("alertmanager-both.json", 2),
        ("backstage-provision.json", 1),
        ("argocd-sync-failed.json", 1),
    ];
    let admin = cluster.admin().await;
    let mut made = BTreeSet::new();
    for ((name, actions), (event_name, url)) in examples.into_iter().zip(OLD_NAMES) {
        assert!(fuse.log().contains(&format!("listening: {event_name} ")), "{}", fuse.log());
        let door = old_names::resolve(cluster, url).await;
        let event = fuse.post_as(door, name, example(name)).await.event(202);
        let report = fuse.settled(&event).await;
        let decisions = report["decisions"].as_array().unwrap();
        let done = decisions.iter().filter(|decision| decision["action"]["state"] == "done");
        assert_eq!(done.count(), actions, "{report:#}\n{}", fuse.log());
        made.insert(event);
        // An application is healed once at a time.
        for workflow in admin.list(WORKFLOW, "cicd").await.unwrap() {
            let name = workflow["metadata"]["name"].as_str().unwrap();
            let succeeded = json!({ "phase": "Succeeded" });
            admin.patch_status(WORKFLOW, "cicd", name, &succeeded).await.unwrap();
        }
    }
    until("it is ready, and follows what it made", async || {
        (fuse.admin("/readyz").await.json()["ready"] == true).then_some(())
    })
    .await;

    let mut templates = BTreeSet::new();
    for workflow in admin.list(WORKFLOW, "cicd").await.unwrap() {
        let event = workflow["metadata"]["annotations"]["fuse.rules/event-id"].as_str().unwrap();
        assert!(made.contains(event), "{workflow:#}");
        let name = workflow["spec"]["workflowTemplateRef"]["name"].as_str().unwrap();
        let template = admin.get(WORKFLOW_TEMPLATE, "cicd", name).await.unwrap();
        // What the rule gives is what the template takes.
        let given = parameters(&workflow);
        let taken = parameters(&template);
        let must = taken.iter().filter(|(_, has_value)| !**has_value).map(|(name, _)| name);
        assert!(given.keys().all(|name| taken.contains_key(name)), "{given:?}, not {taken:?}");
        assert!(must.clone().all(|name| given.contains_key(name)), "{given:?}, not {taken:?}");
        templates.insert(name.to_owned());
    }
    assert_eq!(templates.len(), 3, "{templates:?}");

    // That is all that it may do.
    let own = cluster.objects(&token).await;
    let listed = own.list("v1/Secret", "cicd").await;
    assert_eq!(status_of(&listed.unwrap_err()), Some(403));
    let elsewhere = own.list(WORKFLOW, "default").await;
    assert_eq!(status_of(&elsewhere.unwrap_err()), Some(403));
}

/// The parameters of a workflow or template, and which have a value.
fn parameters(object: &Value) -> BTreeMap<String, bool> {
    let list = object.pointer("/spec/arguments/parameters").and_then(Value::as_array);
    let named = |one: &Value| {
        let has_value = one.get("value").or_else(|| one.get("valueFrom")).is_some();
        (one["name"].as_str().unwrap().to_owned(), has_value)
    };
    list.into_iter().flatten().map(named).collect()
}

#[tokio::test]
async fn with_kustomize() {
    let Some(full) = kustomized("kustomize/full") else { return };
    let Some(cluster) = ControlPlane::start().await else { return };
    cluster.install_crds().await;
    apply(&cluster, &full, "default").await;
    // All that is missing are the secrets, which have the names that teams know.
    let (_, report) =
        doctor::fuse(&["doctor", "rules", "--format", "json"], &cluster.kubeconfig(ADMIN));
    let report: Value = serde_json::from_str(&report).unwrap();
    let problems: Vec<&str> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["what"].as_str())
        .collect();
    let missing = |name: &str| {
        format!("Secret `{name}` does not exist in namespace `cicd`; a template names it")
    };
    assert_eq!(problems, ["argo-workflow-argocd-token", "docker-credentials"].map(missing));
    assert_enough_for_the_rules(&cluster, &full).await;
}

#[tokio::test]
async fn with_helm() {
    let Some(default) = helm("fuse", &[]) else { return };
    let Some(everything) = helm("argo-events", &["--set", EVERYTHING]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let values = folder.path().join("values.yaml");
    std::fs::write(&values, ELSEWHERE).unwrap();
    let Some(elsewhere) = helm("other", &["--values", path(&values)]) else { return };
    let Some(cluster) = ControlPlane::start().await else { return };
    cluster.install_crds().await;
    for namespace in ["other", "flows", "fuse", "argo-events"] {
        make_namespace(&cluster, namespace).await;
    }
    apply(&cluster, &elsewhere, "other").await;
    let admin = cluster.admin().await;
    let role = admin.get("rbac.authorization.k8s.io/v1/Role", "flows", "fuse").await.unwrap();
    assert_eq!(role["rules"][0]["resources"], json!(["jobs"]));
    assert_eq!(admin.list(WORKFLOW_TEMPLATE, "flows").await.unwrap().len(), 3);
    assert!(admin.list(WORKFLOW_TEMPLATE, "other").await.unwrap().is_empty());

    apply(&cluster, &default, "fuse").await;
    make_namespace(&cluster, "cicd").await;
    apply(&cluster, &everything, "argo-events").await;
    assert_enough_for_the_rules(&cluster, &everything).await;
}

/// Both ways to several replicas are taken by the API server, and by NATS.
#[tokio::test]
async fn with_several_replicas() {
    let Some(tls) = kustomized("kustomize/replicas-tls") else { return };
    let Some(kustomized) = kustomized("kustomize/replicas") else { return };
    let set = "highAvailability.enabled=true,networkPolicy.enabled=true";
    let Some(chart) = helm("fuse", &["--set", set]) else { return };
    let set_tls = format!("{set},highAvailability.tlsSecret=fuse-nats-tls");
    let Some(chart_tls) = helm("fuse", &["--set", &set_tls]) else { return };
    let Some(cluster) = ControlPlane::start().await else { return };
    cluster.install_crds().await;
    make_namespace(&cluster, "fuse").await;
    // The API server may be older than `policy/v1`.
    let budgets = |manifests: &str| {
        let objects = documents(manifests).into_iter();
        objects.filter(|object| object["kind"] == "PodDisruptionBudget").count()
    };
    assert_eq!((budgets(&kustomized), budgets(&chart)), (2, 2));
    let others = |manifests: &str| {
        let parts = manifests.split("\n---\n");
        let others = parts.filter(|part| !part.contains("kind: PodDisruptionBudget"));
        others.collect::<Vec<_>>().join("\n---\n")
    };
    apply(&cluster, &others(&kustomized), "default").await;
    apply(&cluster, &others(&chart), "fuse").await;
    let permissions = said(
        Command::new(env!("CARGO_BIN_EXE_fuse")).args(["backend", "permissions"]).output().unwrap(),
    );
    let subjects = |text: &str| -> Vec<String> {
        let quoted = text.lines().map(str::trim).filter(|line| line.starts_with('"'));
        quoted.filter(|line| !line.contains("://")).map(str::to_owned).collect()
    };
    for (manifests, namespace) in [(&kustomized, "argo-events"), (&chart, "fuse")] {
        let objects = documents(manifests);
        let admin = cluster.admin().await;
        let servers = admin.get("apps/v1/StatefulSet", namespace, "fuse-nats").await.unwrap();
        assert_eq!(servers["spec"]["replicas"], 3);
        let fuse = admin.get("apps/v1/Deployment", namespace, "fuse").await.unwrap();
        assert_eq!(fuse["spec"]["replicas"], 2);
        assert_eq!(fuse["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
        assert!(admin.get("v1/PersistentVolumeClaim", namespace, "fuse-state").await.is_err());
        let config = one(&objects, "ConfigMap", "fuse-nats")["data"]["nats.conf"].as_str().unwrap();
        assert_eq!(subjects(config), subjects(&permissions));
        assert_nats_takes(&objects);
        let toml = one(&objects, "ConfigMap", "fuse-config")["data"]["fuse.toml"].as_str().unwrap();
        let parsed: fuse_runtime::Config = toml.parse().unwrap();
        assert_eq!(parsed.backend.url.as_deref(), Some("nats://fuse-nats:4222"));
    }
    for (manifests, namespace) in [(&tls, "default"), (&chart_tls, "fuse")] {
        apply(&cluster, &others(manifests), namespace).await;
        let objects = documents(manifests);
        assert_nats_takes(&objects);
        let toml = one(&objects, "ConfigMap", "fuse-config")["data"]["fuse.toml"].as_str().unwrap();
        let parsed: fuse_runtime::Config = toml.parse().unwrap();
        assert_eq!(parsed.backend.ca_file.as_deref(), Some(Path::new("/etc/fuse/nats/ca.crt")));
        let kinds = [
            ("StatefulSet", "fuse-nats", "/etc/nats-tls"),
            ("Deployment", "fuse", "/etc/fuse/nats"),
        ];
        for (kind, name, mounted_at) in kinds {
            let pod = &one(&objects, kind, name)["spec"]["template"]["spec"];
            let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
            let mount = mounts.iter().find(|mount| mount["mountPath"] == mounted_at).unwrap();
            let volumes = pod["volumes"].as_array().unwrap();
            let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
            assert_eq!(volume["secret"]["secretName"], "fuse-nats-tls");
        }
    }
}

/// The autoscaler may choose the number of replicas.
#[test]
fn with_an_autoscaler() {
    let Some(kubectl) = program("FUSE_TEST_KUBECTL", &["kubectl"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().canonicalize().unwrap();
    let up = "../".repeat(place.components().count() - 1);
    let deploy = format!("{up}{}/deploy/kustomize", &root().to_str().unwrap()[1..]);
    let overlay = format!(
        "resources: [{deploy}/full]\ncomponents: [{deploy}/components/replicas, {deploy}/components/autoscaling]\n"
    );
    std::fs::write(place.join("kustomization.yaml"), overlay).unwrap();
    let objects =
        documents(&said(Command::new(kubectl).arg("kustomize").arg(&place).output().unwrap()));
    let scaler = one(&objects, "HorizontalPodAutoscaler", "fuse");
    let fuse = one(&objects, "Deployment", "fuse");
    assert_eq!(scaler["metadata"]["namespace"], fuse["metadata"]["namespace"]);
    assert_eq!(scaler["spec"]["scaleTargetRef"]["name"], fuse["metadata"]["name"]);
    assert!(fuse["spec"].get("replicas").is_none(), "{fuse}");
}

/// The server finds nothing wrong in its configuration, given certificates where it looks for them.
fn assert_nats_takes(objects: &[Value]) {
    let Some(nats) = program("FUSE_TEST_NATS", &["nats-server"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let issued = authority.issue(&["fuse-nats"]);
    let files = [("tls.crt", issued.cert), ("tls.key", issued.key), ("ca.crt", authority.pem())];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let data = one(objects, "ConfigMap", "fuse-nats")["data"].as_object().unwrap();
    for (name, text) in data {
        let text = text.as_str().unwrap().replace("/etc/nats-tls", folder.path().to_str().unwrap());
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut test = Command::new(nats);
    test.arg("-t").arg("-c").arg(folder.path().join("nats.conf")).env("NATS_PASSWORD", "x");
    said(test.output().unwrap());
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_the_chart_does_not_know_it_refuses() {
    for (value, why) in [
        ("fuses.cicd=maybe", "fuses"),
        ("config=[fuses]", "set the fuses with `fuses` instead"),
        ("bogus=1", "bogus"),
        // The admin port is no source's.
        ("sources.admin=1", "admin"),
        // The URLs that senders have name another namespace.
        ("legacySenderNames.enabled=true", "--namespace argo-events"),
    ] {
        let Some(output) = try_helm("fuse", &["--set", value]) else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{value}");
        assert!(said.contains(why), "{value}: {said}");
    }
}

#[test]
fn the_chart_and_the_kustomization_say_the_same() {
    let helm = helm("argo-events", &["--set", EVERYTHING]);
    let (Some(helm), Some(kustomized)) = (helm, kustomized("kustomize/full")) else { return };
    let (helm, kustomized) = (documents(&helm), documents(&kustomized));
    for (kind, name, pointer) in [
        ("Role", "fuse", "/rules"),
        ("ConfigMap", "fuse-rules", "/data"),
        ("ConfigMap", "argo-workflow-settings", "/data"),
        ("Deployment", "fuse", "/spec/template/spec/containers/0/args"),
        ("Deployment", "fuse", "/spec/template/spec/containers/0/securityContext"),
        ("WorkflowTemplate", "provision-app-workflow", "/spec"),
        ("WorkflowTemplate", "remediate-argocd-unhealthy", "/spec"),
        ("WorkflowTemplate", "remediate-externalsecret-failure", "/spec"),
    ] {
        let of = |objects: &[Value]| one(objects, kind, name).pointer(pointer).cloned();
        assert!(of(&helm).is_some(), "{kind} {name}");
        assert_eq!(of(&helm), of(&kustomized), "{kind} {name}");
    }
    let services = |objects: &[Value]| -> BTreeSet<String> {
        let services = objects.iter().filter(|object| object["kind"] == "Service");
        let port = |port: &Value| format!("{}:{}", port["name"], port["port"]);
        services
            .map(|service| {
                let ports = service["spec"]["ports"].as_array().unwrap();
                let ports: BTreeSet<String> = ports.iter().map(port).collect();
                format!("{} {ports:?}", service["metadata"]["name"])
            })
            .collect()
    };
    assert_eq!(services(&helm), services(&kustomized));
}

#[test]
fn the_kustomization_of_the_rules_has_them_all() {
    let text = std::fs::read_to_string(root().join("rules/kustomization.yaml")).unwrap();
    let kustomization = &documents(&text)[0];
    let listed: BTreeSet<&str> = kustomization["configMapGenerator"][0]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file.as_str().unwrap())
        .collect();
    let there = rules();
    assert_eq!(listed, there.keys().map(String::as_str).collect());
}
