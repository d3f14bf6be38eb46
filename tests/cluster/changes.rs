//! Changes that meet what fuse or a person changed in between.

use serde_json::json;

use super::scene::{Scene, act, action, done, refused};
use crate::support::cluster::{CONFIG_MAP, NARROW};

/// May look at config maps, and nothing else.
const LOOK: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: fuse}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: fuse}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: fuse}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: narrow}]
"#;

/// A change of the config map `settings`.
fn change(what: &str) -> String {
    format!(
        r#"object {{
          api-version = "v1"
          kind        = "ConfigMap"
          namespace   = "NAMESPACE"
          name        = "settings"
          {what}
        }}"#
    )
}

#[tokio::test]
async fn what_is_made_anew_while_its_deletion_is_held_stays() {
    let Some(scene) = Scene::new("anew").await else { return };
    scene.create(scene.config_map("settings", &json!({}))).await;
    scene.objects.apply_yaml(LOOK, &scene.namespace).await.unwrap();
    let rule = change("operation = \"delete\"");
    let setup = scene.setup(&[&rule]).cluster(scene.cluster.kubeconfig(NARROW));
    let fuse = setup.start().await;
    act(&fuse, "1", json!({ "do": 0 }), "held").await;
    scene.objects.delete(CONFIG_MAP, &scene.namespace, "settings").await.unwrap();
    let anew = scene.create(scene.config_map("settings", &json!({}))).await;
    let more = LOOK.replace("verbs: [get]", "verbs: [get, delete]");
    scene.objects.apply_yaml(&more, &scene.namespace).await.unwrap();
    action(&fuse, "test 1", "done").await;
    let there = scene.objects.get(CONFIG_MAP, &scene.namespace, "settings").await.unwrap();
    assert_eq!(there["metadata"]["uid"], anew["metadata"]["uid"]);
}

#[tokio::test]
async fn fuse_is_in_nobodys_way_but_others() {
    let Some(scene) = Scene::new("own").await else { return };
    let fuse = scene
        .fuse(&[
            &change("manifest { data { a = \"created\" } }"),
            &change("operation = \"patch\"\n patch = { data = { b = \"patched\" } }"),
            &change("operation = \"apply\"\n manifest { data { a = body.to } }"),
            &change("operation = \"apply\"\n manifest { data { c = body.to } }"),
        ])
        .await;
    for (id, number) in [("1", 0), ("2", 1), ("3", 2), ("4", 1), ("5", 3), ("6", 2)] {
        done(&fuse, id, json!({ "do": number, "to": id })).await;
    }
    let map = scene.objects.get(CONFIG_MAP, &scene.namespace, "settings").await.unwrap();
    // What one rule applies, another does not take away.
    assert_eq!(map["data"], json!({ "a": "6", "b": "patched", "c": "5" }));
}

#[tokio::test]
async fn a_patch_keeps_annotations_and_may_not_take_all_of_them_away() {
    let Some(scene) = Scene::new("marks").await else { return };
    let patch = |kind: &str, patch: &str| {
        change(&format!("operation = \"patch\"\n patch-type = \"{kind}\"\n patch = {patch}"))
    };
    let add = r#"[{ op = "add", path = "/metadata/annotations", value = { team = "pay" } }]"#;
    let remove = r#"[{ op = "remove", path = "/metadata/annotations" }]"#;
    let fuse = scene
        .fuse(&[
            &patch("json", add),
            &patch("json", remove),
            &patch("merge", "{ metadata = { annotations = null } }"),
            &patch("merge", "{ metadata = { annotations = { team = null } } }"),
        ])
        .await;
    scene.create(scene.config_map("settings", &json!({}))).await;
    done(&fuse, "1", json!({ "do": 0 })).await;
    let annotation = async || {
        let map = scene.objects.get(CONFIG_MAP, &scene.namespace, "settings").await.unwrap();
        assert!(map["metadata"]["annotations"]["fuse.rules/actions"].is_string(), "{map:#}");
        map["metadata"]["annotations"]["team"].clone()
    };
    assert_eq!(annotation().await, "pay");
    for (id, number) in [("2", 1), ("3", 2)] {
        let (kind, why) = refused(&fuse, id, json!({ "do": number })).await;
        assert_eq!(kind, "permanent");
        assert!(why.contains("may not remove all annotations"), "{why}");
    }
    done(&fuse, "4", json!({ "do": 3 })).await;
    assert_eq!(annotation().await, json!(null));
}
