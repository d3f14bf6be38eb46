//! `concurrency`: an action begins when the object of the one before it has ended.

use serde_json::{Value, json};

use super::scene::{JOB, RUN_JOB, Scene, action, observed, post};
use crate::support::cluster::{ADMIN, Objects, WORKFLOW};
use crate::support::{Fuse, Setup, until};

/// Two rules that share one place per application: the first one starts a workflow, and the second one a job.
const RULES: &str = r#"
fuse cicd default off
limiter healing { concurrency 1 }
source test webhook { port = 12000, path = "/do", event thing }
sensor test on test.thing {
  requires cicd
  rule workflow {
    when body.do == "workflow"
    concurrency healing per body.app
    trigger workflow {
      namespace   = "NAMESPACE"
      name-prefix = "heal-"
      spec { entrypoint = "main", templates = [{ name = "main", suspend = {} }] }
    }
  }
  rule job {
    when body.do == "job"
    concurrency healing per body.app
    trigger JOB
  }
}
"#;

async fn fuse(scene: &Scene) -> Fuse {
    let rules = RULES.replace("JOB", RUN_JOB);
    let setup = Setup::rules(&rules).with("NAMESPACE", &scene.namespace);
    setup.armed().cluster(scene.cluster.kubeconfig(ADMIN)).start().await
}

/// Posts an event that has to wait.
async fn waits(fuse: &Fuse, id: &str, body: Value) -> String {
    let event = post(fuse, id, body).await;
    let path = format!("/decisions?event={}", event.replace(' ', "%20"));
    until("it waits", async || {
        let report = fuse.admin(&path).await.json();
        let mut decisions = report["decisions"].as_array().unwrap().iter();
        decisions.find(|one| one["outcome"] == "waiting").map(|_| ())
    })
    .await;
    event
}

async fn end(objects: &Objects, namespace: &str, name: &str, phase: &str) {
    objects.patch_status(WORKFLOW, namespace, name, &json!({ "phase": phase })).await.unwrap();
}

#[tokio::test]
async fn the_next_workflow_begins_when_the_one_before_it_has_ended() {
    let Some(scene) = Scene::new("concurrency").await else { return };
    let mut fuse = fuse(&scene).await;
    let heal = json!({ "do": "workflow", "app": "web" });
    let names = async || -> Vec<String> {
        let all = scene.list(WORKFLOW).await;
        all.iter().map(|one| one["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = post(&fuse, "1", heal.clone()).await;
    action(&fuse, &first, "done").await;
    let [one] = names().await.try_into().unwrap();
    let second = waits(&fuse, "2", heal.clone()).await;
    let third = waits(&fuse, "3", json!({ "do": "job", "app": "web" })).await;
    // Another application does not wait.
    let other = post(&fuse, "4", json!({ "do": "job", "app": "pay" })).await;
    action(&fuse, &other, "done").await;
    end(&scene.objects, &scene.namespace, &one, "Running").await;
    super::scene::phase(&fuse, &first, "Running").await;
    assert_eq!(names().await, std::slice::from_ref(&one));

    // Its end is observed although fuse was down.
    fuse.kill();
    end(&scene.objects, &scene.namespace, &one, "Failed").await;
    fuse.start_again().await;
    action(&fuse, &second, "done").await;
    observed(&fuse, &first, "failed").await;
    let [two] = names()
        .await
        .into_iter()
        .filter(|name| *name != one)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!(scene.list(JOB).await.len(), 1, "the job of the other application");

    // One that is deleted has ended, too.
    scene.objects.delete(WORKFLOW, &scene.namespace, &two).await.unwrap();
    action(&fuse, &third, "done").await;
    observed(&fuse, &second, "gone").await;
    assert_eq!(scene.list(JOB).await.len(), 2);
    assert_eq!(fuse.metric("fuse_waiting_decisions").await, Some(0.0));
}

/// A workflow that began and vanished while fuse was down was never seen. Its place is free all the same.
#[tokio::test]
async fn what_was_never_seen_and_is_gone_has_ended() {
    let Some(scene) = Scene::new("concurrency").await else { return };
    let mut fuse = fuse(&scene).await;
    let heal = json!({ "do": "workflow", "app": "web" });
    let first = post(&fuse, "1", heal.clone()).await;
    action(&fuse, &first, "done").await;
    fuse.kill();
    let made = scene.one(WORKFLOW).await;
    let name = made["metadata"]["name"].as_str().unwrap();
    scene.objects.delete(WORKFLOW, &scene.namespace, name).await.unwrap();
    fuse.start_again().await;
    let second = post(&fuse, "2", heal).await;
    action(&fuse, &second, "done").await;
    assert_eq!(scene.list(WORKFLOW).await.len(), 1);
}

/// The end of what a rule started is observed although a reload changed what the rule starts.
#[tokio::test]
async fn a_place_is_free_although_the_rules_start_something_else_now() {
    let Some(scene) = Scene::new("concurrency").await else { return };
    let fuse = fuse(&scene).await;
    let first = post(&fuse, "1", json!({ "do": "workflow", "app": "web" })).await;
    action(&fuse, &first, "done").await;
    let second = waits(&fuse, "2", json!({ "do": "job", "app": "web" })).await;

    let file = fuse.folder().join("rules/test.rules");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, after) = text.split_once("trigger workflow {").unwrap();
    let (_, after) = after.split_once("  rule job").unwrap();
    let log = "trigger log { message = \"healed by hand\" }\n  }\n  rule job";
    std::fs::write(&file, format!("{before}{log}{after}")).unwrap();
    until("it is reloaded", async || fuse.log().contains("\"reloaded\"").then_some(())).await;
    let made = scene.one(WORKFLOW).await;
    let name = made["metadata"]["name"].as_str().unwrap();
    end(&scene.objects, &scene.namespace, name, "Succeeded").await;
    observed(&fuse, &first, "succeeded").await;
    action(&fuse, &second, "done").await;
}
