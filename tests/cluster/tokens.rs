//! Tokens of service accounts, which the API server reviews.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::doctor::fuse;
use crate::support::cluster::{ControlPlane, Objects};
use crate::support::{Ports, Setup, until};

const RULES: &str = r#"
source q webhook {
  port = 12000
  path = "/e"
  event e
}
sensor s on q.e { rule r { trigger log { message = "x" } } }
"#;

/// How often, every half a second, the API server is asked whether a token is valid that is not. It keeps what it knows.
const API_SERVER_TRIES: usize = 480;

async fn account(admin: &Objects, namespace: &str, name: &str) {
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": name, "namespace": namespace },
    });
    admin.create(account).await.unwrap();
}

#[tokio::test]
async fn a_service_account_has_the_rights_of_its_name_and_groups() {
    let Some(plane) = ControlPlane::shared().await else { return };
    let (own, others) = (plane.namespace("tokens").await, plane.namespace("others").await);
    let admin = plane.admin().await;
    for (namespace, name) in [(&own, "fuse"), (&own, "reader"), (&own, "alice"), (&others, "eve")] {
        account(&admin, namespace, name).await;
    }
    let toml = format!(
        r#"
[admin.token_review]
audience = "fuse"
groups = {{ "system:serviceaccounts:{own}" = ["read"] }}
users = {{ "system:serviceaccount:{own}:alice" = ["change", "payloads"] }}
"#
    );
    // Fuse may do what `fuse rbac` prints, and nothing else.
    let setup = Setup::rules(RULES).toml(&toml);
    let files = setup.clone().lay_out();
    let (rules, config) = (files.folder().join("rules"), files.folder().join("fuse.toml"));
    let (name, config) = (format!("{own}/fuse"), config.to_str().unwrap());
    let printed = ["rbac", "--service-account", &name, "--config", config, "--format", "json"];
    let (code, roles) = fuse(&[&printed[..], &[rules.to_str().unwrap()]].concat(), "none".as_ref());
    assert_eq!(code, 0, "{roles}");
    let roles: Value = serde_json::from_str(&roles).unwrap();
    let rule = json!([{
        "apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"],
    }]);
    assert_eq!(roles["items"][0]["rules"], rule);
    let token = plane.token_of(&own, "fuse").await;
    let fuse = setup.cluster(plane.kubeconfig_in(&token, &own)).start().await;
    let alice = plane.token_for(&own, "alice", &["fuse"]).await;
    let ask = async |method: Method, path: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("x-forwarded-for", "203.0.113.9"), ("authorization", &*bearer)];
        fuse.request(method, (Ports::ADMIN, path), &headers, "{}").await
    };
    // Fuse may not ask yet: it is not known whose token it is.
    let unknown = ask(Method::GET, "/events", &alice).await.error(503);
    assert!(unknown.contains("the log of fuse has the reason"), "{unknown}");
    fuse.logged("tokenreviews").await;
    for object in roles["items"].as_array().unwrap() {
        let mut object = object.clone();
        object["metadata"]["name"] = own.clone().into();
        if object["roleRef"].is_object() {
            object["roleRef"]["name"] = own.clone().into();
        }
        admin.create(object).await.unwrap();
    }
    until("fuse may review tokens", async || {
        (ask(Method::GET, "/events", &alice).await.status == 200).then_some(())
    })
    .await;

    let reader = plane.token_for(&own, "reader", &["fuse"]).await;
    let eve = plane.token_for(&others, "eve", &["fuse"]).await;
    let elsewhere = plane.token_of(&own, "alice").await;
    for (who, token, read, change, payload) in [
        ("alice", &alice, 200, 400, 404),
        ("reader", &reader, 200, 403, 403),
        ("eve", &eve, 403, 403, 403),
        ("a token for the API server", &elsewhere, 401, 401, 401),
        ("nobody", &"a.b.c".to_owned(), 401, 401, 401),
    ] {
        let found = [
            ask(Method::GET, "/events", token).await.status,
            ask(Method::POST, "/replay", token).await.status,
            ask(Method::GET, "/payload?event=none", token).await.status,
        ];
        assert_eq!(found, [read, change, payload], "{who}");
    }
    let why = ask(Method::POST, "/replay", &reader).await.error(403);
    let name = format!("`user:system:serviceaccount:{own}:reader`");
    assert!(why.starts_with(&format!("{name} may not")), "{why}");
    let log = fuse.log();
    for token in [&alice, &reader, &eve, &elsewhere] {
        assert!(!log.contains(token.as_str()), "{log}");
    }

    // A token of an account that is gone is not valid for much longer than the API server says so itself.
    admin.delete("v1/ServiceAccount", &own, "reader").await.unwrap();
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "spec": { "token": reader, "audiences": ["fuse"] },
    });
    for _ in 0..API_SERVER_TRIES {
        let answer = admin.create(review.clone()).await.unwrap();
        if answer["status"]["authenticated"] != true {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    until("the token is no longer valid", async || {
        (ask(Method::GET, "/events", &reader).await.status == 401).then_some(())
    })
    .await;
}
