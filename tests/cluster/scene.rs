//! A namespace of the test's own, and a real `fuse` that acts there.

use serde_json::{Value, json};

use crate::support::cluster::{ADMIN, ControlPlane, Objects, Plan, Proxy, calm};
use crate::support::{Door, Fuse, Setup, until};

/// Where the events of [`rules`] arrive.
pub(super) const DOOR: Door = (12_000, "/do");

pub(super) const JOB: &str = "batch/v1/Job";
pub(super) const NAMESPACE: &str = "v1/Namespace";

/// An inline workflow, and one from a template.
pub(super) const INLINE: &str = r#"workflow {
  namespace   = "NAMESPACE"
  name-prefix = "inline-"
  spec { entrypoint = "main", templates = [{ name = "main", suspend = {} }] }
}"#;
pub(super) const FROM_TEMPLATE: &str = r#"workflow {
  namespace = "NAMESPACE"
  template  = "heal"
  parameters { app = body.app }
}"#;
pub(super) const RUN_JOB: &str = r#"job { namespace = "NAMESPACE", image = "page" }"#;

/// A rule for each trigger, which an event's `do` chooses by the trigger's number.
pub(super) fn rules(triggers: &[&str]) -> String {
    let mut text = String::from(
        "fuse cicd default off\n\
         source test webhook {\n  port = 12000\n  path = \"/do\"\n  event thing\n}\n\
         sensor test on test.thing {\n  requires cicd\n",
    );
    for (number, trigger) in triggers.iter().enumerate() {
        text += &format!("  rule r{number} {{\n    when body.do == {number}\n");
        text += &format!("    trigger {trigger}\n  }}\n");
    }
    text + "}\n"
}

/// A namespace on the shared cluster.
pub(super) struct Scene {
    pub(super) cluster: &'static ControlPlane,
    pub(super) namespace: String,
    pub(super) objects: Objects,
}

impl Scene {
    /// None where tests against a cluster are skipped.
    pub(super) async fn new(prefix: &str) -> Option<Self> {
        let cluster = ControlPlane::shared().await?;
        let namespace = cluster.namespace(prefix).await;
        Some(Self { cluster, namespace, objects: cluster.admin().await })
    }

    /// A fuse with these triggers, in whose text `NAMESPACE` stands for the namespace.
    pub(super) fn setup(&self, triggers: &[&str]) -> Setup {
        let setup = Setup::rules(&rules(triggers)).with("NAMESPACE", &self.namespace);
        setup.armed().cluster(self.cluster.kubeconfig(ADMIN))
    }

    pub(super) async fn fuse(&self, triggers: &[&str]) -> Fuse {
        self.setup(triggers).start().await
    }

    /// A fuse behind a proxy.
    pub(super) async fn behind(&self, plan: Plan, triggers: &[&str]) -> (Proxy, Fuse) {
        let proxy = Proxy::start(self.cluster, calm()).await;
        let setup = self.setup(triggers).cluster(proxy.kubeconfig(ADMIN));
        let fuse = setup.start().await;
        // What fuse looks at when it starts meets no fault that is meant for something else.
        until("fuse has looked at the cluster", async || {
            let log = fuse.log();
            let looked = ["the cluster has what the rules need", "the cluster is not ready"];
            looked.iter().any(|said| log.contains(said)).then_some(())
        })
        .await;
        proxy.plan(plan);
        (proxy, fuse)
    }

    /// The objects of a kind in the namespace.
    pub(super) async fn list(&self, kind: &str) -> Vec<Value> {
        self.objects.list(kind, &self.namespace).await.unwrap()
    }

    /// The one object of a kind that there must be.
    pub(super) async fn one(&self, kind: &str) -> Value {
        let mut list = self.list(kind).await;
        assert_eq!(list.len(), 1, "{list:#?}");
        list.remove(0)
    }

    pub(super) async fn create(&self, object: Value) -> Value {
        self.objects.create(object).await.unwrap()
    }

    pub(super) fn config_map(&self, name: &str, data: &Value) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": self.namespace },
            "data": data,
        })
    }

    pub(super) fn template(&self, name: &str) -> Value {
        template(&self.namespace, name)
    }
}

pub(super) fn template(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "entrypoint": "main", "templates": [{ "name": "main", "suspend": {} }] },
    })
}

pub(super) fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// Posts an event: its id as `/decisions` knows it.
pub(super) async fn post(fuse: &Fuse, id: &str, body: Value) -> String {
    fuse.post_as(DOOR, id, body.to_string()).await.event(202)
}

/// Posts an event: its one action, once that is in this state.
pub(super) async fn act(fuse: &Fuse, id: &str, body: Value, state: &str) -> Value {
    let event = post(fuse, id, body).await;
    action(fuse, &event, state).await
}

/// The one action of an event, once it is in this state.
pub(super) async fn action(fuse: &Fuse, event: &str, state: &str) -> Value {
    action_where(fuse, event, state, |action| action["state"] == state).await
}

/// The one action of an event, once its object is observed to have come to this.
pub(super) async fn observed(fuse: &Fuse, event: &str, result: &str) -> Value {
    let is = |action: &Value| action["observed"]["result"] == result;
    action_where(fuse, event, result, is).await["observed"].clone()
}

/// The one action of an event, once its object is observed to be in this phase.
pub(super) async fn phase(fuse: &Fuse, event: &str, phase: &str) -> Value {
    let is = |action: &Value| action["observed"]["phase"] == phase;
    action_where(fuse, event, phase, is).await["observed"].clone()
}

async fn action_where(fuse: &Fuse, event: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/decisions?event={}", event.replace(' ', "%20"));
    until(&format!("`{event}` is {what}"), async || {
        let report = fuse.admin(&path).await.json();
        let decisions = report["decisions"].as_array().unwrap();
        let mut actions = decisions.iter().map(|one| &one["action"]).filter(|one| !one.is_null());
        let action = actions.next()?;
        assert!(actions.next().is_none(), "{report:#}");
        if is(action) {
            return Some(action.clone());
        }
        // What is settled stays as it is: no need to wait for anything else.
        let dead = action["state"] == "dead-lettered";
        assert!(!dead, "`{event}` is not {what}: {report:#}\n{}", fuse.log());
        None
    })
    .await
}

/// Posts an event whose one action becomes a dead letter: its kind and the reason.
pub(super) async fn refused(fuse: &Fuse, id: &str, body: Value) -> (String, String) {
    let action = act(fuse, id, body, "dead-lettered").await;
    let text = |key: &str| action[key].as_str().unwrap().to_owned();
    (text("kind"), text("reason"))
}

/// Posts an event whose one action is done: what `/decisions` says was done.
pub(super) async fn done(fuse: &Fuse, id: &str, body: Value) -> String {
    act(fuse, id, body, "done").await["detail"].as_str().unwrap().to_owned()
}

/// What `/readyz` says stands in the way. Events are taken in all the same.
pub(super) async fn not_ready(fuse: &Fuse) -> Vec<String> {
    let reply = fuse.admin("/readyz").await;
    let said = reply.json();
    assert_eq!((reply.status, &said["accepting"]), (200, &json!(true)), "{said}");
    let problems: Vec<String> = serde_json::from_value(said["not_ready"].clone()).unwrap();
    assert_eq!(said["ready"], problems.is_empty(), "{said}");
    problems
}

/// Waits until nothing stands in the way any more.
pub(super) async fn ready(fuse: &Fuse) {
    until("it is ready", async || not_ready(fuse).await.is_empty().then_some(())).await;
}

/// Waits until `/readyz` names this.
pub(super) async fn missing(fuse: &Fuse, what: &str) {
    until(what, async || {
        let problems = not_ready(fuse).await;
        problems.iter().any(|problem| problem.contains(what)).then_some(())
    })
    .await;
}

/// How many actions of a trigger ended, or went on, in this way.
pub(super) async fn acted(fuse: &Fuse, trigger: &str, result: &str) -> f64 {
    let name = format!("fuse_actions_total{{trigger=\"{trigger}\",result=\"{result}\"}}");
    fuse.metric(&name).await.unwrap_or_default()
}

pub(super) async fn held(fuse: &Fuse, trigger: &str) -> f64 {
    let name = format!("fuse_held_actions{{trigger=\"{trigger}\"}}");
    fuse.metric(&name).await.unwrap_or_default()
}

/// The object without what differs from run to run.
pub(super) fn bare(mut object: Value, namespace: &str) -> Value {
    let metadata = object["metadata"].as_object_mut().unwrap();
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        assert!(metadata.remove(field).is_some(), "{field}");
    }
    metadata.remove("generation");
    metadata.remove("selfLink");
    let managers = metadata.remove("managedFields").unwrap_or_default();
    for manager in managers.as_array().unwrap() {
        assert_eq!(manager["manager"], "fuse", "{manager}");
    }
    serde_json::from_str(&object.to_string().replace(namespace, "NAMESPACE")).unwrap()
}
