//! What is submitted: workflows and jobs, each field of them, and each once.

use serde_json::{Value, json};

use super::scene::{
    self, FROM_TEMPLATE, INLINE, JOB, Scene, act, bare, done, missing, post, ready, refused,
};
use crate::support::cluster::{ADMIN, WORKFLOW};
use crate::support::{ALERTS, Setup, decision, example, until};

#[tokio::test]
async fn the_seed_makes_one_workflow_of_the_readmes_event() {
    let Some(scene) = Scene::new("seed").await else { return };
    for template in ["remediate-argocd-unhealthy", "remediate-externalsecret-failure"] {
        scene.create(scene.template(template)).await;
    }
    let setup = Setup::seed().with("\"cicd\"", &format!("{:?}", scene.namespace));
    let fuse = setup.armed().cluster(scene.cluster.kubeconfig(ADMIN)).start().await;
    let alerts = example("alertmanager-mixed.json");
    let event = fuse.post_as(ALERTS, "1", alerts.clone()).await.event(202);
    let done = scene::action(&fuse, &event, "done").await;

    let made = scene.one(WORKFLOW).await;
    let name = made["metadata"]["name"].as_str().unwrap();
    assert_eq!(done["detail"], format!("created Workflow {}/{name}", scene.namespace));
    for field in ["apiVersion", "kind", "spec"] {
        assert_eq!(done["object"][field], made[field], "{field}");
    }
    insta::assert_json_snapshot!(bare(made, &scene.namespace));
    let report = fuse.settled(&event).await;
    assert_eq!(decision(&report, "argocd-unhealthy", Some(0))["outcome"], "fired");
    assert_eq!(decision(&report, "argocd-unhealthy", Some(1))["outcome"], "not-matched");

    // The same again, and the same alert in another event.
    fuse.post_as(ALERTS, "1", alerts.clone()).await.event(200);
    let event = fuse.post_as(ALERTS, "2", alerts).await.event(202);
    let report = fuse.settled(&event).await;
    assert_eq!(decision(&report, "argocd-unhealthy", Some(0))["outcome"], "suppressed");
    scene.one(WORKFLOW).await;
    ready(&fuse).await;
}

#[tokio::test]
async fn workflows_are_made_of_templates_of_either_scope_and_of_specs() {
    let Some(scene) = Scene::new("workflows").await else { return };
    scene.create(scene.template("heal")).await;
    // It has no namespace, so it has a name of its own.
    let shared = format!("heal-{}", scene.namespace);
    let mut template = scene.template(&shared);
    template["kind"] = json!("ClusterWorkflowTemplate");
    template["metadata"].as_object_mut().unwrap().remove("namespace");
    scene.create(template).await;
    let of_cluster = r#"workflow {
      namespace        = "NAMESPACE"
      cluster-template = "heal-NAMESPACE"
      name-prefix      = "of-cluster-"
    }"#;
    let fuse = scene.fuse(&[INLINE, FROM_TEMPLATE, of_cluster]).await;
    for (id, body) in [
        ("1", json!({ "do": 0 })),
        ("2", json!({ "do": 1, "app": "it's {\"a\": \"b\"}" })),
        ("3", json!({ "do": 2 })),
    ] {
        done(&fuse, id, body).await;
    }
    let mut list = scene.list(WORKFLOW).await;
    list.sort_by_key(|made| made["metadata"]["name"].as_str().unwrap().to_owned());
    let specs: Vec<&Value> = list.iter().map(|made| &made["spec"]).collect();
    assert_eq!(
        json!(specs),
        json!([
            {
                "workflowTemplateRef": { "name": "heal" },
                "arguments": { "parameters": [{ "name": "app", "value": "it's {\"a\": \"b\"}" }] },
            },
            { "entrypoint": "main", "templates": [{ "name": "main", "suspend": {} }] },
            { "workflowTemplateRef": { "name": shared, "clusterScope": true } },
        ])
    );
}

#[tokio::test]
async fn an_event_with_several_elements_makes_a_workflow_of_each() {
    let Some(scene) = Scene::new("each").await else { return };
    let rules = "
fuse cicd default off
source test webhook {
  port = 12000
  path = \"/do\"
  event thing
}
sensor test on test.thing {
  each app in body.apps
  rule heal { when app is string  trigger workflow {
    namespace = \"NAMESPACE\", template = \"heal\", parameters { app = app }
  } }
}
";
    scene.create(scene.template("heal")).await;
    let setup = Setup::rules(rules).with("NAMESPACE", &scene.namespace);
    let fuse = setup.cluster(scene.cluster.kubeconfig(ADMIN)).start().await;
    let apps: Vec<String> = (0..40).map(|number| format!("app-{number}")).collect();
    let event = post(&fuse, "1", json!({ "apps": apps })).await;
    let report = fuse.settled(&event).await;
    for decision in report["decisions"].as_array().unwrap() {
        assert_eq!(decision["action"]["state"], "done", "{decision:#}");
    }
    let made = scene.list(WORKFLOW).await;
    let mut of: Vec<&str> = made
        .iter()
        .map(|made| made["spec"]["arguments"]["parameters"][0]["value"].as_str().unwrap())
        .collect();
    of.sort_by_key(|app| app[4..].parse::<u32>().unwrap());
    assert_eq!(of, apps);
}

#[tokio::test]
async fn a_job_is_made_of_an_image_or_a_pod_template() {
    let Some(scene) = Scene::new("jobs").await else { return };
    let of_image = r#"job {
      namespace       = "NAMESPACE"
      image           = "ghcr.io/acme/page:1.4"
      command         = ["/page", "--quiet"]
      args            = [body.alert]
      env             { ALERT = body.alert, TIMES = 3 }
      service-account = "pager"
      backoff-limit   = 2
      ttl             = 1h
      deadline        = 90s
      labels          { team = "pay" }
      annotations     { why = body.alert }
    }"#;
    let of_template = r#"job {
      namespace    = "NAMESPACE"
      name-prefix  = "two-"
      pod-template {
        metadata { labels { app = "two" } }
        spec {
          restartPolicy = "OnFailure"
          containers = [
            { name = "a", image = "a", env = [{ name = "ALERT", value = "old" }] },
            { name = "b", image = "b" },
          ]
        }
      }
      env { ALERT = body.alert }
    }"#;
    let fuse = scene.fuse(&[of_image, of_template]).await;
    for (id, rule, snapshot) in [("1", 0, "job-of-an-image"), ("2", 1, "job-of-a-pod-template")] {
        let body = json!({ "do": rule, "alert": "the \"disk\" {{x}}" });
        let action = act(&fuse, id, body, "done").await;
        let name = action["object"]["metadata"]["name"].as_str().unwrap();
        let made = scene.objects.get(JOB, &scene.namespace, name).await.unwrap();
        insta::assert_json_snapshot!(snapshot, shape(made, &scene.namespace));
    }
}

/// What the rule asked for, without what this version of the API server adds.
fn shape(job: Value, namespace: &str) -> Value {
    let job = bare(job, namespace);
    let pick = |from: &Value, fields: &[&str]| -> Value {
        let found = fields.iter().filter_map(|field| Some((*field, from.get(*field)?.clone())));
        found.map(|(field, value)| (field.to_owned(), value)).collect()
    };
    let mut labels = job["metadata"]["labels"].clone();
    let added = |label: &str| label.ends_with("controller-uid") || label.ends_with("job-name");
    labels.as_object_mut().unwrap().retain(|label, _| !added(label));
    let containers = job["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    let fields = ["name", "image", "command", "args", "env"];
    let containers: Vec<Value> = containers.iter().map(|one| pick(one, &fields)).collect();
    json!({
        "name": job["metadata"]["name"],
        "labels": labels,
        "annotations": job["metadata"]["annotations"],
        // Kubernetes 1.20 drops the time to live.
        "spec": pick(&job["spec"], &["backoffLimit", "activeDeadlineSeconds"]),
        "pod": pick(&job["spec"]["template"]["spec"], &["restartPolicy", "serviceAccountName"]),
        "containers": containers,
    })
}

#[tokio::test]
async fn a_job_from_a_cronjob_is_what_the_cronjob_would_start() {
    let Some(scene) = Scene::new("cron").await else { return };
    let from = r#"job {
      from-cronjob    = "NAMESPACE/nightly"
      name-prefix     = "nightly-"
      env             { REASON = body.reason, MODE = "now" }
      service-account = "keeper"
      labels          { app = "by-fuse" }
    }"#;
    let fuse = scene.fuse(&[from]).await;
    // There is none yet.
    let held = act(&fuse, "1", json!({ "do": 0, "reason": "disk" }), "held").await;
    let why = format!("CronJob `nightly` does not exist in namespace `{}`", scene.namespace);
    assert_eq!(held["reason"], why);
    missing(&fuse, &why).await;

    let served = scene.objects.list("batch/v1/CronJob", &scene.namespace).await;
    let version = if served.is_ok() { "batch/v1" } else { "batch/v1beta1" };
    let cron_job = scene
        .create(json!({
            "apiVersion": version,
            "kind": "CronJob",
            "metadata": { "name": "nightly", "namespace": scene.namespace },
            "spec": {
                "schedule": "0 3 * * *",
                "jobTemplate": {
                    "metadata": { "labels": { "app": "nightly", "tier": "batch" } },
                    "spec": {
                        "backoffLimit": 5,
                        "template": {
                            "spec": {
                                "restartPolicy": "Never",
                                "containers": [{
                                    "name": "main",
                                    "image": "sweep",
                                    "env": [
                                        { "name": "MODE", "value": "nightly" },
                                        { "name": "KEPT", "value": "yes" },
                                    ],
                                }],
                            },
                        },
                    },
                },
            },
        }))
        .await;
    scene::action(&fuse, "test 1", "done").await;
    let job = scene.one(JOB).await;
    let owner = &job["metadata"]["ownerReferences"];
    assert_eq!(
        owner,
        &json!([{
            "apiVersion": version,
            "kind": "CronJob",
            "name": "nightly",
            "uid": cron_job["metadata"]["uid"],
        }])
    );
    insta::assert_json_snapshot!("job-from-a-cronjob", shape(job, &scene.namespace));
    ready(&fuse).await;
}

#[tokio::test]
async fn a_cronjob_of_another_namespace_owns_nothing() {
    let Some(scene) = Scene::new("cron").await else { return };
    let other = scene.cluster.namespace("cron").await;
    let from = r#"job { from-cronjob = "OTHER/nightly", namespace = "NAMESPACE" }"#;
    let fuse = scene.setup(&[&from.replace("OTHER", &other)]).start().await;
    let served = scene.objects.list("batch/v1/CronJob", &other).await;
    let version = if served.is_ok() { "batch/v1" } else { "batch/v1beta1" };
    let pod = json!({ "restartPolicy": "Never", "containers": [{ "name": "a", "image": "a" }] });
    let job = json!({ "spec": { "template": { "spec": pod } } });
    scene
        .create(json!({
            "apiVersion": version,
            "kind": "CronJob",
            "metadata": { "name": "nightly", "namespace": other },
            "spec": { "schedule": "0 3 * * *", "jobTemplate": job },
        }))
        .await;
    done(&fuse, "1", json!({ "do": 0 })).await;
    let job = scene.one(JOB).await;
    assert_eq!(job["metadata"].get("ownerReferences"), None);
    let annotations = &job["metadata"]["annotations"];
    assert_eq!(annotations["fuse.rules/from-cronjob"], format!("{other}/nightly"));
    assert!(scene.objects.list(JOB, &other).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_the_api_server_finds_wrong_is_a_dead_letter_in_its_words() {
    let Some(scene) = Scene::new("wrong").await else { return };
    let twice = r#"job {
      namespace    = "NAMESPACE"
      pod-template { spec {
        containers = [{ name = "a", image = "a" }, { name = body.second, image = "a" }]
      } }
    }"#;
    let fuse = scene.fuse(&[twice]).await;
    let (kind, why) = refused(&fuse, "1", json!({ "do": 0, "second": "a" })).await;
    assert_eq!(kind, "permanent");
    assert!(why.contains("containers[1].name: Duplicate value: \"a\""), "{why}");
    assert!(scene.list(JOB).await.is_empty());
    // It is the object's fault alone.
    done(&fuse, "2", json!({ "do": 0, "second": "b" })).await;
    ready(&fuse).await;
    until("one dead letter is told", async || {
        (fuse.metric("fuse_dead_letters").await == Some(1.0)).then_some(())
    })
    .await;
}
