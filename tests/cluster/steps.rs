//! A process that dies at each step of an event whose objects are on a cluster: in the end each
//! action has its object, and the one that it had before.

use std::collections::BTreeMap;

use fuse_runtime::engine::Step;
use fuse_runtime::ledger::ActionState;
use serde_json::{Value, json};

use crate::crash::{ACTIONS, Recovered, Scene, at};
use crate::support::cluster::{ControlPlane, Objects, WORKFLOW};

/// The templates that the event's rules name.
const TEMPLATES: [&str; 2] = ["remediate-argocd-unhealthy", "remediate-externalsecret-failure"];

/// A namespace, made now or later, and a fuse that acts in it.
struct Bench {
    namespace: String,
    objects: Objects,
    scene: Scene,
}

impl Bench {
    /// With all that the rules need.
    async fn new() -> Option<Self> {
        let cluster = ControlPlane::shared().await?;
        let bench = Self::without_namespace(cluster, cluster.namespace("steps").await).await;
        bench.make_templates().await;
        Some(bench)
    }

    async fn without_namespace(cluster: &ControlPlane, namespace: String) -> Self {
        let scene = Scene::on(cluster, &namespace);
        Self { namespace, objects: cluster.admin().await, scene }
    }

    async fn make_namespace(&self) {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": self.namespace },
        });
        self.objects.create(namespace).await.unwrap();
    }

    async fn make_templates(&self) {
        for name in TEMPLATES {
            let template = json!({
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "WorkflowTemplate",
                "metadata": { "name": name, "namespace": self.namespace },
                "spec": { "entrypoint": "main", "templates": [{ "name": "main", "suspend": {} }] },
            });
            self.objects.create(template).await.unwrap();
        }
    }

    /// The workflows there are: their actions and uids. One that is made anew has another.
    async fn made(&self) -> BTreeMap<String, String> {
        let list = self.objects.list(WORKFLOW, &self.namespace).await.unwrap();
        let made: BTreeMap<String, String> = list
            .iter()
            .map(|object| {
                let metadata = &object["metadata"];
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                (text(&metadata["annotations"]["fuse.rules/action-id"]), text(&metadata["uid"]))
            })
            .collect();
        assert_eq!(made.len(), list.len(), "an action has two: {list:#?}");
        made
    }

    /// Starts again; each action of the event then has one workflow.
    async fn recover(&self, when: &str) -> Recovered {
        let before = self.made().await;
        let recovered = self.scene.recover(true, at(10)).await;
        let record = &recovered.record;
        let done = |state: &ActionState| matches!(state, ActionState::Done { .. });
        assert!(record.actions.iter().all(|action| done(&action.state)), "{when}: {record:#?}");
        assert_eq!(record.actions.len(), ACTIONS, "{when}: {record:#?}");
        let now = self.made().await;
        let mut actions: Vec<&String> = record.actions.iter().map(|action| &action.id).collect();
        actions.sort();
        assert_eq!(now.keys().collect::<Vec<_>>(), actions, "{when}");
        for (action, uid) in &before {
            assert_eq!(now.get(action), Some(uid), "{when}: made anew");
        }
        recovered
    }
}

fn count(steps: &[Step], step: Step) -> usize {
    steps.iter().filter(|taken| **taken == step).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_it_dies_each_action_has_one_object() {
    // The step, its occurrence, and how many objects there are then, and are made afterwards.
    let cases = [
        ("Accepted", 1, 0),
        ("Taken", 1, 0),
        ("Decided", 1, 0),
        ("Intended", 1, 0),
        ("Intended", 2, 1),
        ("Fired", 1, 1),
        ("Fired", 2, 2),
        ("Recorded", 1, 1),
        ("Recorded", 2, 2),
        ("Acked", 1, 2),
    ];
    for (step, occurrence, made) in cases {
        let Some(bench) = Bench::new().await else { return };
        bench.scene.die(step, occurrence);
        let when = format!("{step} {occurrence}");
        assert_eq!(bench.made().await.len(), made, "{when}");
        let Recovered { steps, .. } = bench.recover(&when).await;
        assert_eq!(count(&steps, Step::Fired), ACTIONS - made, "{when}: {steps:?}");
        // Decided once and for all.
        let decided = usize::from(matches!(step, "Accepted" | "Taken"));
        assert_eq!(count(&steps, Step::Decided), decided, "{when}: {steps:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_may_die_several_times_on_the_way() {
    let Some(bench) = Bench::new().await else { return };
    bench.scene.die("Accepted", 1);
    for step in ["Taken", "Decided", "Intended", "Fired", "Recorded"] {
        bench.scene.die(step, 1);
    }
    bench.recover("all of them").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_held_when_it_died_is_done_once_what_it_needs_is_there() {
    let Some(cluster) = ControlPlane::shared().await else { return };
    for (occurrence, name) in [(1, "steps-held-once"), (2, "steps-held-twice")] {
        let name = format!("{name}-{}", std::process::id());
        let bench = Bench::without_namespace(cluster, name).await;
        bench.scene.die("Held", occurrence);
        // Once more, after it was read back: there is only the namespace as yet.
        bench.make_namespace().await;
        if occurrence == 1 {
            bench.scene.die("Held", 1);
        }
        bench.make_templates().await;
        let Recovered { steps, .. } = bench.recover(&format!("Held {occurrence}")).await;
        assert_eq!(count(&steps, Step::Fired), ACTIONS, "{steps:?}");
        assert_eq!(count(&steps, Step::Decided), 0, "{steps:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_held_and_is_under_way_when_it_dies_is_done_once() {
    let Some(cluster) = ControlPlane::shared().await else { return };
    for step in ["Intended", "Fired", "Recorded"] {
        let name = format!("steps-released-{}-{}", step.to_lowercase(), std::process::id());
        let bench = Bench::without_namespace(cluster, name).await;
        bench.scene.die("Acked", 1);
        assert_eq!(bench.objects.list(WORKFLOW, &bench.namespace).await.unwrap().len(), 0);
        bench.make_namespace().await;
        bench.make_templates().await;
        bench.scene.die(step, 1);
        let when = format!("held, then {step}");
        bench.recover(&when).await;
    }
}
