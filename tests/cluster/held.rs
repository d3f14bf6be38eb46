//! What is missing on the cluster: actions wait for it, events are taken in all the same, and
//! `/readyz` says what a person has to see to.

use serde_json::json;

use super::scene::{
    self, FROM_TEMPLATE, INLINE, JOB, NAMESPACE, RUN_JOB, Scene, act, acted, action, missing,
    namespace, not_ready, post, ready, rules, template,
};
use crate::support::cluster::{ADMIN, ControlPlane, NARROW, WORKFLOW, status_of};
use crate::support::{Fuse, Setup, until};

/// Posts two events whose actions are held for this reason alone.
async fn hold_two(fuse: &Fuse, body: &serde_json::Value, why: &str) {
    for id in ["1", "2"] {
        let held = act(fuse, id, body.clone(), "held").await;
        assert_eq!(held["reason"], why);
        // The event has left the bus.
        fuse.decisions(&format!("test {id}"), "held").await;
    }
    assert_eq!(scene::held(fuse, "workflow").await, 2.0);
    assert_eq!(fuse.metric("fuse_backlog_events").await, Some(0.0));
    assert_eq!(fuse.metric("fuse_unsettled_actions").await, Some(2.0));
    let problems = not_ready(fuse).await;
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    let start = format!("trigger `workflow`: {why}; 2 actions are held since 20");
    assert!(problem.starts_with(&start), "{problem}");
}

/// Waits until both are done, and nothing stands in the way any more.
async fn let_go(fuse: &Fuse) {
    for event in ["test 1", "test 2"] {
        action(fuse, event, "done").await;
    }
    ready(fuse).await;
    assert_eq!(scene::held(fuse, "workflow").await, 0.0);
    assert_eq!(acted(fuse, "workflow", "done").await, 2.0);
    assert_eq!(fuse.metric("fuse_unsettled_actions").await, Some(0.0));
}

#[tokio::test]
async fn a_namespace_that_is_missing_is_waited_for() {
    let Some(scene) = Scene::new("held").await else { return };
    let late = format!("{}-late", scene.namespace);
    let fuse = scene.fuse(&[&INLINE.replace("NAMESPACE", &late)]).await;
    ready(&fuse).await;
    hold_two(&fuse, &json!({ "do": 0 }), &format!("namespace `{late}` does not exist")).await;
    assert_eq!(acted(&fuse, "workflow", "held").await, 2.0);
    scene.create(namespace(&late)).await;
    let_go(&fuse).await;
    assert_eq!(scene.objects.list(WORKFLOW, &late).await.unwrap().len(), 2);
}

/// The kill switch on a cluster: what becomes possible while the fuse is off is not done.
#[tokio::test]
async fn what_is_held_is_not_made_while_its_fuse_is_switched_off() {
    let Some(scene) = Scene::new("held").await else { return };
    let late = format!("{}-late", scene.namespace);
    let setup = Setup::rules(&rules(&[&INLINE.replace("NAMESPACE", &late)]));
    let setup = setup.toml("[fuses]\ncicd = true\n").cluster(scene.cluster.kubeconfig(ADMIN));
    let mut fuse = setup.start().await;
    let switch = |fuse: &Fuse, to: &str| {
        let (code, printed) = fuse.command(&["switch", "cicd", to, "--server", &fuse.server()]);
        assert_eq!(code, Some(0), "{printed}");
    };
    let held = act(&fuse, "1", json!({ "do": 0 }), "held").await;
    assert_eq!(held["reason"], format!("namespace `{late}` does not exist"));
    switch(&fuse, "off");
    scene.create(namespace(&late)).await;
    let by_fuse = "held by fuse: the fuse `cicd` is off";
    missing(&fuse, by_fuse).await;
    fuse.kill();
    fuse.start_again().await;
    missing(&fuse, by_fuse).await;
    assert!(scene.objects.list(WORKFLOW, &late).await.unwrap().is_empty());
    switch(&fuse, "on");
    action(&fuse, "test 1", "done").await;
    assert_eq!(scene.objects.list(WORKFLOW, &late).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_template_that_is_missing_is_waited_for_through_kill_9_and_restart() {
    let Some(scene) = Scene::new("held").await else { return };
    let mut fuse = scene.fuse(&[FROM_TEMPLATE]).await;
    let why = format!("WorkflowTemplate `heal` does not exist in namespace `{}`", scene.namespace);
    let body = json!({ "do": 0, "app": "pay" });
    hold_two(&fuse, &body, &why).await;
    let before = action(&fuse, "test 1", "held").await;
    for _ in 0..2 {
        fuse.kill();
        fuse.start_again().await;
        missing(&fuse, &format!("{why}; 2 actions are held since ")).await;
        assert_eq!(action(&fuse, "test 1", "held").await, before);
    }
    assert!(scene.list(WORKFLOW).await.is_empty());
    scene.create(scene.template("heal")).await;
    let_go(&fuse).await;
    assert_eq!(scene.list(WORKFLOW).await.len(), 2);
    // And it stays done.
    fuse.kill();
    fuse.start_again().await;
    ready(&fuse).await;
    assert_eq!(act(&fuse, "3", body, "done").await["state"], "done");
    assert_eq!(scene.list(WORKFLOW).await.len(), 3);
}

#[tokio::test]
async fn what_appears_while_fuse_is_down_is_found_at_the_start() {
    let Some(scene) = Scene::new("held").await else { return };
    let mut fuse = scene.fuse(&[FROM_TEMPLATE]).await;
    act(&fuse, "1", json!({ "do": 0, "app": "pay" }), "held").await;
    fuse.kill();
    scene.create(scene.template("heal")).await;
    fuse.start_again().await;
    action(&fuse, "test 1", "done").await;
    scene.one(WORKFLOW).await;
    ready(&fuse).await;
}

#[tokio::test]
async fn what_waits_for_one_thing_holds_up_nothing_else() {
    let Some(scene) = Scene::new("held").await else { return };
    let unserved = r#"object {
      api-version = "v1", kind = "Gadget", namespace = "NAMESPACE", name = "x"
    }"#;
    let fuse = scene.fuse(&[FROM_TEMPLATE, unserved, RUN_JOB]).await;
    act(&fuse, "1", json!({ "do": 0, "app": "pay" }), "held").await;
    let held = act(&fuse, "2", json!({ "do": 1 }), "held").await;
    assert_eq!(held["reason"], "the cluster does not serve `Gadget` of `v1`");
    act(&fuse, "3", json!({ "do": 2 }), "done").await;
    missing(&fuse, "`heal` does not exist").await;
    missing(&fuse, "the cluster does not serve `Gadget` of `v1`; 1 action is held since ").await;
    scene.create(scene.template("heal")).await;
    action(&fuse, "test 1", "done").await;
    action(&fuse, "test 2", "held").await;
}

#[tokio::test]
async fn what_waits_for_two_things_says_so_one_after_the_other() {
    let Some(scene) = Scene::new("held").await else { return };
    let late = format!("{}-late", scene.namespace);
    let from = format!(r#"job {{ from-cronjob = "NAMESPACE/nightly", namespace = "{late}" }}"#);
    let fuse = scene.fuse(&[&from]).await;
    let held = act(&fuse, "1", json!({ "do": 0 }), "held").await;
    let cron_job = format!("CronJob `nightly` does not exist in namespace `{}`", scene.namespace);
    assert_eq!(held["reason"], cron_job);
    let served = scene.objects.list("batch/v1/CronJob", &scene.namespace).await;
    let version = if served.is_ok() { "batch/v1" } else { "batch/v1beta1" };
    let pod = json!({ "restartPolicy": "Never", "containers": [{ "name": "a", "image": "a" }] });
    scene
        .create(json!({
            "apiVersion": version,
            "kind": "CronJob",
            "metadata": { "name": "nightly", "namespace": scene.namespace },
            "spec": {
                "schedule": "0 3 * * *",
                "jobTemplate": { "spec": { "template": { "spec": pod } } },
            },
        }))
        .await;
    let why = format!("namespace `{late}` does not exist");
    missing(&fuse, &why).await;
    let now = action(&fuse, "test 1", "held").await;
    assert_eq!((&now["reason"], &now["since"]), (&json!(why), &held["since"]));
    scene.create(namespace(&late)).await;
    action(&fuse, "test 1", "done").await;
    assert_eq!(scene.objects.list(JOB, &late).await.unwrap().len(), 1);
    ready(&fuse).await;
}

const ROLE: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: fuse}
rules:
  - {apiGroups: [argoproj.io], resources: [workflows], verbs: [create, get, list, watch]}
  - {apiGroups: [argoproj.io], resources: [workflowtemplates], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: fuse}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: fuse}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: narrow}]
"#;

#[tokio::test]
async fn a_permission_that_is_missing_is_waited_for() {
    let Some(scene) = Scene::new("rbac").await else { return };
    scene.create(scene.template("heal")).await;
    let setup = scene.setup(&[FROM_TEMPLATE]).cluster(scene.cluster.kubeconfig(NARROW));
    let fuse = setup.start().await;
    let held = act(&fuse, "1", json!({ "do": 0, "app": "pay" }), "held").await;
    let why = held["reason"].as_str().unwrap();
    let who = "User \"narrow\" cannot get resource \"workflowtemplates\"";
    for part in ["fuse is not permitted to do this: ", who, "`fuse rbac` prints what it needs"] {
        assert!(why.contains(part), "{why}");
    }
    missing(&fuse, who).await;
    let follow = format!("cannot follow `Workflow` in namespace `{}`: ", scene.namespace);
    missing(&fuse, &follow).await;
    scene.objects.apply_yaml(ROLE, &scene.namespace).await.unwrap();
    action(&fuse, "test 1", "done").await;
    scene.one(WORKFLOW).await;
    ready(&fuse).await;
}

#[tokio::test]
async fn a_token_that_is_none_is_waited_for() {
    let Some(scene) = Scene::new("token").await else { return };
    let setup = scene.setup(&[INLINE]).cluster(scene.cluster.kubeconfig("no-token-of-anybody"));
    let mut fuse = setup.start().await;
    let held = act(&fuse, "1", json!({ "do": 0 }), "held").await;
    let why = held["reason"].as_str().unwrap();
    assert!(why.starts_with("the API server does not accept fuse's credentials: "), "{why}");
    // A person sees to it.
    fuse.kill();
    fuse.act_on(scene.cluster.kubeconfig(ADMIN));
    fuse.start_again().await;
    action(&fuse, "test 1", "done").await;
    scene.one(WORKFLOW).await;
}

#[tokio::test]
async fn a_definition_and_the_api_server_itself_are_waited_for() {
    let Some(mut cluster) = ControlPlane::start().await else { return };
    let objects = cluster.admin().await;
    let name = cluster.namespace("definition").await;
    let setup = Setup::rules(&rules(&[INLINE, FROM_TEMPLATE])).with("NAMESPACE", &name);
    let fuse = setup.armed().cluster(cluster.kubeconfig(ADMIN)).start().await;
    let definition = "the CustomResourceDefinition `workflows.argoproj.io` is not installed: the \
                      cluster does not serve `Workflow` of `argoproj.io/v1alpha1`";
    for (id, rule) in [("1", 0), ("2", 1)] {
        let held = act(&fuse, id, json!({ "do": rule, "app": "pay" }), "held").await;
        assert_eq!(held["reason"], definition);
    }
    missing(&fuse, &format!("trigger `workflow`: {definition}; 2 actions are held")).await;
    missing(&fuse, &format!("cannot follow `Workflow` in namespace `{name}`: {definition}")).await;
    cluster.install_crds().await;
    action(&fuse, "test 1", "done").await;
    missing(&fuse, "WorkflowTemplate `heal` does not exist").await;
    objects.create(template(&name, "heal")).await.unwrap();
    action(&fuse, "test 2", "done").await;
    ready(&fuse).await;
    assert_eq!(objects.list(WORKFLOW, &name).await.unwrap().len(), 2);

    // The kind was known; it goes, and comes back.
    cluster.delete_crds().await;
    let event = post(&fuse, "3", json!({ "do": 0 })).await;
    missing(&fuse, &format!("trigger `workflow`: {definition}; 1 action is held")).await;
    cluster.install_crds().await;
    action(&fuse, &event, "done").await;
    ready(&fuse).await;

    cluster.stop_api_server();
    let events =
        [post(&fuse, "4", json!({ "do": 0 })).await, post(&fuse, "5", json!({ "do": 0 })).await];
    let away = format!("{} cannot be reached: ", cluster.url());
    for event in &events {
        let held = action(&fuse, event, "held").await;
        assert!(held["reason"].as_str().unwrap().starts_with(&away), "{held}");
    }
    missing(&fuse, &format!("trigger `workflow`: {away}")).await;
    until("both are held", async || (scene::held(&fuse, "workflow").await == 2.0).then_some(()))
        .await;
    cluster.start_api_server().await;
    for event in &events {
        action(&fuse, event, "done").await;
    }
    ready(&fuse).await;
    let made =
        until("workflows are served again", async || objects.list(WORKFLOW, &name).await.ok())
            .await;
    assert_eq!(made.len(), 3, "{made:#?}");
}

#[tokio::test]
async fn no_more_wait_than_may_and_none_for_longer_than_it_may() {
    let Some(scene) = Scene::new("bounds").await else { return };
    let fuse = scene.setup(&[INLINE, FROM_TEMPLATE]).toml("[held]\nmax = 2\n").start().await;
    let body = json!({ "do": 1, "app": "pay" });
    for id in ["1", "2"] {
        act(&fuse, id, body.clone(), "held").await;
    }
    let dead = act(&fuse, "3", body.clone(), "dead-lettered").await;
    let why = format!(
        "WorkflowTemplate `heal` does not exist in namespace `{}`; 2 actions of its trigger wait already, which is the limit",
        scene.namespace
    );
    assert_eq!((&dead["kind"], &dead["reason"]), (&json!("not-ready"), &json!(why)));
    assert_eq!(acted(&fuse, "workflow", "not-ready").await, 1.0);
    // What needs nothing that is missing is done.
    act(&fuse, "4", json!({ "do": 0 }), "done").await;

    let fuse = scene.setup(&[FROM_TEMPLATE]).toml("[held]\nkeep = \"1s\"\n").start().await;
    let body = json!({ "do": 0, "app": "pay" });
    let dead = act(&fuse, "5", body, "dead-lettered").await;
    assert_eq!(dead["kind"], "not-ready");
    let why = dead["reason"].as_str().unwrap();
    assert!(why.contains("`heal` does not exist") && why.contains("; held since 20"), "{why}");
    ready(&fuse).await;
    assert_eq!(fuse.metric("fuse_dead_letters").await, Some(1.0));
    assert_eq!(scene.list(WORKFLOW).await.len(), 1);
}

#[tokio::test]
async fn an_event_of_many_elements_is_held_to_the_same_bound() {
    let Some(scene) = Scene::new("bounds").await else { return };
    let each = rules(&[FROM_TEMPLATE])
        .replace("  requires cicd\n", "  requires cicd\n  each app in body.apps\n")
        .replace("app = body.app ", "app = app ")
        .replace("NAMESPACE", &scene.namespace);
    let setup = Setup::rules(&each).armed().cluster(scene.cluster.kubeconfig(ADMIN));
    let fuse = setup.toml("[held]\nmax = 2\n").start().await;
    let event = post(&fuse, "1", json!({ "do": 0, "apps": ["a", "b", "c", "d", "e"] })).await;
    let report = fuse.decisions(&event, "held").await;
    let decisions = report["decisions"].as_array().unwrap();
    let held = decisions.iter().filter(|one| one["action"]["state"] == "held");
    assert_eq!((held.count(), decisions.len()), (2, 5), "{report:#}");
}

#[tokio::test]
async fn a_namespace_that_goes_while_actions_are_held_is_named() {
    let Some(scene) = Scene::new("held").await else { return };
    let mut fuse = scene.fuse(&[INLINE]).await;
    act(&fuse, "1", json!({ "do": 0 }), "done").await;
    scene.objects.delete(NAMESPACE, "", &scene.namespace).await.unwrap();
    scene.objects.finalize(&scene.namespace).await.unwrap();
    until("it is gone", async || {
        let error = scene.objects.get(NAMESPACE, "", &scene.namespace).await.err()?;
        (status_of(&error) == Some(404)).then_some(())
    })
    .await;
    let why = format!("namespace `{}` does not exist", scene.namespace);
    let event = post(&fuse, "2", json!({ "do": 0 })).await;
    missing(&fuse, &why).await;
    fuse.kill();
    fuse.start_again().await;
    missing(&fuse, &why).await;
    scene.create(namespace(&scene.namespace)).await;
    action(&fuse, &event, "done").await;
}
