//! Orders: many events, each with its objects, and senders that send until they are answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::cluster::{ControlPlane, Objects, WORKFLOW};
use crate::support::{ALERTS, Fuse, Setup, client, until};

/// A workflow for each item, and a line in the event's tally. A line is added by a patch that adds
/// another one each time that it is made: nothing but fuse sees to it that it is made once.
pub(super) const RULES: &str = r#"
source portal webhook {
  port = 12000
  path = "/webhook"
  event order
}
sensor orders on portal.order {
  rule item {
    each item in body.items
    when item.number >= 0
    trigger workflow {
      namespace = "cicd"
      template = "provision"
      parameters { order = body.order, item = item.number }
    }
  }
  rule tally {
    when body.order >= 0
    trigger object {
      operation = "patch"
      api-version = "argoproj.io/v1alpha1"
      kind = "Workflow"
      namespace = "cicd"
      name = body.tally
      patch-type = "json"
      patch = [{
        op = "add", path = "/spec/arguments/parameters/-"
        value = { name = body.line, value = "x" }
      }]
    }
  }
}
"#;

/// How many events add to one tally.
pub(super) const LINES: usize = 20;
/// How many events may be sent and not yet acted on, about.
pub(super) const AHEAD: usize = 30;
/// When only so much is left, the faults end, as little would happen any more but waiting.
pub(super) const LAST: f64 = 6.0;
/// How many senders there are.
pub(super) const SENDERS: usize = 6;

/// Every tenth event has more than one item.
pub(super) fn items(event: usize) -> usize {
    if event % 10 == 3 { 3 } else { 1 }
}

pub(super) fn body(event: usize) -> String {
    let items: Vec<Value> = (0..items(event)).map(|number| json!({ "number": number })).collect();
    json!({
        "order": event, "tally": tally(event), "line": format!("line-{event}"), "items": items,
    })
    .to_string()
}

pub(super) fn tally(event: usize) -> String {
    format!("tally-{}", event / LINES)
}

pub(super) fn base(kind: &str, namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": kind,
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "arguments": { "parameters": [] },
            "entrypoint": "main",
            "templates": [{ "name": "main", "suspend": {} }],
        },
    })
}

/// So many events, a namespace, and what is there before.
pub(super) struct Scene {
    pub(super) events: usize,
    pub(super) namespace: String,
    pub(super) objects: Objects,
}

impl Scene {
    pub(super) async fn new(cluster: &ControlPlane, events: usize) -> Self {
        let namespace = cluster.namespace("chaos").await;
        let objects = cluster.admin().await;
        objects.create(base("WorkflowTemplate", &namespace, "provision")).await.unwrap();
        for event in (0..events).step_by(LINES) {
            objects.create(base("Workflow", &namespace, &tally(event))).await.unwrap();
        }
        Self { events, namespace, objects }
    }

    pub(super) fn setup(&self) -> Setup {
        Setup::rules(RULES).with("\"cicd\"", &format!("{:?}", self.namespace))
    }

    /// How many workflows there are to be in the end.
    pub(super) fn workflows(&self) -> usize {
        (0..self.events).map(items).sum()
    }

    /// How many objects there are now, where the API server tells.
    pub(super) async fn made(&self) -> Option<usize> {
        Some(self.objects.list(WORKFLOW, &self.namespace).await.ok()?.len())
    }

    /// Waits until nothing is under way, and looks that nothing is missing, twice or given up.
    pub(super) async fn assert_all_done_once(&self, fuse: &Fuse) {
        until("all is settled", async || (left(fuse).await == 0.0).then_some(())).await;
        assert_no_dead_letters(fuse, self.events).await;

        let mut workflows = BTreeMap::new();
        let mut lines = BTreeMap::new();
        for object in self.objects.list(WORKFLOW, &self.namespace).await.unwrap() {
            let parameters = object["spec"]["arguments"]["parameters"].as_array().unwrap();
            if object["metadata"]["name"].as_str().unwrap().starts_with("tally-") {
                for line in parameters {
                    *lines.entry(line["name"].as_str().unwrap().to_owned()).or_insert(0) += 1;
                }
                continue;
            }
            let value = |name: &str| {
                let found = parameters.iter().find(|parameter| parameter["name"] == name);
                found.unwrap()["value"].as_str().unwrap().to_owned()
            };
            let event = &object["metadata"]["annotations"]["fuse.rules/event-id"];
            let key = (event.as_str().unwrap().to_owned(), value("order"), value("item"));
            *workflows.entry(key).or_insert(0) += 1;
        }
        let expected = (0..self.events).flat_map(|event| {
            (0..items(event))
                .map(move |item| (format!("test {event}"), event.to_string(), item.to_string()))
        });
        assert_same(&workflows, expected);
        assert_same(&lines, (0..self.events).map(|event| format!("line-{event}")));

        for event in 0..self.events {
            let report = fuse.settled(&format!("test {event}")).await;
            let decisions = report["decisions"].as_array().unwrap().iter();
            let decisions = decisions
                .filter(|one| one["rule"].as_str().is_some_and(|rule| rule.starts_with("orders/")));
            let decisions: Vec<&Value> = decisions.collect();
            assert_eq!(decisions.len(), items(event) + 1, "{report:#}");
            for decision in decisions {
                assert_eq!(decision["action"]["state"], "done", "{report:#}");
            }
        }
    }
}

/// Each of these once, and nothing else.
#[track_caller]
pub(super) fn assert_same<K: Ord + std::fmt::Debug>(
    found: &BTreeMap<K, i32>,
    expected: impl Iterator<Item = K>,
) {
    let expected: BTreeMap<K, i32> = expected.map(|key| (key, 1)).collect();
    let missing: Vec<&K> = expected.keys().filter(|key| !found.contains_key(key)).collect();
    let others: Vec<_> = found.iter().filter(|(key, n)| expected.get(key) != Some(n)).collect();
    assert!(
        missing.is_empty() && others.is_empty(),
        "{} missing: {missing:?}; {} twice or unasked for: {others:?}",
        missing.len(),
        others.len()
    );
}

/// That nothing was given up, else what and why.
pub(super) async fn assert_no_dead_letters(fuse: &Fuse, events: usize) {
    if fuse.metric("fuse_dead_letters").await == Some(0.0) {
        return;
    }
    let mut dead = Vec::new();
    for event in 0..events {
        let report = fuse.admin(&format!("/decisions?event=test%20{event}")).await.json();
        let decisions = report["decisions"].as_array().cloned().unwrap_or_default();
        let actions = decisions.iter().map(|decision| decision["action"].to_string());
        dead.extend(actions.filter(|action| action.contains("dead-lettered")));
    }
    panic!("dead letters: {dead:#?}\n{}", fuse.log());
}

/// How many events and actions are not settled.
pub(super) async fn left(fuse: &Fuse) -> f64 {
    let backlog = fuse.metric("fuse_backlog_events").await;
    backlog.unwrap() + fuse.metric("fuse_unsettled_actions").await.unwrap()
}

/// Senders that send until they are answered, as real ones do.
pub(super) struct Senders {
    tasks: JoinSet<()>,
    counts: Arc<Counts>,
    events: usize,
    allowed: usize,
}

struct Counts {
    next: AtomicUsize,
    /// How many events may be sent so far.
    places: Semaphore,
    retries: AtomicUsize,
    /// How many were answered with 200, since an earlier post was taken in.
    known: AtomicUsize,
}

impl Senders {
    pub(super) fn start(fuse: &Fuse, events: usize) -> Self {
        Self::to(vec![fuse.url(ALERTS.0, ALERTS.1)], events)
    }

    /// Each sends to one of these URLs after the other, until one takes the event.
    pub(super) fn to(urls: Vec<String>, events: usize) -> Self {
        let counts = Arc::new(Counts {
            next: AtomicUsize::new(0),
            places: Semaphore::new(0),
            retries: AtomicUsize::new(0),
            known: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..SENDERS {
            tasks.spawn(send(urls.clone(), Arc::clone(&counts), events));
        }
        Self { tasks, counts, events, allowed: 0 }
    }

    /// So many events may be sent in all.
    pub(super) fn allow(&mut self, events: usize) {
        let more = events.saturating_sub(self.allowed);
        self.counts.places.add_permits(more);
        self.allowed += more;
    }

    pub(super) fn sent_all(&mut self) -> bool {
        while let Some(ended) = self.tasks.try_join_next() {
            ended.unwrap();
        }
        self.tasks.is_empty()
    }

    pub(super) async fn all_sent(&mut self) {
        self.allow(self.events);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }

    pub(super) fn summary(&self) -> String {
        let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        let (retries, known) = (count(&self.counts.retries), count(&self.counts.known));
        format!("{retries} posts without an answer, {known} answered as known")
    }
}

async fn send(urls: Vec<String>, counts: Arc<Counts>, events: usize) {
    let client = client();
    loop {
        let event = counts.next.fetch_add(1, Ordering::SeqCst);
        if event >= events {
            return;
        }
        counts.places.acquire().await.unwrap().forget();
        // Some are sent twice, though they were answered.
        for _ in 0..=usize::from(event.is_multiple_of(7)) {
            let mut tries = 0;
            let status = loop {
                let url = &urls[(event + tries) % urls.len()];
                let request = client
                    .post(url)
                    .header("ce-id", event.to_string())
                    .header("ce-source", "test")
                    .body(body(event));
                match request.send().await {
                    Ok(answer) if answer.status().is_success() => break answer.status(),
                    other => assert!(tries < 3_000, "not taken in: {other:?}"),
                }
                tries += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            counts.retries.fetch_add(tries, Ordering::SeqCst);
            counts.known.fetch_add(usize::from(status == 200), Ordering::SeqCst);
        }
    }
}
