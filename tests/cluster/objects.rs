//! Objects of any kind: created, applied, patched and deleted, each once whatever answer is lost.

use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{NAMESPACE, Scene, acted, done, post, ready, refused};
use super::scene::{action, bare};
use crate::support::cluster::{CONFIG_MAP, Fault, calm, in_turn};
use crate::support::{Fuse, until};

const ACCOUNT: &str = "v1/ServiceAccount";

const CREATE: &str = r#"object {
  api-version = "v1"
  kind        = "ConfigMap"
  namespace   = "NAMESPACE"
  name-prefix = "made-"
  manifest    { data { app = body.app } }
  labels      { team = "pay" }
  annotations { why = "it asked" }
}"#;

#[tokio::test]
async fn an_object_is_created_with_what_tells_where_it_comes_from() {
    let Some(scene) = Scene::new("create").await else { return };
    let fuse = scene.fuse(&[CREATE]).await;
    let detail = done(&fuse, "1", json!({ "do": 0, "app": "pay" })).await;
    let mut maps = scene.list(CONFIG_MAP).await;
    // Newer clusters put one of their own into each namespace.
    maps.retain(|map| map["metadata"]["name"].as_str().unwrap().starts_with("made-"));
    assert_eq!(maps.len(), 1, "{maps:#?}");
    let made = bare(maps.remove(0), &scene.namespace);
    assert_eq!(
        detail.replace(&scene.namespace, "NAMESPACE"),
        format!("created ConfigMap NAMESPACE/{}", made["metadata"]["name"].as_str().unwrap())
    );
    insta::assert_json_snapshot!(made);
    ready(&fuse).await;
}

#[tokio::test]
async fn what_lives_outside_namespaces_is_made_there_and_nowhere_else() {
    let Some(scene) = Scene::new("scope").await else { return };
    let namespace = r#"object { api-version = "v1", kind = "Namespace", name = body.name }"#;
    let within = r#"object {
      api-version = "v1", kind = "Namespace", name = "x", namespace = "NAMESPACE"
    }"#;
    let without = r#"object { api-version = "v1", kind = "ConfigMap", name = "x" }"#;
    let fuse = scene.fuse(&[namespace, within, without]).await;
    let name = format!("{}-made", scene.namespace);
    let detail = done(&fuse, "1", json!({ "do": 0, "name": name })).await;
    assert_eq!(detail, format!("created Namespace {name}"));
    let made = scene.objects.get(NAMESPACE, "", &name).await.unwrap();
    assert_eq!(made["metadata"]["labels"]["app.kubernetes.io/managed-by"], "fuse");

    for (id, rule, why) in [
        ("2", 1, "a `Namespace` is cluster-scoped; remove `namespace`"),
        ("3", 2, "a `ConfigMap` is namespaced; set `namespace`"),
    ] {
        let refused = refused(&fuse, id, json!({ "do": rule })).await;
        assert_eq!(refused, ("permanent".into(), why.into()));
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_a_conflict() {
    let Some(scene) = Scene::new("taken").await else { return };
    let named = r#"object {
      api-version = "v1"
      kind        = "ConfigMap"
      namespace   = "NAMESPACE"
      name        = body.name
      manifest    { data { by = "fuse" } }
    }"#;
    let fuse = scene.fuse(&[named]).await;
    scene.create(scene.config_map("theirs", &json!({ "by": "them" }))).await;
    let conflict = refused(&fuse, "1", json!({ "do": 0, "name": "theirs" })).await;
    let what = format!("ConfigMap {}", scene.namespace);
    let why = format!("{what}/theirs already exists, created by something else");
    assert_eq!(conflict, ("conflict".into(), why));
    let theirs = scene.objects.get(CONFIG_MAP, &scene.namespace, "theirs").await.unwrap();
    assert_eq!(theirs["data"], json!({ "by": "them" }));

    // Neither is another event's the event's own.
    done(&fuse, "2", json!({ "do": 0, "name": "ours" })).await;
    let (kind, why) = refused(&fuse, "3", json!({ "do": 0, "name": "ours" })).await;
    assert_eq!(kind, "conflict");
    assert!(why.starts_with(&format!("{what}/ours already exists, created by action ")), "{why}");
}

const APPLY: &str = r#"object {
  operation   = "apply"
  api-version = "v1"
  kind        = "ConfigMap"
  namespace   = "NAMESPACE"
  name        = "settings"
  manifest    { data { owner = body.owner, extra? = body.extra } }
}"#;

#[tokio::test]
async fn apply_makes_an_object_and_brings_it_to_what_the_next_event_says() {
    let Some(scene) = Scene::new("apply").await else { return };
    let fuse = scene.fuse(&[APPLY]).await;
    let data = async || {
        let map = scene.objects.get(CONFIG_MAP, &scene.namespace, "settings").await.unwrap();
        map["data"].clone()
    };
    let first = json!({ "do": 0, "owner": "a", "extra": "x" });
    let detail = done(&fuse, "1", first.clone()).await;
    assert_eq!(detail, format!("applied ConfigMap {}/settings", scene.namespace));
    assert_eq!(data().await, json!({ "owner": "a", "extra": "x" }));
    // What others have added stays; what is no longer applied goes.
    let theirs = scene.config_map("settings", &json!({ "theirs": "y" }));
    scene.objects.apply(&theirs, "").await.unwrap();
    done(&fuse, "2", json!({ "do": 0, "owner": "b" })).await;
    assert_eq!(data().await, json!({ "owner": "b", "theirs": "y" }));
    let map = scene.objects.get(CONFIG_MAP, &scene.namespace, "settings").await.unwrap();
    let marks = map["metadata"]["annotations"]["fuse.rules/actions"].as_str().unwrap();
    assert_eq!(marks.split(',').count(), 2, "{marks}");
    assert_eq!(map["metadata"]["annotations"]["fuse.rules/event-id"], "test 2");
}

#[tokio::test]
async fn fields_that_others_own_are_a_dead_letter_unless_forced() {
    let Some(scene) = Scene::new("owned").await else { return };
    let forced = APPLY.replace("name        =", "force = true\n  name        =");
    let fuse = scene.fuse(&[APPLY, &forced]).await;
    let theirs = scene.config_map("settings", &json!({ "owner": "theirs" }));
    scene.objects.apply(&theirs, "").await.unwrap();
    let (kind, why) = refused(&fuse, "1", json!({ "do": 0, "owner": "ours" })).await;
    assert_eq!(kind, "permanent");
    assert!(why.contains("conflict with \"fuse-tests\"") && why.contains(".data.owner"), "{why}");
    done(&fuse, "2", json!({ "do": 1, "owner": "ours" })).await;
    let map = scene.objects.get(CONFIG_MAP, &scene.namespace, "settings").await.unwrap();
    assert_eq!(map["data"], json!({ "owner": "ours" }));
}

/// A patch of the service account `page`.
fn patch(kind: &str, patch: &str) -> String {
    format!(
        r#"object {{
          operation   = "patch"
          patch-type  = "{kind}"
          api-version = "v1"
          kind        = "ServiceAccount"
          namespace   = "NAMESPACE"
          name        = "page"
          patch       = {patch}
        }}"#
    )
}

const APPEND: &str =
    r#"[{ op = "add", path = "/imagePullSecrets/-", value = { name = body.name } }]"#;

impl Scene {
    async fn account(&self) -> Value {
        self.create(json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": { "name": "page", "namespace": self.namespace },
            "secrets": [{ "name": "one" }],
            "imagePullSecrets": [{ "name": "one" }],
        }))
        .await
    }

    async fn secrets(&self, field: &str) -> Vec<String> {
        let account = self.objects.get(ACCOUNT, &self.namespace, "page").await.unwrap();
        let secrets = account[field].as_array().unwrap();
        let mut names: Vec<String> =
            secrets.iter().map(|secret| secret["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_patch_changes_what_is_there_in_each_of_its_forms() {
    let Some(scene) = Scene::new("patch").await else { return };
    let list = r#"{ secrets = [{ name = body.name }] }"#;
    let fuse = scene
        .fuse(&[&patch("merge", list), &patch("strategic", list), &patch("json", APPEND)])
        .await;
    let (kind, why) = refused(&fuse, "0", json!({ "do": 0, "name": "two" })).await;
    let account = format!("ServiceAccount {}/page", scene.namespace);
    assert_eq!((kind.as_str(), why), ("permanent", format!("there is no {account} to patch")));

    scene.account().await;
    let detail = done(&fuse, "1", json!({ "do": 1, "name": "two" })).await;
    assert_eq!(detail, format!("patched {account}"));
    assert_eq!(scene.secrets("secrets").await, ["one", "two"]);
    done(&fuse, "2", json!({ "do": 0, "name": "three" })).await;
    assert_eq!(scene.secrets("secrets").await, ["three"]);
    done(&fuse, "3", json!({ "do": 2, "name": "two" })).await;
    assert_eq!(scene.secrets("imagePullSecrets").await, ["one", "two"]);

    // A patch that the API server cannot do.
    let unknown = APPEND.replace("imagePullSecrets", "unknown");
    let fuse = scene.fuse(&[&patch("json", &unknown)]).await;
    let (kind, why) = refused(&fuse, "4", json!({ "do": 0, "name": "two" })).await;
    assert_eq!(kind, "permanent", "{why}");
}

#[tokio::test]
async fn a_patch_whose_answer_is_lost_is_not_made_twice() {
    let Some(scene) = Scene::new("lost").await else { return };
    scene.account().await;
    let (proxy, fuse) = scene.behind(calm(), &[&patch("json", APPEND), APPLY]).await;
    proxy.plan(in_turn("patch", "serviceaccounts", [Fault::CutAfter]));
    done(&fuse, "1", json!({ "do": 0, "name": "two" })).await;
    assert_eq!(scene.secrets("imagePullSecrets").await, ["one", "two"]);
    assert_eq!(proxy.count("patch", "serviceaccounts"), 1);
    assert_eq!(acted(&fuse, "object", "retried").await, 1.0);

    proxy.plan(in_turn("patch", "configmaps", [Fault::CutWithin]));
    done(&fuse, "2", json!({ "do": 1, "owner": "a" })).await;
    assert_eq!(proxy.count("patch", "configmaps"), 1);
    assert_eq!(acted(&fuse, "object", "retried").await, 2.0);
}

#[tokio::test]
async fn a_patch_is_made_anew_over_what_changed_in_between() {
    let Some(scene) = Scene::new("raced").await else { return };
    let merge = patch("merge", r#"{ secrets = [{ name = body.name }] }"#);
    let (proxy, fuse) = scene.behind(calm(), &[&merge, &patch("json", APPEND), APPLY]).await;
    scene.account().await;
    let settings = scene.config_map("settings", &json!({ "theirs": "0" }));
    scene.objects.apply(&settings, "").await.unwrap();
    for (id, rule, kind, resource) in [
        ("1", 0, ACCOUNT, "serviceaccounts"),
        ("2", 1, ACCOUNT, "serviceaccounts"),
        ("3", 2, CONFIG_MAP, "configmaps"),
    ] {
        let before = proxy.count("patch", resource);
        proxy.plan(in_turn("patch", resource, [Fault::Delay(Duration::from_secs(1))]));
        let event = post(&fuse, id, json!({ "do": rule, "name": "two", "owner": "a" })).await;
        until("the patch is on its way", async || {
            (proxy.count("patch", resource) > before).then_some(())
        })
        .await;
        let touched = json!({ "touched": id });
        let name = if kind == ACCOUNT { "page" } else { "settings" };
        scene.objects.annotate(kind, &scene.namespace, name, &touched).await.unwrap();
        action(&fuse, &event, "done").await;
        let now = scene.objects.get(kind, &scene.namespace, name).await.unwrap();
        assert_eq!(now["metadata"]["annotations"]["touched"], id);
        assert_eq!(proxy.count("patch", resource), before + 2, "{kind} {rule}");
    }
    assert_eq!(scene.secrets("secrets").await, ["two"]);
    assert_eq!(scene.secrets("imagePullSecrets").await, ["one", "two"]);
}

const DELETE: &str = r#"object {
  operation   = "delete"
  api-version = "v1"
  kind        = "ConfigMap"
  namespace   = "NAMESPACE"
  name        = body.name
}"#;

impl Scene {
    async fn uid(&self, name: &str) -> Option<Value> {
        let map = self.objects.get(CONFIG_MAP, &self.namespace, name).await.ok()?;
        Some(map["metadata"]["uid"].clone())
    }
}

async fn delete(fuse: &Fuse, id: &str, name: &str) -> String {
    done(fuse, id, json!({ "do": 0, "name": name })).await
}

#[tokio::test]
async fn what_is_not_there_need_not_be_deleted() {
    let Some(scene) = Scene::new("delete").await else { return };
    let slowly = DELETE.replace("name        =", "propagation = \"foreground\"\n  name        =");
    let fuse = scene.fuse(&[DELETE, &slowly]).await;
    scene.create(scene.config_map("old", &json!({}))).await;
    let what = format!("ConfigMap {}/old", scene.namespace);
    assert_eq!(delete(&fuse, "1", "old").await, format!("deleted {what}"));
    assert_eq!(scene.uid("old").await, None);
    assert_eq!(delete(&fuse, "2", "old").await, format!("there was no {what} to delete"));

    scene.create(scene.config_map("slow", &json!({}))).await;
    done(&fuse, "3", json!({ "do": 1, "name": "slow" })).await;
    let slow = scene.objects.get(CONFIG_MAP, &scene.namespace, "slow").await.unwrap();
    assert_eq!(slow["metadata"]["finalizers"], json!(["foregroundDeletion"]));
}

#[tokio::test]
async fn what_is_made_anew_after_a_deletion_stays_whatever_becomes_of_the_answer() {
    let Some(scene) = Scene::new("anew").await else { return };
    let (proxy, fuse) = scene.behind(calm(), &[DELETE]).await;
    for (name, fault) in [
        ("after", Fault::CutAfter),
        ("before", Fault::CutBefore),
        ("late", Fault::Delay(Duration::from_secs(1))),
    ] {
        scene.create(scene.config_map(name, &json!({}))).await;
        let before = proxy.count("delete", "configmaps");
        proxy.plan(in_turn("delete", "configmaps", [fault]));
        let event = post(&fuse, name, json!({ "do": 0, "name": name })).await;
        until("the deletion is on its way", async || {
            (proxy.count("delete", "configmaps") > before).then_some(())
        })
        .await;
        if fault == Fault::CutAfter {
            until("it is gone", async || scene.uid(name).await.is_none().then_some(())).await;
        } else {
            scene.objects.delete(CONFIG_MAP, &scene.namespace, name).await.unwrap();
        }
        let anew = scene.create(scene.config_map(name, &json!({}))).await;
        let done = action(&fuse, &event, "done").await;
        assert_eq!(done["detail"], format!("deleted ConfigMap {}/{name}", scene.namespace));
        assert_eq!(scene.uid(name).await.as_ref(), Some(&anew["metadata"]["uid"]), "{name}");
        assert_eq!(proxy.count("delete", "configmaps"), before + 1, "{name}");
    }
}

#[tokio::test]
async fn a_file_gives_the_object_and_the_event_its_values() {
    let Some(scene) = Scene::new("file").await else { return };
    let text = "
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings-${app}
  labels: {app: '${app}', team: old}
data:
  text: |
    app = ${app}
    note = ${note}
";
    let trigger = r#"object {
      operation     = "apply"
      template-file = "settings.yaml"
      values        { app = body.app, note = body.note }
      namespace     = "NAMESPACE"
      labels        { team = "pay" }
    }"#;
    let fuse = scene.setup(&[trigger]).file("settings.yaml", text).start().await;
    let note = "x\nkind: Secret ${app}";
    done(&fuse, "1", json!({ "do": 0, "app": "pay", "note": note })).await;
    let made = scene.objects.get(CONFIG_MAP, &scene.namespace, "settings-pay").await.unwrap();
    assert_eq!(made["data"], json!({ "text": format!("app = pay\nnote = {note}\n") }));
    let labels = &made["metadata"]["labels"];
    assert_eq!((&labels["app"], &labels["team"]), (&json!("pay"), &json!("pay")));
}
