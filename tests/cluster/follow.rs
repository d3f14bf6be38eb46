//! What objects come to after they are made: seen as it happens, and after whatever interruption.

use serde_json::{Value, json};

use super::scene::{
    INLINE, JOB, RUN_JOB, Scene, act, acted, action, missing, observed, phase, post, ready, rules,
};
use crate::support::cluster::{ADMIN, ControlPlane, Fault, Objects, WORKFLOW, calm, in_turn};
use crate::support::{Fuse, Setup, until};

/// Makes an object of the first rule: the event, and the object's name.
async fn make(fuse: &Fuse, id: &str) -> (String, String) {
    let made = act(fuse, id, json!({ "do": 0 }), "done").await;
    let name = made["object"]["metadata"]["name"].as_str().unwrap().to_owned();
    (format!("test {id}"), name)
}

/// What an Argo Workflows controller would write.
async fn report(objects: &Objects, namespace: &str, name: &str, status: Value) {
    objects.patch_status(WORKFLOW, namespace, name, &status).await.unwrap();
}

#[tokio::test]
async fn a_workflow_is_followed_to_its_end() {
    let Some(scene) = Scene::new("follow").await else { return };
    let fuse = scene.fuse(&[INLINE]).await;
    let tell = async |name: &str, status| {
        report(&scene.objects, &scene.namespace, name, status).await;
    };
    let (event, name) = make(&fuse, "1").await;
    assert_eq!(observed(&fuse, &event, "running").await["phase"], "Pending");
    tell(&name, json!({ "phase": "Running" })).await;
    assert_eq!(phase(&fuse, &event, "Running").await["result"], "running");
    tell(&name, json!({ "phase": "Succeeded" })).await;
    let seen = observed(&fuse, &event, "succeeded").await;
    assert_eq!(
        (&seen["phase"], &seen["kind"], &seen["namespace"], &seen["name"]),
        (&json!("Succeeded"), &json!("Workflow"), &json!(scene.namespace), &json!(name))
    );
    assert_eq!(acted(&fuse, "workflow", "succeeded").await, 1.0);
    // The end stays the end.
    tell(&name, json!({ "phase": "Failed" })).await;
    scene.objects.delete(WORKFLOW, &scene.namespace, &name).await.unwrap();

    for (id, status) in [("2", "Failed"), ("3", "Error")] {
        let (event, name) = make(&fuse, id).await;
        tell(&name, json!({ "phase": status, "message": "child 'x' failed" })).await;
        let seen = observed(&fuse, &event, "failed").await;
        assert_eq!(
            (&seen["phase"], &seen["message"]),
            (&json!(status), &json!("child 'x' failed"))
        );
    }
    for (result, count) in [("done", 3.0), ("succeeded", 1.0), ("failed", 2.0), ("gone", 0.0)] {
        assert_eq!(acted(&fuse, "workflow", result).await, count, "{result}");
    }
    assert_eq!(observed(&fuse, "test 1", "succeeded").await["name"], name);
    // The actions themselves were done before, and that is what they stay.
    action(&fuse, "test 2", "done").await;
    assert_eq!(fuse.metric("fuse_dead_letters").await, Some(0.0));
}

#[tokio::test]
async fn a_job_is_followed_by_its_conditions() {
    let Some(scene) = Scene::new("follow").await else { return };
    let fuse = scene.fuse(&[RUN_JOB]).await;
    for (id, condition, result) in [("1", "Failed", "failed"), ("2", "Complete", "succeeded")] {
        let (event, name) = make(&fuse, id).await;
        let tell = async |status: Value| {
            scene.objects.patch_status(JOB, &scene.namespace, &name, &status).await.unwrap();
        };
        tell(json!({ "active": 1, "startTime": "2026-08-01T10:00:00Z" })).await;
        assert_eq!(phase(&fuse, &event, "Running").await["result"], "running");
        let mut status = json!({
            "active": 0,
            "conditions": [{ "type": condition, "status": "True", "message": "as it went" }],
        });
        if condition == "Complete" {
            status["completionTime"] = json!("2026-08-01T10:01:00Z");
        }
        tell(status).await;
        let seen = observed(&fuse, &event, result).await;
        assert_eq!(
            (&seen["phase"], &seen["message"], &seen["kind"]),
            (&json!(condition), &json!("as it went"), &json!("Job"))
        );
        assert_eq!(acted(&fuse, "job", result).await, 1.0);
    }
}

#[tokio::test]
async fn what_is_deleted_while_it_runs_is_gone() {
    let Some(scene) = Scene::new("follow").await else { return };
    let fuse = scene.fuse(&[INLINE]).await;
    let (event, name) = make(&fuse, "1").await;
    report(&scene.objects, &scene.namespace, &name, json!({ "phase": "Running" })).await;
    phase(&fuse, &event, "Running").await;
    scene.objects.delete(WORKFLOW, &scene.namespace, &name).await.unwrap();
    assert_eq!(observed(&fuse, &event, "gone").await["phase"], "Running");
    assert_eq!(acted(&fuse, "workflow", "gone").await, 1.0);
}

#[tokio::test]
async fn what_happens_while_fuse_is_down_is_seen_at_the_start() {
    let Some(scene) = Scene::new("follow").await else { return };
    let mut fuse = scene.fuse(&[INLINE]).await;
    let mut made = Vec::new();
    for id in ["1", "2", "3"] {
        let (event, name) = make(&fuse, id).await;
        observed(&fuse, &event, "running").await;
        made.push((event, name));
    }
    fuse.kill();
    let done = json!({ "phase": "Succeeded" });
    report(&scene.objects, &scene.namespace, &made[0].1, done).await;
    scene.objects.delete(WORKFLOW, &scene.namespace, &made[1].1).await.unwrap();
    fuse.start_again().await;
    observed(&fuse, &made[0].0, "succeeded").await;
    observed(&fuse, &made[1].0, "gone").await;
    observed(&fuse, &made[2].0, "running").await;
    for (result, count) in [("succeeded", 1.0), ("gone", 1.0)] {
        assert_eq!(acted(&fuse, "workflow", result).await, count, "{result}");
    }
    // What was counted is not counted again.
    fuse.kill();
    fuse.start_again().await;
    report(&scene.objects, &scene.namespace, &made[2].1, json!({ "phase": "Failed" })).await;
    observed(&fuse, &made[2].0, "failed").await;
    for (result, count) in [("succeeded", 0.0), ("gone", 0.0), ("failed", 1.0)] {
        assert_eq!(acted(&fuse, "workflow", result).await, count, "{result}");
    }
}

#[tokio::test]
async fn a_watch_that_is_cut_or_refused_begins_anew() {
    let Some(scene) = Scene::new("follow").await else { return };
    let (proxy, fuse) = scene.behind(calm(), &[INLINE]).await;
    let (event, name) = make(&fuse, "1").await;
    observed(&fuse, &event, "running").await;
    // What is too old to go on from, and what is cut at once.
    let refusals = [Fault::Status(410), Fault::CutAfter];
    proxy.plan(in_turn("watch", "workflows", refusals));
    let before = proxy.count("watch", "workflows");
    proxy.drop_watches();
    until("it was refused each time", async || {
        (proxy.count("watch", "workflows") > before + refusals.len()).then_some(())
    })
    .await;
    report(&scene.objects, &scene.namespace, &name, json!({ "phase": "Running" })).await;
    phase(&fuse, &event, "Running").await;
    ready(&fuse).await;

    // Lists, too.
    let refusals = [Fault::Status(503), Fault::CutWithin];
    proxy.plan(in_turn("list", "workflows", refusals));
    proxy.drop_watches();
    scene.objects.delete(WORKFLOW, &scene.namespace, &name).await.unwrap();
    observed(&fuse, &event, "gone").await;
    ready(&fuse).await;
}

#[tokio::test]
async fn what_stands_in_the_way_of_following_is_said() {
    let Some(scene) = Scene::new("follow").await else { return };
    let (proxy, fuse) = scene.behind(calm(), &[INLINE]).await;
    until("it watches", async || (proxy.watches() == 1).then_some(())).await;
    ready(&fuse).await;
    proxy
        .plan(Box::new(|seen| matches!(seen.verb, "list" | "watch").then_some(Fault::Status(503))));
    proxy.drop_watches();
    missing(&fuse, &format!("cannot follow `Workflow` in namespace `{}`: ", scene.namespace)).await;
    // Events are acted on all the same.
    let (event, name) = make(&fuse, "1").await;
    proxy.plan(calm());
    report(&scene.objects, &scene.namespace, &name, json!({ "phase": "Failed" })).await;
    observed(&fuse, &event, "failed").await;
    ready(&fuse).await;
}

#[tokio::test]
async fn an_api_server_that_starts_anew_is_followed_on() {
    let Some(mut cluster) = ControlPlane::start().await else { return };
    cluster.install_crds().await;
    let namespace = cluster.namespace("follow").await;
    let objects = cluster.admin().await;
    let setup = Setup::rules(&rules(&[INLINE])).with("NAMESPACE", &namespace);
    let fuse = setup.armed().cluster(cluster.kubeconfig(ADMIN)).start().await;
    let (event, name) = make(&fuse, "1").await;
    observed(&fuse, &event, "running").await;
    cluster.stop_api_server();
    missing(&fuse, "cannot follow `Workflow`").await;
    cluster.start_api_server().await;
    until("workflows are served again", async || objects.list(WORKFLOW, &namespace).await.ok())
        .await;
    report(&objects, &namespace, &name, json!({ "phase": "Succeeded" })).await;
    observed(&fuse, &event, "succeeded").await;
    ready(&fuse).await;
}

#[tokio::test]
async fn each_fuse_follows_its_own_and_a_namespace_that_the_event_names() {
    let Some(scene) = Scene::new("follow").await else { return };
    let anywhere = r#"workflow {
      namespace = body.namespace
      spec { entrypoint = "main", templates = [{ name = "main", suspend = {} }] }
    }"#;
    let other = scene.cluster.namespace("follow").await;
    let (one, two) = (scene.fuse(&[anywhere]).await, scene.fuse(&[INLINE]).await);
    let made = act(&one, "1", json!({ "do": 0, "namespace": other }), "done").await;
    let name = made["object"]["metadata"]["name"].as_str().unwrap();
    let event = post(&two, "2", json!({ "do": 0 })).await;
    action(&two, &event, "done").await;
    report(&scene.objects, &other, name, json!({ "phase": "Succeeded" })).await;
    let seen = observed(&one, "test 1", "succeeded").await;
    assert_eq!(seen["namespace"], other);
    let mine = scene.one(WORKFLOW).await;
    let name = mine["metadata"]["name"].as_str().unwrap();
    report(&scene.objects, &scene.namespace, name, json!({ "phase": "Failed" })).await;
    observed(&two, &event, "failed").await;
    for (fuse, succeeded, failed) in [(&one, 1.0, 0.0), (&two, 0.0, 1.0)] {
        assert_eq!(acted(fuse, "workflow", "succeeded").await, succeeded);
        assert_eq!(acted(fuse, "workflow", "failed").await, failed);
        ready(fuse).await;
    }
}
