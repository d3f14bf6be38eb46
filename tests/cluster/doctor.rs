//! `fuse doctor`: an empty cluster lacks everything, the deployed one nothing, and each thing that is
//! wrong is found.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::cluster::{ADMIN, ControlPlane, NARROW};
use crate::support::{Nats, root};

/// Runs `fuse` on a cluster, in the repository's root: the exit code and what it printed.
pub(super) fn fuse(arguments: &[&str], kubeconfig: &Path) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fuse"))
        .args(arguments)
        .current_dir(root())
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(printed).unwrap())
}

/// The text without the address, which is another one each time.
fn told(plane: &ControlPlane, text: &str) -> String {
    text.replace(&plane.url(), "https://cluster")
}

/// What stands in `deploy/` for the seed's rules: the workflows' side of it.
fn deployed() -> String {
    let folder = root().join("deploy/workflows");
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        if name.ends_with(".yaml") && name != "kustomization.yaml" {
            all.push_str(&format!("---\n{text}\n"));
        }
        // The secrets' shapes, filled in.
        if name.ends_with(".example") {
            all.push_str(&format!("---\n{}\n", text.replace("token: \"\"", "token: filled-in")));
        }
    }
    all
}

#[tokio::test]
async fn an_empty_cluster_lacks_everything_and_the_deployed_one_nothing() {
    let Some(plane) = ControlPlane::start().await else { return };
    let kubeconfig = plane.kubeconfig(ADMIN);
    let (code, text) = fuse(&["doctor", "rules"], &kubeconfig);
    assert_eq!(code, 1);
    insta::assert_snapshot!("empty", told(&plane, &text));

    plane.install_crds().await;
    let (code, text) = fuse(&["doctor", "rules"], &kubeconfig);
    assert_eq!(code, 1);
    insta::assert_snapshot!("without-namespace", told(&plane, &text));

    // The namespace comes first, whatever its file is called.
    let admin = plane.admin().await;
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "cicd" } });
    admin.create(namespace).await.unwrap();
    admin.apply_yaml(&deployed(), "cicd").await.unwrap();
    let (code, text) = fuse(&["doctor", "rules"], &kubeconfig);
    assert_eq!((code, text.lines().last()), (0, text.lines().last()), "{text}");
    assert!(text.contains("\nready: "), "{text}");

    let (code, text) = fuse(&["doctor", "rules", "--format", "json"], &kubeconfig);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, report["ready"].as_bool()), (0, Some(true)), "{text}");

    // Somebody who may do nothing: what cannot be looked at is no problem, what may not be done is.
    let (code, text) = fuse(&["doctor", "rules"], &plane.kubeconfig(NARROW));
    assert_eq!(code, 1);
    insta::assert_snapshot!("narrow", told(&plane, &text));
    // One who may look asks for that one's permissions: the same problems, and nothing unchecked.
    let (code, asked) = fuse(&["doctor", "rules", "--as", "narrow"], &kubeconfig);
    let (problems, rest) = text.split_once("\n\ncould not be checked:").unwrap();
    let (_, warnings) = rest.split_once("\n\nwarnings:").unwrap();
    assert_eq!((code, asked), (1, format!("{problems}\n\nwarnings:{warnings}")));
}

#[tokio::test]
async fn templates_are_compared_with_what_rules_give_them() {
    let Some(plane) = ControlPlane::shared().await else { return };
    let namespace = plane.namespace("doctor").await;
    let admin = plane.admin().await;
    let template = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate",
        "metadata": { "name": "heal", "namespace": namespace },
        "spec": {
            "entrypoint": "main",
            "arguments": { "parameters": [{ "name": "app" }, { "name": "mode", "enum": ["soft", "hard"] }] },
            "templates": [{ "name": "main", "container": { "image": "x", "env": [
                { "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "token", "key": "key" } } }] } }],
        },
    });
    admin.create(template).await.unwrap();
    let rules = format!(
        r#"
        source q webhook {{ port = 12000, path = "/"
          event e }}
        sensor s on q.e {{
          rule heal {{
            trigger workflow {{
              template = "heal", namespace = "{namespace}", service-account = "runner"
              parameters {{ app? = body.app, mode = "loud", sped = body.speed }}
            }}
          }}
          rule again {{ trigger job {{ from-cronjob = "{namespace}/nightly" }} }}
          rule tidy {{
            trigger object {{ operation = "delete", api-version = "acme.io/v1", kind = "Widget", namespace = "{namespace}", name = "x" }}
          }}
        }}"#
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.rules");
    std::fs::write(&file, rules).unwrap();
    let kubeconfig = plane.kubeconfig(ADMIN);
    let (code, text) = fuse(&["doctor", file.to_str().unwrap()], &kubeconfig);
    assert_eq!(code, 1);
    insta::assert_snapshot!("templates", told(plane, &text).replace(&namespace, "ns"));

    // The key is not in the secret.
    let secret = json!({ "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "token", "namespace": namespace }, "stringData": { "other": "x" } });
    admin.create(secret).await.unwrap();
    let (_, text) = fuse(&["doctor", file.to_str().unwrap()], &kubeconfig);
    assert!(text.contains("token has no key `key`, which a template reads"), "{text}");
}

#[test]
fn a_cluster_that_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = fuse(&["doctor", "rules"], &folder.path().join("none"));
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("no cluster to act on"), "{text}");
    let kubeconfig = folder.path().join("config");
    let text = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: \"http://127.0.0.1:1\"}}]\n\
                users: [{name: u, user: {}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n";
    std::fs::write(&kubeconfig, text).unwrap();
    let (code, text) = fuse(&["doctor", "rules"], &kubeconfig);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("http://127.0.0.1:1 cannot be reached"), "{text}");
}

/// The servers of `[backend]`: nothing is there yet, then one server is less safe than three.
#[tokio::test]
async fn the_servers_of_a_shared_state_are_checked() {
    let Some(plane) = ControlPlane::shared().await else { return };
    let Some(nats) = Nats::alone().await else { return };
    let kubeconfig = plane.kubeconfig(ADMIN);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("fuse.toml");
    let backend = format!("[backend]\nurl = \"{}\"\ncopies = 1\n", nats.url());
    std::fs::write(&config, backend).unwrap();
    let rules = folder.path().join("none.rules");
    std::fs::write(&rules, "").unwrap();
    let (config, rules) = (config.to_str().unwrap(), rules.to_str().unwrap());
    let (code, text) = fuse(&["doctor", rules, "--config", config], &kubeconfig);
    assert!(code == 1 && text.contains("- the shared state: "), "{text}");
    assert!(text.contains("do: run `fuse backend init`"), "{text}");

    let (_, text) = fuse(&["backend", "init", "--config", config], &kubeconfig);
    assert!(text.contains("stream FUSE_LOG"), "{text}");
    let (code, text) = fuse(&["doctor", rules, "--config", config], &kubeconfig);
    assert!(code == 0 && text.contains("the number of copies of the state is 1, not 3"), "{text}");
}
