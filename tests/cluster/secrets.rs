//! Named secrets that are read from the cluster.

use data_encoding::BASE64;
use reqwest::Method;
use serde_json::{Value, json};

use super::doctor::fuse;
use crate::support::cluster::{ADMIN, ControlPlane, Objects};
use crate::support::{Fuse, Setup, until};

const RULES: &str = r#"
source q webhook {
  port = 12000
  path = "/e"
  auth { bearer { token = secret("sender", "token") } }
  event e
}
sensor s on q.e { rule r { trigger log { message = "x" } } }
"#;

fn secret(namespace: &str, name: &str, token: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": name, "namespace": namespace },
        "data": { "token": BASE64.encode(token.as_bytes()) },
    })
}

async fn post(fuse: &Fuse, token: &str) -> u16 {
    let token = format!("Bearer {token}");
    fuse.request(Method::POST, (12_000, "/e"), &[("authorization", &token)], "{}").await.status
}

async fn until_status(fuse: &Fuse, token: &str, status: u16) {
    until(&format!("{status} for {token}"), async || {
        (post(fuse, token).await == status).then_some(())
    })
    .await;
}

/// A service account `fuse` with the permissions that `fuse rbac` prints for the rules.
async fn granted(admin: &Objects, plane: &ControlPlane, namespace: &str) -> String {
    let rules = Setup::rules(RULES).lay_out();
    let folder = rules.folder().join("rules");
    let account = format!("{namespace}/fuse");
    let arguments =
        ["rbac", folder.to_str().unwrap(), "--service-account", &account, "--format", "json"];
    let (code, printed) = fuse(&arguments, "none".as_ref());
    assert_eq!(code, 0, "{printed}");
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let role = &printed["items"][0];
    assert_eq!(
        role["rules"],
        json!([{
            "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["sender"],
            "verbs": ["get", "list", "watch"],
        }])
    );
    for object in printed["items"].as_array().unwrap() {
        admin.create(object.clone()).await.unwrap();
    }
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "fuse", "namespace": namespace },
    });
    admin.create(account).await.unwrap();
    plane.token_of(namespace, "fuse").await
}

#[tokio::test]
async fn a_secret_is_created_rotated_and_deleted() {
    let Some(plane) = ControlPlane::shared().await else { return };
    let namespace = plane.namespace("secrets").await;
    let admin = plane.admin().await;
    let token = granted(&admin, plane, &namespace).await;
    let kubeconfig = plane.kubeconfig_in(&token, &namespace);
    let mut fuse = Setup::rules(RULES).cluster(kubeconfig).start().await;
    // There is no such Secret: the source is not ready, the process is.
    until_status(&fuse, "one", 503).await;
    let ready = fuse.admin("/readyz").await;
    let missing = "key `token` of secret `sender` is not set";
    assert!(ready.status == 200 && ready.text.contains(missing), "{ready:?}");

    admin.create(secret(&namespace, "sender", "one\n")).await.unwrap();
    until_status(&fuse, "one", 202).await;
    assert_eq!(post(&fuse, "two").await, 401);
    admin.apply(&secret(&namespace, "sender", "two"), &namespace).await.unwrap();
    until_status(&fuse, "two", 202).await;
    assert_eq!(post(&fuse, "one").await, 401);
    admin.delete("v1/Secret", &namespace, "sender").await.unwrap();
    until_status(&fuse, "two", 503).await;
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));
    let log = fuse.log();
    assert!(!log.contains("one\\n") && !log.contains(&BASE64.encode(b"two")), "{log}");
}

#[tokio::test]
async fn a_forbidden_secret_is_reported_and_a_folder_comes_first() {
    let Some(plane) = ControlPlane::shared().await else { return };
    let namespace = plane.namespace("secrets").await;
    let admin = plane.admin().await;
    admin.create(secret(&namespace, "sender", "cluster")).await.unwrap();
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "fuse", "namespace": namespace },
    });
    admin.create(account).await.unwrap();
    let token = plane.token_of(&namespace, "fuse").await;
    let forbidden = plane.kubeconfig_in(&token, &namespace);
    let fuse = Setup::rules(RULES).cluster(forbidden).start().await;
    until_status(&fuse, "cluster", 503).await;
    until("the reason", async || {
        fuse.admin("/readyz")
            .await
            .text
            .contains("secrets \\\"sender\\\" is forbidden")
            .then_some(())
    })
    .await;
    drop(fuse);

    let mut fuse = Setup::rules(RULES)
        .toml("[secrets]\ndir = \"secrets\"\n")
        .cluster(plane.kubeconfig_in(ADMIN, &namespace))
        .lay_out();
    std::fs::create_dir_all(fuse.folder().join("secrets/sender")).unwrap();
    std::fs::write(fuse.folder().join("secrets/sender/token"), "folder").unwrap();
    fuse.start_again().await;
    until_status(&fuse, "folder", 202).await;
    assert_eq!(post(&fuse, "cluster").await, 401);
}
