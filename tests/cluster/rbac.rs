//! `fuse rbac`: what it prints is enough, and no more: with any one permission taken away, something
//! fails, and says so.

use serde_json::{Value, json};

use super::doctor::fuse;
use crate::support::cluster::{ControlPlane, Objects, WORKFLOW};
use crate::support::{ALERTS, Setup, example, root, until};

#[test]
fn the_shipped_role_is_what_is_printed() {
    let (code, printed) = fuse(&["rbac", "rules", "--format", "json"], "none".as_ref());
    assert_eq!(code, 0, "{printed}");
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let shipped: Value = read("deploy/workflows/fuse-role.yaml");
    assert_eq!(sorted(&printed["items"][0]["rules"]), sorted(&shipped["rules"]));
}

fn read(path: &str) -> Value {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    let first = text.split("\n---").next().unwrap();
    serde_saphyr::from_str(first).unwrap()
}

/// The rules of a role, whatever the order of their keys.
fn sorted(rules: &Value) -> Vec<String> {
    let mut rules: Vec<String> = rules
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            let get = |key: &str| rule[key].to_string();
            ["apiGroups", "resources", "verbs", "resourceNames"].map(get).join(" ")
        })
        .collect();
    rules.sort();
    rules
}

#[test]
fn roles_are_printed_for_each_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.rules");
    let rules = r#"
        source q webhook { port = 12000, path = "/"
          event e }
        sensor s on q.e {
          rule a { trigger workflow { template = "t", namespace = "a" } }
          rule b { trigger workflow { cluster-template = "t", namespace = body.ns } }
          rule c { trigger job { from-cronjob = "b/nightly" } }
          rule d { trigger object { api-version = "v1", kind = "Namespace", name = body.name } }
          rule e { trigger object { operation = "patch", api-version = "apps/v1", kind = "Deployment", namespace = "a", name = "x", patch = {} } }
          rule f { trigger log { message = "x" } }
        }"#;
    std::fs::write(&file, rules).unwrap();
    let file = file.to_str().unwrap();
    let (code, printed) = fuse(&["rbac", file, "--service-account", "ops/robot"], "none".as_ref());
    assert_eq!(code, 0);
    insta::assert_snapshot!("places", printed);
    let (code, why) = fuse(&["rbac", file, "--service-account", "robot"], "none".as_ref());
    assert_eq!((code, why.contains("the namespace first")), (2, true), "{why}");
}

/// A namespace with the template, and an account that may do what a role says.
struct Place<'p> {
    plane: &'p ControlPlane,
    admin: Objects,
    namespace: String,
    role: Value,
}

impl<'p> Place<'p> {
    async fn new(plane: &'p ControlPlane) -> Self {
        let namespace = plane.namespace("rbac").await;
        let admin = plane.admin().await;
        let of = |kind: &str, name: &str| json!({ "kind": kind, "metadata": { "name": name, "namespace": namespace } });
        let mut template = of("WorkflowTemplate", "remediate-argocd-unhealthy");
        template["apiVersion"] = "argoproj.io/v1alpha1".into();
        template["spec"] = json!({
            "entrypoint": "main",
            "arguments": { "parameters": [{ "name": "app-name" }, { "name": "namespace" }] },
            "templates": [{ "name": "main", "suspend": {} }],
        });
        admin.create(template).await.unwrap();
        let mut account = of("ServiceAccount", "fuse");
        account["apiVersion"] = "v1".into();
        admin.create(account).await.unwrap();
        let mut place = Self { plane, admin, namespace, role: Value::Null };
        let rules = place.setup().lay_out();
        let folder = rules.folder().join("rules");
        let account = format!("{}/fuse", place.namespace);
        let folder = folder.to_str().unwrap();
        let (code, printed) = fuse(
            &["rbac", folder, "--service-account", &account, "--format", "json"],
            "none".as_ref(),
        );
        assert_eq!(code, 0, "{printed}");
        let printed: Value = serde_json::from_str(&printed).unwrap();
        let [role, binding] = printed["items"].as_array().unwrap().as_slice() else {
            panic!("one role and one binding: {printed}");
        };
        place.admin.create(binding.clone()).await.unwrap();
        place.role = role.clone();
        place
    }

    fn setup(&self) -> Setup {
        let rules = std::fs::read_to_string(root().join("rules/slo-remediation.rules")).unwrap();
        let sources = std::fs::read_to_string(root().join("rules/sources.rules")).unwrap();
        // The one rule that the example event fires.
        let (rules, _) = rules.split_once("  # Deletes the external secret").unwrap();
        let rules = rules.replace("use \"sources.rules\"\n", "");
        let text = format!("{sources}\n{rules}}}\n")
            .replace("\"cicd\"", &format!("\"{}\"", self.namespace));
        Setup::rules(&text).armed()
    }

    /// Runs fuse with this role, from nothing, and sends the event. What it is not ready for once it
    /// has settled down, and how many workflows there are.
    async fn run(&self, rules: Value) -> (Vec<String>, usize) {
        let mut role = self.role.clone();
        role["rules"] = rules;
        self.admin.apply(&role, &self.namespace).await.unwrap();
        let token = self.plane.token_of(&self.namespace, "fuse").await;
        let fuse = self.setup().cluster(self.plane.kubeconfig(&token)).start().await;
        fuse.post_as(ALERTS, "1", example("alertmanager-mixed.json")).await;
        let lacking = until("fuse settles down", async || {
            let ready = fuse.admin("/readyz").await.json();
            let lacking: Vec<String> = ready["not_ready"]
                .as_array()?
                .iter()
                .map(|one| one.as_str().unwrap().to_owned())
                .collect();
            let done =
                fuse.metric("fuse_actions_total{trigger=\"workflow\",result=\"done\"}").await;
            let held = fuse.metric("fuse_held_actions{trigger=\"workflow\"}").await;
            let settled = done == Some(1.0) || held == Some(1.0);
            // Whether it may watch shows only when it has tried.
            (settled && (!lacking.is_empty() || fuse.log().contains("has what the rules need")))
                .then_some(lacking)
        })
        .await;
        let there = self.admin.list(WORKFLOW, &self.namespace).await.unwrap();
        (lacking, there.len())
    }
}

#[tokio::test]
async fn the_printed_role_is_enough_and_no_more() {
    let Some(plane) = ControlPlane::shared().await else { return };
    let place = Place::new(plane).await;
    let all = place.role["rules"].as_array().unwrap().clone();
    // Without any permission, nothing is made; with all of them, one workflow.
    let (lacking, made) = place.run(json!([])).await;
    assert!(!lacking.is_empty() && made == 0, "{lacking:?}");
    let (lacking, made) = place.run(all.clone().into()).await;
    assert_eq!((lacking, made), (vec![], 1));

    // The workflow is there by now, so that a fuse that starts anew meets it and must look whose it is.
    for (at, rule) in all.iter().enumerate() {
        for verb in rule["verbs"].as_array().unwrap() {
            let mut less = all.clone();
            less[at]["verbs"].as_array_mut().unwrap().retain(|other| other != verb);
            less.retain(|rule| rule["verbs"] != json!([]));
            let (lacking, made) = place.run(less.into()).await;
            assert_eq!(made, 1, "nothing is made twice");
            let verb = verb.as_str().unwrap();
            assert!(
                lacking.iter().any(|why| why.contains("forbidden") || why.contains("cannot")),
                "without {verb} of {}: {lacking:?}",
                rule["resources"]
            );
        }
    }
}
