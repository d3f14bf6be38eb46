//! A real Alertmanager that is configured by what `fuse connect` prints.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::cluster::{ADMIN, ControlPlane, Objects, WORKFLOW};
use crate::support::{ALERTS, Fuse, Setup, client, free_port, parameters, program, until};

/// Groups are sent at once, and looked at again soon: as printed it would take a minute.
const SOON: [(&str, &str); 2] =
    [("group_wait: 10s", "group_wait: 0s"), ("group_interval: 1m", "group_interval: 1s")];
const ACCEPTED: &str = "fuse_events_received_total{source=\"alertmanager\",\
                        event=\"slo-alerts\",result=\"accepted\"}";

/// The templates that the rules for alerts name.
const TEMPLATES: [&str; 2] = ["remediate-argocd-unhealthy", "remediate-externalsecret-failure"];

/// A running Alertmanager; killed when dropped.
struct Alertmanager {
    child: Child,
    folder: TempDir,
    url: String,
    client: reqwest::Client,
}

impl Alertmanager {
    /// Starts one that sends to this fuse, with these changes to its configuration. `None` where
    /// there is no Alertmanager.
    async fn start(fuse: &Fuse, changes: &[(&str, &str)]) -> Option<Self> {
        let program =
            program("FUSE_TEST_ALERTMANAGER", &["prometheus-alertmanager", "alertmanager"])?;
        let printed = Command::new(env!("CARGO_BIN_EXE_fuse"))
            .args(["connect", "alertmanager", "rules", "--url", "http://127.0.0.1"])
            .current_dir(fuse.folder())
            .output()
            .unwrap();
        assert!(printed.status.success(), "{printed:?}");
        let mut config = String::from_utf8(printed.stdout).unwrap();
        for (from, to) in changes {
            assert_eq!(config.matches(from).count(), 1, "{from}:\n{config}");
            config = config.replace(from, to);
        }
        // The rules have the ports of this test, and so has the configuration.
        assert!(config.contains(&format!("{:?}", fuse.url(ALERTS.0, ALERTS.1))), "{config}");

        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("alertmanager.yml"), config).unwrap();
        let log = std::fs::File::create(path("log")).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let child = Command::new(program)
            .arg(format!("--config.file={}", path("alertmanager.yml").display()))
            .arg(format!("--storage.path={}", path("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--cluster.listen-address=", "--log.level=debug"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut started =
            Self { child, folder, url: format!("http://{address}"), client: client() };
        until("Alertmanager is ready", async || {
            if let Some(ended) = started.child.try_wait().unwrap() {
                panic!("Alertmanager ended, {ended}:\n{}", started.log());
            }
            let ready = started.client.get(format!("{}/-/ready", started.url)).send().await;
            ready.is_ok_and(|ready| ready.status().is_success()).then_some(())
        })
        .await;
        Some(started)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Posts alerts as Prometheus does.
    async fn post(&self, alerts: &[Value]) {
        let url = format!("{}/api/v2/alerts", self.url);
        let reply = self.client.post(url).json(alerts).send().await.unwrap();
        assert!(reply.status().is_success(), "{reply:?}\n{}", self.log());
    }

    /// Waits until it has looked at a group whose alert is resolved.
    async fn saw_the_end(&self) {
        until("Alertmanager sees that the alert is resolved", async || {
            let log = self.log();
            let seen = |line: &str| line.contains("lushing") && line.contains("[resolved]");
            log.lines().any(seen).then_some(())
        })
        .await;
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to kill.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// An alert of the SLO that the first rule is for, or the second.
fn alert(slo: &str, name: &str) -> Value {
    json!({
        "labels": {
            "alertname": "SLOBurn", "slo": slo, "name": name, "severity": "critical",
            "dest_namespace": "pay", "namespace": "monitoring",
        },
        "annotations": { "summary": "it \"burns\"\nits budget" },
        "startsAt": "2024-08-01T10:00:00.123Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=slo%3Aburn",
    })
}

fn resolved(mut alert: Value) -> Value {
    alert["endsAt"] = "2024-08-01T10:10:00Z".into();
    alert
}

/// A workflow's template with its parameters.
fn remediation(object: &Value) -> String {
    let template = object["spec"]["workflowTemplateRef"]["name"].as_str().unwrap();
    format!("{template} {}", json!(parameters(object)))
}

/// What there is when there are as many manifests, sorted.
async fn written(fuse: &Fuse, count: usize) -> Vec<String> {
    let manifests = until("the manifests are written", async || {
        Some(fuse.manifests()).filter(|manifests| manifests.len() >= count)
    })
    .await;
    let mut shown: Vec<_> = manifests.values().map(remediation).collect();
    shown.sort();
    shown
}

/// What there is when there are as many workflows in the namespace, sorted.
async fn submitted(objects: &Objects, namespace: &str, count: usize) -> Vec<String> {
    let workflows = until("the workflows are there", async || {
        let found = objects.list(WORKFLOW, namespace).await.unwrap();
        Some(found).filter(|found| found.len() >= count)
    })
    .await;
    let mut shown: Vec<_> = workflows.iter().map(remediation).collect();
    shown.sort();
    shown
}

const HEALTH: &str = "argocd-application-health";
const SECRETS: &str = "externalsecrets-sync-success";
const PAYMENTS: &str = r#"remediate-argocd-unhealthy {"app-name":"payments","namespace":"pay"}"#;
const TOKEN: &str =
    r#"remediate-externalsecret-failure {"externalsecret-name":"token","namespace":"monitoring"}"#;

/// From the alert to the workflow on an API server, with nothing made up in between.
#[tokio::test]
async fn alerts_become_workflows_and_their_end_is_not_even_sent() {
    let Some(cluster) = ControlPlane::shared().await else { return };
    let (namespace, objects) = (cluster.namespace("alerts").await, cluster.admin().await);
    for name in TEMPLATES {
        let template = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "WorkflowTemplate",
            "metadata": { "name": name, "namespace": namespace },
            "spec": { "entrypoint": "main", "templates": [{ "name": "main", "suspend": {} }] },
        });
        objects.create(template).await.unwrap();
    }
    let setup = Setup::seed()
        .with("\"cicd\"", &format!("{namespace:?}"))
        .cluster(cluster.kubeconfig(ADMIN));
    let fuse = setup.armed().start().await;
    let Some(alertmanager) = Alertmanager::start(&fuse, &SOON).await else { return };
    alertmanager.post(&[alert(HEALTH, "payments"), alert("latency", "payments")]).await;
    assert_eq!(submitted(&objects, &namespace, 1).await, [PAYMENTS]);

    alertmanager.post(&[resolved(alert(HEALTH, "payments"))]).await;
    alertmanager.saw_the_end().await;
    alertmanager.post(&[alert(SECRETS, "token")]).await;
    assert_eq!(submitted(&objects, &namespace, 2).await, [PAYMENTS, TOKEN]);
    // One request for each of the three alerts, also for that which no rule is for.
    until("all alerts have arrived", async || {
        (fuse.metric(ACCEPTED).await >= Some(3.0)).then_some(())
    })
    .await;
    assert_eq!(fuse.metric(ACCEPTED).await, Some(3.0), "{}", fuse.log());
    assert_eq!(fuse.metric("fuse_dead_letters").await, Some(0.0), "{}", fuse.log());
}

#[tokio::test]
async fn an_end_that_is_sent_does_nothing() {
    let fuse = Setup::seed().armed().start().await;
    let changes = [SOON[0], SOON[1], ("send_resolved: false", "send_resolved: true")];
    let Some(alertmanager) = Alertmanager::start(&fuse, &changes).await else { return };
    alertmanager.post(&[alert(HEALTH, "payments")]).await;
    assert_eq!(written(&fuse, 1).await, [PAYMENTS]);

    alertmanager.post(&[resolved(alert(HEALTH, "payments"))]).await;
    until("the end is taken in and settled", async || {
        let settled = fuse.metric("fuse_settle_seconds_count").await;
        (settled == Some(2.0)).then_some(())
    })
    .await;
    assert_eq!(fuse.metric(ACCEPTED).await, Some(2.0), "{}", fuse.log());
    assert_eq!(written(&fuse, 1).await, [PAYMENTS]);
}
