//! `concurrency … else replace`: the newest match stops the work of the oldest one, and waits until it has ended.

use serde_json::json;

use super::scene::{JOB, Scene, action, observed, post};
use crate::support::cluster::{ADMIN, WORKFLOW};
use crate::support::{Setup, until};

const RULES: &str = r#"
fuse cicd default off
source test webhook { port = 12000, path = "/do", event thing }
sensor test on test.thing {
  requires cicd
  rule workflow {
    when body.do == "workflow"
    concurrency 1 per body.app else replace
    trigger workflow {
      namespace   = "NAMESPACE"
      name-prefix = "deploy-"
      spec { entrypoint = "main", templates = [{ name = "main", suspend = {} }] }
    }
    on failure { trigger log { message = "failed: ${outcome.reason}" } }
  }
  rule job {
    when body.do == "job"
    concurrency 1 per body.app else replace
    trigger job {
      namespace   = "NAMESPACE"
      name-prefix = "deploy-"
      image       = "busybox"
    }
  }
}
"#;

/// The names of the objects of a kind, the oldest first.
async fn names(scene: &Scene, kind: &str) -> Vec<String> {
    let mut all = scene.list(kind).await;
    all.sort_by_key(|one| one["metadata"]["creationTimestamp"].as_str().unwrap().to_owned());
    all.iter().map(|one| one["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_newer_match_stops_the_workflow_before_it_starts_its_own() {
    let Some(scene) = Scene::new("replaced").await else { return };
    let setup = Setup::rules(RULES).with("NAMESPACE", &scene.namespace);
    let mut fuse = setup.armed().cluster(scene.cluster.kubeconfig(ADMIN)).start().await;
    let deploy = json!({ "do": "workflow", "app": "web" });
    let first = post(&fuse, "1", deploy.clone()).await;
    action(&fuse, &first, "done").await;
    let [one] = names(&scene, WORKFLOW).await.try_into().unwrap();

    // Nobody loses the order to stop, whenever fuse is killed.
    let second = post(&fuse, "2", deploy.clone()).await;
    fuse.kill();
    fuse.start_again().await;
    let third = post(&fuse, "3", deploy.clone()).await;
    until("the workflow is told to stop", async || {
        let workflow = scene.objects.get(WORKFLOW, &scene.namespace, &one).await.unwrap();
        (workflow["spec"]["shutdown"] == "Stop").then_some(())
    })
    .await;
    assert_eq!(names(&scene, WORKFLOW).await, std::slice::from_ref(&one), "the newer one waits");
    let superseded = fuse.settled(&second).await;
    assert_eq!(superseded["decisions"][0]["outcome"], "superseded", "{superseded:#}");

    let phase = json!({ "phase": "Failed", "message": "Stopped with strategy 'Stop'" });
    scene.objects.patch_status(WORKFLOW, &scene.namespace, &one, &phase).await.unwrap();
    action(&fuse, &third, "done").await;
    observed(&fuse, &first, "failed").await;
    assert_eq!(scene.list(WORKFLOW).await.len(), 2);
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));
    let log = fuse.log();
    assert!(log.contains("asked the work to stop, because a newer match replaces it"), "{log}");
    assert!(!log.contains("failed: Workflow"), "what fuse stopped has not failed: {log}");
}

#[tokio::test]
async fn a_newer_match_deletes_the_job_and_waits_for_its_pods() {
    let Some(scene) = Scene::new("replaced").await else { return };
    let setup = Setup::rules(RULES).with("NAMESPACE", &scene.namespace);
    let fuse = setup.armed().cluster(scene.cluster.kubeconfig(ADMIN)).start().await;
    let deploy = json!({ "do": "job", "app": "web" });
    let first = post(&fuse, "1", deploy.clone()).await;
    action(&fuse, &first, "done").await;
    let [one] = names(&scene, JOB).await.try_into().unwrap();
    let second = post(&fuse, "2", deploy).await;
    until("the job is being deleted", async || {
        let job = scene.objects.get(JOB, &scene.namespace, &one).await.unwrap();
        job["metadata"]["deletionTimestamp"].is_string().then_some(())
    })
    .await;
    // The garbage collector would do this once the pods are gone.
    assert_eq!(names(&scene, JOB).await, std::slice::from_ref(&one), "the newer one waits");
    let done = json!({ "metadata": { "finalizers": null } });
    scene.objects.patch(JOB, &scene.namespace, &one, &done).await.unwrap();
    action(&fuse, &second, "done").await;
    observed(&fuse, &first, "gone").await;
    assert_eq!(scene.list(JOB).await.len(), 1);
}
