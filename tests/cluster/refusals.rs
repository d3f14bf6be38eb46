//! What the API server, and what is between, can answer: tried again where that may help, and
//! never done twice.

use std::time::Duration;

use serde_json::json;

use super::scene::{
    FROM_TEMPLATE, INLINE, JOB, NAMESPACE, RUN_JOB, Scene, acted, action, done, namespace, post,
    ready, refused,
};
use crate::support::cluster::{Fault, WORKFLOW, calm, in_turn};
use crate::support::until;

const QUOTA: &str = "v1/ResourceQuota";

#[tokio::test]
async fn the_api_server_says_when_to_come_back() {
    let Some(scene) = Scene::new("busy").await else { return };
    let plan = in_turn("create", "workflows", [Fault::Busy(1), Fault::Busy(3)]);
    let (proxy, fuse) = scene.behind(plan, &[INLINE]).await;
    let start = std::time::Instant::now();
    done(&fuse, "1", json!({ "do": 0 })).await;
    // Without the second answer's word it would be three in all.
    assert!(start.elapsed() >= Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(proxy.count("create", "workflows"), 3);
    assert_eq!(acted(&fuse, "workflow", "retried").await, 2.0);
    scene.one(WORKFLOW).await;
    ready(&fuse).await;
}

#[tokio::test]
async fn whatever_becomes_of_an_answer_a_workflow_is_made_once() {
    let Some(scene) = Scene::new("once").await else { return };
    // The first three reach nobody; the others are done all the same.
    let faults = [
        Fault::Status(500),
        Fault::Status(503),
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::CutWithin,
        Fault::Delay(Duration::from_millis(300)),
    ];
    let (proxy, fuse) = scene.behind(in_turn("create", "workflows", faults), &[INLINE]).await;
    let mut events = Vec::new();
    for number in 0..faults.len() {
        events.push(post(&fuse, &number.to_string(), json!({ "do": 0 })).await);
    }
    for event in &events {
        action(&fuse, event, "done").await;
    }
    assert_eq!(scene.list(WORKFLOW).await.len(), faults.len());
    assert_eq!(proxy.count("create", "workflows"), faults.len() + 3);
    assert_eq!(proxy.faults().values().sum::<usize>(), faults.len());
    assert_eq!(acted(&fuse, "workflow", "retried").await, 5.0);
    assert_eq!(acted(&fuse, "workflow", "done").await, 6.0);
    ready(&fuse).await;
}

#[tokio::test]
async fn what_fails_before_anything_is_made_is_tried_again() {
    let Some(scene) = Scene::new("early").await else { return };
    scene.create(scene.template("heal")).await;
    for fault in [Fault::Status(500), Fault::CutAfter, Fault::CutWithin] {
        let plan = in_turn("get", "workflowtemplates", [fault]);
        let (proxy, fuse) = scene.behind(plan, &[FROM_TEMPLATE]).await;
        let before = scene.list(WORKFLOW).await.len();
        done(&fuse, &format!("{fault:?}"), json!({ "do": 0, "app": "pay" })).await;
        assert_eq!(scene.list(WORKFLOW).await.len(), before + 1);
        assert_eq!(proxy.count("create", "workflows"), 1);
        // Once at the start, once in vain, and once more.
        assert_eq!(proxy.count("get", "workflowtemplates"), 3);
    }
}

#[tokio::test]
async fn the_same_action_of_a_fuse_that_forgot_is_known_and_anothers_is_a_conflict() {
    let Some(scene) = Scene::new("forgot").await else { return };
    for id in ["1", "2"] {
        done(&scene.fuse(&[INLINE]).await, id, json!({ "do": 0 })).await;
    }
    let made = scene.list(WORKFLOW).await;
    assert_eq!(made.len(), 2);
    let of = |id: &str| {
        let event = format!("test {id}");
        let mine = |one: &&serde_json::Value| {
            one["metadata"]["annotations"]["fuse.rules/event-id"] == *event
        };
        made.iter().find(mine).unwrap()["metadata"]["name"].as_str().unwrap().to_owned()
    };
    // Its state folder is another one, so it knows nothing of either.
    let fuse = scene.fuse(&[INLINE]).await;
    let detail = done(&fuse, "1", json!({ "do": 0 })).await;
    assert_eq!(detail, format!("created Workflow {}/{}", scene.namespace, of("1")));

    let unsigned = json!({ "fuse.rules/action-id": null });
    scene.objects.annotate(WORKFLOW, &scene.namespace, &of("2"), &unsigned).await.unwrap();
    let (kind, why) = refused(&fuse, "2", json!({ "do": 0 })).await;
    let what = format!("Workflow {}/{}", scene.namespace, of("2"));
    assert_eq!(
        (kind.as_str(), why),
        ("conflict", format!("{what} already exists, created by something else"))
    );
    assert_eq!(scene.list(WORKFLOW).await.len(), 2);
}

#[tokio::test]
async fn a_quota_that_is_used_up_may_have_room_again() {
    let Some(scene) = Scene::new("quota").await else { return };
    let hard = |most: &str| json!({ "count/jobs.batch": most });
    let quota = |most: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": { "name": "few", "namespace": scene.namespace },
            "spec": { "hard": hard(most) },
        })
    };
    scene.create(quota("0")).await;
    // What its controller would do.
    let status = async |most: &str| {
        let status = json!({ "hard": hard(most), "used": hard("0") });
        scene.objects.patch_status(QUOTA, &scene.namespace, "few", &status).await.unwrap();
    };
    status("0").await;
    // The API server sees it a moment later.
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "generateName": "probe-", "namespace": scene.namespace },
        "spec": { "template": { "spec": {
            "restartPolicy": "Never", "containers": [{ "name": "a", "image": "a" }],
        } } },
    });
    until("the quota is enforced", async || {
        let refused = scene.objects.create(job.clone()).await.err()?;
        refused.to_string().contains("exceeded quota").then_some(())
    })
    .await;
    let before = scene.list(JOB).await.len();
    let fuse = scene.fuse(&[RUN_JOB]).await;
    let event = post(&fuse, "1", json!({ "do": 0 })).await;
    until("it is tried again", async || {
        (acted(&fuse, "job", "retried").await >= 1.0).then_some(())
    })
    .await;
    scene.objects.apply(&quota("9"), "").await.unwrap();
    status("9").await;
    action(&fuse, &event, "done").await;
    assert_eq!(scene.list(JOB).await.len(), before + 1);
}

#[tokio::test]
async fn a_namespace_that_is_going_may_come_again() {
    let Some(scene) = Scene::new("going").await else { return };
    let (proxy, fuse) = scene.behind(calm(), &[RUN_JOB]).await;
    // Without controllers, nobody takes its finalizer away.
    scene.objects.delete(NAMESPACE, "", &scene.namespace).await.unwrap();
    let event = post(&fuse, "1", json!({ "do": 0 })).await;
    until("it is tried again", async || {
        (acted(&fuse, "job", "retried").await >= 1.0).then_some(())
    })
    .await;
    assert_eq!(acted(&fuse, "job", "permanent").await, 0.0);
    scene.objects.finalize(&scene.namespace).await.unwrap();
    until("it is gone", async || {
        scene.objects.get(NAMESPACE, "", &scene.namespace).await.err().map(drop)
    })
    .await;
    scene.create(namespace(&scene.namespace)).await;
    action(&fuse, &event, "done").await;
    scene.one(JOB).await;
    assert!(proxy.count("create", "jobs") >= 2);
    ready(&fuse).await;
}
